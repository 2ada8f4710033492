"""Health checks, metrics and error pages."""

import hmac
import logging
import sys
from collections.abc import Iterator
from typing import cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError, Error, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.http.response import HttpResponseBase
from django.views import defaults, i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import CollectorRegistry

from accounts.http import SiteRequest
from config.middleware.site import service_unavailable
from core.client_ip import get_client_ip
from core.db import timeouts
from core.db.outages import is_outage
from webhooks.inbox import ip_allowlist
from webhooks.monitoring.metrics import collect

log = logging.getLogger(__name__)

#: Whether all migrations were applied at this process's last check. Once true, there are no further checks.
_migrated = False


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Liveness probe: return 200 while the process is running."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness probe: return 200 if the database is reachable and migrated and has timeouts, otherwise 503."""
    try:
        problem = _problem()
    except (DatabaseError, InterfaceError, ImproperlyConfigured):
        problem = "database_unreachable"
    if problem:
        return JsonResponse({"status": problem}, status=503)
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics from webhooks.monitoring.metrics in OpenMetrics or Prometheus text format.

    Requests need METRICS_TOKEN as a Bearer token or an IP address in METRICS_ALLOWED_IPS. Other requests get 404.
    """
    if not _can_read_metrics(request):
        return HttpResponseNotFound("Not found\n", content_type="text/plain")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    try:
        return _exposition(request, registry)
    except Error as error:
        if not is_outage(error):
            raise
        return service_unavailable(request, error)


def _exposition(request: HttpRequest, registry: CollectorRegistry) -> HttpResponse:
    if "application/openmetrics-text" in request.headers.get("Accept", ""):
        return HttpResponse(openmetrics.generate_latest(registry), content_type=openmetrics.CONTENT_TYPE_LATEST)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Collector:
    @staticmethod
    def collect() -> Iterator[Metric]:
        return collect()


def _can_read_metrics(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    if expected and scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), expected.encode()):
        return True
    allowed = tuple(settings.METRICS_ALLOWED_IPS)
    return bool(allowed) and ip_allowlist.is_in(get_client_ip(request), allowed)


@csrf_exempt  # Shared caches store pages with this form, so it cannot contain a token.
@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Store the chosen language in a cookie, and return to the page with the form. Other sites cannot send it."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDenied
    return i18n.set_language(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    _skip_csrf_check(request)
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    _skip_csrf_check(request)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    _skip_csrf_check(request)
    response = defaults.page_not_found(request, exception)
    response["X-Robots-Tag"] = "noindex"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Render 500.html, or return 503 if middleware failed because the database is unavailable.

    The authentication middleware queries the database for flags if a page load has an expired token.
    """
    error = sys.exc_info()[1]
    _skip_csrf_check(request)
    return service_unavailable(request, error) if error and is_outage(error) else defaults.server_error(request)


def _skip_csrf_check(request: HttpRequest) -> None:
    """Prevent Django's error pages from parsing the body, because a malformed body would cause another error.

    Error pages check the CSRF token when they render it. They do not change any data, so the check is not needed.
    """
    cast("SiteRequest", request)._dont_enforce_csrf_checks = True


def _problem() -> str:
    global _migrated  # noqa: PLW0603
    missing = timeouts.missing_timeouts()
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not _migrated:
        return "migrations_pending"
    if missing:
        log.error("Database sessions have no %s. %s", " and no ".join(missing), timeouts.repair_hint(missing))
    return "timeouts_missing" if missing else ""
