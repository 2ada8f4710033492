"""Serialise and digest audit rows.

The serialisation must never change, because existing seals depend on it. A new format needs a new FORMAT_VERSION.

Each personal column is hashed with a salt. The row stores these digests (`column_digests`), and the seal covers the
digest of all of them (`personal_digest`). An erased column can therefore be distinguished from a changed one, and the
other columns of the row can still be verified. Details of the actions in PERMANENT_DETAILS are not personal. They have
no salt and are never erased.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from audit.models import AuditLog

#: Version of the serialisation format for rows and seals, stored in each seal.
FORMAT_VERSION = 1
#: The sealed columns in order: all columns except personal columns, their salts and their digests.
SEALED_COLUMNS = (
    *("id", "timestamp", "action", "source", "actor_id", "target", "subject_id", "changed_fields", "delivery"),
    *("impersonator", "transaction", "personal_digest"),
)
#: Personal columns in digest order, and the column that contains their salt.
PERSONAL_COLUMNS = {
    "actor_label": "actor_salt",
    "target_label": "personal_salt",
    "details": "personal_salt",
    "ip_address": "actor_salt",
    "user_agent": "actor_salt",
}
#: A shared encoder, because json.dumps creates an encoder on each call and each row has five columns to digest.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_DIGEST_SIZE = hashlib.sha256().digest_size


def row_digest(row: AuditLog) -> bytes:
    """Return the SHA-256 of the sealed columns. The row must have been read from the database."""
    return hashlib.sha256(_to_json([_serializable(getattr(row, column)) for column in SEALED_COLUMNS])).digest()


def personal_digest(column_digests: bytes) -> bytes:
    """Return the digest of all personal columns from the digests of each. No column may have been erased."""
    return hashlib.sha256(column_digests).digest()


def column_digests(row: AuditLog) -> bytes:
    """Return the concatenated salted digests of the personal columns."""
    return b"".join(_column_digest(row, column) for column in PERSONAL_COLUMNS)


def changed_personal_column(row: AuditLog) -> str | None:
    """Return the first personal column with a change other than erasure, or None."""
    stored = bytes(row.column_digests or b"")
    if hashlib.sha256(stored).digest() != bytes(row.personal_digest):
        return "column_digests"
    for position, column in enumerate(PERSONAL_COLUMNS):
        if getattr(row, column) is not None and _column_digest(row, column) != _at(stored, position):
            return column
    return None


def erased_columns(row: AuditLog) -> list[str]:
    """Return the personal columns that were erased or whose salt was erased. The row must be otherwise unchanged."""
    stored = bytes(row.column_digests or b"")
    return [
        column
        for position, column in enumerate(PERSONAL_COLUMNS)
        if _is_salt_missing(row, column) or _column_digest(row, column) != _at(stored, position)
    ]


def _is_salt_missing(row: AuditLog, column: str) -> bool:
    return not is_permanent(row, column) and getattr(row, PERSONAL_COLUMNS[column]) is None


def is_permanent(row: AuditLog, column: str) -> bool:
    return column == "details" and row.action in AuditLog.PERMANENT_DETAILS


def _at(stored: bytes, position: int) -> bytes:
    return stored[position * _DIGEST_SIZE : (position + 1) * _DIGEST_SIZE]


def _column_digest(row: AuditLog, column: str) -> bytes:
    salt = b"" if is_permanent(row, column) else bytes(getattr(row, PERSONAL_COLUMNS[column]) or b"")
    # Include the column name, so that equal values in different columns have different digests.
    return hashlib.sha256(salt + column.encode() + _to_json(getattr(row, column))).digest()


def _serializable(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _to_json(value: Any) -> bytes:
    if value is None:  # most columns of most rows, and slow to encode
        return b"null"
    return _encode(value).encode("utf-8", "surrogatepass")
