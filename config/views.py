"""Health for load balancers and supervisors."""

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

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


def _problem() -> str:
    global _migrated  # noqa: PLW0603
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "" if _migrated else "migrations_pending"
