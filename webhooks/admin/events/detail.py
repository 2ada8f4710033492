"""The page of one event, and the form that reveals personal data in its payload."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from accounts.sessions.verification import restored_fields
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.verification import ask_to_verify
from core.forms import LineField
from webhooks import event_context, event_status
from webhooks.admin import changes, links
from webhooks.models import WebhookEvent
from webhooks.payloads import tree as payload_tree

REVEAL = "webhooks.reveal_payload"


class RevealForm(forms.Form):
    reason = LineField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Enter a reason. It is recorded in the audit log.")},
    )


class EventDetail(ReadOnlyAdmin[WebhookEvent]):
    """The part of WebhookEventAdmin for the page of a single event."""

    def get_urls(self) -> list[URLPattern]:
        """Add the reveal URL. Like all admin pages, its response is never cached."""
        view = self.admin_site.admin_view(post_only(self.reveal))
        return [path("<path:object_id>/reveal/", view, name="webhooks_webhookevent_reveal"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        """Return events, with their error groups for the pages of one event."""
        events = super().get_queryset(request)
        is_page = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return events.select_related("error_group") if is_page else events

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the event instead of Django's form. Other methods and missing permissions are handled by Django."""
        event = self.get_object(request, object_id)
        if event is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, event):
            return super().change_view(request, object_id, form_url, extra_context)
        return self._page(request, event, RevealForm(initial=restored_fields(request)))

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the page once with personal data. Users need the permission and have to enter a reason."""
        event, form = self.get_object(request, object_id), RevealForm(request.POST)
        if event is None:
            self.message_user(request, _("There is no event with the ID %s.") % object_id[:40], messages.WARNING)
            return redirect("admin:webhooks_webhookevent_changelist")
        if not (self.has_view_permission(request, event) and can_reveal(request)):
            raise PermissionDenied
        if event.payload is None or not form.is_valid():
            return self._page(request, event, form)
        if response := ask_to_verify(request, reverse("admin:webhooks_webhookevent_change", args=[event.pk])):
            return response
        _record(request, event, form.cleaned_data["reason"])
        return self._page(request, event, form, revealed=True)

    def _page(
        self, request: HttpRequest, event: WebhookEvent, form: RevealForm, *, revealed: bool = False
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": event.event_type or _("Unreadable event"),
            "event": event,
            "original": event,
            **detail_context(event),
            "payload": None if event.payload is None else payload_tree.build(event.payload, revealed=revealed),
            "revealed": revealed,
            "can_reveal": can_reveal(request),
            "form": form,
        }
        return TemplateResponse(request, "admin/webhooks/webhookevent/detail.html", context)


def can_reveal(request: HttpRequest) -> bool:
    return request.user.has_perm(REVEAL)


def detail_context(event: WebhookEvent) -> dict[str, Any]:
    """Return the template context of an event without its payload, in at most eight queries."""
    context = event_context.build_context(event)
    effects = list(event_context.effects(event)[: event_context.MAX_ROWS])
    actions = event_context.admin_actions(event)[: event_context.MAX_ROWS]
    return {
        "status": event_status.status_of(event, timezone.now()),
        "context": context,
        "attempts": event_context.attempt_history(event),
        "effects": [(row, changes.describe(row), links.target_url(row.target)) for row in effects],
        "admin_actions": [(row, changes.describe(row)) for row in actions],
        "audit_link": links.changelist_url("audit_auditlog", delivery=event.svix_id),
        "headers": event_context.visible_headers(event),
        "secret": event_context.describe_secret(event),
        "why_no_payload": event_context.why_no_payload(event, context.user) if event.payload is None else "",
    }


def _record(request: HttpRequest, event: WebhookEvent, reason: str) -> None:
    user = User.objects.filter(clerk_id=event.clerk_user_id).first() if event.clerk_user_id else None
    log.record(
        AuditLog.Action.PAYLOAD_REVEALED,
        actor=Actor.from_request(request),
        target=event,
        subject=user,
        note=reason,
    )
