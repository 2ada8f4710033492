"""The dashboard: overall status, event counts, health signals and items that need attention."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.http import SiteRequest
from accounts.models import IdentityConflict, MetadataPush
from core.db.locked_tables import LockedTable, find_locked_tables
from core.db.page_parts import PageParts
from webhooks.admin import links
from webhooks.admin.events.filters import UNSETTLED
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.jobs.states import STOPPED
from webhooks.models import Alert, ErrorGroup, MaintenanceWindow, WebhookEvent
from webhooks.monitoring import overall_status, rules
from webhooks.monitoring.dashboard import charts, tiles
from webhooks.monitoring.dashboard import counts as dashboard_data
from webhooks.monitoring.dashboard.query import DashboardCounts
from webhooks.monitoring.health import Health, measure
from webhooks.monitoring.rules import site
from webhooks.monitoring.signals import Signal, State

PushState, EventState = MetadataPush.State, WebhookEvent.State
#: Number of rows listed for each kind of item that needs attention.
MAX_LISTED = 5
#: New errors are counted up to this number.
MAX_COUNTED_ERRORS = 1000
DAY = timedelta(days=1)
#: The measurements that show whether the counts are up to date.
COUNTS_FACTS = {"aggregated_at", "worker_starts"}
#: A listed row, its name and its URL.
type FirstRow = tuple[Model, str, str]
SPAN_LABELS = {"24h": gettext_lazy("24 hours"), "30d": gettext_lazy("30 days")}


@operators_page
@require_safe
@vary_on_headers("HX-Request")
def dashboard(request: SiteRequest) -> HttpResponse:
    """Show the dashboard. An open page polls its live part every ten seconds."""
    if not may_view_events(request):
        raise PermissionDenied
    span = request.GET.get("span") or "24h"
    if span not in dashboard_data.CHART_SPANS:
        messages.warning(request, _("Unknown time range. Showing the last 24 hours."))
        span = "24h"
    context = build_context(span)
    if request.htmx:
        # Screen readers announce the status when the element is replaced, so it is sent only if it has changed.
        context["status_changed"] = request.GET.get("status") != context["status_digest"]
        return render(request, "admin/webhooks/dashboard.html#live", context)
    return render(request, "admin/webhooks/dashboard.html", admin.site.each_context(request) | context)


def build_context(span: str) -> dict[str, Any]:
    """Return the template context. The number of queries does not depend on the amount of data.

    If a table is locked, or a statement times out, every part is read separately with short timeouts.
    """
    locked = find_locked_tables()
    if locked or connection.in_atomic_block:
        return _build(span, PageParts(is_patient=not locked), locked)
    with suppress(OperationalError):
        context = _build(span, PageParts(is_patient=True), locked)
        if not context["unread_health"]:
            return context
    return _build(span, PageParts(is_patient=False), find_locked_tables())


def _build(span: str, parts: PageParts, locked: Sequence[LockedTable]) -> dict[str, Any]:
    health = measure(nullcontext if parts.is_patient else parts.isolated)
    open_alerts = parts.read(_("Alerts"), lambda: list(Alert.objects.open()), None)
    alerts = open_alerts or []
    with parts.isolated():
        signals = rules.evaluate(health)
    _update_shown(alerts, signals, health.at)
    windows = MaintenanceWindow.objects.active(health.at).order_by("-ends_at")
    maintenance = parts.read(_("Maintenance windows"), windows.first, None)
    counts = parts.read(_("Event counts"), lambda: dashboard_data.fetch_counts(health.at, span), None)
    attention = [item for item in _attention(health, parts) if item[1]]
    status = overall_status.summarize(
        signals,
        alerts,
        health.at,
        locked=[_("The table %s is locked") % table.name for table in locked],
        unread=[_("%s: could not be checked") % label for label in parts.unread],
    )
    return {
        "title": _("Dashboard"),
        "health": health,
        "unread_health": health.unread,
        "unread": parts.unread,
        "locked": locked,
        "overall_status": status,
        "status_digest": sha256(status.text.encode()).hexdigest()[:12],
        "alerts": alerts,
        "unread_alerts": open_alerts is None,
        "maintenance": maintenance,
        "signals": _without_alert(signals, alerts),
        "span": span,
        "spans": SPAN_LABELS,
        "list_urls": _list_urls(),
        "attention": attention,
        **(_counts_context(health.at, span, counts) if counts else {}),
        "counts_are_stale": not health.unread & COUNTS_FACTS and site.counts_are_stale(health),
    }


def _counts_context(now: datetime, span: str, counts: DashboardCounts) -> dict[str, Any]:
    chart, rows = dashboard_data.build_chart(now, span, counts), dashboard_data.build_table(now, counts)
    return {
        "rows": [(row, [(cell, _cell_url(cell)) for cell in row.cells]) for row in rows],
        "tiles": [(tile, _tile_url(tile, now - DAY)) for tile in tiles.build_tiles(now, span, rows, counts)],
        "periods": dashboard_data.period_starts(now),
        "chart": chart,
        "columns": _columns(chart, span),
        "legend": _legend(chart),
        "timings": dashboard_data.build_timings(counts),
        "percentiles": [f"p{round(100 * fraction)}" for fraction in dashboard_data.PERCENTILES],
    }


def _update_shown(alerts: Iterable[Alert], signals: Mapping[Alert.Rule, Signal], now: datetime) -> None:
    """Show the current signals in alerts without saving them, because the next check of the alerts is up to 15 s away."""
    for alert in alerts:
        signal = signals[Alert.Rule(alert.rule)]
        if signal.state == State.BROKEN:
            alert.title, alert.summary, alert.ok_since = signal.title, signal.summary, None
        elif signal.state != State.UNKNOWN:
            alert.ok_since = alert.ok_since or now


def _without_alert(signals: Mapping[Alert.Rule, Signal], alerts: Iterable[Alert]) -> list[tuple[Alert.Rule, Signal]]:
    """Return the signals that are not well and have no open alert that shows them."""
    shown = {alert.rule for alert in alerts if alert.ok_since is None}
    return [(rule, signal) for rule, signal in signals.items() if signal.state != State.WELL and rule not in shown]


def _cell_url(cell: dashboard_data.Cell) -> str:
    """Return the URL of the list of counted events or requests, or "" if the count is zero or no list exists."""
    if not cell.number:
        return ""
    if cell.state == "rejected":
        return reverse("webhooks:rejections")
    if cell.state == "received":
        return links.events_url(since=cell.since)
    return links.events_url(state=cell.state, since=cell.since) if cell.state in EventState.values else ""


def _tile_url(tile: tiles.Tile, since: datetime) -> str:
    """Return the URL of the list for a 24-hour figure."""
    if tile.key == "rejected":
        return reverse("webhooks:rejections")
    if tile.key == "lag":
        return links.events_url(since=since, sort="-lag")
    return links.events_url(state=UNSETTLED if tile.key == "unsettled" else "", since=since)


def _columns(chart: charts.Chart, span: str) -> list[tuple[charts.Column, str]]:
    """Return each column with the URL of its events."""
    width = dashboard_data.CHART_SPANS[span][2]
    return [(column, links.events_url(since=column.at, until=column.at + width)) for column in chart.columns]


def _legend(chart: charts.Chart) -> list[tuple[str, int, str]]:
    since = chart.columns[0].at
    return [
        (name, total, "" if name in ("", charts.OTHERS) else links.events_url(event_type=name, since=since))
        for name, total in chart.series
    ]


def _list_urls() -> dict[str, str]:
    return {
        "oldest": links.events_url(state=UNSETTLED, sort="received"),
        "pending": links.changelist_url("accounts_metadatapush", state=PushState.PENDING),
        "stopped": links.changelist_url("accounts_metadatapush", state="given_up"),
        "conflicts": links.changelist_url("accounts_identityconflict", state__exact=IdentityConflict.State.OPEN),
        "failed_jobs": links.jobs_url(*STOPPED),
        "jobs": links.jobs_url(overdue="1"),
        "dead": links.events_url(state="dead"),
        "failed": links.events_url(state="failed"),
        "errors": f"{reverse('admin:webhooks_errorgroup_changelist')}?state=new&state=returned",
    }


def _attention(health: Health, parts: PageParts) -> Iterator[tuple[str, int, str, str, list[FirstRow]]]:
    """Yield items other than alerts that need attention: label, number, key and URL in _list_urls, and the first rows.

    Items that cannot be read are yielded by `parts`.
    """
    dead = WebhookEvent.objects.filter(state=EventState.DEAD).order_by("received_at").defer("payload", "headers")
    errors = ErrorGroup.objects.filter(state__in=[ErrorGroup.State.NEW, ErrorGroup.State.RETURNED])
    newest = errors.order_by("-last_at")[: MAX_COUNTED_ERRORS + 1]
    conflicts = IdentityConflict.objects.waiting().order_by("opened_at")
    stopped = MetadataPush.objects.filter(state__in=[PushState.STOPPED, PushState.REFUSED]).select_related("user")
    items: list[tuple[str, Callable[[], int], str, QuerySet[Any]]] = [
        (_("Dead events"), lambda: health.dead, "dead", dead),
        (_("New errors"), lambda: len(newest), "errors", newest),
        (_("Identity conflicts"), lambda: health.open_conflicts, "conflicts", conflicts),
        (_("Stopped pushes"), lambda: health.stopped_pushes, "stopped", stopped.order_by("requested_at")),
    ]
    for label, count, key, rows in items:
        number, first = parts.read(label, partial(_count_and_list, count, rows), (0, []))
        yield label, number, key, _list_urls()[key], first


def _count_and_list(count: Callable[[], int], rows: QuerySet[Any]) -> tuple[int, list[FirstRow]]:
    return count(), _first_rows(rows)


def _first_rows(rows: QuerySet[Any]) -> list[FirstRow]:
    """Return the rows with their names, which can need other tables, and their URLs."""
    opts = rows.model._meta
    name = f"admin:{opts.app_label}_{opts.model_name}_change"
    return [(row, str(row), reverse(name, args=[row.pk])) for row in rows[:MAX_LISTED]]
