"""Read Clerk's whole list of users in parts, so that missed deletions are found within hours at a bounded cost.

Recently changed users do not show deletions, and a missed sign-up or an unreadable user can hide a deletion from the
number of users.
"""

from datetime import timedelta

from django.utils import timezone

from accounts.clerk import api
from accounts.models import Reconciliation
from accounts.sync import reconciliation

#: A new sweep starts this long after the start of the previous one.
START_EVERY = timedelta(hours=3)
#: If the number of users differs from Clerk's, a new sweep starts this soon.
START_EARLY = timedelta(hours=1)
#: Jobs over which a sweep is spread: two hours of jobs that run every 15 minutes.
PARTS = 8
#: Pages that one job reads at most. Larger sites take longer for a sweep.
MAX_PAGES = 40


def pages_due(recent: Reconciliation) -> int:
    """Return how many pages of the list to read now, after `recent` has compared the latest changes."""
    differs = reconciliation.counts_differ(recent)
    if reconciliation.unfinished_run(paused=True) is None and not _is_start_due(
        START_EARLY if differs else START_EVERY
    ):
        return 0
    return MAX_PAGES if differs else min(MAX_PAGES, -(-_total(recent) // (api.PAGE_SIZE * PARTS)))


def _is_start_due(interval: timedelta) -> bool:
    full_runs = Reconciliation.objects.repairing().filter(kind=Reconciliation.Kind.FULL)
    return not full_runs.filter(started_at__gt=timezone.now() - interval).exists()


def _total(recent: Reconciliation) -> int:
    """Return the number of users in Clerk, or the number here if Clerk's is unknown. At least one page is always read."""
    return recent.clerk_total or reconciliation.count_local_users() or 1
