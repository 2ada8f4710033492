"""Rank builders by how well they match the search words.

Builders list their most important skills and domains first, so an early match counts more than a late one.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from profiles.directory import results
from profiles.directory.facets import LOWEST_RATE
from profiles.directory.indexing import AVAILABILITY_SCORES
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import Row, Sample
from profiles.directory.terms import term_key
from profiles.directory.understanding import Concept, Understanding
from profiles.models import Availability

#: Points for a matching skill or domain by its position in the builder's list. Later positions get 1 point.
SKILL_POINTS, DOMAIN_POINTS = (4, 3, 2), (3, 2)
#: Points for words that match as typed, compared with a synonym.
WORD_POINTS = 2
#: Number of matches, in directory order, that are ranked for the first page.
MAX_RANKED = 100
#: Concepts with fewer matches in the scanned rows are also looked up in the index.
MIN_SCANNED = 24


class _Ranked(NamedTuple):
    """A builder and the points for each concept: 2 if the words match, 1 if only a synonym matches, otherwise 0."""

    row: Row
    score: int
    points: list[int]

    def position(self, understood: Understanding) -> tuple[int, int, int]:
        return -WORD_POINTS * sum(self.points) - focus_points(self.row, understood), -self.score, -self.row.id


def focus_points(row: Row, understood: Understanding) -> int:
    """Return points for each concept that is one of the builder's skills or domains, directly or as a synonym."""
    skills = list(map(term_key, row.skills))
    return sum(
        max(_points(skills, concept.skills, SKILL_POINTS), _points(row.domains, concept.domains, DOMAIN_POINTS))
        for concept in understood.concepts
    )


def _points(listed: Sequence[str], wanted: Collection[str], points: Sequence[int]) -> int:
    """Return the points for the first wanted entry, and one more for each further one."""
    positions = [i for i, entry in enumerate(listed) if entry in wanted]
    if not positions:
        return 0
    return (points[positions[0]] if positions[0] < len(points) else 1) + len(positions) - 1


def _preference(row: Row, understood: Understanding) -> tuple[int, float]:
    """Return the order of equally good matches: available builders first, then low rates if the text asks for them."""
    availability = row.availability if row.available_for_hire else Availability.UNAVAILABLE
    by_rate = any(hint.sort == LOWEST_RATE for hint in understood.hints)
    rate = float("inf") if row.rate_usd is None else row.rate_usd
    return -AVAILABILITY_SCORES[availability], rate if by_rate else 0


def best_first(literal: Sample, broad: Sample, understood: Understanding) -> list[int]:
    """Return the IDs of the first matches in directory order, best matches first.

    Builders who match all words as typed come before those who match a synonym. Builders without points keep their
    position in the directory.
    """
    typed = {row.id for row in literal.rows}
    rows = {row.id: row for row in (*literal.rows[:MAX_RANKED], *broad.rows[:MAX_RANKED])}
    focus = {pk: focus_points(row, understood) for pk, row in rows.items()}
    keys = {
        pk: (pk not in typed, -focus[pk], *(_preference(row, understood) if focus[pk] else (0, 0)))
        for pk, row in rows.items()
        if focus[pk] or pk in typed
    }
    return sorted(keys, key=keys.__getitem__)


def rank(query: DirectoryQuery, understood: Understanding) -> tuple[Sample, list[Concept]]:
    """Return builders ordered by how many concepts they match, and the concepts that match no builder.

    Common concepts are searched for in the first `SCAN_LIMIT` rows, rare concepts in the index. Builders with equal
    points keep the default directory order.
    """
    concepts = understood.concepts
    query = replace(query.first_page, conditions=understood.any_concept)
    points = _points_column(concepts)
    # The limit has no effect, because the scan reads at most that many rows.
    statement = results.select_statement(query, results.SCAN_LIMIT, scan_limit=results.SCAN_LIMIT, extra=points)
    rows = [_Ranked(Row(*columns), score, each) for _, *columns, score, each, _ in results.fetch_union([statement])]
    scanned = [sum(1 for row in rows if row.points[i]) for i in range(len(concepts))]
    rare = [concept for concept, number in zip(concepts, scanned, strict=True) if number < MIN_SCANNED]
    rows += _rows_from_index(query, [concept for concept in rare if not concept.broad.is_short], points)
    ranked = sorted({ranked.row.id: ranked for ranked in rows}.values(), key=lambda ranked: ranked.position(understood))
    matched = {i for ranked in ranked for i, number in enumerate(ranked.points) if number}
    sample = Sample([ranked.row for ranked in ranked[: results.SAMPLE_SIZE]], len(ranked) <= results.SAMPLE_SIZE)
    return sample, [concept for i, concept in enumerate(concepts) if i not in matched]


def rows_after(sample: Sample, query: DirectoryQuery) -> Sample:
    """Return the rows after the query's cursor. Ranked lists are short enough to rank again for each page."""
    if query.after is None:
        return sample
    ids = [row.id for row in sample.rows]
    last_id = query.after[-1]
    return replace(sample, rows=sample.rows[ids.index(last_id) + 1 :] if last_id in ids else [])


def _rows_from_index(
    query: DirectoryQuery, concepts: Sequence[Concept], points: tuple[str, list[Any]]
) -> list[_Ranked]:
    statements = [
        results.select_statement(replace(query, conditions=(concept.broad,)), results.SAMPLE_SIZE, extra=points)
        for concept in concepts
    ]
    return [_Ranked(Row(*columns), score, each) for _, *columns, score, each in results.fetch_union(statements)]


def _points_column(concepts: Sequence[Concept]) -> tuple[str, list[Any]]:
    points = ", ".join(["(search @@ %s::tsquery)::int + (search @@ %s::tsquery)::int"] * len(concepts))
    tsqueries = [condition.tsquery for each in concepts for condition in (each.literal, each.broad)]
    return f", score, ARRAY[{points}]", tsqueries
