"""Admin actions on events: dry run, replay, resolve, fetch the user from Clerk, and copy as test fixture."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin.access import may_repair
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.admin.post_only import post_only
from core.forms import LineField
from core.interface_languages import english
from webhooks.admin.events.filters import resolved_filters
from webhooks.admin.events.list import EventChangeList
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.models import Replay, WebhookEvent
from webhooks.payloads import anonymize
from webhooks.replay import bulk as replays
from webhooks.replay import event_actions
from webhooks.replay.event_actions import ActingAdmin

#: Maximum number of selected events that are counted for the form.
MAX_COUNTED = 10_000


class ReasonForm(forms.Form):
    """The reason for an action, for the audit log."""

    reason = LineField(max_length=500, label=gettext_lazy("Reason"), widget=forms.TextInput(attrs={"size": 40}))


class EventIdsField(forms.TypedMultipleChoiceField):
    """Event IDs. Unknown IDs are valid, because the events are looked up later."""

    def valid_value(self, value: str) -> bool:
        return value.isdecimal()


class ReplayForm(ReasonForm):
    """An action on several events: the events in `events`, or all events that match the filters in the URL.

    `newest` is the highest event ID at the time when the form was shown. Later events are not included.
    """

    action = forms.ChoiceField(choices=[(name, name) for name in ("dry_run", "replay", "resolve")])
    rate_limit = forms.IntegerField(
        min_value=0, max_value=1000, initial=20, required=False, label=gettext_lazy("Rate limit (events per second)")
    )
    newest = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)
    events = EventIdsField(coerce=int, required=False)

    def clean_rate_limit(self) -> int:
        return self.cleaned_data["rate_limit"] or 0


def can_repair(request: HttpRequest) -> bool:
    return may_view_events(request) and may_repair(request)


def acting_admin(request: HttpRequest, reason: str) -> ActingAdmin:
    return ActingAdmin(Actor.from_request(request), reason)


class RepairMixin(admin.ModelAdmin[WebhookEvent]):
    """Adds actions to the event pages. Every request checks the permission again."""

    actions = ("repair_selected",)

    def has_repair_permission(self, request: HttpRequest) -> bool:
        return can_repair(request)

    def get_urls(self) -> list[URLPattern]:
        return [
            path("repair/", operators_page(self.repair_many), name="webhooks_webhookevent_repair"),
            path(
                "<path:object_id>/repair/",
                operators_page(post_only(self.repair_one)),
                name="webhooks_webhookevent_repair_one",
            ),
            *super().get_urls(),
        ]

    # --- Several events ---

    @admin.action(description=gettext_lazy("Replay or resolve selected events…"), permissions=["repair"])
    def repair_selected(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> HttpResponse:
        url = reverse("admin:webhooks_webhookevent_repair")
        if request.POST.get("select_across") == "1":
            return redirect(f"{url}?{request.GET.urlencode()}")
        return self._show_form(request, queryset, ids=list(queryset.order_by("pk").values_list("pk", flat=True)))

    def repair_many(self, request: HttpRequest) -> HttpResponse:
        """Show or process the form for all events that match the filters in the URL."""
        if not can_repair(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self._back(request, _("Nothing was changed, because the filter is invalid. Filter the list again."))
        assert isinstance(changelist, EventChangeList)  # noqa: S101
        if changelist.warnings:
            return self._back(request, _("Nothing was changed.") + " " + " ".join(changelist.warnings))
        if changelist.timed_out:
            return self._back(
                request, _("Nothing was changed, because the search took too long. Narrow the time range.")
            )
        events, description = changelist.queryset, describe_filters(changelist)
        if request.method != "POST":
            return self._show_form(request, events, description)
        form = ReplayForm(request.POST)
        if not form.is_valid():
            message = _("Nothing was changed. Enter a reason (up to 500 characters) and a rate limit from 0 to 1000.")
            return self._back(request, message)
        return self._apply_many(request, events, description, form.cleaned_data)

    def _show_form(
        self, request: HttpRequest, events: QuerySet[WebhookEvent], description: str = "", ids: list[int] | None = None
    ) -> HttpResponse:
        number = len(ids) if ids is not None else events.order_by().values("pk")[: MAX_COUNTED + 1].count()
        context = {
            "title": _("Replay events"),
            "opts": self.opts,
            "ids": ids,
            "number": number,
            "is_more": number > MAX_COUNTED,
            "description": description,
            "newest": WebhookEvent.objects.order_by("-pk").values_list("pk", flat=True).first(),
            "form": ReplayForm(),
            "query": request.GET.urlencode(),
        }
        return render(
            request, "admin/webhooks/webhookevent/repair.html", self.admin_site.each_context(request) | context
        )

    def _apply_many(
        self, request: HttpRequest, events: QuerySet[WebhookEvent], description: str, data: dict[str, Any]
    ) -> HttpResponse:
        by, ids = acting_admin(request, data["reason"]), data["events"]
        if data["action"] == "resolve":
            return self._resolve_many(request, ids, by)
        if ids:
            events = WebhookEvent.objects.filter(pk__in=ids)
            with english():
                description = ngettext("%d selected event", "%d selected events", len(ids)) % len(ids)
        else:
            # Events that arrived after the form was shown are not included.
            events = events.filter(pk__lte=data["newest"] or 0)
        options = {
            "dry_run": data["action"] == "dry_run",
            "description": description,
            "rate_limit": data["rate_limit"],
        }
        return self._start(request, lambda: replays.start(events, by, **options))

    def _start(self, request: HttpRequest, start: Callable[[], Replay]) -> HttpResponse:
        try:
            return redirect(reverse("admin:webhooks_replay_change", args=[start().pk]))
        except replays.ReplayNotStarted as error:
            return self._back(request, str(error))

    def _resolve_many(self, request: HttpRequest, ids: list[int], by: ActingAdmin) -> HttpResponse:
        done = busy = 0
        for pk in ids:
            try:
                done += event_actions.resolve(pk, by)
            except OperationalError as error:
                if not event_actions.is_lock_error(error):
                    raise
                busy += 1
        message = ngettext("%d event was resolved.", "%d events were resolved.", done) % done
        if settled := len(ids) - done - busy:
            message += " " + ngettext("%d was already settled.", "%d were already settled.", settled) % settled
        if busy:
            text = ngettext(
                "%d could not be changed because another process is using it. Try again.",
                "%d could not be changed because another process is using them. Try again.",
                busy,
            )
            message += " " + text % busy
        if not done:
            return self._back(request, message, messages.WARNING)
        self.message_user(request, message, messages.SUCCESS)
        url = reverse("admin:webhooks_webhookevent_changelist")
        return redirect(f"{url}?{resolved_filters(request.GET, ids).urlencode()}")

    # --- One event ---

    def repair_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not can_repair(request):
            raise PermissionDenied
        event, form = self.get_object(request, object_id), ReasonForm(request.POST)
        handlers = {"resolve": self._resolve, "fetch": self._fetch_user, "fixture": self._show_fixture}
        action = request.POST.get("action", "")
        if event is None:
            raise Http404
        if not form.is_valid() or action not in {"dry_run", "replay", *handlers}:
            return self._back(request, _("Nothing was changed. Enter a reason of up to 500 characters."), event=event)
        by = acting_admin(request, form.cleaned_data["reason"])
        if action in handlers:
            return handlers[action](request, event, by)
        options: dict[str, Any] = {"dry_run": action == "dry_run", "description": str(event)}
        return self._start(request, lambda: replays.start(WebhookEvent.objects.filter(pk=event.pk), by, **options))

    def _resolve(self, request: HttpRequest, event: WebhookEvent, by: ActingAdmin) -> HttpResponse:
        try:
            if event_actions.resolve(event.pk, by):
                return self._back(
                    request, _("Event resolved and recorded in the audit log."), messages.SUCCESS, event=event
                )
        except OperationalError as error:
            if not event_actions.is_lock_error(error):
                raise
            return self._back(request, _("The event is being changed by another process. Try again."), event=event)
        message = _("The event is already settled, so there is nothing to resolve.")
        if last := event_actions.last_action(event):
            message += f" {last.get_action_display()}: {last.actor_label}, {last.timestamp:%Y-%m-%d %H:%M} UTC."
        return self._back(request, message, messages.WARNING, event=event)

    def _fetch_user(self, request: HttpRequest, event: WebhookEvent, by: ActingAdmin) -> HttpResponse:
        if not event.clerk_user_id:
            return self._back(request, _("The event does not contain a user ID."), event=event)
        if not settings.CLERK_SECRET_KEY:
            return self._back(
                request, _("The user cannot be fetched from Clerk: CLERK_SECRET_KEY is not set."), event=event
            )
        report = event_actions.fetch_user(event, by)
        self.message_user(request, _("Fetching the user from Clerk. Reload this report in a moment."), messages.SUCCESS)
        return redirect(reverse("admin:accounts_reconciliation_change", args=[report.pk]))

    def _show_fixture(self, request: HttpRequest, event: WebhookEvent, by: ActingAdmin) -> HttpResponse:
        try:
            text = anonymize.make_fixture(event.payload)
        except anonymize.FixtureError as error:
            return self._back(request, str(error), event=event)
        log.record(AuditLog.Action.EVENT_COPIED, actor=by.actor, target=event, note=by.reason)
        name = f"{slugify(event.event_type.replace('.', '-')) or 'event'}-{event.pk}.json"
        if "download" in request.POST:
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return HttpResponse(f"{text}\n", content_type="application/json", headers=headers)
        context = {"title": _("Test fixture"), "opts": self.opts, "original": event, "text": text, "reason": by.reason}
        context |= self.admin_site.each_context(request)
        return render(request, "admin/webhooks/webhookevent/fixture.html", context)

    def _back(
        self, request: HttpRequest, message: str, level: int = messages.ERROR, event: WebhookEvent | None = None
    ) -> HttpResponse:
        self.message_user(request, message, level)
        if event is not None:
            return redirect(reverse("admin:webhooks_webhookevent_change", args=[event.pk]))
        return redirect("admin:webhooks_webhookevent_changelist")


def describe_filters(changelist: EventChangeList) -> str:
    """Return a description of the active filters. It contains no names or email addresses, because it is stored."""
    with english():
        chips = [(chip.label, chip.stored or str(chip.value)) for chip in changelist.chips()]
        words = [f"{label}: {_('(an email address)') if '@' in value else value}" for label, value in chips]
        return ", ".join(words)[:500] or _("all events")
