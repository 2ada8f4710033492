"""Repair pages for recovering missed deliveries and sending a test delivery to the site."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from webhooks.admin.events.actions import ReasonForm, can_repair
from webhooks.admin.lists.filters import UTCDateTimeField
from webhooks.admin.pages import operators_page
from webhooks.doctor import self_delivery
from webhooks.doctor.self_delivery import Answer
from webhooks.inbox import signatures
from webhooks.models import WebhookEvent
from webhooks.replay import recovery
from webhooks.replay.recovery import Scope

#: Svix keeps messages for 90 days.
MAX_AGE = timedelta(days=90)
#: The suggested start time is this long before the newest event.
MARGIN = timedelta(minutes=5)


class RecoveryForm(ReasonForm):
    scope = forms.ChoiceField(
        choices=[
            (Scope.FAILED, gettext_lazy("Deliveries that this site did not accept")),
            (Scope.MISSING, gettext_lazy("Messages that were never sent to this endpoint")),
        ],
        initial=Scope.FAILED,
        widget=forms.RadioSelect,
        label=gettext_lazy("Send again"),
    )
    since = UTCDateTimeField(label=gettext_lazy("Since (UTC)"))

    field_order = ("scope", "since", "reason")

    def clean_since(self) -> datetime:
        since: datetime = self.cleaned_data["since"]
        if not timezone.now() - MAX_AGE <= since <= timezone.now():
            raise forms.ValidationError(_("Enter a time within the last %d days.") % MAX_AGE.days)
        return since


def _secret_choices() -> list[tuple[int, str]]:
    return [
        (number, _("Secret %(number)d (%(fingerprint)s)") % {"number": number, "fingerprint": fingerprint[:6]})
        for number, fingerprint in enumerate(map(signatures.fingerprint, settings.CLERK_WEBHOOK_SECRETS), 1)
    ]


class TestDeliveryForm(ReasonForm):
    """Secrets are selected by position so that their values are never shown."""

    __test__ = False  # not a test class

    position = forms.TypedChoiceField(coerce=int, choices=_secret_choices, label=gettext_lazy("Sign with"))


@operators_page
@require_http_methods(["GET", "HEAD", "POST"])
def recovery_page(request: HttpRequest) -> HttpResponse:
    """Explain how to recover missed deliveries, and start a recovery if Svix's API key is configured."""
    if not can_repair(request):
        raise PermissionDenied
    suggested = _suggested_start()
    form = RecoveryForm(
        request.POST if request.method == "POST" else None, initial={"since": suggested.isoformat()}, label_suffix=""
    )
    if request.method == "POST" and not recovery.is_configured():
        messages.error(request, _("Nothing was started, because SVIX_API_KEY is not set."))
    elif form.is_valid() and _recover(request, form.cleaned_data):
        return redirect("webhooks:recovery")
    context = {"title": _("Recover missed deliveries"), "form": form, "suggested": suggested}
    context["is_configured"] = recovery.is_configured()
    return render(request, "admin/webhooks/recovery.html", admin.site.each_context(request) | context)


def _suggested_start() -> datetime:
    newest = WebhookEvent.objects.order_by("-received_at").values_list("received_at", flat=True).first()
    oldest = timezone.now() - MAX_AGE + MARGIN
    return max(newest - MARGIN, oldest) if newest else timezone.now() - timedelta(days=1)


def _recover(request: HttpRequest, values: dict[str, Any]) -> bool:
    """Start the recovery, audit the attempt and Svix's response, and return whether Svix accepted the request."""
    scope, since = Scope(values["scope"]), values["since"]
    try:
        answer, is_started = recovery.recover(scope, since), True
    except recovery.RecoveryError as error:
        answer, is_started = str(error), False
    facts = {"scope": scope, "since": since, "answer": answer, "note": values["reason"]}
    log.record(AuditLog.Action.DELIVERIES_RECOVERED, actor=Actor.from_request(request), target=WebhookEvent(), **facts)
    if is_started:
        text = _("Svix has started the task %s. The events appear in the list as they arrive.") % answer
        messages.success(request, text)
    else:
        messages.error(request, answer)
    return is_started


@operators_page
@require_http_methods(["GET", "HEAD", "POST"])
def test_delivery_page(request: HttpRequest) -> HttpResponse:
    """Send a test delivery, and explain the response."""
    if not can_repair(request):
        raise PermissionDenied
    form = TestDeliveryForm(request.POST if request.method == "POST" else None, label_suffix="")
    answer = _send(request, form.cleaned_data) if form.is_valid() else None
    event = WebhookEvent.objects.filter(svix_id=answer.svix_id).first() if answer else None
    context = {
        "title": _("Send a test delivery"),
        "form": form,
        "answer": answer,
        "event": event,
        "url": self_delivery.target_url(),
    }
    return render(request, "admin/webhooks/test_delivery.html", admin.site.each_context(request) | context)


def _send(request: HttpRequest, values: dict[str, Any]) -> Answer | None:
    secret = settings.CLERK_WEBHOOK_SECRETS[values["position"] - 1]
    try:
        answer = self_delivery.send(secret)
    except signatures.NotConfigured as error:
        messages.error(request, str(error))
        return None
    event = WebhookEvent.objects.filter(svix_id=answer.svix_id).first() or WebhookEvent(svix_id=answer.svix_id)
    log.record(
        AuditLog.Action.TEST_DELIVERY_SENT,
        actor=Actor.from_request(request),
        target=event,
        status=answer.status,
        answer=answer.text[:200],
        position=values["position"],
        note=values["reason"],
    )
    return answer
