"""Give users the role Admin. With ADMIN_APPROVAL, a second admin has to approve each request within a day."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AdminGrant, User
from accounts.roles.admin_mail import mail_admins
from accounts.roles.permissions import RoleChangeError, check_permission
from accounts.roles.services import change_roles
from accounts.sync import derived_state
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog

Action, State = AuditLog.Action, AdminGrant.State
ADMIN = User.Role.ADMIN


class AlreadyDecidedError(RoleChangeError):
    """The request was decided before, or has expired. The message is shown to the admin."""


@transaction.atomic
def give_admin(user: User, *, reason: str, actor: Actor) -> AdminGrant | None:
    """Give a user the role Admin, or ask the other admins for their approval. All admins are notified by email.

    Returns:
        The approved or pending request, or None if the user is already an admin.

    Raises:
        RoleChangeError: `actor` is no longer an admin, or the user is not active in Clerk, or a request is pending.
    """
    # In one statement, because `change_roles` locks both rows in primary key order.
    [locked] = [row for row in derived_state.lock("id", {user.pk, actor.user.pk}) if row.pk == user.pk]
    actor = _current_admin(actor)
    check_permission(actor.user, locked, [ADMIN])
    if ADMIN in locked.roles:
        return None
    expire_overdue()
    if AdminGrant.objects.filter(user=locked, state=State.PENDING).exists():
        raise RoleChangeError(_("Another request to make %(name)s an admin is waiting for approval.") % {"name": user})
    grant = AdminGrant.objects.create(user=locked, requested_by=actor.user, reason=reason)
    if settings.ADMIN_APPROVAL:
        log.record(Action.ADMIN_REQUESTED, actor=actor, target=grant, subject=locked, note=reason)
        mail_admins.defer(grant_id=grant.pk, state=State.PENDING)
    else:
        _give(grant, actor)
    return grant


@transaction.atomic
def approve(grant: AdminGrant, *, note: str = "", actor: Actor) -> AdminGrant:
    """Give the user the role Admin as a second admin.

    Raises:
        AlreadyDecidedError: the request was decided before, or has expired.
        RoleChangeError: the actor is not an admin or has requested the role, the admin who requested it is no longer an
            admin, or the user is not active in Clerk.
    """
    locked = _lock(grant)
    actor = _current_admin(actor)
    if actor.user.pk == locked.requested_by_id:
        raise RoleChangeError(_("You have made this request. Another admin has to approve it."))
    if not _is_admin(locked.requested_by):
        raise RoleChangeError(
            _("%(name)s, who made this request, is no longer an admin.") % {"name": locked.requested_by}
        )
    log.record(Action.ADMIN_APPROVED, actor=actor, target=locked, subject=locked.user, note=note)
    _give(locked, actor, note)
    return locked


@transaction.atomic
def refuse(grant: AdminGrant, *, note: str = "", actor: Actor) -> AdminGrant:
    """Refuse a request, or withdraw an own request.

    Raises:
        AlreadyDecidedError: the request was decided before, or has expired.
        RoleChangeError: the actor is not an admin.
    """
    locked = _lock(grant)
    actor = _current_admin(actor)
    log.record(Action.ADMIN_REFUSED, actor=actor, target=locked, subject=locked.user, note=note)
    _decide(locked, State.REFUSED, actor, note)
    return locked


@transaction.atomic
def expire_overdue() -> int:
    """Mark overdue requests as expired, and return how many. Until then, they cannot be approved either."""
    overdue = list(
        AdminGrant.objects.overdue().select_related("user").select_for_update(skip_locked=True, of=("self",))
    )
    for grant in overdue:
        log.record(Action.ADMIN_EXPIRED, actor=SYSTEM, target=grant, subject=grant.user)
        _decide(grant, State.EXPIRED, SYSTEM)
    return len(overdue)


def _lock(grant: AdminGrant) -> AdminGrant:
    """Lock a request, so that of two simultaneous decisions only one is made."""
    rows = AdminGrant.objects.select_related("user", "requested_by").select_for_update(of=("self",))
    locked: AdminGrant = rows.get(pk=grant.pk)
    if not locked.is_open:
        state = State.EXPIRED if locked.state == State.PENDING else State(locked.state)
        message = _("Nothing was changed. The request was already closed: %(state)s.")
        raise AlreadyDecidedError(message % {"state": state.label})
    return locked


def _current_admin(actor: Actor) -> Actor:
    """Read the acting user again, who may have lost the role since the request started."""
    user = User.objects.filter(pk=actor.user.pk).first()
    if not _is_admin(user):
        raise RoleChangeError(_("You are no longer an admin."))
    return actor.with_user(user)


def _is_admin(user: User | None) -> bool:
    return user is not None and user.is_staff


def _give(grant: AdminGrant, actor: Actor, note: str = "") -> None:
    change_roles(grant.user, add=[ADMIN], actor=actor, reason=grant.reason)
    _decide(grant, State.APPROVED, actor, note)


def _decide(grant: AdminGrant, state: AdminGrant.State, actor: Actor, note: str = "") -> None:
    grant.state, grant.decided_by, grant.decided_at, grant.decision_reason = state, actor.user, timezone.now(), note
    grant.save(update_fields=["state", "decided_by", "decided_at", "decision_reason"])
    mail_admins.defer(grant_id=grant.pk, state=state)
