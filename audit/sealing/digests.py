"""How rows of the log are written down to be digested: one way, for ever, whoever wrote or reads them.

Personal columns enter by a salted digest each. The row keeps the five of them (`personal_parts`), and the digest of the five
(`personal_digest`) is what is sealed. So a column that was erased can be told from one that was changed, and the columns
beside it are still vouched for. Rows from before `personal_parts` have one digest over all five columns instead: once one
column of theirs is erased, the others cannot be verified any more.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from audit.models import AuditLog

#: The way in which rows and seals are written down; a seal names the one it was made in. A new one needs a new number.
FORM = 1
#: What is sealed of a row, in this order. Everything but the personal columns and what they are salted and digested to.
SEALED = (
    *("id", "timestamp", "action", "source", "actor_id", "target", "subject_id", "changed", "delivery", "impersonator"),
    *("transaction", "personal_digest"),
)
#: Personal columns, in the order of their digests, and the column of their salt.
PERSONAL = {
    "actor_label": "actor_salt",
    "target_label": "personal_salt",
    "details": "personal_salt",
    "ip_address": "actor_salt",
    "user_agent": "actor_salt",
}
#: json.dumps would make an encoder for each call, and webhooks digest five columns of each row.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_SIZE = hashlib.sha256().digest_size


def row_digest(row: AuditLog) -> bytes:
    """Return the SHA-256 of what is sealed of a row, which must have been read from the database."""
    return hashlib.sha256(_text([_plain(getattr(row, column)) for column in SEALED])).digest()


def personal_digest(row: AuditLog) -> bytes:
    """Return the digest of the row's personal columns, which must not have been erased."""
    if row.personal_parts is not None:
        return hashlib.sha256(personal_parts(row)).digest()
    values = [getattr(row, column) for column in PERSONAL]
    return hashlib.sha256(bytes(row.personal_salt or b"") + _text(values)).digest()


def personal_parts(row: AuditLog) -> bytes:
    """Return the salted digest of each personal column, one after the other."""
    return b"".join(_part(row, column) for column in PERSONAL)


def changed_personal_column(row: AuditLog) -> str | None:
    """Return the first personal column that is neither as it was written nor erased; None if all is well."""
    if row.personal_parts is None:
        erased = any(getattr(row, column) is None for column in PERSONAL)
        return None if erased or personal_digest(row) == bytes(row.personal_digest) else next(iter(PERSONAL))
    parts = bytes(row.personal_parts)
    if hashlib.sha256(parts).digest() != bytes(row.personal_digest):
        return "personal_parts"
    for position, column in enumerate(PERSONAL):
        kept = parts[position * _SIZE : (position + 1) * _SIZE]
        if getattr(row, column) is not None and _part(row, column) != kept:
            return column
    return None


def is_erased(row: AuditLog) -> bool:
    """Return whether personal columns of an unchanged row were erased."""
    if row.personal_parts is None:
        return personal_digest(row) != bytes(row.personal_digest)
    return row.actor_salt is None or row.personal_salt is None or personal_parts(row) != bytes(row.personal_parts)


def _part(row: AuditLog, column: str) -> bytes:
    salt = getattr(row, PERSONAL[column])
    # The column's name keeps equal values in two columns from having equal digests.
    return hashlib.sha256(bytes(salt or b"") + column.encode() + _text(getattr(row, column))).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _text(value: Any) -> bytes:
    return _encode(value).encode("utf-8", "surrogatepass")
