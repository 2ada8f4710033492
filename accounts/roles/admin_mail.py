"""Emails to all admins about requests for the role Admin."""

from django.db.models import Q
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.models import AdminGrant, Notification, User
from accounts.notifications import send
from accounts.notifications.content import Content, Link
from accounts.notifications.kinds import Kind, Obsolete
from core.jobs import Person, describe

State = AdminGrant.State
#: Maximum number of new admins that an email lists.
MAX_LISTED = 20
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
    _("Notify admins about new admins from Clerk"),
    _("Emails all admins when users are given the role Admin in Clerk. If the job fails, they are not notified."),
)
def mail_admins_about_clerk(notification_ids: list[int]) -> None:
    """Queue one email about all users of the notifications for each admin.

    One email for each user would be thousands of emails if many users become admins at once.
    """
    new = list(Notification.objects.filter(pk__in=notification_ids).order_by("pk").values_list("user_id", flat=True))
    for admin in _admins() if new else ():
        send.notify(admin, ADMIN_REQUESTS.key, f"clerk:{min(notification_ids)}", new_admins=new)


def _admins() -> list[User]:
    """Return all active admins, and local operators."""
    is_admin = Q(roles__contains=[User.Role.ADMIN]) | Q(is_superuser=True)
    return list(User.objects.filter(is_admin, is_active=True).exclude(email=None).order_by("pk"))


def _build_content(notification: Notification) -> Content:
    if not notification.user.is_staff:
        raise Obsolete("The user is no longer an admin.")
    if "new_admins" in notification.facts:
        return _build_from_clerk(notification)
    grants = AdminGrant.objects.select_related("user", "requested_by", "decided_by")
    grant = grants.filter(pk=notification.facts.get("grant")).first()
    if grant is None:
        raise Obsolete("The request was deleted.")
    state = State(notification.facts["state"])
    names = {"user": str(grant.user), "requester": str(grant.requested_by)}
    title = SUBJECTS[state] % names
    return Content(
        subject=title,
        facts=_facts(grant, state),
        notes=[str(ADVICE[state] % names)] if state in ADVICE else [],
        button=Link.to_page(gettext("Open the request"), "admin:accounts_admingrant_change", grant.pk),
    )


def _build_from_clerk(notification: Notification) -> Content:
    users = User.objects.filter(pk__in=notification.facts["new_admins"], erased_at=None).order_by("pk")
    number, shown = users.count(), list(users[:MAX_LISTED])
    if not shown:
        raise Obsolete("The new admins were erased.")
    title = SUBJECTS[State.APPROVED] % {"user": str(shown[0])}
    if number > 1:
        title = ngettext("%d user is now an admin", "%d users are now admins", number) % number
    paragraphs = [gettext("The role was given in Clerk, for example in Clerk’s dashboard, and not on this site.")]
    if number > len(shown):
        paragraphs.append(gettext("This email lists the first %d of them.") % len(shown))
    return Content(
        subject=title,
        paragraphs=paragraphs,
        facts=[(gettext("User"), f"{user} ({user.clerk_id})") for user in shown],
        notes=[
            gettext(
                "If this is unexpected, take the role away, and check the accounts that can open Clerk’s dashboard."
            )
        ],
        button=_link_to(shown),
    )


def _link_to(users: list[User]) -> Link:
    """Return a link to the only user's page, or to the list of admins."""
    if len(users) == 1:
        return Link.to_page(gettext("Open the user’s page"), "admin:accounts_user_change", users[0].pk)
    return Link.to_page(gettext("Show all admins"), "admin:accounts_user_changelist", query=f"?role={User.Role.ADMIN}")


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
