"""Find and repair differences caused by missed webhooks and pushes, in both directions.

Clerk's webhooks are "not guaranteed to be delivered immediately or at all", so a system that relies only on webhooks
drifts. Payloads from Clerk are applied by `accounts.sync.apply.apply_user`, like events, and local values are pushed.

A full run reads Clerk's list of users page by page. Its report stores the progress, so that an interrupted or paused run
can resume. A recent run reads the latest changes until it reaches the previous run's changes.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

from django.utils import timezone

from accounts.clerk import api, instance_guard
from accounts.clerk.api import ClerkApiError
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import Reconciliation, User
from accounts.sync import matching, repairs, unlisted, user_listing
from accounts.sync.differences import Difference, Span, compare
from core.db.locks import try_lock

log = logging.getLogger(__name__)

Kind, State, DifferenceKind = Reconciliation.Kind, Reconciliation.State, Reconciliation.DifferenceKind
#: A recent run also rereads this period before the previous watermark, because Clerk's list can be delayed.
OVERLAP = timedelta(minutes=10)
#: Number of users to repeat on the next page of changes, because each deletion moves the following users up by one.
PAGE_OVERLAP = 50
#: How long an interrupted or paused run can be resumed.
RESUME_WITHIN = timedelta(days=3)
RETENTION = timedelta(days=90)
#: An advisory lock that prevents concurrent runs. The number is arbitrary but must be unique.
LOCK = 0x636C65726B
#: A function that is called with the number of users compared so far and the total, if known.
type Progress = Callable[[int, int | None], None]


class AlreadyRunningError(Exception):
    """Another reconciliation is running."""


def reconcile(
    *,
    full: bool,
    dry_run: bool = False,
    max_pages: int | None = None,
    progress: Progress = lambda done, of: None,
    run: Reconciliation | None = None,
) -> Reconciliation:
    """Compare all users, or only users changed since the previous run. Repair differences unless `dry_run`.

    The first run always compares all users.

    Args:
        max_pages: pause a full run after this many pages. The next call with `max_pages` continues it.
        run: the report of a full run to continue from the report's cursor.

    Raises:
        ClerkApiError: Clerk's user list could not be read completely, or belongs to another instance. Completed repairs
            are kept, no users are deleted, and the error is stored in the report.
        AlreadyRunningError: another reconciliation is running.
    """
    with try_lock(LOCK) as is_held:
        if not is_held:
            raise AlreadyRunningError("Another reconciliation is already running. See its report in the admin.")
        since = None if full else _watermark()
        if run is None and since is None:
            run = unfinished_run(dry_run=dry_run, paused=max_pages is not None)
        run = run or Reconciliation(kind=Kind.FULL if since is None else Kind.RECENT, dry_run=dry_run, watermark=since)
        run.state = State.RUNNING
        run.save()
        try:
            instance_guard.verify_secret_key()
            run.clerk_total = _count_users()
            is_complete = _read_recent(run, progress) if since else _read_all(run, progress, max_pages)
        except ClerkApiError as error:
            _finish(run, State.FAILED, str(error))
            raise
        _finish(run, State.FINISHED if is_complete else State.PAUSED)
    return run


def reconcile_user(clerk_id: str, *, dry_run: bool = False, run: Reconciliation | None = None) -> Reconciliation:
    """Compare one user with Clerk, and repair differences unless `dry_run`.

    Args:
        run: an existing report to complete.

    Raises:
        ClerkApiError: Clerk returned no usable response.
        ClerkPayloadError: `clerk_id` is not a valid user ID.
    """
    payload, run = api.get_user(clerk_id), run or Reconciliation(kind=Kind.USER, dry_run=dry_run)
    run.compared += 1
    if not isinstance(payload, ClerkUserDeleted):
        repairs.repair(run, compare([payload])[0])
    elif User.objects.live().filter(clerk_id=clerk_id).exists():
        repairs.repair(run, [Difference(clerk_id, DifferenceKind.DELETED, payload)])
    _finish(run, State.FINISHED)
    return run


def counts_differ(run: Reconciliation) -> bool:
    """Return whether Clerk and this site have different numbers of users. Only a full run can find the cause."""
    return run.clerk_total is not None and run.clerk_total != count_local_users()


def count_local_users() -> int:
    return User.objects.live().filter(clerk_id__isnull=False).count()


def delete_old() -> int:
    deleted, _ = Reconciliation.objects.older_than(RETENTION).delete()
    return deleted


def _read_all(run: Reconciliation, progress: Progress, max_pages: int | None) -> bool:
    """Read pages until the list or `max_pages` ends, and return whether the list ended."""
    for _ in count() if max_pages is None else range(max_pages):
        page = user_listing.next_page(run)
        reached = max((user.created_at for user in page.users if user.created_at), default=run.cursor_created_at)
        span = Span(run.cursor_created_at, reached if page.last_id else None)
        listed_before = frozenset(run.boundary_ids)
        run.unlisted_ids = sorted(
            {*run.unlisted_ids, *_process_page(run, page.users, page.unreadable, span)} - listed_before
        )
        boundary_ids = {user.clerk_id for user in page.users if user.created_at == reached}
        run.boundary_ids = sorted(boundary_ids | listed_before if reached == run.cursor_created_at else boundary_ids)
        run.cursor_created_at, run.cursor = reached, page.last_id or ""
        run.save()
        progress(run.compared, run.clerk_total)
        if not page.last_id:
            if not run.dry_run:
                matching.open_missing_conflicts(repairs.ORIGIN)
            unlisted.delete_unlisted(run)
            return True
    return False


def _read_recent(run: Reconciliation, progress: Progress) -> bool:
    until = run.watermark - OVERLAP if run.watermark else None
    offset, met = 0, frozenset[str]()
    while True:
        page = api.list_recent_users(offset)
        fresh = [user for user in page.users if user.clerk_id not in met]
        _process_page(run, fresh, page.unreadable)
        met = frozenset(user.clerk_id for user in page.users)
        run.save()
        progress(run.compared, None)
        if not page.last_id or not fresh or (until and fresh[-1].updated_at < until):
            return True
        offset += api.PAGE_SIZE - min(PAGE_OVERLAP, api.PAGE_SIZE // 2)


def _process_page(
    run: Reconciliation, users: list[ClerkUser], unreadable: list[tuple[str, str]], span: Span | None = None
) -> list[str]:
    """Compare and repair one page. Return the Clerk IDs of local users missing from it."""
    run.compared += len(users) + len(unreadable)
    run.watermark = max(filter(None, [run.watermark, *(user.updated_at for user in users)]), default=None)
    for clerk_id, reason in unreadable:
        run.unreadable += 1
        run.add_example({"clerk_id": clerk_id, "kind": DifferenceKind.UNREADABLE, "fields": [], "reason": reason})
    found, unlisted_ids = compare(users, span=span, known_ids=frozenset(clerk_id for clerk_id, _ in unreadable))
    repairs.repair(run, found)
    return unlisted_ids


def _finish(run: Reconciliation, state: Reconciliation.State, error: str = "") -> None:
    run.state, run.error, run.finished_at = state, error[:2000], timezone.now()
    run.save()


def _count_users() -> int | None:
    """Return the number of users in Clerk, or None if it is unavailable. It is only informative."""
    try:
        return api.count_users()
    except ClerkApiError as error:
        log.warning("Could not get the number of users from Clerk: %s", error)
        return None


def _watermark() -> datetime | None:
    """Return the time up to which all changes have been compared.

    A full run may take hours, and users may change after their page was read. So only changes before its start count.
    """
    runs = Reconciliation.objects.repairing().filter(state=State.FINISHED, watermark__isnull=False)
    last = runs.first()
    return min(last.watermark, last.started_at) if last and last.watermark else None


def unfinished_run(*, dry_run: bool = False, paused: bool) -> Reconciliation | None:
    """Return the latest full run that was killed or failed, or also one that is paused, if it can still be resumed."""
    runs = Reconciliation.objects.filter(kind=Kind.FULL, dry_run=dry_run).exclude(state=State.FINISHED)
    runs = runs.filter(started_at__gt=timezone.now() - RESUME_WITHIN).exclude(cursor="")
    runs = runs if paused else runs.exclude(state=State.PAUSED)
    finished = Reconciliation.objects.filter(kind=Kind.FULL, dry_run=dry_run, state=State.FINISHED).first()
    return runs.filter(started_at__gt=finished.started_at).first() if finished else runs.first()
