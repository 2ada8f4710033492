"""The directory: who is found, and in which order. Pages and the JSON API both call `find`.

Words and filters become one tsquery, so that PostgreSQL puts them together in one index. Two ways lead to the best of
those who match. Where many match, the list is walked from its top, and few rows are enough; where few match, the index
gathers all of them, and few are to be sorted. PostgreSQL would choose by its statistics, which know no rare beginnings of
words, so it is asked to walk `WALK` rows first, and to gather only if that was not enough. docs/decisions.md has figures.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from profiles.directory import indexing
from profiles.directory.facets import BEST, SORTS
from profiles.directory.query import SHORT, DirectoryQuery
from profiles.models import BuilderProfile

PAGE_SIZE = 24
#: How many of those who match are looked at; if there are more, counts are of the first ones and say "at least".
SAMPLE = 500
#: How many rows of the list are read for those.
WALK = 2000
#: Of those who are called what was typed: how many go first, and among how many names they are looked for.
NAMED, NAMES_READ = 12, 200

#: As `BuilderProfileQuerySet.listed` has it, but for the person's being active, which is asked once there are matches.
_LISTED = "searchable AND slug IS NOT NULL" + "".join(
    f" AND {reason} IS NULL" for reason in sorted(BuilderProfile.HIDDEN_BY_FIELDS)
)
_ACTIVE = "(SELECT is_active FROM accounts_user WHERE accounts_user.id = user_id)"
_COLUMNS = "id, domains, skills, validation_tier, available_for_hire, availability, rate_usd"


class Row(NamedTuple):
    """What is counted of a builder who matches."""

    id: int
    domains: list[str]
    skills: list[str]
    validation_tier: int
    available_for_hire: bool
    availability: str
    rate_usd: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The first of those who match.

    Attributes:
        is_all: whether nobody else matches.
    """

    rows: list[Row]
    is_all: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the directory.

    Attributes:
        following: the query of the next page, if there is one.
        sample: who matches from this page on.
    """

    builders: list[BuilderProfile]
    following: DirectoryQuery | None
    sample: Sample


def find(query: DirectoryQuery, *, size: int = PAGE_SIZE, shown: "QuerySet[BuilderProfile] | None" = None) -> Page:
    """Return the page that `query` asks for, of builders who may be shown to everybody.

    Args:
        size: builders on a page, fewer than `SAMPLE`.
        shown: the listed builders with only the columns that are needed; all columns if none is given.
    """
    # They stand on top of the first page, and so on no other.
    called, [sample] = named(query), walk([query])
    if len(sample.rows) <= size + len(called) and not sample.is_all:
        rows = [Row(*values) for values in _fetch(*_select(query, SAMPLE + 1))]
        sample = Sample(rows[:SAMPLE], is_all=len(rows) <= SAMPLE)
    others = [row for row in sample.rows if row.id not in called]
    if query.after:
        called, sample = [], replace(sample, rows=others)
    room = size - len(called)
    ids = [*called, *(row.id for row in others[:room])]
    found = (BuilderProfile.objects.listed() if shown is None else shown).in_bulk(ids) if ids else {}
    # Somebody may have gone since a moment ago.
    builders = [found[pk] for pk in ids if pk in found]
    following = None
    if len(others) > room and builders:
        following = replace(query, after=tuple(getattr(builders[-1], name) for name in SORTS[query.sort].fields))
    return Page(builders, following, sample)


def named(query: DirectoryQuery) -> list[int]:
    """Return the ids of the first `NAMED` builders who match and are called what was typed, whole names before longer ones.

    Only so many names are looked at, in the order of the alphabet, that a beginning which many share costs no more than
    another; whoever is not among them stands where the list has them.
    """
    key = indexing.name_key(query.text)
    if not key or query.sort != BEST:
        return []
    # Names that only begin with a letter or two are no answer yet; two signs of Han are a family's name.
    last = key if len(key) < SHORT and key.isascii() else key + chr(sys.maxunicode)
    candidates = (
        f"SELECT * FROM profiles_builderprofile WHERE {_LISTED} AND name_key BETWEEN %s AND %s "  # noqa: S608
        f"ORDER BY name_key LIMIT {NAMES_READ}"
    )
    conditions = f"{_matches(query.asked)} AND {_ACTIVE}"
    order = f"ORDER BY name_key <> %s, score DESC, id DESC LIMIT {NAMED}"
    sql = f"SELECT id FROM ({candidates}) AS builder WHERE {conditions} {order}"  # noqa: S608
    return [pk for (pk,) in _fetch(sql, [key, last, *query.asked, key])]


def walk(queries: Sequence[DirectoryQuery]) -> list[Sample]:
    """Return who matches each of these queries among the first `WALK` rows of its order, in one statement."""
    samples: list[list[Row]] = [[] for _ in queries]
    more: list[bool] = [True for _ in queries]
    statements = [_select(query, SAMPLE + 1, walk=WALK) for query in queries]
    sql = " UNION ALL ".join(
        f"(SELECT {number}, one.* FROM ({one}) AS one)"  # noqa: S608
        for number, (one, _) in enumerate(statements)
    )
    for number, *columns, is_deep in _fetch(sql, [value for _, values in statements for value in values]):
        samples[number].append(Row(*columns))
        more[number] = is_deep
    return [
        Sample(rows[:SAMPLE], is_all=not is_deep and len(rows) <= SAMPLE)
        for rows, is_deep in zip(samples, more, strict=True)
    ]


def count(queries: Sequence[DirectoryQuery]) -> list[int]:
    """Return how many match each of these queries, `SAMPLE + 1` at most, in one statement."""
    statements = [_select(query.first, SAMPLE + 1, is_sorted=False) for query in queries]
    sql = " UNION ALL ".join(
        f"SELECT {number}, count(*) FROM ({one}) AS one"  # noqa: S608
        for number, (one, _) in enumerate(statements)
    )
    found = dict(_fetch(sql, [value for _, values in statements for value in values])) if queries else {}
    return [found[number] for number in range(len(queries))]


def _fetch(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _select(
    query: DirectoryQuery, most: int, *, walk: int | None = None, is_sorted: bool = True
) -> tuple[str, list[Any]]:
    """Return the SELECT of the first `most` who match, and its values.

    Args:
        walk: look at so many rows of the list only, and add a column that says whether there are more.
        is_sorted: whether it matters who is first.
    """
    conditions, values = _place(query)
    asked: list[Any] = query.asked
    matches = _matches(asked)
    order = f"ORDER BY {_order(query.sort)}" if is_sorted else ""
    # Names of columns and operators only are put in here, which all stand in this package; the rest are values.
    listed = f"FROM profiles_builderprofile WHERE {conditions}"
    source, columns = f"(SELECT * {listed})", _COLUMNS
    if walk:
        columns += f", EXISTS (SELECT {listed} {order} OFFSET {walk})"
        source, asked = f"(SELECT * {listed} {order} LIMIT {walk})", [*values, *asked]
    select = f"SELECT {columns} FROM {source} AS builder WHERE {matches} AND {_ACTIVE}"  # noqa: S608
    return f"{select} {order} LIMIT {most}", [*values, *asked]


def _matches(asked: Sequence[str]) -> str:
    """Return the condition that so many tsqueries match."""
    # The index serves the first; for a column that could be something else it is not considered.
    return " AND ".join(["search @@ %s::tsquery", "coalesce(search, '') @@ %s::tsquery"][: len(asked)]) or "true"


def _place(query: DirectoryQuery) -> tuple[str, list[Any]]:
    """Return what the rows of the list itself must meet, whatever the words."""
    sort = SORTS[query.sort]
    conditions, values = [_LISTED], []
    if sort.needs:
        conditions.append(f"{sort.needs} IS NOT NULL")
    if len(tiers := query.chosen.get("tier", ())) == 1:
        # Lower tiers stand low in the list, so each has an index of its own.
        conditions.append("validation_tier = %s")
        values.append(int(tiers[0]))
    if query.after:
        places = ", ".join(["%s"] * len(sort.fields))
        conditions.append(f"({', '.join(sort.fields)}) {'<' if sort.descending else '>'} ({places})")
        values += query.after
    return " AND ".join(conditions), values


def _order(sort: str) -> str:
    direction = "DESC" if SORTS[sort].descending else "ASC"
    return ", ".join(f"{name} {direction}" for name in SORTS[sort].fields)
