"""Rank builders that match synonyms or only some of the search words."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from profiles.directory import results
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import Row, Sample
from profiles.directory.terms import term_key
from profiles.directory.understanding import Concept, Understanding

#: Concepts with fewer matches in the scanned rows are also looked up in the index.
MIN_SCANNED = 24


class _Ranked(NamedTuple):
    """A builder and the points for each concept: 2 if the words match, 1 if only a synonym matches, otherwise 0."""

    row: Row
    score: int
    points: list[int]

    def position(self, understood: Understanding) -> tuple[int, int, int]:
        return -sum(self.points) - skill_points(self.row, understood), -self.score, -self.row.id


def skill_points(row: Row, understood: Understanding) -> int:
    """Return one point for each concept that matches one of the builder's skills, directly or as a synonym."""
    keys = set(map(term_key, row.skills))
    return sum(not keys.isdisjoint(concept.skills) for concept in understood.concepts)


def best_first(literal: Sample, broad: Sample, understood: Understanding) -> list[int]:
    """Return the IDs of builders who match all words as typed or list a synonym as a skill, best matches first.

    All other builders match only a domain or a synonym elsewhere on the page.
    """
    typed = {row.id for row in literal.rows}
    rows = {row.id: row for row in (*literal.rows, *broad.rows)}
    points = {pk: 2 * (pk in typed) + skill_points(row, understood) for pk, row in rows.items()}
    return sorted((pk for pk in points if points[pk]), key=lambda pk: -points[pk])


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
