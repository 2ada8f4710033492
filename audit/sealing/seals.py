"""Seal committed audit rows in a chain that only the holder of AUDIT_SEAL_KEY can create.

A seal covers the rows after the previous seal. It stores each row's digest, and a MAC over these digests and the
previous seal's MAC. `audit.sealing.verification` finds later changes. docs/audit.md describes what seals can and cannot
prove.

**Sealing order.** Ids come from a sequence and are assigned before the commit, so a row with a lower id can become
visible after a row with a higher id was sealed. Timestamps are even less reliable. Rows are therefore sealed in the
order (transaction, id), and only if their transaction id is below `pg_snapshot_xmin`: PostgreSQL guarantees that all
transactions below it have ended. Their rows are visible and they can write no more. Later transactions get higher ids,
so their rows sort after all sealed rows, even if their row ids are lower. A legitimate row therefore never sorts among
sealed rows. If a row does, its transaction id was forged, and verification reports it. A transaction that stays open
for an hour delays sealing by an hour and has no other effect.

**No blocking.** Sealing reads the log and writes to a separate table. An advisory lock and the primary key prevent
concurrent sealing. If the lock is taken, sealing does not wait for it.

**Restored databases.** A new server counts transactions from the start, so after a restore new rows would sort among
sealed rows. Seals therefore store the server (`cluster`). When the server changes, the remaining rows of the old server
are sealed. Then a seal without rows starts a new part of the chain, which covers only rows with ids above `floor_id`.
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

#: Maximum number of rows per seal. Each row takes 40 bytes in the seal.
MAX_ROWS = 1000
#: Maximum number of seals per run, which limits the first run on a large log. The next run continues.
MAX_SEALS = 2000
#: Lower than every transaction id and row id.
LOWEST = -(2**63)
#: Unsealed rows are counted up to this number.
MAX_COUNTED = 10_000
#: The cluster name for servers that do not reveal their system identifier.
UNKNOWN = "unknown"
#: An advisory lock that prevents concurrent sealing. The number is arbitrary but must be unique.
LOCK = 0x7365616C


@dataclass(frozen=True, slots=True)
class State:
    """The log's sealing status.

    Attributes:
        is_enabled: whether AUDIT_SEAL_KEY is set. Without it, rows are not sealed.
        last: the newest seal, without its leaves.
        unsealed: the number of rows that are not sealed yet, up to MAX_COUNTED.
        unsealed_since: the timestamp of the oldest unsealed row.
        verification: the latest verification.
    """

    is_enabled: bool
    last: AuditSeal | None
    unsealed: int
    unsealed_since: datetime | None
    verification: AuditVerification | None


@dataclass(frozen=True, slots=True)
class _Server:
    """The database server and its transaction counters. Transactions with ids below `ended_below` have ended.

    Others may still be running.
    """

    cluster: str
    ended_below: int
    started_below: int


def seal() -> list[int]:
    """Seal all committed rows and return the new seals' numbers. Do nothing while another process is sealing.

    Raises:
        NoKeyError: AUDIT_SEAL_KEY is not set.
    """
    key, numbers = keys.current_key(), list[int]()
    while len(numbers) < MAX_SEALS and (number := _seal_next(key)):
        numbers.append(number)
    return numbers


def state() -> State:
    """Return the sealing status, using four short queries."""
    last = newest()
    waiting = unsealed_rows(last)
    first = waiting.only("timestamp").first()
    unsealed = waiting.order_by()[:MAX_COUNTED].count() if first else 0
    return State(
        is_enabled=bool(settings.AUDIT_SEAL_KEYS),
        last=last,
        unsealed=unsealed,
        unsealed_since=first.timestamp if first else None,
        verification=AuditVerification.objects.first(),
    )


def newest() -> AuditSeal | None:
    """Return the newest seal, without its leaves."""
    return AuditSeal.objects.defer("leaves").first()


def mac(seal: AuditSeal, key: keys.Key) -> bytes:
    fields = {
        **{
            name: getattr(seal, name) for name in ("number", "format_version", "last_transaction", "last_id", "cluster")
        },
        **{name: getattr(seal, name) for name in ("floor_id", "max_id", "row_count", "total_rows", "key_id")},
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(),
        "digest": bytes(seal.digest).hex(),
        "previous_mac": bytes(seal.previous_mac).hex(),
    }
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key.secret, text.encode(), "sha256")


def leaf(row: AuditLog) -> bytes:
    """Return a row's entry in a seal: its id in 8 bytes, then its digest."""
    return row.pk.to_bytes(8, "big", signed=True) + digests.row_digest(row)


def server() -> _Server:
    """Return the current server and its transaction counters.

    Call this before reading the rows, because rows of transactions that have already ended are visible to later
    queries.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege('pg_control_system()', 'execute')")
        # Without it, a restore can be detected only by a transaction counter that has gone back.
        is_named = cursor.fetchone()[0]
        name = "(SELECT system_identifier::text FROM pg_control_system())" if is_named else f"'{UNKNOWN}'"
        cursor.execute(
            f"SELECT {name}, pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint "  # noqa: S608
            "FROM pg_current_snapshot() AS now"
        )
        return _Server(*cursor.fetchone())


@transaction.atomic
def _seal_next(key: keys.Key) -> int | None:
    """Create the next seal and return its number, or None if there is nothing to seal or another sealer runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return None
    last, here = newest(), server()
    floor = _new_floor(last, here)
    waiting = unsealed_rows(last).only(*digests.SEALED_COLUMNS)
    if floor is None:
        rows = list(waiting.filter(transaction__lt=here.ended_below)[:MAX_ROWS])
        return _write(last, rows, key, cluster=here.cluster) if rows else None
    # The old server's transactions have ended, even if their ids are not below `ended_below`.
    rows = list(waiting.filter(pk__lte=floor)[:MAX_ROWS])
    if rows:
        return _write(last, rows, key, cluster=last.cluster if last else "before")
    return _write(last, [], key, cluster=here.cluster, floor=floor)


def _new_floor(last: AuditSeal | None, here: _Server) -> int | None:
    """Return the old server's last row id, or None if the last seal was created on this server."""
    if last is not None and _is_same(last, here):
        return None
    # New rows have greater ids than restored rows, because a restored sequence continues from its last value.
    found = [
        pk for pk in (AuditLog.objects.from_other_server().last_id(), last.max_id if last else None) if pk is not None
    ]
    return max(found, default=None)


def _is_same(last: AuditSeal, here: _Server) -> bool:
    named = {last.cluster, here.cluster} - {UNKNOWN}
    return len(named) < 2 and last.last_transaction < here.started_below


def unsealed_rows(last: AuditSeal | None) -> AuditLogQuerySet:
    """Return the rows after the newest seal, in sealing order."""
    if last is None:
        return AuditLog.objects.order_by("transaction", "id")
    return AuditLog.objects.after(last.last_transaction, last.last_id).filter(pk__gt=last.floor_id)


def _write(
    last: AuditSeal | None, rows: list[AuditLog], key: keys.Key, *, cluster: str, floor: int | None = None
) -> int:
    """Write a seal for `rows`, or start a new part of the chain if `floor` is given. Return the seal's number."""
    leaves = b"".join(leaf(row) for row in rows)
    new = AuditSeal(
        number=last.number + 1 if last else 1,
        sealed_at=timezone.now(),
        format_version=digests.FORMAT_VERSION,
        last_transaction=rows[-1].transaction if rows else LOWEST,
        last_id=rows[-1].pk if rows else LOWEST,
        cluster=cluster,
        floor_id=floor if floor is not None else last.floor_id if last else LOWEST,
        max_id=max([last.max_id if last else LOWEST, *(row.pk for row in rows)]),
        row_count=len(rows),
        total_rows=(last.total_rows if last else 0) + len(rows),
        leaves=leaves,
        digest=hashlib.sha256(leaves).digest(),
        previous_mac=bytes(last.mac) if last else b"",
        key_id=key.key_id,
    )
    new.mac = mac(new, key)
    new.save(force_insert=True)
    return new.number
