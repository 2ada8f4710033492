"""What people do about events, in the Django admin: replay them, call them resolved, ask Clerk anew, copy them."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from audit import log
from audit.log import Origin
from audit.models import AuditLog
from core.admin.post_only import post_only
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.models import WebhookEvent
from webhooks.payloads import anonymize
from webhooks.replay import bulk as replays
from webhooks.replay import event_actions
from webhooks.replay.event_actions import Who

#: Events are counted up to here before anything is asked.
MOST_COUNTED = 10_000


class WhyForm(forms.Form):
    """Why somebody does something."""

    why = forms.CharField(max_length=500, label=gettext_lazy("Why"), widget=forms.TextInput(attrs={"size": 40}))


class ReplayForm(WhyForm):
    """Which events to replay, besides what the address filters, and how."""

    deed = forms.ChoiceField(choices=[(deed, deed) for deed in ("dry_run", "replay", "resolve")])
    per_second = forms.IntegerField(
        min_value=0, max_value=1000, initial=20, required=False, label=gettext_lazy("At most, events a second")
    )
    newest = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)
    events = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def clean_per_second(self) -> int:
        """Take nothing for no limit."""
        return self.cleaned_data["per_second"] or 0


def may_repair(request: HttpRequest) -> bool:
    """Return whether the person may do something about events, at this moment: admins, and local operators."""
    user = request.user
    return may_view_events(request) and isinstance(user, User) and (user.is_superuser or user.has_role(User.Role.ADMIN))


def who(request: HttpRequest, why: str) -> Who:
    """Return who does something, and why."""
    return Who(request.user, Origin.from_request(request), why)  # type: ignore[arg-type]


class RepairMixin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic class when it runs
    """Adds to the page of events what can be done about them; every deed is posted, and asks who it is."""

    actions = ("repair_selected",)

    def has_repair_permission(self, request: HttpRequest) -> bool:
        """Return whether the actions are offered."""
        return may_repair(request)

    def get_urls(self) -> list[URLPattern]:
        """Add where deeds are asked for and posted to."""
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
        """Ask what to do with them; nothing is done yet."""
        address = reverse("admin:webhooks_webhookevent_repair")
        if request.POST.get("select_across") == "1":
            return redirect(f"{address}?{request.GET.urlencode()}")
        return self._ask(request, queryset, ids=list(queryset.order_by("pk").values_list("pk", flat=True)))

    def repair_many(self, request: HttpRequest) -> HttpResponse:
        """Ask what to do with all events that the address filters, or do what was chosen."""
        if not may_repair(request):
            raise PermissionDenied
        try:
            shown = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self._back(request, _("The filter was not understood, so nothing was done. Filter the list anew."))
        if complaints := getattr(shown, "warnings", None):
            return self._back(request, _("Nothing was done.") + " " + " ".join(complaints))
        if getattr(shown, "timed_out", False):
            return self._back(request, _("The search took too long. Choose a shorter time range."))
        found = shown.queryset
        if request.method != "POST":
            return self._ask(request, found, words(shown))
        form = ReplayForm(request.POST)
        form.fields["events"].choices = [(pk, pk) for pk in request.POST.getlist("events") if pk.isdecimal()]  # type: ignore[attr-defined]
        if not form.is_valid():
            reason = _("Nothing was done. Say why, in at most 500 characters, and how fast, with a number up to 1000.")
            return self._back(request, reason)
        return self._do_many(request, found, words(shown), form.cleaned_data)

    def _ask(
        self, request: HttpRequest, events: QuerySet[Any], told: str = "", ids: list[int] | None = None
    ) -> HttpResponse:
        number = len(ids) if ids is not None else events.order_by().values("pk")[: MOST_COUNTED + 1].count()
        context = {
            "title": _("Replay events"),
            "opts": self.opts,
            "ids": ids,
            "number": number,
            "is_more": number > MOST_COUNTED,
            "words": told,
            "newest": WebhookEvent.objects.order_by("-pk").values_list("pk", flat=True).first(),
            "form": ReplayForm(),
            "query": "" if ids is not None else request.GET.urlencode(),
        }
        return render(
            request, "admin/webhooks/webhookevent/repair.html", self.admin_site.each_context(request) | context
        )

    def _do_many(self, request: HttpRequest, found: QuerySet[Any], told: str, chosen: dict[str, Any]) -> HttpResponse:
        by, ids = who(request, chosen["why"]), chosen["events"]
        if chosen["deed"] == "resolve":
            return self._resolve_many(request, ids, by)
        if ids:
            events: QuerySet[Any] = WebhookEvent.objects.filter(pk__in=ids)
            told = ngettext("%d selected event", "%d selected events", len(ids)) % len(ids)
        else:
            # What came since the person was asked was not meant.
            events = found.filter(pk__lte=chosen["newest"] or 0)
        options = {"dry_run": chosen["deed"] == "dry_run", "words": told, "per_second": chosen["per_second"]}
        return self._start(request, lambda: replays.start(events, by, **options))

    def _start(self, request: HttpRequest, start: Callable[[], Any]) -> HttpResponse:
        try:
            return redirect(reverse("admin:webhooks_replay_change", args=[start().pk]))
        except replays.NotStarted as error:
            return self._back(request, str(error))

    def _resolve_many(self, request: HttpRequest, ids: list[int], by: Who) -> HttpResponse:
        done = busy = 0
        for pk in ids:
            try:
                done += event_actions.resolve(pk, by)
            except OperationalError as error:
                if not event_actions.is_at_work(error):
                    raise
                busy += 1
        told = ngettext("%d event was resolved.", "%d events were resolved.", done) % done
        if left := len(ids) - done - busy:
            told += " " + ngettext("%d was settled before.", "%d were settled before.", left) % left
        if busy:
            told += " " + _("Somebody is at work on %d of them; try again.") % busy
        return self._back(request, told, messages.SUCCESS if done else messages.WARNING)

    # --- One event ---

    def repair_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Do what was chosen with one event."""
        if not may_repair(request):
            raise PermissionDenied
        event, form = self.get_object(request, object_id), WhyForm(request.POST)
        deeds = {"resolve": self._resolve, "fetch": self._fetch, "fixture": self._fixture}
        deed = request.POST.get("deed", "")
        if event is None:
            raise Http404
        if not form.is_valid() or deed not in {"dry_run", "replay", *deeds}:
            return self._back(request, _("Nothing was done. Say why, in at most 500 characters."), event=event)
        by = who(request, form.cleaned_data["why"])
        if deed in deeds:
            return deeds[deed](request, event, by)
        options: dict[str, Any] = {"dry_run": deed == "dry_run", "words": str(event)}
        return self._start(request, lambda: replays.start(WebhookEvent.objects.filter(pk=event.pk), by, **options))

    def _resolve(self, request: HttpRequest, event: WebhookEvent, by: Who) -> HttpResponse:
        try:
            if event_actions.resolve(event.pk, by):
                return self._back(request, _("Resolved, and in the audit log."), messages.SUCCESS, event=event)
        except OperationalError as error:
            if not event_actions.is_at_work(error):
                raise
            return self._back(request, _("Somebody is at work on this event; try again."), event=event)
        deed = event_actions.last_deed(event)
        told = _("It is settled already, so there is nothing to resolve.")
        if deed:
            told += f" {deed.get_action_display()}: {deed.actor_label}, {deed.timestamp:%Y-%m-%d %H:%M} UTC."
        return self._back(request, told, messages.WARNING, event=event)

    def _fetch(self, request: HttpRequest, event: WebhookEvent, by: Who) -> HttpResponse:
        if not event.clerk_user_id:
            return self._back(request, _("This event does not say whom it is about."), event=event)
        if not settings.CLERK_SECRET_KEY:
            return self._back(request, _("Clerk cannot be asked: CLERK_SECRET_KEY is not set."), event=event)
        report = event_actions.fetch(event, by)
        self.message_user(request, _("Clerk is being asked. Reload this report in a moment."), messages.SUCCESS)
        return redirect(reverse("admin:accounts_reconciliation_change", args=[report.pk]))

    def _fixture(self, request: HttpRequest, event: WebhookEvent, by: Who) -> HttpResponse:
        try:
            text = anonymize.make(event.payload)
        except anonymize.NoFixture as error:
            return self._back(request, str(error), event=event)
        log.record(AuditLog.Action.EVENT_COPIED, actor=by.actor, target=event, origin=by.origin, note=by.why)
        name = f"{slugify(event.event_type.replace('.', '-')) or 'event'}-{event.pk}.json"
        if "download" in request.POST:
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return HttpResponse(f"{text}\n", content_type="application/json", headers=headers)
        context = {"title": _("Test fixture"), "opts": self.opts, "original": event, "text": text, "why": by.why}
        context |= self.admin_site.each_context(request)
        return render(request, "admin/webhooks/webhookevent/fixture.html", context)

    def _back(
        self, request: HttpRequest, told: str, level: int = messages.ERROR, event: WebhookEvent | None = None
    ) -> HttpResponse:
        self.message_user(request, told, level)
        if event is not None:
            return redirect(reverse("admin:webhooks_webhookevent_change", args=[event.pk]))
        return redirect("admin:webhooks_webhookevent_changelist")


def words(shown: ChangeList) -> str:
    """Return what a list is narrowed to, as its page says it; an address of e-mail is nobody's business later."""
    chips = [(chip.label, str(chip.value)) for chip in shown.chips()]  # type: ignore[attr-defined]  # it is ours
    told = [f"{label}: {_('(an e-mail address)') if '@' in value else value}" for label, value in chips]
    return ", ".join(told)[:500] or _("all events")
