"""The text of notifications, written when they are sent."""

from collections.abc import Iterator
from datetime import datetime

import apprise
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from audit.log import target_key
from audit.models import AuditLog
from webhooks.models import Alert, Notification
from webhooks.monitoring.error_groups import ranking as error_groups
from webhooks.monitoring.error_groups.ranking import FrequentError
from webhooks.monitoring.notifications.delivery import Message

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
        body="\n\n".join(_resolution(alert) if is_resolved else _problem(alert)),
        type=apprise.NotifyType.SUCCESS if is_resolved else TYPES[Alert.Severity(alert.severity)],
        key=incident_key(alert.rule),
    )


def alert_url(alert: Alert) -> str:
    return settings.SITE_URL + reverse("admin:webhooks_alert_change", args=[alert.pk])


def incident_key(rule: str) -> str:
    """Return the key of a rule's incident. A rule has at most one open alert, and sites have different keys."""
    return f"{settings.SITE_URL.partition('://')[2]}/{rule}"


def _problem(alert: Alert) -> Iterator[str]:
    yield alert.summary
    text = _("Severity: %(severity)s. Open since %(since)s.")
    yield text % {"severity": alert.get_severity_display(), "since": _open_since(alert)}
    yield alert_url(alert)
    if alert.facts.get("latest_error"):
        yield _("Latest error: %s") % alert.facts["latest_error"]
    yield from map(_error_group, error_groups.groups_of(alert))


def _error_group(group: FrequentError) -> str:
    text = _("%(events)d × %(type)s: %(error)s (%(class)s), first %(first)s, last %(last)s UTC.") % {
        "events": group.events,
        "type": group.event_type or _("unreadable event"),
        "error": group.error_type,
        "class": group.error_class,
        "first": _time(group.first_at),
        "last": _time(group.last_at),
    }
    return f"{text}\n{_('Replay')}: {settings.SITE_URL}{group.replay_url}" if group.replay_url else text


def _resolution(alert: Alert) -> Iterator[str]:
    """Describe how and when the alert ended, and the figures at that time."""
    times = {"opened": _open_since(alert), "at": _time(alert.resolved_at or alert.last_seen_at)}
    if alert.resolved_by_id:
        yield _("Resolved by %(person)s at %(at)s UTC. Open since %(opened)s.") % (times | {"person": _resolver(alert)})
        if alert.note:
            yield _("Note: %s") % alert.note
    else:
        text = _("Resolved automatically at %(at)s UTC. Not detected since %(since)s UTC. Open since %(opened)s.")
        yield text % (times | {"since": _time(alert.ok_since or alert.last_seen_at)})
    if alert.resolution:
        yield _("Now: %s") % alert.resolution
    yield alert_url(alert)


def _resolver(alert: Alert) -> str:
    """Return the name in the audit log. Notifications do not read the table of users, which can be locked."""
    rows = AuditLog.objects.filter(target=target_key(alert), action=AuditLog.Action.ALERT_RESOLVED).order_by("-pk")
    return rows.values_list("actor_label", flat=True).first() or _("an admin")


def _open_since(alert: Alert) -> str:
    """Return when the current open period began, and when the problem was first detected if that was earlier."""
    since = _("%s UTC") % _time(alert.open_since)
    return f"{since}, {_('first seen %s UTC') % _time(alert.opened_at)}" if alert.reopened_at else since


def _time(at: datetime) -> str:
    return f"{at:%d %b %H:%M}"
