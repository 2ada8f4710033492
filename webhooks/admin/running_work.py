"""Progress of bulk replays, full reconciliations and audit verifications, shown on every admin page.

A script loads the progress, so rendering a page needs no extra statement. All requests to a process share one cached
result.
"""

from typing import NamedTuple

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from webhooks.admin.pages import may_view_events, operators_page

CACHE_KEY, CACHE_S = "webhooks.running_work", 3
#: Each part uses a small or partial index. Interrupted reconciliations keep their state, so old runs are excluded.
QUERY = """
SELECT 'replay', id, done, total, dry_run FROM webhooks_replay WHERE in_background AND finished_at IS NULL
UNION ALL
SELECT 'reconciliation', id, compared, clerk_total, dry_run FROM accounts_reconciliation
WHERE kind = 'full' AND state IN ('running', 'paused') AND started_at > now() - interval '1 day'
UNION ALL
SELECT 'verification', NULL, 0, NULL, false FROM procrastinate_jobs
WHERE worker_id IS NOT NULL AND status = 'doing' AND task_name = 'audit.tasks.verify_audit_log'
"""


class Work(NamedTuple):
    """A run in progress.

    Attributes:
        total: the expected number of events or users, or None if it is unknown.
    """

    kind: str
    pk: int | None
    done: int
    total: int | None
    is_dry_run: bool

    @property
    def label(self) -> str | Promise:
        match self.kind:
            case "replay":
                return _("Dry run") if self.is_dry_run else _("Replay")
            case "reconciliation":
                return _("Reconciliation (dry run)") if self.is_dry_run else _("Reconciliation")
            case _:
                return _("Verification of the audit log")

    @property
    def url(self) -> str:
        match self.kind:
            case "replay":
                return reverse("admin:webhooks_replay_change", args=[self.pk])
            case "reconciliation":
                return reverse("admin:accounts_reconciliation_change", args=[self.pk])
            case _:
                return reverse("admin:audit_auditverification_changelist")


def find_running_work() -> list[Work]:
    """Return the runs in progress. The result is cached for CACHE_S seconds."""
    found: list[Work] | None = cache.get(CACHE_KEY)
    if found is None:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            found = [Work(*row) for row in cursor.fetchall()]
        cache.set(CACHE_KEY, found, CACHE_S)
    return found


@operators_page
@require_safe
def running_work(request: HttpRequest) -> HttpResponse:
    """Render the progress as an HTML fragment. Respond with 204 if nothing is running."""
    work = find_running_work() if may_view_events(request) else []
    if not work:
        return HttpResponse(status=204)
    return render(request, "admin/webhooks/_running_work.html", {"work": work})
