"""Admin pages of replays: progress and results, and forms to change, cancel, resume or repeat a replay."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from webhooks.admin.events.actions import ReasonForm, acting_admin, can_repair
from webhooks.admin.pages import operators_page
from webhooks.models import Replay, WebhookEvent
from webhooks.replay import bulk as replays
from webhooks.replay.event_actions import ActingAdmin

#: The label and icon of each outcome, and an explanation that is shown if no reason is stored.
OUTCOMES = {
    "processed": (gettext_lazy("Processed"), "processed", gettext_lazy("no changes")),
    "ignored": (gettext_lazy("Ignored"), "ignored", gettext_lazy("not handled")),
    "stale": (gettext_lazy("Stale"), "stale", gettext_lazy("newer data is already stored")),
    "failed": (gettext_lazy("Failed"), "failed", ""),
    "dead": (gettext_lazy("Dead"), "dead", ""),
    "busy": (gettext_lazy("Busy"), "attention", gettext_lazy("in use by another process; replay it again")),
    "gone": (gettext_lazy("Gone"), "attention", gettext_lazy("the event no longer exists")),
}
#: The explanation of "processed" after a replay. The changes are in the audit log.
APPLIED = gettext_lazy("applied")
STATE_ICONS = {"waiting": "stale", "running": "failed", "done": "good", "cancelled": "ignored", "failed": "bad"}


class ReplayControlForm(ReasonForm):
    """An action on a replay: change its rate limit, cancel it, run it for real, or resume it."""

    action = forms.ChoiceField(choices=[(name, name) for name in ("set_rate", "cancel", "run", "resume")])
    rate_limit = forms.IntegerField(
        min_value=0, max_value=1000, required=False, label=gettext_lazy("Rate limit (events per second)")
    )


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin[Replay]):
    """Read-only list and pages of replays, with a form to control them."""

    change_form_template = "admin/webhooks/replay/change_form.html"
    list_display = ("kind", "state", "progress_display", "description", "reason", "requested_by", "created_at")
    list_filter = ("state", "dry_run")
    list_select_related = ("requested_by",)

    @admin.display(description=gettext_lazy("kind"))
    def kind(self, replay: Replay) -> str:
        return str(replay)

    @admin.display(description=gettext_lazy("events"))
    def progress_display(self, replay: Replay) -> str:
        return _("%(done)d of %(total)d") % {"done": replay.done, "total": replay.total}

    def get_urls(self) -> list[URLPattern]:
        progress, control = operators_page(require_safe(self.progress)), operators_page(post_only(self.control))
        return [
            path("<path:object_id>/progress/", progress, name="webhooks_replay_progress"),
            path("<path:object_id>/control/", control, name="webhooks_replay_control"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        replay = self.get_object(request, object_id)
        context = detail_context(replay) if replay else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the live part of the page for polling. Once the replay has ended, the whole page reloads."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        replay = self.get_object(request, object_id)
        if replay is None:
            raise Http404
        if not replay.is_active:
            return HttpResponseClientRefresh()
        return render(request, "admin/webhooks/replay/change_form.html#progress", detail_context(replay))

    def control(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not can_repair(request):
            raise PermissionDenied
        replay, form = self.get_object(request, object_id), ReplayControlForm(request.POST)
        if replay is None:
            raise Http404
        if form.is_valid():
            replay = self._apply(request, replay, **form.cleaned_data)
        else:
            message = _("Nothing was changed. Enter a reason (up to 500 characters) and a rate limit from 0 to 1000.")
            self.message_user(request, message, messages.ERROR)
        return redirect(reverse("admin:webhooks_replay_change", args=[replay.pk]))

    def _apply(self, request: HttpRequest, replay: Replay, action: str, reason: str, rate_limit: int | None) -> Replay:
        by, limit = acting_admin(request, reason), rate_limit or 0
        if action in ("run", "resume"):
            start = self._resume if action == "resume" else self._run_for_real
            return start(request, replay, by, replay.rate_limit if rate_limit is None else limit)
        if action == "cancel":
            done, message = replays.cancel(replay.pk, by), _("%s was cancelled.") % replay
        else:
            done, message = replays.set_rate_limit(replay.pk, limit, by), _("Rate limit changed.")
        if done:
            self.message_user(request, message, messages.SUCCESS)
        else:
            self.message_user(request, _("Nothing was changed, because the replay has ended."), messages.WARNING)
        return replay

    def _run_for_real(self, request: HttpRequest, dry_run: Replay, by: ActingAdmin, rate_limit: int) -> Replay:
        if not _can_run_for_real(dry_run, has_events=dry_run.batches.exists()):
            message = _(
                "Only a dry run that ended within the last day can be run for real. Start again from the list of events."
            )
            self.message_user(request, message, messages.ERROR)
            return dry_run
        return self._start(request, dry_run, by, rate_limit)

    def _resume(self, request: HttpRequest, stopped: Replay, by: ActingAdmin, rate_limit: int) -> Replay:
        if stopped.dry_run:
            message = _("A dry run cannot be resumed. Run it for real, or start again from the list of events.")
            self.message_user(request, message, messages.ERROR)
            return stopped
        return self._start(request, stopped, by, rate_limit)

    def _start(self, request: HttpRequest, earlier: Replay, by: ActingAdmin, rate_limit: int) -> Replay:
        """Start a replay from an earlier one and return it, or the earlier one if it could not be started."""
        try:
            return replays.start(earlier, by, dry_run=False, description=earlier.description, rate_limit=rate_limit)
        except replays.ReplayNotStarted as error:
            self.message_user(request, str(error), messages.ERROR)
            return earlier


def _can_run_for_real(replay: Replay, *, has_events: bool) -> bool:
    return replay.dry_run and not replay.is_active and has_events


def detail_context(replay: Replay) -> dict[str, Any]:
    """Return the template context of a replay, in at most five queries regardless of the number of events."""
    has_events = replay.batches.exists()
    findings = replay.findings.select_related("event").defer("event__payload", "event__headers")
    return {
        "title": str(replay),
        "subtitle": None,
        "replay": replay,
        "icon": _icon(replay),
        "outcomes": [(*OUTCOMES[name][:2], name, number) for name, number in sorted(replay.counts.items())],
        "groups": _groups(replay),
        "findings": [(finding, *OUTCOMES[finding.outcome][:2]) for finding in findings],
        "can_run_for_real": _can_run_for_real(replay, has_events=has_events),
        "remaining": replay.total - replay.done if replays.can_resume(replay) else 0,
        "settled": WebhookEvent.SETTLED,
        "has_event_list": replay.total > 1 and has_events,
        "form": ReplayControlForm(initial={"rate_limit": replay.rate_limit, "reason": replay.reason}),
    }


def _icon(replay: Replay) -> str:
    """Return the icon of the state. A finished replay needs attention if some of its events are unsettled."""
    is_ok = replay.state != Replay.State.DONE or replay.counts.keys() <= {*WebhookEvent.SETTLED}
    return STATE_ICONS[replay.state] if is_ok else "attention"


def _groups(replay: Replay) -> list[tuple[Any, ...]]:
    """Return the label, icon, reason and number of events for each outcome and reason, most frequent first."""
    rows = []
    for group, number in sorted(replay.groups.items(), key=lambda item: -item[1]):
        outcome, _bar, reason = group.partition("|")
        label, icon, default_reason = OUTCOMES[outcome]
        if outcome == "processed" and not replay.dry_run:
            default_reason = APPLIED
        rows.append((label, icon, reason or default_reason, number))
    return rows
