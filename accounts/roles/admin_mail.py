"""Emails to all admins about requests for the role Admin. Like alerts, they are in English."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.models import AdminGrant, Notification, User
from core.jobs import Person, describe
from core.mail_headers import header_text, mailbox

State = AdminGrant.State
SUBJECTS = {
    State.PENDING: "{requester} asks to make {user} an admin",
    State.APPROVED: "{user} is now an admin",
    State.REFUSED: "The request to make {user} an admin was refused",
    State.EXPIRED: "The request to make {user} an admin expired",
}
BODY = """{subject}.

User: {user} ({clerk_id})
Requested by: {requester}
Reason: {reason}
{decision}
{advice}
{url}
"""
ADVICE = {
    State.PENDING: "Another admin has to approve the request within a day. If the request is unexpected, refuse it and ask {requester}.",
    State.APPROVED: "If nobody expects this, take the role away, and check both accounts.",
}


CLERK_BODY = """{subject}.

User: {user} ({clerk_id})
The role was given in Clerk, for example in Clerk's dashboard, and not on this site.
If nobody expects this, take the role away on the user's page, and check the accounts that can open Clerk's dashboard.
{url}
"""


@queue.task(retry=RetryStrategy(max_attempts=9, exponential_wait=4))
@describe(
    _("Notify admins about a new admin"),
    _("Emails all admins about a request for the role Admin, or about its result. If the job fails, they do not know."),
    person=Person("grant_id", "accounts.AdminGrant", "pk", "user__clerk_id"),
)
def mail_admins(grant_id: int, state: str) -> None:
    grant = AdminGrant.objects.select_related("user", "requested_by", "decided_by").get(pk=grant_id)
    if recipients := _recipients():
        build_email(grant, State(state), recipients).send()


@queue.task(retry=RetryStrategy(max_attempts=9, exponential_wait=4))
@describe(
    _("Notify admins about an admin from Clerk"),
    _("Emails all admins that a user was given the role Admin in Clerk. If the job fails, they do not know."),
    person=Person("notification_id", "accounts.Notification", "pk", "user__clerk_id"),
)
def mail_admins_about_clerk(notification_id: int) -> None:
    """Notify all admins of the user of a notification. Do nothing if the notification was erased with its user."""
    found = Notification.objects.select_related("user").filter(pk=notification_id).first()
    recipients = _recipients()
    if found and recipients:
        subject = header_text(SUBJECTS[State.APPROVED].format(user=found.user))
        url = settings.SITE_URL + reverse("admin:accounts_user_change", args=[found.user_id])
        body = CLERK_BODY.format(subject=subject, user=found.user, clerk_id=found.user.clerk_id, url=url)
        EmailMessage(subject=subject, body=body, bcc=recipients).send()


def build_email(grant: AdminGrant, state: AdminGrant.State, recipients: list[str]) -> EmailMessage:
    """Build one email, so that a retry does not notify some admins twice. Their addresses are in Bcc."""
    names = {"user": str(grant.user), "requester": str(grant.requested_by)}
    subject = header_text(SUBJECTS[state].format(**names))
    body = BODY.format(
        **names,
        subject=subject,
        clerk_id=grant.user.clerk_id,
        reason=grant.reason,
        decision=_decision(grant, state),
        advice=ADVICE.get(state, "").format(**names),
        url=settings.SITE_URL + reverse("admin:accounts_admingrant_change", args=[grant.pk]),
    )
    return EmailMessage(subject=subject, body=body, bcc=recipients)


def _decision(grant: AdminGrant, state: AdminGrant.State) -> str:
    if state == State.PENDING or grant.decided_by is None:
        return ""
    note = f", {grant.decision_reason}" if grant.decision_reason else ""
    return f"{grant.get_state_display()} by: {grant.decided_by}{note}\n"


def _recipients() -> list[str]:
    """Return the addresses of all admins. An address that Clerk has not verified may belong to another person."""
    verified_admins = Q(roles__contains=[User.Role.ADMIN], email_verified_at__isnull=False)
    admins = User.objects.filter(verified_admins | Q(is_superuser=True), is_active=True).exclude(email=None)
    return [address for admin in admins.order_by("pk") if (address := mailbox(admin.email))]
