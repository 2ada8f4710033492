"""Serialise and digest rows of the audit log.

The serialisation must never change, because old seals depend on it. A new format needs a new FORMAT_VERSION.

Each personal column is hashed with a salt. The row stores these digests (`column_digests`), and the seal covers the digest
of all of them (`personal_digest`). An erased column can therefore be distinguished from a changed one, and the other
columns of the row can still be verified. Rows written before `column_digests` existed have one digest over all five columns:
after one of their columns is erased, the others can no longer be verified.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from audit.models import AuditLog

#: The serialisation format of rows and seals, stored in each seal.
FORMAT_VERSION = 1
#: The sealed columns of a row, in this order: all except personal columns, their salts and their digests.
SEALED_COLUMNS = (
    *("id", "timestamp", "action", "source", "actor_id", "target", "subject_id", "changed_fields", "delivery"),
    *("impersonator", "transaction", "personal_digest"),
)
#: Personal columns in the order of their digests, and the column of their salt.
PERSONAL_COLUMNS = {
    "actor_label": "actor_salt",
    "target_label": "personal_salt",
    "details": "personal_salt",
    "ip_address": "actor_salt",
    "user_agent": "actor_salt",
}
#: Created once, because json.dumps creates an encoder per call and each row has five columns to digest.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_DIGEST_SIZE = hashlib.sha256().digest_size


def row_digest(row: AuditLog) -> bytes:
    """Return the SHA-256 of the sealed columns. The row must have been read from the database."""
    return hashlib.sha256(_to_json([_serializable(getattr(row, column)) for column in SEALED_COLUMNS])).digest()


def personal_digest(row: AuditLog) -> bytes:
    """Return the digest of all personal columns. None of them must have been erased."""
    if row.column_digests is not None:
        return hashlib.sha256(column_digests(row)).digest()
    values = [getattr(row, column) for column in PERSONAL_COLUMNS]
    return hashlib.sha256(bytes(row.personal_salt or b"") + _to_json(values)).digest()


def column_digests(row: AuditLog) -> bytes:
    """Return the concatenated salted digests of the personal columns."""
    return b"".join(_column_digest(row, column) for column in PERSONAL_COLUMNS)


def changed_personal_column(row: AuditLog) -> str | None:
    """Return the first personal column that was changed other than by erasure, or None."""
    if row.column_digests is None:
        erased = any(getattr(row, column) is None for column in PERSONAL_COLUMNS)
        return None if erased or personal_digest(row) == bytes(row.personal_digest) else next(iter(PERSONAL_COLUMNS))
    stored = bytes(row.column_digests)
    if hashlib.sha256(stored).digest() != bytes(row.personal_digest):
        return "column_digests"
    for position, column in enumerate(PERSONAL_COLUMNS):
        expected = stored[position * _DIGEST_SIZE : (position + 1) * _DIGEST_SIZE]
        if getattr(row, column) is not None and _column_digest(row, column) != expected:
            return column
    return None


def is_erased(row: AuditLog) -> bool:
    """Return whether any personal column was erased. The row must be otherwise unchanged."""
    if row.column_digests is None:
        return personal_digest(row) != bytes(row.personal_digest)
    return row.actor_salt is None or row.personal_salt is None or column_digests(row) != bytes(row.column_digests)


def _column_digest(row: AuditLog, column: str) -> bytes:
    salt = getattr(row, PERSONAL_COLUMNS[column])
    # Including the column name gives equal values in different columns different digests.
    return hashlib.sha256(bytes(salt or b"") + column.encode() + _to_json(getattr(row, column))).digest()


def _serializable(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _to_json(value: Any) -> bytes:
    return _encode(value).encode("utf-8", "surrogatepass")
