"""Timeouts for database sessions.

Direct connections send the timeouts as start-up options. PgBouncer rejects start-up options, or drops them if
configured to do so. Therefore, `migrate` also sets the timeouts as defaults for the database role. Both methods need no
statement.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core import checks
from django.db import connection, connections, transaction

#: In milliseconds. A request that waits for a lock returns 503 long before Svix times out after 15 s.
TIMEOUTS_MS = {"lock_timeout": 3000, "statement_timeout": 30000}
STARTUP_OPTIONS = " ".join(f"-c {name}={value}" for name, value in TIMEOUTS_MS.items())

_ROLE_DEFAULTS = """
SELECT split_part(setting, '=', 1)
FROM pg_db_role_setting
JOIN pg_roles ON pg_roles.oid = setrole AND rolname = current_user
LEFT JOIN pg_database ON pg_database.oid = setdatabase
CROSS JOIN unnest(setconfig) AS setting
WHERE setdatabase = 0 OR datname = current_database()
"""


def set_role_defaults(using: str = "default", **kwargs: Any) -> None:
    """Set the timeouts as defaults for the current role in this database. Values that were set manually are kept.

    A role can change its own defaults. They apply only to new sessions.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_ROLE_DEFAULTS)
        known = {name for (name,) in cursor.fetchall()}
        if missing := [name for name in TIMEOUTS_MS if name not in known]:
            cursor.execute(_alter_role(using, missing))


@contextmanager
def short_timeouts(*, lock_ms: int, statement_ms: int) -> Iterator[None]:
    """Open a transaction or savepoint with shorter timeouts. They end with the transaction, which suits PgBouncer."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
            [str(lock_ms), str(statement_ms)],
        )
        yield


def missing_timeouts() -> list[str]:
    """Return the timeouts that are missing in the current session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in TIMEOUTS_MS))
        return [name for name, value in zip(TIMEOUTS_MS, cursor.fetchone(), strict=True) if value == "0"]


def repair_hint(missing: list[str]) -> str:
    return (
        "Run manage.py migrate as the same database role and with a direct connection, or execute "
        f"“{_alter_role('default', missing)}”. Then restart the pooler, so that it opens new sessions."
    )


@checks.register(checks.Tags.database)
def check_timeouts(databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W001: a request could wait for a lock until Svix times out."""
    missing = missing_timeouts() if databases and "default" in databases else []
    if not missing:
        return []
    message = f"Database sessions have no {' and no '.join(missing)}, because the pooler drops start-up options."
    return [checks.Warning(message, hint=repair_hint(missing), id="core.W001")]


def _alter_role(using: str, names: list[str]) -> str:
    quote = connections[using].ops.quote_name
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT current_user, current_database()")
        role, database = map(quote, cursor.fetchone())
    return "; ".join(f"ALTER ROLE {role} IN DATABASE {database} SET {name} = {TIMEOUTS_MS[name]}" for name in names)
