"""Change the state of an error group."""

from django.db import transaction
from django.utils import timezone

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from webhooks.models import ErrorGroup

State = ErrorGroup.State
#: States that an admin can set.
SETTABLE = (State.KNOWN, State.RESOLVED)


class ChangedMeanwhile(Exception):
    """The group changed after the admin opened its page.

    Attributes:
        group: the current row.
    """

    def __init__(self, group: ErrorGroup) -> None:
        super().__init__(str(group))
        self.group = group


def version(group: ErrorGroup) -> str:
    """Return a string that changes whenever the state changes."""
    return f"{group.state} {group.changed_at.isoformat() if group.changed_at else ''}".strip()


@transaction.atomic
def change_state(pk: int, state: ErrorGroup.State, actor: Actor, *, seen: str) -> None:
    """Set the state of a group.

    Args:
        seen: the version shown to the admin.

    Raises:
        ChangedMeanwhile: the group has a different version. Nothing was changed.
    """
    group = ErrorGroup.objects.select_for_update(of=("self",)).select_related("changed_by").get(pk=pk)
    if version(group) != seen:
        raise ChangedMeanwhile(group)
    if group.state == state:
        return
    changes = {"state": (group.state, state)}
    group.state, group.changed_at, group.changed_by = state, timezone.now(), actor.user
    group.save(update_fields=["state", "changed_at", "changed_by"])
    log.record(AuditLog.Action.ERROR_GROUP_CHANGED, actor=actor, target=group, changes=changes, place=group.place)
