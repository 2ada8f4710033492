"""Seal finished rows of the log, in a chain that only the holder of AUDIT_SEAL_KEY can make.

A seal covers the rows that follow those of the seal before it. It holds the digest of each row, and a mac over all of that
and over the mac of the seal before it. `audit.sealing.verification` finds what was changed since. docs/audit.md says what this
proves and what it does not.

**In which order rows are sealed, and why no row comes late.** Ids come from a sequence and are given before the commit, so a
row with a lower id can appear after one with a higher id was sealed. Times are worse. So rows are sealed in the order
(transaction, id), and only those whose transaction is below `pg_snapshot_xmin`: PostgreSQL's word that every transaction
below it is over. Whatever such a transaction wrote is visible, and it can write nothing more; whatever begins later gets a
higher number, and stands behind every sealed row however low its id. So an honest row never falls among sealed ones, and one
that does was put there by somebody who chose its transaction: the verification names it. A transaction that stays open for
an hour holds sealing up for an hour, and nothing else.

**Nobody waits.** Sealing reads the log and writes a table that nobody else writes. Two sealers are kept apart by an advisory
lock that is tried, not waited for, and by the primary key.

**Restored databases.** A new server counts transactions from the beginning, so after a dump was restored, new rows would
stand among sealed ones. Seals therefore name the server (`cluster`). When it is another, what is left of the old server's
rows is sealed, and a seal without rows begins a new part of the chain, in which only rows with ids above `floor_id` count.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditLog, AuditLogQuerySet, AuditSeal, AuditVerification
from audit.sealing import digests, keys

#: The most rows of one seal. Each takes 40 bytes in it.
BATCH = 1000
#: The most seals of one run, so that the first run on an old log ends, too; the next one goes on.
MOST_SEALS = 2000
#: Below every transaction and id.
LOWEST = -(2**63)
#: Unsealed rows are counted so far and no further.
MOST_COUNTED = 10_000
#: Stands for a server that does not tell which one it is.
UNKNOWN = "unknown"
#: The advisory lock that keeps sealers apart; any number that nothing else uses.
LOCK = 0x7365616C


@dataclass(frozen=True, slots=True)
class State:
    """How well the log is sealed.

    Attributes:
        is_on: whether there is a key; without one nothing is sealed.
        last: the newest seal, without its leaves.
        unsealed: rows that wait to be sealed, counted up to MOST_COUNTED.
        unsealed_since: when the first of them was written.
        verification: what came of comparing the log with its seals the last time.
    """

    is_on: bool
    last: AuditSeal | None
    unsealed: int
    unsealed_since: datetime | None
    verification: AuditVerification | None


@dataclass(frozen=True, slots=True)
class _Server:
    """The database server: which one it is, and how far its transactions are."""

    cluster: str
    finished_below: int
    begun_below: int


def seal() -> list[int]:
    """Seal every finished row, and return the numbers of the new seals. Nothing is done while another sealer is at it.

    Raises:
        NoKeyError: AUDIT_SEAL_KEY is not set.
    """
    key, numbers = keys.current(), list[int]()
    while len(numbers) < MOST_SEALS and (number := _seal_next(key)):
        numbers.append(number)
    return numbers


def state() -> State:
    """Return how well the log is sealed; four short queries."""
    last = newest()
    waiting = unsealed_rows(last)
    first = waiting.only("timestamp").first()
    unsealed = waiting.order_by()[:MOST_COUNTED].count() if first else 0
    return State(
        is_on=bool(settings.AUDIT_SEAL_KEYS),
        last=last,
        unsealed=unsealed,
        unsealed_since=first.timestamp if first else None,
        verification=AuditVerification.objects.first(),
    )


def newest() -> AuditSeal | None:
    """Return the newest seal, without its leaves."""
    return AuditSeal.objects.defer("leaves").first()


def mac(seal: AuditSeal, key: keys.Key) -> bytes:
    """Return the mac that a seal must have."""
    said = {
        **{name: getattr(seal, name) for name in ("number", "form", "last_transaction", "last_id", "cluster")},
        **{name: getattr(seal, name) for name in ("floor_id", "max_id", "rows", "total", "key_id")},
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(),
        "digest": bytes(seal.digest).hex(),
        "previous_mac": bytes(seal.previous_mac).hex(),
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key.secret, text.encode(), "sha256")


def leaf(row: AuditLog) -> bytes:
    """Return what a seal keeps of a row: its id in 8 bytes, and its digest."""
    return row.pk.to_bytes(8, "big", signed=True) + digests.row_digest(row)


def server() -> _Server:
    """Return which server this is, which transactions are over, and which have begun.

    Asked before the rows are read: what was over then is visible later, too.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege('pg_control_system()', 'execute')")
        is_named = cursor.fetchone()[0]  # some hosts do not tell; then a counter that runs behind must do
        name = "(SELECT system_identifier::text FROM pg_control_system())" if is_named else f"'{UNKNOWN}'"
        cursor.execute(
            f"SELECT {name}, pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint "  # noqa: S608
            "FROM pg_current_snapshot() AS now"
        )
        return _Server(*cursor.fetchone())


@transaction.atomic
def _seal_next(key: keys.Key) -> int | None:
    """Make the next seal and return its number; None if there is nothing to seal, or another sealer is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return None
    last, here = newest(), server()
    floor = _floor_of_new_part(last, here)
    waiting = unsealed_rows(last).only(*digests.SEALED)
    if floor is None:
        rows = list(waiting.filter(transaction__lt=here.finished_below)[:BATCH])
        return _write(last, rows, key, cluster=here.cluster) if rows else None
    # Those of the server that was left: their transactions are over, whatever their numbers say.
    rows = list(waiting.filter(pk__lte=floor)[:BATCH])
    if rows:
        return _write(last, rows, key, cluster=last.cluster if last else "before")
    return _write(last, [], key, cluster=here.cluster, floor=floor)


def _floor_of_new_part(last: AuditSeal | None, here: _Server) -> int | None:
    """Return the last id of the server that was left, or None if this is the server of the last seal."""
    if last is not None and _is_same(last, here):
        return None
    # New rows have greater ids than all that came: a restored sequence goes on where it was.
    found = [pk for pk in (AuditLog.objects.foreign().last_id(), last.max_id if last else None) if pk is not None]
    return max(found, default=None)


def _is_same(last: AuditSeal, here: _Server) -> bool:
    named = {last.cluster, here.cluster} - {UNKNOWN}
    return len(named) < 2 and last.last_transaction < here.begun_below


def unsealed_rows(last: AuditSeal | None) -> AuditLogQuerySet:
    """Return the rows behind the newest seal, in the order of sealing."""
    if last is None:
        return AuditLog.objects.order_by("transaction", "id")
    return AuditLog.objects.after(last.last_transaction, last.last_id).filter(pk__gt=last.floor_id)


def _write(
    last: AuditSeal | None, rows: list[AuditLog], key: keys.Key, *, cluster: str, floor: int | None = None
) -> int:
    """Write the seal of `rows`, or of the beginning of a new part if `floor` is given, and return its number."""
    leaves = b"".join(leaf(row) for row in rows)
    new = AuditSeal(
        number=last.number + 1 if last else 1,
        sealed_at=timezone.now(),
        form=digests.FORM,
        last_transaction=rows[-1].transaction if rows else LOWEST,
        last_id=rows[-1].pk if rows else LOWEST,
        cluster=cluster,
        floor_id=floor if floor is not None else last.floor_id if last else LOWEST,
        max_id=max([last.max_id if last else LOWEST, *(row.pk for row in rows)]),
        rows=len(rows),
        total=(last.total if last else 0) + len(rows),
        leaves=leaves,
        digest=hashlib.sha256(leaves).digest(),
        previous_mac=bytes(last.mac) if last else b"",
        key_id=key.key_id,
    )
    new.mac = mac(new, key)
    new.save(force_insert=True)
    return new.number
