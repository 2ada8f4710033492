"""Report indexes that PostgreSQL does not use, because their creation was interrupted."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connection

#: An index that another session is creating at this moment is also invalid until it is complete.
INVALID = """
SELECT format('%%I.%%I', nspname, relname)
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE NOT indisvalid AND nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)
ORDER BY 1
"""


@checks.register(checks.Tags.database)
def check_indexes(databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W002: a migration was interrupted, and would fail if it ran again."""
    return [
        checks.Warning(
            f"The index {name} is not used, because its creation was interrupted.",
            hint=f"Execute “DROP INDEX CONCURRENTLY {name}”, and run manage.py migrate again.",
            id="core.W002",
        )
        for name in (invalid_indexes() if databases and "default" in databases else [])
    ]


def invalid_indexes() -> list[str]:
    """Return the names of invalid indexes, with their schema."""
    with connection.cursor() as cursor:
        cursor.execute(INVALID, [])
        return [name for (name,) in cursor.fetchall()]
