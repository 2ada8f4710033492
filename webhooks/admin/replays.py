"""Replays in the Django admin: how far they got, what they found, and how to slow them down or stop them."""

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
from webhooks.admin.event_actions import WhyForm, may_repair, who
from webhooks.admin.pages import operators_page
from webhooks.models import Replay, WebhookEvent
from webhooks.replay import bulk as replays
from webhooks.replay.event_actions import Who

#: What each outcome is called, the icon beside it, and what it means where nothing else is known.
OUTCOMES = {
    "processed": (gettext_lazy("Processed"), "processed", gettext_lazy("nothing is different by it")),
    "ignored": (gettext_lazy("Ignored"), "ignored", gettext_lazy("nothing acts upon it")),
    "stale": (gettext_lazy("Stale"), "stale", gettext_lazy("newer facts are known already")),
    "failed": (gettext_lazy("Failed"), "failed", ""),
    "dead": (gettext_lazy("Dead"), "dead", ""),
    "busy": (gettext_lazy("Busy"), "attention", gettext_lazy("somebody was at work on it; replay it again")),
    "gone": (gettext_lazy("Gone"), "attention", gettext_lazy("it is not there any more")),
}
#: Of what was done for real, the log tells what it changed.
APPLIED = gettext_lazy("applied")
STATE_ICONS = {"waiting": "stale", "running": "failed", "done": "good", "cancelled": "ignored", "failed": "bad"}


class SteerForm(WhyForm):
    """What to do about a replay."""

    deed = forms.ChoiceField(choices=[(deed, deed) for deed in ("pace", "cancel", "for_real", "continue")])
    per_second = forms.IntegerField(
        min_value=0, max_value=1000, required=False, label=gettext_lazy("At most, events a second")
    )


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    """What was replayed or tried, by whom and why."""

    change_form_template = "admin/webhooks/replay/change_form.html"
    list_display = ("kind", "state", "how_far", "filter", "why", "asked_by", "created_at")
    list_filter = ("state", "dry_run")
    list_select_related = ("asked_by",)

    @admin.display(description=gettext_lazy("kind"))
    def kind(self, replay: Replay) -> str:
        """Return whether anything was changed."""
        return str(replay)

    @admin.display(description=gettext_lazy("events"))
    def how_far(self, replay: Replay) -> str:
        """Return how many events are done."""
        return _("%(done)d of %(total)d") % {"done": replay.done, "total": replay.total}

    def get_urls(self) -> list[URLPattern]:
        """Add where the moving part of a page comes from, and where deeds are posted to."""
        progress, steer = operators_page(require_safe(self.progress)), operators_page(post_only(self.steer))
        return [
            path("<path:object_id>/progress/", progress, name="webhooks_replay_progress"),
            path("<path:object_id>/control/", steer, name="webhooks_replay_control"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far it got, and what can be done."""
        replay = self.get_object(request, object_id)
        context = look(replay) if replay else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the moving part for a page that is open, and have it load all of itself once the replay is over."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        replay = self.get_object(request, object_id)
        if replay is None:
            raise Http404
        if not replay.is_active:
            return HttpResponseClientRefresh()
        return render(request, "admin/webhooks/replay/change_form.html#progress", look(replay))

    def steer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change how fast it goes, stop it, begin for real what was tried, or go on with what was stopped."""
        if not may_repair(request):
            raise PermissionDenied
        replay, form = self.get_object(request, object_id), SteerForm(request.POST)
        if replay is None:
            raise Http404
        if form.is_valid():
            replay = self._steer(request, replay, **form.cleaned_data)
        else:
            told = _("Nothing was done. Say why, in at most 500 characters, and how fast, with a number up to 1000.")
            self.message_user(request, told, messages.ERROR)
        return redirect(reverse("admin:webhooks_replay_change", args=[replay.pk]))

    def _steer(self, request: HttpRequest, replay: Replay, deed: str, why: str, per_second: int | None) -> Replay:
        """Do it, say what was done, and return the replay to look at now."""
        by, pace = who(request, why), per_second or 0
        if deed in ("for_real", "continue"):
            begin = self._continue if deed == "continue" else self._begin
            return begin(request, replay, by, replay.per_second if per_second is None else pace)
        done = replays.cancel(replay.pk, by) if deed == "cancel" else replays.set_pace(replay.pk, pace, by)
        if done:
            self.message_user(request, _("Done, and in the audit log."), messages.SUCCESS)
        else:
            self.message_user(request, _("It was over meanwhile, so nothing was done."), messages.WARNING)
        return replay

    def _begin(self, request: HttpRequest, rehearsal: Replay, by: Who, per_second: int) -> Replay:
        if not _may_begin(rehearsal):
            told = _(
                "Only a dry run that is over, and not older than a day, can be done for real. Begin with the list."
            )
            self.message_user(request, told, messages.ERROR)
            return rehearsal
        return self._start(request, rehearsal, by, per_second)

    def _continue(self, request: HttpRequest, stopped: Replay, by: Who, per_second: int) -> Replay:
        if stopped.dry_run:
            self.message_user(
                request, _("A dry run is not gone on with. Do it for real, or begin with the list."), messages.ERROR
            )
            return stopped
        return self._start(request, stopped, by, per_second)

    def _start(self, request: HttpRequest, earlier: Replay, by: Who, per_second: int) -> Replay:
        """Replay the events of a dry run, or those that are left of what was stopped, and return that to look at."""
        try:
            return replays.start(earlier, by, dry_run=False, words=earlier.filter, per_second=per_second)
        except replays.NotStarted as error:
            self.message_user(request, str(error), messages.ERROR)
            return earlier


def _may_begin(replay: Replay) -> bool:
    """Return whether it is a dry run that can be done for real."""
    return replay.dry_run and not replay.is_active and replay.batches.exists()


def look(replay: Replay) -> dict[str, Any]:
    """Return what the page shows besides the row; five statements at most, however many events there are."""
    findings = replay.findings.select_related("event").defer("event__payload", "event__headers")
    return {
        "title": str(replay),
        "subtitle": None,
        "replay": replay,
        "icon": _icon(replay),
        "outcomes": [(*OUTCOMES[name][:2], name, number) for name, number in sorted(replay.counts.items())],
        "groups": _groups(replay),
        "findings": [(finding, *OUTCOMES[finding.outcome][:2]) for finding in findings],
        "may_begin": _may_begin(replay),
        "left": replay.total - replay.done if replays.is_to_continue(replay) else 0,
        "settled": WebhookEvent.SETTLED,
        "steer": SteerForm(initial={"per_second": replay.per_second}),
    }


def _icon(replay: Replay) -> str:
    """Return the icon of its state; what is done is not well if events came out of it unsettled."""
    is_well = replay.state != Replay.State.DONE or replay.counts.keys() <= {*WebhookEvent.SETTLED}
    return STATE_ICONS[replay.state] if is_well else "attention"


def _groups(replay: Replay) -> list[tuple[Any, ...]]:
    """Return name, icon, reason and number of what ended alike, the most frequent first."""
    found = []
    for group, number in sorted(replay.groups.items(), key=lambda item: -item[1]):
        outcome, _bar, reason = group.partition("|")
        name, icon, otherwise = OUTCOMES[outcome]
        if outcome == "processed" and not replay.dry_run:
            otherwise = APPLIED
        found.append((name, icon, reason or otherwise, number))
    return found
