"""The directory's SQL statements. `profiles.directory.search` combines their results.

Words and filters form one tsquery, so that PostgreSQL can use one index for both. There are two ways to find the best
matches. If many builders match, scanning the sorted list reads only a few rows. If few builders match, the index
returns only a few rows to sort. PostgreSQL has no statistics on word prefixes, so the planner cannot choose reliably.
Therefore, `scan` first reads `SCAN_LIMIT` rows. The index is used only if these rows do not contain enough matches. See
docs/decisions.md for measurements.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from core.db.replica import read_connection
from core.db.statements import hot_cursor
from profiles.directory import indexing
from profiles.directory.facets import BEST, SORTS
from profiles.directory.query import DirectoryQuery
from profiles.directory.understanding import MIN_PREFIX_LENGTH
from profiles.models import BuilderProfile

PAGE_SIZE = 24
#: Maximum number of matches to count exactly. If there are more, counts are lower bounds.
SAMPLE_SIZE = 500
#: Number of sorted rows that `scan` reads.
SCAN_LIMIT = 2000
#: Maximum number of name matches to show first, and maximum number of names to read.
MAX_NAME_MATCHES, NAME_SCAN_LIMIT = 12, 200

#: The same conditions as `BuilderProfileQuerySet.listed`, except `user.is_active`, which is checked for matching rows
#: only.
LISTED_CONDITION = "searchable AND headline <> '' AND slug IS NOT NULL" + "".join(
    f" AND {name} IS NULL" for name in sorted(BuilderProfile.HIDDEN_BY_FIELDS)
)
_ACTIVE = "(SELECT is_active FROM accounts_user WHERE accounts_user.id = user_id)"
_COLUMNS = (
    "id, domains, skills, languages, location, validation_tier, available_for_hire, availability, "
    "availability_confirmed_at, rate_usd"
)


class Row(NamedTuple):
    """The columns needed to count a matching builder in each facet."""

    id: int
    domains: list[str]
    skills: list[str]
    languages: list[str]
    location: str
    validation_tier: int
    available_for_hire: bool
    availability: str
    availability_confirmed_at: datetime | None
    rate_usd: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The first matches of a query.

    Attributes:
        is_complete: whether `rows` contains all matches.
    """

    rows: list[Row]
    is_complete: bool


def find_by_name(query: DirectoryQuery) -> list[int]:
    """Return the ids of up to `MAX_NAME_MATCHES` builders whose name starts with the search text, exact matches first.

    Only the first `NAME_SCAN_LIMIT` names in alphabetical order are read, which limits the cost of common prefixes. All
    other builders keep their normal position in the list.
    """
    key = indexing.name_key(query.text)
    if not key or query.sort != BEST:
        return []
    # One or two ASCII letters must match the whole name, but two Han characters can be a family name.
    last = key if len(key) < MIN_PREFIX_LENGTH and key.isascii() else key + chr(sys.maxunicode)
    candidates = (
        f"SELECT * FROM profiles_builderprofile WHERE {LISTED_CONDITION} AND name_key BETWEEN %s AND %s "  # noqa: S608
        f"ORDER BY name_key LIMIT {NAME_SCAN_LIMIT}"
    )
    conditions = f"{_match_condition(query.tsqueries)} AND {_ACTIVE}"
    order = f"ORDER BY name_key <> %s, score DESC, id DESC LIMIT {MAX_NAME_MATCHES}"
    sql = f"SELECT id FROM ({candidates}) AS builder WHERE {conditions} {order}"  # noqa: S608
    return [pk for (pk,) in _fetch(sql, [key, last, *query.tsqueries, key])]


def scan(queries: Sequence[DirectoryQuery]) -> list[Sample]:
    """Return each query's matches among the first `SCAN_LIMIT` rows of its sort order, in one statement."""
    samples: list[list[Row]] = [[] for _ in queries]
    has_more: list[bool] = [True for _ in queries]
    statements = [select_statement(query, SAMPLE_SIZE + 1, scan_limit=SCAN_LIMIT) for query in queries]
    for number, *columns, list_continues in fetch_union(statements):
        samples[number].append(Row(*columns))
        has_more[number] = list_continues
    return [
        Sample(rows[:SAMPLE_SIZE], is_complete=not list_continues and len(rows) <= SAMPLE_SIZE)
        for rows, list_continues in zip(samples, has_more, strict=True)
    ]


def complete(queries: Sequence[DirectoryQuery], samples: Sequence[Sample], min_rows: int) -> list[Sample]:
    """Replace incomplete samples that have fewer than `min_rows` rows, using one statement and the index."""
    short = [i for i, sample in enumerate(samples) if not sample.is_complete and len(sample.rows) < min_rows]
    found = dict(zip(short, collect([queries[i] for i in short]), strict=True))
    return [found.get(i, sample) for i, sample in enumerate(samples)]


def collect(queries: Sequence[DirectoryQuery]) -> list[Sample]:
    """Return each query's first matches, using one statement and the index."""
    statements = [select_statement(query, SAMPLE_SIZE + 1) for query in queries]
    rows: list[list[Row]] = [[] for _ in queries]
    for number, *columns in fetch_union(statements):
        rows[number].append(Row(*columns))
    return [Sample(each[:SAMPLE_SIZE], is_complete=len(each) <= SAMPLE_SIZE) for each in rows]


def count(queries: Sequence[DirectoryQuery]) -> list[int]:
    """Count each query's matches, up to `SAMPLE_SIZE + 1`, in one statement."""
    statements = [select_statement(query.first_page, SAMPLE_SIZE + 1, is_sorted=False) for query in queries]
    sql = " UNION ALL ".join(
        f"SELECT {number}, count(*) FROM ({one}) AS one"  # noqa: S608
        for number, (one, _) in enumerate(statements)
    )
    counts = dict(_fetch(sql, [value for _, values in statements for value in values])) if queries else {}
    return [counts[number] for number in range(len(queries))]


def fetch_union(statements: Sequence[tuple[str, list[Any]]]) -> list[tuple[Any, ...]]:
    """Run statements that have the same columns. Return their rows, each with the statement number first."""
    sql = " UNION ALL ".join(
        f"(SELECT {number}, one.* FROM ({one}) AS one)"  # noqa: S608
        for number, (one, _) in enumerate(statements)
    )
    return _fetch(sql, [value for _, values in statements for value in values]) if statements else []


def _fetch(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    # The server prepares only the unfiltered list. Other statements need a plan for their search words.
    with read_connection().cursor() if values else hot_cursor(read_connection()) as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def select_statement(
    query: DirectoryQuery,
    limit: int,
    *,
    scan_limit: int | None = None,
    is_sorted: bool = True,
    extra: tuple[str, list[Any]] = ("", []),
) -> tuple[str, list[Any]]:
    """Return a SELECT statement for the first `limit` matches, and its parameters.

    Args:
        scan_limit: the maximum number of rows to read. Adds a column that is true if there are more rows.
        is_sorted: whether to sort the matches.
        extra: SQL for additional columns, starting with a comma, and its parameters.
    """
    conditions, values = _list_condition(query)
    tsqueries: list[Any] = query.tsqueries
    matches = _match_condition(tsqueries)
    order = f"ORDER BY {_order(query.sort)}" if is_sorted else ""
    # Only column names and operators from this package are interpolated. All user input is passed as parameters.
    listed = f"FROM profiles_builderprofile WHERE {conditions}"
    source, columns = f"(SELECT * {listed})", _COLUMNS + extra[0]
    if scan_limit:
        columns += f", EXISTS (SELECT {listed} {order} OFFSET {scan_limit})"
        source, tsqueries = f"(SELECT * {listed} {order} LIMIT {scan_limit})", [*values, *tsqueries]
    select = f"SELECT {columns} FROM {source} AS builder WHERE {matches} AND {_ACTIVE}"  # noqa: S608
    return f"{select} {order} LIMIT {limit}", [*extra[1], *values, *tsqueries]


def _match_condition(tsqueries: Sequence[str]) -> str:
    # coalesce() keeps PostgreSQL from using the index for the second tsquery, which contains only short prefixes.
    return " AND ".join(["search @@ %s::tsquery", "coalesce(search, '') @@ %s::tsquery"][: len(tsqueries)]) or "true"


def _list_condition(query: DirectoryQuery) -> tuple[str, list[Any]]:
    """Return the conditions that do not depend on the search text, and their parameters."""
    sort = SORTS[query.sort]
    conditions, values = [LISTED_CONDITION], []
    if sort.required_field:
        conditions.append(f"{sort.required_field} IS NOT NULL")
    if len(tiers := query.filters.get("tier", ())) == 1:
        # Lower tiers are far down the list. An index that starts with the tier finds them quickly.
        conditions.append("validation_tier = %s")
        values.append(int(tiers[0]))
    if query.after:
        placeholders = ", ".join(["%s"] * len(sort.fields))
        conditions.append(f"({', '.join(sort.fields)}) {'<' if sort.descending else '>'} ({placeholders})")
        values += query.after
    return " AND ".join(conditions), values


def _order(sort: str) -> str:
    direction = "DESC" if SORTS[sort].descending else "ASC"
    return ", ".join(f"{name} {direction}" for name in SORTS[sort].fields)
