"""Rank builders that match synonyms, or only some of the words in a search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from profiles.directory import results
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import Row, Sample
from profiles.directory.terms import term_key
from profiles.directory.understanding import Concept, Understanding

#: A concept with fewer matches than this among the scanned rows is also looked up in the index.
MIN_SCANNED = 24


class _Ranked(NamedTuple):
    """A builder with points for each concept: two for its words, one for a synonym, and none without a match."""

    row: Row
    score: int
    points: list[int]

    def position(self, understood: Understanding) -> tuple[int, int, int]:
        return -sum(self.points) - skill_points(self.row, understood), -self.score, -self.row.id


def skill_points(row: Row, understood: Understanding) -> int:
    """Return one point for each concept that is one of the builder's skills, as typed or as a synonym."""
    keys = set(map(term_key, row.skills))
    return sum(not keys.isdisjoint(concept.skills) for concept in understood.concepts)


def best_first(literal: Sample, broad: Sample, understood: Understanding) -> list[int]:
    """Return the ids of builders that match all concepts as typed or have synonyms as skills, best matches first.

    Other builders only have a domain or a word in common with the synonyms.
    """
    typed = {row.id for row in literal.rows}
    rows = {row.id: row for row in (*literal.rows, *broad.rows)}
    points = {pk: 2 * (pk in typed) + skill_points(row, understood) for pk, row in rows.items()}
    return sorted((pk for pk in points if points[pk]), key=lambda pk: -points[pk])


def rank(query: DirectoryQuery, understood: Understanding) -> tuple[Sample, list[Concept]]:
    """Return the builders that match most of the concepts first, and the concepts that match no builder.

    Common concepts are looked for in the first `SCAN_LIMIT` rows, and rare ones in the index. Builders with the same
    number of points keep the order of the directory.
    """
    concepts = understood.concepts
    query = replace(query.first_page, conditions=understood.any_concept)
    points = _points_column(concepts)
    # The limit cuts nothing, because the scan reads no more rows.
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
    """Return the rows after the query's cursor. A ranked list is short, so it is ranked again for each page."""
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
