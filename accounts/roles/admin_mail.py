"""Emails to all admins about requests for the role Admin."""

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.models import AdminGrant, Notification, User
from accounts.notifications import send
from accounts.notifications.content import Content, Link
from accounts.notifications.kinds import Kind, Obsolete
from core.jobs import Person, describe

State = AdminGrant.State
SUBJECTS = {
    State.PENDING: _("%(requester)s asks to make %(user)s an admin"),
    State.APPROVED: _("%(user)s is now an admin"),
    State.REFUSED: _("The request to make %(user)s an admin was refused"),
    State.EXPIRED: _("The request to make %(user)s an admin expired"),
}
ADVICE = {
    State.PENDING: _(
        "Another admin has to approve the request within a day. If the request is unexpected, refuse it and ask %(requester)s."
    ),
    State.APPROVED: _("If this is unexpected, take the role away, and check both accounts."),
}


@queue.task(retry=RetryStrategy(max_attempts=9, exponential_wait=4))
@describe(
    _("Notify admins about a new admin"),
    _(
        "Emails all admins about a request for the role Admin, or about its result. If the job fails, they are not notified."
    ),
    person=Person("grant_id", "accounts.AdminGrant", "pk", "user__clerk_id"),
)
def mail_admins(grant_id: int, state: str) -> None:
    """Queue one email for each admin. A retry notifies only the admins who were not notified before."""
    for admin in _admins():
        send.notify(admin, ADMIN_REQUESTS.key, f"request:{grant_id} {State(state)}", grant=grant_id, state=state)


@queue.task(retry=RetryStrategy(max_attempts=9, exponential_wait=4))
@describe(
    _("Notify admins about a new admin from Clerk"),
    _("Emails all admins when a user is given the role Admin in Clerk. If the job fails, they are not notified."),
    person=Person("notification_id", "accounts.Notification", "pk", "user__clerk_id"),
)
def mail_admins_about_clerk(notification_id: int) -> None:
    """Notify all admins about the notification's user. Do nothing if the notification was erased with its user."""
    found = Notification.objects.filter(pk=notification_id).first()
    for admin in _admins() if found else ():
        send.notify(admin, ADMIN_REQUESTS.key, f"clerk:{notification_id}", new_admin=found.user_id if found else None)


def _admins() -> list[User]:
    """Return all active admins, and local operators."""
    is_admin = Q(roles__contains=[User.Role.ADMIN]) | Q(is_superuser=True)
    return list(User.objects.filter(is_admin, is_active=True).exclude(email=None).order_by("pk"))


def _build_content(notification: Notification) -> Content:
    if not notification.user.is_staff:
        raise Obsolete("The user is no longer an admin.")
    if "new_admin" in notification.facts:
        return _build_from_clerk(notification)
    grants = AdminGrant.objects.select_related("user", "requested_by", "decided_by")
    grant = grants.filter(pk=notification.facts.get("grant")).first()
    if grant is None:
        raise Obsolete("The request was deleted.")
    state = State(notification.facts["state"])
    names = {"user": str(grant.user), "requester": str(grant.requested_by)}
    title = SUBJECTS[state] % names
    page = settings.SITE_URL + reverse("admin:accounts_admingrant_change", args=[grant.pk])
    return Content(
        subject=title,
        heading=title,
        facts=_facts(grant, state),
        notes=[str(ADVICE[state] % names)] if state in ADVICE else [],
        button=Link(gettext("Open the request"), page),
    )


def _build_from_clerk(notification: Notification) -> Content:
    user = User.objects.filter(pk=notification.facts["new_admin"], erased_at=None).first()
    if user is None:
        raise Obsolete("The new admin was erased.")
    title = SUBJECTS[State.APPROVED] % {"user": str(user)}
    return Content(
        subject=title,
        heading=title,
        paragraphs=[
            gettext("The role was given in Clerk, for example in Clerk’s dashboard, and not on this site."),
        ],
        facts=[(gettext("User"), f"{user} ({user.clerk_id})")],
        notes=[
            gettext(
                "If this is unexpected, take the role away on the user’s page, and check the accounts that can open Clerk’s dashboard."
            )
        ],
        button=Link(
            gettext("Open the user’s page"), settings.SITE_URL + reverse("admin:accounts_user_change", args=[user.pk])
        ),
    )


def _facts(grant: AdminGrant, state: AdminGrant.State) -> list[tuple[str, str]]:
    facts = [
        (gettext("User"), f"{grant.user} ({grant.user.clerk_id})"),
        (gettext("Requested by"), str(grant.requested_by)),
        (gettext("Reason"), grant.reason),
    ]
    if state != State.PENDING and grant.decided_by:
        note = f", {grant.decision_reason}" if grant.decision_reason else ""
        facts.append((gettext("Decided by"), f"{grant.decided_by}{note}"))
    return facts


ADMIN_REQUESTS = Kind(
    "admin_requests",
    _("New admins"),
    _("When an admin asks to make another user an admin, and when the request is decided."),
    _build_content,
    why_required=_("You cannot turn this email off, because admins can see other people’s data."),
    is_for_admins=True,
)
KINDS = (ADMIN_REQUESTS,)
