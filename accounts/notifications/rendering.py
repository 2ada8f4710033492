"""Build the email of a notification."""

from email.policy import SMTP
from urllib.parse import urlsplit

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from accounts.models import Notification, NotificationPreferences
from accounts.notifications import preferences as choices
from accounts.notifications.content import Content
from accounts.notifications.kinds import Kind
from accounts.notifications.unsubscribe import unsubscribe_url
from core.mail_headers import header_text
from core.mail_policy import EmailWithLinks


def build_email(
    notification: Notification, kind: Kind, preferences: NotificationPreferences, recipient: str
) -> EmailWithLinks:
    """Build the email in the user's language.

    Raises:
        Obsolete: the email is no longer needed.
    """
    with translation.override(choices.language_of(preferences)):
        content = kind.build(notification)
        unsubscribe = unsubscribe_url(notification.user, kind) if kind.is_optional else ""
        context = {"content": content, "kind": kind, "name": notification.user.display_name}
        context |= {"unsubscribe": unsubscribe, "settings_url": settings.SITE_URL + reverse("accounts:notifications")}
        email = EmailWithLinks(
            subject=header_text(content.subject),
            body=render_to_string("mail/notification.txt", context),
            to=[recipient],
            reply_to=[content.reply_to] if content.reply_to else [],
            headers=_headers(notification, content, unsubscribe),
        )
        email.attach_alternative(render_to_string("mail/notification.html", context), "text/html")
        return email


def check_email(notification: Notification, kind: Kind, preferences: NotificationPreferences, recipient: str) -> None:
    """Build the email exactly as the job does, so that an error is raised before the cause is committed."""
    build_email(notification, kind, preferences, recipient).message(policy=SMTP).as_bytes()


def _headers(notification: Notification, content: Content, unsubscribe: str) -> dict[str, str]:
    """Return the headers. Retries have the same Message-ID, so that mail clients show a repeated email once."""
    domain = urlsplit(settings.SITE_URL).hostname or "localhost"
    headers = {"Message-ID": f"<notification-{notification.pk}-{notification.created_at.timestamp():.0f}@{domain}>"}
    if content.reply_to is None:
        headers["Auto-Submitted"] = "auto-generated"  # No automatic replies. RFC 3834.
    if unsubscribe:
        headers |= {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return headers
