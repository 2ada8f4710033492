"""Find and repair differences caused by missed webhooks and pushes, in both directions.

Clerk's webhooks are "not guaranteed to be delivered immediately or at all", so a system that relies only on webhooks
drifts. Payloads from Clerk are applied by `accounts.sync.apply.apply_user`, like events, and local values are pushed.

A full run reads Clerk's list of users page by page. Its report stores the progress, so that an interrupted run can
resume. A recent run reads the latest changes until it reaches the previous run's changes.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.clerk import api, instance_guard
from accounts.clerk.api import ClerkApiError
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import MetadataPush, Reconciliation, User
from accounts.sync import matching, outbox, user_listing
from accounts.sync import push as pushes
from accounts.sync.apply import apply_user
from accounts.sync.differences import Difference, Span, compare
from audit.log import Actor
from audit.models import AuditLog
from core.db.locks import try_lock

log = logging.getLogger(__name__)

Kind, State, DifferenceKind = Reconciliation.Kind, Reconciliation.State, Reconciliation.DifferenceKind
ORIGIN = Actor(AuditLog.Source.RECONCILIATION)
#: Deletions are skipped if there are more than this and more than 5 % of all users, because the secret key may belong
#: to another instance.
MAX_DELETIONS = 10
#: A recent run also rereads this period before the previous watermark, because Clerk's list can be delayed.
OVERLAP = timedelta(minutes=10)
#: Number of users to repeat on the next page of changes, because each deletion moves the following users up by one.
PAGE_OVERLAP = 50
#: How long an interrupted run can be resumed.
RESUME_WITHIN = timedelta(hours=24)
RETENTION = timedelta(days=90)
#: An advisory lock that prevents concurrent runs. The number is arbitrary but must be unique.
LOCK = 0x636C65726B
#: A function that is called with the number of users compared so far and the total, if known.
type Progress = Callable[[int, int | None], None]


class AlreadyRunningError(Exception):
    """Another reconciliation is running."""


def reconcile(*, full: bool, dry_run: bool = False, progress: Progress = lambda done, of: None) -> Reconciliation:
    """Compare all users, or users that changed since the previous run, and repair differences unless `dry_run`.

    The first run compares all users.

    Raises:
        ClerkApiError: Clerk's list could not be read completely, or belongs to another instance. Completed repairs are
            kept, no users are deleted, and the report contains the error.
        AlreadyRunningError: another reconciliation is running.
    """
    with _exclusive_run():
        since = None if full else _watermark()
        run = _interrupted_run(dry_run=dry_run) if since is None else None
        run = run or Reconciliation(kind=Kind.FULL if since is None else Kind.RECENT, dry_run=dry_run, watermark=since)
        run.state = State.RUNNING
        run.save()
        try:
            instance_guard.verify_secret_key()
            run.clerk_total = _count_users()
            _read_recent(run, progress) if since else _read_all(run, progress)
        except ClerkApiError as error:
            _finish(run, State.FAILED, str(error))
            raise
        _finish(run, State.FINISHED)
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
    run.compared = 1
    if not isinstance(payload, ClerkUserDeleted):
        _repair(run, compare([payload])[0])
    elif User.objects.live().filter(clerk_id=clerk_id).exists():
        _repair(run, [Difference(clerk_id, DifferenceKind.DELETED, payload)])
    _finish(run, State.FINISHED)
    return run


def counts_differ(run: Reconciliation) -> bool:
    """Return whether Clerk and this site have different numbers of users. Only a full run can find the cause."""
    here = User.objects.live().filter(clerk_id__isnull=False).count()
    return run.clerk_total is not None and run.clerk_total != here


def has_recent_full_run(age: timedelta) -> bool:
    runs = Reconciliation.objects.repairing().filter(kind=Kind.FULL, state=State.FINISHED)
    return runs.filter(finished_at__gt=timezone.now() - age).exists()


def delete_old() -> int:
    deleted, _ = Reconciliation.objects.older_than(RETENTION).delete()
    return deleted


def _read_all(run: Reconciliation, progress: Progress) -> None:
    while True:
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
            break
    _delete_unlisted(run)


def _read_recent(run: Reconciliation, progress: Progress) -> None:
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
            return
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
    _repair(run, found)
    return unlisted_ids


def _delete_unlisted(run: Reconciliation) -> None:
    """Delete unlisted users that Clerk confirms no longer exist. If there are suspiciously many, delete none."""
    unlisted_ids = {*run.unlisted_ids, *_users_without_sign_up_time(run)}
    unlisted_ids -= {example["clerk_id"] for example in run.examples if example["kind"] == DifferenceKind.UNREADABLE}
    if not run.dry_run:
        matching.open_missing_conflicts(ORIGIN)
    if len(unlisted_ids) > min(run.compared, max(MAX_DELETIONS, run.compared // 20)):
        run.skipped_deletions = len(unlisted_ids)
        for clerk_id in sorted(unlisted_ids):
            run.add_example({"clerk_id": clerk_id, "kind": "skipped_deletions", "fields": []})
        return
    for clerk_id in sorted(unlisted_ids):
        _check_user(run, clerk_id)


def _users_without_sign_up_time(run: Reconciliation) -> Iterable[str]:
    """Return users whose sign-up time is unknown, so that they are outside every page's range.

    Repairing listed users sets their sign-up time, so the remaining users are not in the list. In a dry run, they might
    be.
    """
    if run.dry_run:
        return ()
    found = User.objects.live().filter(clerk_id__isnull=False, clerk_created_at=None)
    return (str(clerk_id) for clerk_id in found.values_list("clerk_id", flat=True))


def _check_user(run: Reconciliation, clerk_id: str) -> None:
    payload = api.get_user(clerk_id)
    if isinstance(payload, ClerkUserDeleted):
        _repair(run, [Difference(clerk_id, DifferenceKind.DELETED, payload)])
    else:  # The user signed up or was restored while the list was being read.
        _repair(run, compare([payload])[0])


def _repair(run: Reconciliation, found: list[Difference]) -> None:
    """Record the differences, apply the payloads from Clerk, then push values that still differ."""
    for difference in found:
        _record(run, difference)
        if difference.payload and not run.dry_run:
            with _isolated(run, difference.clerk_id), transaction.atomic():
                apply_user(difference.payload, actor=ORIGIN)
                run.repaired += 1
    if run.dry_run:
        return
    for clerk_id in dict.fromkeys(difference.clerk_id for difference in found):
        with _isolated(run, clerk_id):
            _push_if_outdated(run, clerk_id)


@contextmanager
def _isolated(run: Reconciliation, clerk_id: str) -> Iterator[None]:
    """Report an error for one user instead of ending the run, which would also block all later runs."""
    try:
        yield
    except Exception as error:
        log.exception("User %s could not be repaired.", clerk_id)
        run.unrepaired += 1
        # Report only the exception type, because database messages can quote personal data.
        run.add_example(
            {"clerk_id": clerk_id, "kind": "unrepaired", "fields": [], "reason": f"{type(error).__name__}, see the log"}
        )


def _push_if_outdated(run: Reconciliation, clerk_id: str) -> None:
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).filter(clerk_id=clerk_id).first()
        if user is None:
            return  # The user could not be created, or an admin has just moved the identity.
        outbox.queue_pushes_if_outdated([user])
    _push(run, user)


def _push(run: Reconciliation, user: User) -> None:
    """Run a user's pending push. Full and single-user runs also retry abandoned pushes."""
    push = MetadataPush.objects.filter(user=user).exclude(state=MetadataPush.State.DONE)
    if not push.exists():
        return
    if run.kind != Kind.RECENT and not push.filter(state=MetadataPush.State.PENDING).exists():
        pushes.restart(user.pk)
    run.pushed += pushes.push_user(user.pk, ignore_schedule=True) is pushes.Outcome.SENT
    if left := push.first():
        # The next run and the periodic job will retry the push.
        run.unrepaired += 1
        reason = left.last_error or str(left.get_state_display())
        run.add_example({"clerk_id": str(user.clerk_id), "kind": "unrepaired", "fields": [], "reason": reason})


def _record(run: Reconciliation, difference: Difference) -> None:
    setattr(run, difference.kind, getattr(run, difference.kind) + 1)
    for field in difference.fields:
        run.fields[field] = run.fields.get(field, 0) + 1
    since = difference.since.isoformat() if difference.since else None
    example = {"clerk_id": difference.clerk_id, "kind": difference.kind, "fields": list(difference.fields)}
    run.add_example({**example, "since": since})
    if difference.since:
        run.longest_drift = max(run.longest_drift or timedelta(0), timezone.now() - difference.since)


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
    runs = Reconciliation.objects.repairing().filter(state=State.FINISHED, watermark__isnull=False)
    return runs.values_list("watermark", flat=True).first()


def _interrupted_run(*, dry_run: bool) -> Reconciliation | None:
    """Return the latest killed or failed full run, if it can still be resumed."""
    runs = Reconciliation.objects.filter(kind=Kind.FULL, dry_run=dry_run).exclude(state=State.FINISHED)
    runs = runs.filter(started_at__gt=timezone.now() - RESUME_WITHIN).exclude(cursor="")
    finished = Reconciliation.objects.filter(kind=Kind.FULL, dry_run=dry_run, state=State.FINISHED).first()
    return runs.filter(started_at__gt=finished.started_at).first() if finished else runs.first()


@contextmanager
def _exclusive_run() -> Iterator[None]:
    with try_lock(LOCK) as is_held:
        if not is_held:
            raise AlreadyRunningError("Another reconciliation is already running. See its report in the admin.")
        yield
