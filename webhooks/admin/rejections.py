"""The Rejected requests page, which shows the latest requests for each cause."""

from collections.abc import Mapping
from typing import NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from core.times import HOUR, start_of_hour
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.inbox.rejections import CAUSES, MAX_AGE_DAYS, MAX_SAMPLES, UNAVAILABLE
from webhooks.models import Alert, RejectedRequest, RejectionCount
from webhooks.monitoring.rules.rejections import WRONG_CLOCK

#: The meaning of each cause.
MEANINGS: dict[str, str | Promise] = {
    "bad_signature": gettext_lazy(
        "No configured secret matches. Either the secret is wrong here, or a stranger sent the request."
    ),
    "stale_timestamp": gettext_lazy(
        "The request was signed more than five minutes ago. It is a replay, or the clock is ahead."
    ),
    "future_timestamp": gettext_lazy(
        "The request was signed more than five minutes ahead. The clock is probably behind."
    ),
    "missing_headers": gettext_lazy(
        "The request has no signature. Scanners send such requests, or a proxy removes the headers."
    ),
    "malformed_headers": gettext_lazy("The signature headers cannot be read."),
    "unreadable_body": gettext_lazy("The body is shorter than its Content-Length, or the connection was closed."),
    "not_text": gettext_lazy("The body is not UTF-8."),
    "too_large": gettext_lazy("The body is larger than 512 kB. Svix sends at most about 350 kB."),
    "address_not_allowed": gettext_lazy("The client is not in CLERK_WEBHOOK_ALLOWED_IPS."),
    "not_configured": gettext_lazy("CLERK_WEBHOOK_SECRET is not set or not valid, so nothing can be verified."),
    "locked_row": gettext_lazy("Answered with 503: another transaction locked the row for longer than three seconds."),
    "pool_exhausted": gettext_lazy("Answered with 503: every database connection of the process was in use."),
    "disk_full": gettext_lazy("Answered with 503: the disk of the database is full."),
    "database_away": gettext_lazy("Answered with 503: the database could not be reached."),
}
OTHER = gettext_lazy("Another reason.")


class Cause(NamedTuple):
    """A cause, the number of requests in an incident, and the meaning of the cause."""

    name: str
    requests: int
    meaning: str | Promise


def explain(causes: Mapping[str, int]) -> list[Cause]:
    """Return the causes of an incident, most frequent first."""
    ranked = sorted(causes.items(), key=lambda item: -item[1])
    return [Cause(name, requests, MEANINGS.get(name, OTHER)) for name, requests in ranked]


class Group(NamedTuple):
    """A cause, its request count for the current and previous hour, its latest requests, and its runbook."""

    cause: str
    meaning: str | Promise
    recent: int
    is_unavailable: bool
    latest: list[RejectedRequest]
    runbook: str


@operators_page
@require_safe
def rejections(request: HttpRequest) -> HttpResponse:
    """Show the causes of rejected requests, most frequent first. `?cause=` selects a single cause."""
    if not may_view_events(request):
        raise PermissionDenied
    groups, cause = list_groups(), request.GET.get("cause", "")
    context = {
        "title": _("Rejected requests"),
        "groups": [group for group in groups if cause in ("", group.cause)],
        "all_groups": groups,
        "cause": cause,
        "max_samples": MAX_SAMPLES,
        "max_age_days": MAX_AGE_DAYS,
    }
    return render(request, "admin/webhooks/rejections.html", admin.site.each_context(request) | context)


def _runbook_of(cause: str) -> str:
    if cause in UNAVAILABLE:
        return Alert.Rule.UNAVAILABLE
    return Alert.Rule.CLOCK if cause in WRONG_CLOCK else Alert.Rule.REJECTED


def list_groups() -> list[Group]:
    """Return the causes with requests. The table has at most MAX_SAMPLES rows for each cause."""
    since = start_of_hour(timezone.now() - HOUR)
    counted = RejectionCount.objects.filter(hour__gte=since).values_list("cause").annotate(Sum("requests"))
    recent, latest = dict(counted), dict[str, list[RejectedRequest]]()
    for sample in RejectedRequest.objects.all()[: MAX_SAMPLES * len(CAUSES) * 2]:
        latest.setdefault(sample.cause, []).append(sample)
    groups = [
        Group(
            cause,
            MEANINGS.get(cause, OTHER),
            recent.get(cause, 0),
            cause in UNAVAILABLE,
            latest.get(cause, []),
            _runbook_of(cause),
        )
        for cause in CAUSES
        if cause in recent or cause in latest
    ]
    return sorted(groups, key=lambda group: -group.recent)
