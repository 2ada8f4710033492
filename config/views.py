"""Health for load balancers and supervisors, and metrics for whoever watches."""

import hmac
import sys
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import CollectorRegistry

from config.middleware import DATABASE_UNAVAILABLE, service_unavailable
from core.client_ip import get_client_ip
from webhooks.inbox import ip_allowlist
from webhooks.monitoring.metrics import collect

#: Whether this process has seen the database at the version of the code; it is asked until then, and never again.
_migrated = False


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process can answer at all. A supervisor restarts it otherwise."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if requests can be served: the database answers and is migrated. A load balancer waits otherwise."""
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
    """Tell the figures of webhooks.monitoring.metrics, as OpenMetrics or as Prometheus's older text, whichever is asked for.

    For whoever has METRICS_TOKEN as a Bearer token, or asks from METRICS_ALLOWED_IPS; for others there is no such page.
    """
    if not _may_read_metrics(request):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    if "application/openmetrics-text" in request.headers.get("Accept", ""):
        return HttpResponse(openmetrics.generate_latest(registry), content_type=openmetrics.CONTENT_TYPE_LATEST)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Figures:
    """What prometheus-client takes for a collector."""

    @staticmethod
    def collect() -> Iterator[Metric]:
        return collect()


def _may_read_metrics(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    if expected and scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), expected.encode()):
        return True
    allowed = tuple(settings.METRICS_ALLOWED_IPS)
    return bool(allowed) and ip_allowlist.is_in(get_client_ip(request), allowed)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Show Django's page for what is not there, and tell search engines to forget the address."""
    response = defaults.page_not_found(request, exception)
    response["X-Robots-Tag"] = "noindex"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Show Django's page for a fault of ours; for one of the database's, met outside of views, ask to come again.

    Middleware asks the database, too: for the flags, when a page comes with an expired token.
    """
    error = sys.exc_info()[1]
    return (
        service_unavailable(request, error)
        if isinstance(error, DATABASE_UNAVAILABLE)
        else defaults.server_error(request)
    )


def _problem() -> str:
    global _migrated  # noqa: PLW0603
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "" if _migrated else "migrations_pending"
