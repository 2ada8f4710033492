"""Find erased values of users who have not been erased.

The trigger rejects such changes, but the database owner can disable it.
"""

from collections.abc import Iterable, Iterator

from django.contrib.auth import get_user_model

from audit.models import AuditLog
from audit.sealing import digests


def unexplained(rows: Iterable[tuple[AuditLog, list[str]]]) -> Iterator[tuple[AuditLog, str]]:
    """Yield each row in which a column was erased although its user was not, and the first such column.

    Args:
        rows: rows with their erased columns.
    """
    found = [(row, {column: _owner(row, column) for column in columns}) for row, columns in rows]
    erased = _erased_users({owner for _, owners in found for owner in owners.values() if owner is not None})
    for row, owners in found:
        wrong = [column for column, owner in owners.items() if owner not in erased]
        if wrong:
            yield row, wrong[0]


def _owner(row: AuditLog, column: str) -> int | None:
    """Return the user whose erasure allows the column to be erased, or None if the column must never be erased."""
    if digests.is_permanent(row, column):
        return None
    is_actors = digests.PERSONAL_COLUMNS[column] == "actor_salt" and row.actor_id is not None
    return row.actor_id if is_actors else row.subject_id


def _erased_users(ids: set[int]) -> set[int]:
    """Return the users who are marked as erased and have an audit row for their erasure."""
    if not ids:
        return set()
    recorded = AuditLog.objects.filter(action=AuditLog.Action.PERSON_ERASED, subject_id__in=ids).values("subject_id")
    marked = get_user_model()._default_manager.filter(pk__in=recorded, erased_at__isnull=False)
    return set(marked.values_list("pk", flat=True))
