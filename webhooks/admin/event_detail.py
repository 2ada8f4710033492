"""The page of one event: what became of it, what was tried, what it changed, and what it said."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit import log
from audit.log import Origin
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from webhooks import event_context, event_status
from webhooks.admin import changes, links
from webhooks.models import WebhookEvent
from webhooks.payloads import tree as payload_tree

REVEAL = "webhooks.reveal_payload"


class RevealForm(forms.Form):
    """Why somebody wants to see personal values."""

    reason = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=500,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Say why you want to see them; it is written into the audit log.")},
    )


class EventDetail(ReadOnlyAdmin):
    """What WebhookEventAdmin inherits for the page of one event."""

    def get_urls(self) -> list[URLPattern]:
        """Add where personal values are asked for. As all pages of the admin, it is never stored by a browser."""
        view = self.admin_site.admin_view(post_only(self.reveal))
        return [path("<path:object_id>/reveal/", view, name="webhooks_webhookevent_reveal"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the event instead of a form that has nothing to fill in; all else is refused as on any page."""
        event = self.get_object(request, object_id)
        if event is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, event):
            return super().change_view(request, object_id, form_url, extra_context)
        return self._page(request, event, RevealForm())

    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the page with personal values, once, to whoever may see them and says why."""
        event, form = self.get_object(request, object_id), RevealForm(request.POST)
        if event is None:
            self.message_user(request, _("There is no event with the id %s.") % object_id[:40], messages.WARNING)
            return redirect("admin:webhooks_webhookevent_changelist")
        if not (self.has_view_permission(request, event) and may_reveal(request)):
            raise PermissionDenied
        if event.payload is None or not form.is_valid():
            return self._page(request, event, form)
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
            **look(event),
            "payload": None if event.payload is None else payload_tree.read(event.payload, revealed=revealed),
            "revealed": revealed,
            "may_reveal": may_reveal(request),
            "form": form,
        }
        return TemplateResponse(request, "admin/webhooks/webhookevent/detail.html", context)


def may_reveal(request: HttpRequest) -> bool:
    """Return whether the person may see personal values in payloads."""
    return request.user.has_perm(REVEAL)


def look(event: WebhookEvent) -> dict[str, Any]:
    """Return all that the page tells of an event besides its payload; eight statements at most."""
    around = event_context.of(event)
    effects = list(event_context.effects(event)[: event_context.MOST_SHOWN])
    return {
        "outlook": event_status.tell(event, timezone.now()),
        "around": around,
        "tries": event_context.tries(event),
        "effects": [(row, changes.describe(row), links.target_url(row.target)) for row in effects],
        "deeds": [(row, changes.describe(row)) for row in event_context.deeds(event)[: event_context.MOST_SHOWN]],
        "most_shown": event_context.MOST_SHOWN,
        "audit_link": links.changelist_url("audit_auditlog", delivery=event.svix_id),
        "headers": event_context.headers(event),
        "secret": event_context.secret(event),
        "why_empty": event_context.why_empty(event, around.user) if event.payload is None else "",
    }


def _record(request: HttpRequest, event: WebhookEvent, reason: str) -> None:
    """Write down who is about to see the payload, and why."""
    user = User.objects.filter(clerk_id=event.clerk_user_id).first() if event.clerk_user_id else None
    log.record(
        AuditLog.Action.PAYLOAD_REVEALED,
        actor=request.user,  # type: ignore[arg-type]  # whoever may see it is somebody
        target=event,
        subject=user,
        origin=Origin.from_request(request),
        note=reason,
    )
