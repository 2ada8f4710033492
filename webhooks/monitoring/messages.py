"""The text of notifications, written when they are sent."""

import apprise
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from webhooks.models import Alert, Notification
from webhooks.monitoring.delivery import Message

TYPES = {
    Alert.Severity.CRITICAL: apprise.NotifyType.FAILURE,
    Alert.Severity.WARNING: apprise.NotifyType.WARNING,
    Alert.Severity.INFO: apprise.NotifyType.INFO,
}


def build(notification: Notification) -> Message:
    alert = notification.alert
    is_resolved = notification.kind == Notification.Kind.RESOLVED
    return Message(
        title=f"[{notification.get_kind_display()}] {alert}",
        body="\n\n".join([alert.summary, _severity(alert), alert_url(alert)]),
        type=apprise.NotifyType.SUCCESS if is_resolved else TYPES[Alert.Severity(alert.severity)],
        key=incident_key(alert.rule),
    )


def alert_url(alert: Alert) -> str:
    return site_url() + reverse("admin:webhooks_alert_change", args=[alert.pk])


def site_url() -> str:
    """Return the site's origin without a slash at its end."""
    [origin, *_rest] = [*settings.CLERK_AUTHORIZED_PARTIES, f"https://{(settings.ALLOWED_HOSTS or ['localhost'])[0]}"]
    return str(origin).rstrip("/")


def incident_key(rule: str) -> str:
    """Return the key of a rule's incident. A rule has at most one open alert, and sites have different keys."""
    return f"{site_url().partition('://')[2]}/{rule}"


def _severity(alert: Alert) -> str:
    return _("Severity: %(severity)s. Open since %(at)s UTC.") % {
        "severity": alert.get_severity_display(),
        "at": f"{alert.opened_at:%d %b %H:%M}",
    }
