"""Store error groups. core.errors identifies the group of an error."""

from django.utils import timezone

from core.db.statements import insert_new
from core.errors import ErrorKind, identify
from webhooks.models import ErrorGroup

State = ErrorGroup.State
#: Minimum time between updates of a group's last occurrence, so that failures rarely wait for a row lock.
LAST_AT_PRECISION_S = 60


def group_of(error: BaseException) -> int:
    """Return the ID of an error's group. Create the group if it does not exist, and reopen it if it was resolved. Must
    run in a transaction.

    A known group costs one query and usually no update, so concurrent failures do not block each other.
    """
    return group_of_kind(identify(error))


def group_of_kind(kind: ErrorKind) -> int:
    now = timezone.now()
    facts = ErrorGroup.objects.filter(key=kind.key).values_list("pk", "state", "last_at")
    known = facts.first()
    if known is None:
        new = ErrorGroup(key=kind.key, **kind._asdict(), first_at=now, last_at=now)
        if insert_new([new], key="key"):
            return new.pk
        known = facts.get()
    pk, state, last_at = known
    if state == State.RESOLVED:
        changes = {"state": State.RETURNED, "changed_at": now, "changed_by": None}
        ErrorGroup.objects.filter(pk=pk, state=State.RESOLVED).update(**changes)
    if (now - last_at).total_seconds() >= LAST_AT_PRECISION_S:
        ErrorGroup.objects.filter(pk=pk, last_at__lt=now).update(last_at=now)
    return int(pk)
