"""The notification channels on the list of alerts, and test messages to them."""

from typing import Any, NamedTuple

import apprise
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.interface_languages import english
from webhooks.admin.events.actions import can_repair
from webhooks.models import Alert, ChannelFailure, Notification
from webhooks.monitoring.notifications import channels, delivery, failures, incidents
from webhooks.monitoring.notifications.channels import Channel
from webhooks.monitoring.notifications.delivery import Message
from webhooks.monitoring.notifications.messages import incident_key

#: Seconds to wait for the answer to a test message, while the admin waits for the page.
TEST_TIMEOUT_S = 10.0


class ChannelRow(NamedTuple):
    channel: Channel
    latest: Notification | None
    failure: ChannelFailure | None


class ChannelsMixin(admin.ModelAdmin[Alert]):
    """Adds the channels to the list of alerts. Every request checks the permission again."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.test_channel, back="../"))
        return [path("test-channel/", view, name="webhooks_alert_test_channel"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"channels": _channel_rows(), "can_test": can_repair(request)}
        return super().changelist_view(request, (extra_context or {}) | context)

    def test_channel(self, request: HttpRequest) -> HttpResponse:
        """Send a test message, record it in the audit log, and show the channel's answer."""
        if not can_repair(request):
            raise PermissionDenied
        channel = channels.configured().get(request.POST.get("channel", ""))
        if channel is None:
            self.message_user(request, _("This channel is no longer in ALERT_URLS."), messages.WARNING)
        else:
            with english():
                error = _send_test(channel)
                target = Notification(kind=_("Test"), channel=channel.name)
            failures.record(channel.name, [error])
            if not error:
                failures.retry_now(channel.name)
            actor = Actor.from_request(request)
            log.record(AuditLog.Action.ALERT_CHANNEL_TESTED, actor=actor, target=target, answer=error or "accepted")
            text = error or _("The channel accepted the test message.")
            answer = f"{_('Test of %s') % channel.name}: {text}"
            self.message_user(request, answer, messages.ERROR if error else messages.SUCCESS)
        return redirect("admin:webhooks_alert_changelist")


def _channel_rows() -> list[ChannelRow]:
    configured = channels.configured()
    found = Notification.objects.filter(channel__in=configured).order_by("channel", "-pk").distinct("channel")
    latest = {notification.channel: notification for notification in found}
    failing = ChannelFailure.objects.in_bulk(list(configured), field_name="channel")
    return [ChannelRow(channel, latest.get(name), failing.get(name)) for name, channel in configured.items()]


def _send_test(channel: Channel) -> str:
    """Send a test message and return the error or "". An incident that the message opens is closed immediately."""
    title = _("[Test] %(site)s") % {"site": settings.SITE_URL.partition("://")[2]}
    body = _("This is a test of the alert notifications of %(site)s. No action is needed.") % {
        "site": settings.SITE_URL
    }
    kinds = [apprise.NotifyType.INFO, *([incidents.RESOLVED] if incidents.has_incidents(channel.url) else [])]
    batch = [(kind, Message(title, body, kind, incident_key("test"))) for kind in kinds]
    errors = delivery.send_all({channel.url: batch}, TEST_TIMEOUT_S)
    return next(filter(None, errors.values()), "")
