"""Find what webhooks and pushes have not told, and heal it, in both directions.

Clerk says of its webhooks that they are "not guaranteed to be delivered immediately or at all", so a system that only
listens drifts. What Clerk says is applied by `accounts.sync.apply.apply_user`, like an event, and what is ours is pushed. A run over
everybody reads Clerk's list by key, a page at a time, remembers on its report how far it got, and goes on from there if it
was killed. A run over who changed lately reads the newest changes until it meets the last run's.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.clerk import api, instance_guard
from accounts.clerk.api import ClerkApiError
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import MetadataPush, Reconciliation, User
from accounts.sync import matching, outbox, user_listing
from accounts.sync import push as pushes
from accounts.sync.apply import apply_user
from accounts.sync.differences import Difference, Span, compare
from audit.log import Origin
from audit.models import AuditLog

log = logging.getLogger(__name__)

Kind, State, DifferenceKind = Reconciliation.Kind, Reconciliation.State, Reconciliation.DifferenceKind
ORIGIN = Origin(AuditLog.Source.RECONCILIATION)
#: More deletions than this at once, and than one in twenty, are not believed: the key may be another instance's.
MAX_DELETIONS = 10
#: How far before the newest change of the last run the next one reads: Clerk's list may lag behind itself.
OVERLAP = timedelta(minutes=10)
#: Of each page of changes, what the next one repeats: whoever is deleted meanwhile moves everybody behind up.
REPEATED = 50
#: A run that broke off is gone on with for a day.
RESUMED_WITHIN = timedelta(hours=24)
KEPT = timedelta(days=90)
#: The advisory lock that keeps two runs from each other; any number that nothing else uses.
LOCK = 0x636C65726B
#: Is told how many people were compared so far, and of how many.
type Progress = Callable[[int, int | None], None]


class AlreadyRunningError(Exception):
    """Another run is under way."""


def reconcile(*, full: bool, dry_run: bool = False, progress: Progress = lambda done, of: None) -> Reconciliation:
    """Compare everybody, or who changed since the last run, and heal what differs unless `dry_run`.

    Without a run to begin from, everybody is compared.

    Returns:
        The report.

    Raises:
        ClerkApiError: the list broke off, or is another instance's. What was repaired until then stays; nobody was deleted. The
            report says so, too.
        AlreadyRunningError: another run is under way.
    """
    with _alone():
        since = None if full else _watermark()
        run = _broken_off(dry_run=dry_run) if since is None else None
        run = run or Reconciliation(kind=Kind.FULL if since is None else Kind.RECENT, dry_run=dry_run, watermark=since)
        run.state = State.RUNNING
        run.save()
        try:
            instance_guard.verify_secret_key()
            run.clerk_total = _count()
            _read_recent(run, progress) if since else _read_all(run, progress)
        except ClerkApiError as error:
            _end(run, State.FAILED, str(error))
            raise
        _end(run, State.FINISHED)
    return run


def reconcile_user(clerk_id: str, *, dry_run: bool = False, run: Reconciliation | None = None) -> Reconciliation:
    """Compare one person with Clerk, and heal what differs unless `dry_run`.

    Args:
        run: the report to fill in, if there is one already.

    Raises:
        ClerkApiError: Clerk gives no usable answer.
        ClerkPayloadError: it is no id of a user.
    """
    payload, run = api.get_user(clerk_id), run or Reconciliation(kind=Kind.USER, dry_run=dry_run)
    run.compared = 1
    if not isinstance(payload, ClerkUserDeleted):
        _heal(run, compare([payload])[0])
    elif User.objects.live().filter(clerk_id=clerk_id).exists():
        _heal(run, [Difference(clerk_id, DifferenceKind.DELETED, payload)])
    _end(run, State.FINISHED)
    return run


def counts_differ(run: Reconciliation) -> bool:
    """Return whether Clerk counts more or fewer people than there are here, which only a run over everybody explains."""
    here = User.objects.live().filter(clerk_id__isnull=False).count()
    return run.clerk_total is not None and run.clerk_total != here


def has_recent_full_run(age: timedelta) -> bool:
    """Return whether everybody was compared lately."""
    runs = Reconciliation.objects.repairing().filter(kind=Kind.FULL, state=State.FINISHED)
    return runs.filter(finished_at__gt=timezone.now() - age).exists()


def delete_old() -> int:
    """Delete reports that nobody looks at any more; return how many."""
    deleted, _ = Reconciliation.objects.older_than(KEPT).delete()
    return deleted


def _read_all(run: Reconciliation, progress: Progress) -> None:
    while True:
        page = user_listing.next_page(run)
        reached = max((user.created_at for user in page.users if user.created_at), default=run.cursor_created_at)
        span = Span(run.cursor_created_at, reached if page.last_id else None)
        listed_before = frozenset(run.boundary_ids)
        run.unlisted_ids = sorted(
            {*run.unlisted_ids, *_take_in(run, page.users, page.unreadable, span)} - listed_before
        )
        boundary_ids = {user.clerk_id for user in page.users if user.created_at == reached}
        run.boundary_ids = sorted(boundary_ids | listed_before if reached == run.cursor_created_at else boundary_ids)
        run.cursor_created_at, run.cursor = reached, page.last_id or ""
        run.save()
        progress(run.compared, run.clerk_total)
        if not page.last_id:
            break
    _bury(run)


def _read_recent(run: Reconciliation, progress: Progress) -> None:
    until = run.watermark - OVERLAP if run.watermark else None
    offset, met = 0, frozenset[str]()
    while True:
        page = api.list_recent_users(offset)
        fresh = [user for user in page.users if user.clerk_id not in met]
        _take_in(run, fresh, page.unreadable)
        met = frozenset(user.clerk_id for user in page.users)
        run.save()
        progress(run.compared, None)
        if not page.last_id or not fresh or (until and fresh[-1].updated_at < until):
            return
        offset += api.PAGE_SIZE - min(REPEATED, api.PAGE_SIZE // 2)


def _take_in(
    run: Reconciliation, users: list[ClerkUser], unreadable: list[tuple[str, str]], span: Span | None = None
) -> list[str]:
    """Compare and heal a page; return who is here and should have been on it."""
    run.compared += len(users) + len(unreadable)
    run.watermark = max(filter(None, [run.watermark, *(user.updated_at for user in users)]), default=None)
    for clerk_id, reason in unreadable:
        run.unreadable += 1
        run.add_example({"clerk_id": clerk_id, "kind": DifferenceKind.UNREADABLE, "fields": [], "reason": reason})
    found, unlisted_ids = compare(users, span=span, known_ids=frozenset(clerk_id for clerk_id, _ in unreadable))
    _heal(run, found)
    return unlisted_ids


def _bury(run: Reconciliation) -> None:
    """Delete who Clerk, asked for each of them, knows no more; nobody, if that were too many to be true."""
    unlisted_ids = {*run.unlisted_ids, *_of_unknown_age(run)}
    unlisted_ids -= {example["clerk_id"] for example in run.examples if example["kind"] == DifferenceKind.UNREADABLE}
    if not run.dry_run:
        matching.open_missing_conflicts(ORIGIN)
    if len(unlisted_ids) > min(run.compared, max(MAX_DELETIONS, run.compared // 20)):
        run.skipped_deletions = len(unlisted_ids)
        for clerk_id in sorted(unlisted_ids):
            run.add_example({"clerk_id": clerk_id, "kind": "skipped_deletions", "fields": []})
        return
    for clerk_id in sorted(unlisted_ids):
        _ask_for(run, clerk_id)


def _of_unknown_age(run: Reconciliation) -> Iterable[str]:
    """Return who was on no page because nobody knows when they signed up; healing has told of all who were listed."""
    if run.dry_run:
        return ()
    found = User.objects.live().filter(clerk_id__isnull=False, clerk_created_at=None)
    return (str(clerk_id) for clerk_id in found.values_list("clerk_id", flat=True))


def _ask_for(run: Reconciliation, clerk_id: str) -> None:
    payload = api.get_user(clerk_id)
    if isinstance(payload, ClerkUserDeleted):
        _heal(run, [Difference(clerk_id, DifferenceKind.DELETED, payload)])
    else:  # who signed up, or came back, while the list was read
        _heal(run, compare([payload])[0])


def _heal(run: Reconciliation, found: list[Difference]) -> None:
    """Note what was found, apply what Clerk says, and then bring to Clerk what it still holds otherwise."""
    for difference in found:
        _note(run, difference)
        if difference.payload and not run.dry_run:
            with _one_person(run, difference.clerk_id), transaction.atomic():
                apply_user(difference.payload, origin=ORIGIN)
                run.repaired += 1
    if run.dry_run:
        return
    for clerk_id in dict.fromkeys(difference.clerk_id for difference in found):
        with _one_person(run, clerk_id):
            _bring(run, clerk_id)


@contextmanager
def _one_person(run: Reconciliation, clerk_id: str) -> Iterator[None]:
    """Let a person who cannot be repaired stop nobody else's healing, nor all runs after this one; the report tells."""
    try:
        yield
    except Exception as error:
        log.exception("%s could not be repaired.", clerk_id)
        run.unrepaired += 1
        # Only its kind: what a database says of an error quotes what people wrote.
        run.add_example(
            {"clerk_id": clerk_id, "kind": "unrepaired", "fields": [], "reason": f"{type(error).__name__}, see the log"}
        )


def _bring(run: Reconciliation, clerk_id: str) -> None:
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).filter(clerk_id=clerk_id).first()
        if user is None:
            return  # who could not be taken in, or whose identity an admin has just moved
        outbox.queue_push_if_outdated(user)
    _push(run, user)


def _push(run: Reconciliation, user: User) -> None:
    """Bring to Clerk what waits for it; a run over everybody also tries what was given up."""
    push = MetadataPush.objects.filter(user=user).exclude(state=MetadataPush.State.DONE)
    if not push.exists():
        return
    if run.kind != Kind.RECENT and not push.filter(state=MetadataPush.State.PENDING).exists():
        pushes.restart(user.pk)
    run.pushed += pushes.push_user(user.pk, ignore_schedule=True) is pushes.Outcome.SENT
    if left := push.first():
        # The next run, and the job, try again; one failure stops nobody else's.
        run.unrepaired += 1
        reason = left.last_error or str(left.get_state_display())
        run.add_example({"clerk_id": str(user.clerk_id), "kind": "unrepaired", "fields": [], "reason": reason})


def _note(run: Reconciliation, difference: Difference) -> None:
    setattr(run, difference.kind, getattr(run, difference.kind) + 1)
    for field in difference.fields:
        run.fields[field] = run.fields.get(field, 0) + 1
    since = difference.since.isoformat() if difference.since else None
    example = {"clerk_id": difference.clerk_id, "kind": difference.kind, "fields": list(difference.fields)}
    run.add_example({**example, "since": since})
    if difference.since:
        run.longest_drift = max(run.longest_drift or timedelta(0), timezone.now() - difference.since)


def _end(run: Reconciliation, state: Reconciliation.State, error: str = "") -> None:
    run.state, run.error, run.finished_at = state, error[:2000], timezone.now()
    run.save()


def _count() -> int | None:
    """Return how many people Clerk counts, if it says so; the list is what matters."""
    try:
        return api.count_users()
    except ClerkApiError as error:
        log.warning("Clerk's users could not be counted: %s", error)
        return None


def _watermark() -> datetime | None:
    """Return the newest change that the last good run saw."""
    runs = Reconciliation.objects.repairing().filter(state=State.FINISHED, watermark__isnull=False)
    return runs.values_list("watermark", flat=True).first()


def _broken_off(*, dry_run: bool) -> Reconciliation | None:
    """Return the run over everybody that was killed, or failed, and is young enough to be gone on with."""
    runs = Reconciliation.objects.filter(kind=Kind.FULL, dry_run=dry_run).exclude(state=State.FINISHED)
    runs = runs.filter(started_at__gt=timezone.now() - RESUMED_WITHIN).exclude(cursor="")
    finished = Reconciliation.objects.filter(kind=Kind.FULL, dry_run=dry_run, state=State.FINISHED).first()
    return runs.filter(started_at__gt=finished.started_at).first() if finished else runs.first()


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other runs away, as long as this connection lives; a killed run lets go by itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        [is_mine] = cursor.fetchone()
    if not is_mine:
        raise AlreadyRunningError("Another reconciliation is under way; its report is in the admin.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
