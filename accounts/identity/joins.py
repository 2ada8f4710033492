"""Join two accounts of one person for an admin, although no conflict was found between them."""

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.extensions import extensions
from accounts.identity import conflicts
from accounts.identity.conflicts import ResolutionError
from accounts.models import IdentityConflict, User
from accounts.sync import matching
from audit.log import SYSTEM, Actor

State = IdentityConflict.State
#: The label of a value, and the value before and after a join.
type Change = tuple[str, str, str]


@transaction.atomic
def join(user: User, other: User, *, actor: Actor, note: str) -> IdentityConflict:
    """Join two accounts between which no conflict is open. Return the record, with which the join can be undone.

    Args:
        user: the account that gives its Clerk identity.
        other: the account that receives the identity and stays in use.

    Raises:
        ResolutionError: these accounts cannot be joined.
    """
    if user.pk == other.pk:
        raise ResolutionError(_("Choose two different accounts."))
    if not note.strip():
        raise ResolutionError(_("Enter a reason."))
    conflict = _manual_conflict(user, other)
    conflicts.resolve(conflict, State.MOVED if other.clerk_id else State.LINKED, actor=actor, note=note.strip())
    return conflict


def preview(user: User, other: User) -> list[tuple[User, list[Change]]]:
    """Return both accounts with their values before and after a join. The join is rolled back.

    Raises:
        ResolutionError: these accounts cannot be joined.
    """
    before = [_shown_values(account) for account in (user, other)]
    with transaction.atomic():
        join(user, other, actor=SYSTEM, note="-")
        after = [_shown_values(User.objects.get(pk=account.pk)) for account in (user, other)]
        transaction.set_rollback(True)
    return [
        (account, [(label, value, new[label]) for label, value in old.items()])
        for account, old, new in zip((user, other), before, after, strict=True)
    ]


def _shown_values(user: User) -> dict[str, str]:
    return {
        _("Clerk ID"): user.clerk_id or "–",
        _("Name"): user.name or "–",
        _("Email"): user.email or "–",
        _("Roles"): ", ".join(user.role_labels) or "–",
        _("Status"): ", ".join(str(reason.label) for reason in user.inactive_reasons) or _("Active"),
        _("Builder page"): _page(user),
    }


def _page(user: User) -> str:
    url = extensions.page_url(user.pk)
    if not url:
        return "–"
    return url if user.is_active else _("%s (not public)") % url


def _manual_conflict(user: User, other: User) -> IdentityConflict:
    """Return an open conflict for a join by an admin. A decided conflict between the accounts is used again."""
    pair = Q(user=user, other=other) | Q(user=other, other=user)
    known = list(IdentityConflict.objects.select_for_update().filter(pair))
    if any(conflict.is_open and not conflict.is_suggestion for conflict in known):
        raise ResolutionError(_("A conflict between these accounts is already open. Resolve it instead."))
    if any(conflict.state in (State.LINKED, State.MOVED) for conflict in known):
        raise ResolutionError(_("These accounts are already joined. Undo that first."))
    conflict = next((c for c in known if c.user_id == user.pk), None) or IdentityConflict(user=user, other=other)
    conflict.kind, conflict.state, conflict.resolved_at = IdentityConflict.Kind.MANUAL, State.OPEN, None
    conflict.evidence = {"user": matching.snapshot(user), "other": matching.snapshot(other)}
    conflict.save()
    return conflict
