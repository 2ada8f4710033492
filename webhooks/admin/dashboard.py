"""The dashboard: whether things are well, the figures, and what needs a person."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import IdentityConflict, MetadataPush
from webhooks.admin import links
from webhooks.admin.filters import UNSETTLED
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.models import Alert, WebhookEvent
from webhooks.monitoring import charts, overall_status
from webhooks.monitoring import dashboard as figures
from webhooks.monitoring.health import Vitals, measure

PushState, EventState = MetadataPush.State, WebhookEvent.State
#: Of each kind of thing that needs a person, so many are named.
MOST_NAMED = 5
SPAN_WORDS = {"24h": gettext_lazy("24 hours"), "30d": gettext_lazy("30 days")}


@operators_page
@require_safe
@vary_on_headers("HX-Request")
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show how things are. A page that is open asks for the moving part of it every ten seconds."""
    if not may_view_events(request):
        raise PermissionDenied
    span = request.GET.get("span") or "24h"
    if span not in figures.SPANS:
        messages.warning(request, _("There are no columns for that stretch of time, so these are the last 24 hours."))
        span = "24h"
    context = look(span)
    if request.htmx:  # type: ignore[attr-defined]
        # What is announced to screen readers is left alone while it says the same.
        context["say"] = request.GET.get("said") != context["said"]
        return render(request, "admin/webhooks/dashboard.html#moving", context)
    return render(request, "admin/webhooks/dashboard.html", admin.site.each_context(request) | context)


def look(span: str) -> dict[str, Any]:
    """Return all that the dashboard shows; the number of statements does not depend on how much there is."""
    vitals, alerts = measure(), list(Alert.objects.open())
    found, lists = overall_status.judge(vitals, alerts), _lists()
    counted = figures.take(vitals.at, span)
    chart = figures.chart(vitals.at, span, counted)
    return {
        "title": _("Dashboard"),
        "vitals": vitals,
        "verdict": found,
        "said": sha256(found.sentence.encode()).hexdigest()[:12],
        "alerts": alerts,
        "rows": [(row, [(count, _link(count)) for count in row.counts]) for row in figures.table(vitals.at, counted)],
        "stretches": figures.starts(vitals.at),
        "chart": chart,
        "legend": _legend(chart),
        "span": span,
        "spans": SPAN_WORDS,
        "timings": figures.timings(counted),
        "shares": [f"p{round(100 * share)}" for share in figures.SHARES],
        "counts_are_stale": overall_status.counts_are_stale(vitals),
        "lists": lists,
        "needs": [(*need[:3], lists[need[2]], need[3]) for need in _needs(vitals) if need[1]],
    }


def _link(count: figures.Count) -> str:
    """Return where the counted events are listed, if they are some of one state."""
    if count.state not in EventState.values or not count.number:
        return ""
    return links.events(state=count.state, since=count.since)


def _legend(chart: charts.Chart) -> list[tuple[str, int, str]]:
    """Return each name in the chart with its events, and where those of a type are listed."""
    since = chart.columns[0].at
    return [
        (name, total, "" if name in ("", charts.OTHERS) else links.events(event_type=name, since=since))
        for name, total in chart.series
    ]


def _lists() -> dict[str, str]:
    return {
        "oldest": links.events(state=UNSETTLED, sort="received"),
        "pending": links.listed("accounts_metadatapush", state__exact=PushState.PENDING),
        "stopped": links.listed("accounts_metadatapush", state__in=f"{PushState.STOPPED},{PushState.REFUSED}"),
        "conflicts": links.listed("accounts_identityconflict", state__exact=IdentityConflict.State.OPEN),
        "jobs": links.listed("procrastinate_procrastinatejob", status__exact="todo"),
        "dead": links.events(state="dead"),
    }


def _needs(vitals: Vitals) -> Iterator[tuple[str, int, str, list[tuple[Any, str]]]]:
    """Yield what waits for a person besides alerts: its kind, how many there are, where, and the first of them."""
    dead = WebhookEvent.objects.filter(state=EventState.DEAD).order_by("received_at").defer("payload", "headers")
    yield _("Dead events"), vitals.dead, "dead", _named(dead)
    conflicts = IdentityConflict.objects.filter(state=IdentityConflict.State.OPEN).order_by("opened_at")
    yield _("Accounts that may be one person's"), vitals.open_conflicts, "conflicts", _named(conflicts)
    stopped = MetadataPush.objects.filter(state__in=[PushState.STOPPED, PushState.REFUSED]).select_related("user")
    yield _("Pushes that were given up"), vitals.stopped_pushes, "stopped", _named(stopped.order_by("requested_at"))


def _named(rows: QuerySet[Any]) -> list[tuple[Any, str]]:
    """Return the first rows, each with the address of its page."""
    opts = rows.model._meta
    name = f"admin:{opts.app_label}_{opts.model_name}_change"
    return [(row, reverse(name, args=[row.pk])) for row in rows[:MOST_NAMED]]
