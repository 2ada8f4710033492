"""Directory search. Pages and the JSON API both call `find`.

The search is widened step by step until builders match: all words as typed, all words or their synonyms, corrected
words, then any of the words. See docs/directory.md.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from profiles.directory import ranking, synonyms, terms, vocabulary
from profiles.directory.facets import BEST, SORTS
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import PAGE_SIZE, Sample, complete, count, find_by_name, scan
from profiles.directory.understanding import Concept, Understanding, understand
from profiles.models import BuilderProfile

#: Loads the listed builders with the given IDs.
type Load = Callable[[list[int]], dict[int, BuilderProfile]]


class Match(enum.StrEnum):
    """How builders match the search text."""

    ALL_WORDS = "all"
    SYNONYMS = "synonyms"
    ANY_WORD = "any"
    #: The text contains only generic words, such as “developer”, and no builder uses them.
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class Found:
    """Matching builders before they are loaded.

    Attributes:
        query: the query with the conditions that were used. first: IDs of the builders to list first on the first page.
            Later pages omit these builders.
        sample: the matches after the cursor.
    """

    query: DirectoryQuery
    understood: Understanding
    match: Match
    sample: Sample
    first: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """A directory page.

    Attributes:
        query: the query with the conditions that were used. The text may have been corrected.
        understood: the parsed search text.
        next_query: the query for the next page, or None on the last page.
        sample: the matches on this page and the following pages.
        corrected_text: the corrected text that was used, or "" if the text was not corrected.
        suggested_text: a corrected text that was not used because no builder matches it with these filters, or "".
    """

    query: DirectoryQuery
    understood: Understanding
    match: Match
    builders: list[BuilderProfile]
    next_query: DirectoryQuery | None
    sample: Sample
    corrected_text: str = ""
    suggested_text: str = ""

    @property
    def wanted_skills(self) -> frozenset[str]:
        """The term keys of the skills in the search text and the filters."""
        filtered = map(terms.term_key, self.query.filters.get("skill", ()))
        return frozenset(filtered).union(*(concept.skills for concept in self.understood.concepts))


def find_pages(query: DirectoryQuery, load: Load) -> list[Page]:
    """Return up to `query.pages` pages of a list."""
    pages = [find(replace(query, pages=1), load=load)]
    while len(pages) < query.pages and (next_query := pages[-1].next_query):
        pages.append(find(next_query, load=load))
    return pages


def find(query: DirectoryQuery, *, size: int = PAGE_SIZE, load: Load | None = None) -> Page:
    """Return one page of listed builders that match `query`.

    Args:
        size: the number of builders per page, less than `SAMPLE_SIZE`.
        load: loads listed builders with the columns that the caller needs. By default, all columns are loaded.
    """
    known = synonyms.current() if query.text else synonyms.NO_SYNONYMS
    understood = understand(query.text, known)
    found = _find_all_words(query, understood, size)
    corrected = ""
    if understood.concepts and not found.sample.rows and not _has_earlier_pages(found):
        found, corrected = _widen(found, known, size)
    page = _load(found, size, load or BuilderProfile.objects.listed().in_bulk)
    if found.query.text == corrected:
        return replace(page, corrected_text=corrected)
    return replace(page, suggested_text=corrected)


def _find_all_words(query: DirectoryQuery, understood: Understanding, size: int) -> Found:
    """Find builders who match all concepts. Include synonyms if there is less than a page of literal matches."""
    literal = replace(query, conditions=understood.literal)
    broad = replace(query, conditions=understood.broad)
    queries = [literal, broad] if understood.has_synonyms else [literal]
    first_pages = [each.first_page for each in queries] if query.after and understood.concepts else []
    names = find_by_name(literal)
    samples = complete([*queries, *first_pages], scan([*queries, *first_pages]), size + len(names) + 1)
    literal_on_first_page, broad_on_first_page = samples[-len(queries)], samples[-1]
    is_broad = understood.has_synonyms and len(literal_on_first_page.rows) < PAGE_SIZE
    candidates = broad_on_first_page if is_broad else literal_on_first_page
    first = []
    if query.sort == BEST and understood.concepts:
        ranked = ranking.best_first(literal_on_first_page, candidates, understood)
        first = list(dict.fromkeys([*names, *ranked]))[: size - 1]
    if is_broad:
        return Found(broad, understood, Match.SYNONYMS, samples[1], first)
    return Found(literal, understood, Match.ALL_WORDS, samples[0], first)


def _has_earlier_pages(found: Found) -> bool:
    """Return whether the page is empty only because it is past the end of the list."""
    return found.query.after is not None and count([found.query.first_page]) != [0]


def _widen(found: Found, known: synonyms.Synonyms, size: int) -> tuple[Found, str]:
    """Find builders who match corrected words or only some words. Also return the corrected text.

    If some words match as typed, the correction is only used if builders match all of it. Otherwise, it is only
    suggested.
    """
    any_word, unknown = _find_any_word(found, size)
    corrections = vocabulary.corrections(unknown, known)
    if not corrections:
        return any_word, ""
    text = found.understood.text_with(corrections)
    corrected = _find_all_words(replace(found.query, text=text), understand(text, known), size)
    if not corrected.sample.rows and not any_word.sample.rows:
        corrected, _ = _find_any_word(corrected, size)
    return (corrected if corrected.sample.rows else any_word), text


def _find_any_word(found: Found, size: int) -> tuple[Found, list[Concept]]:
    """Find builders who match any concept, best matches first. Also return the concepts that match no builder."""
    query, understood = found.query, found.understood
    if understood.is_general:
        query = replace(query, conditions=())
        return replace(found, query=query, match=Match.EVERYONE, sample=_sample(query, size), first=[]), []
    if len(understood.concepts) == 1:
        return found, list(understood.concepts)
    sample, unknown = ranking.rank(query, understood)
    query = replace(query, conditions=understood.any_concept)
    sample = ranking.rows_after(sample, query) if query.sort == BEST else _sample(query, size)
    return Found(query, understood, Match.ANY_WORD, sample), unknown


def _sample(query: DirectoryQuery, size: int) -> Sample:
    [sample] = complete([query], scan([query]), size + 1)
    return sample


def _load(found: Found, size: int, load: Load) -> Page:
    query, first, sample = found.query, found.first, found.sample
    others = [row for row in sample.rows if row.id not in first]
    if query.after:
        # These builders were already listed on the first page.
        first, sample = [], replace(sample, rows=others)
    room = size - len(first)
    ids = [*first, *(row.id for row in others[:room])]
    profiles = load(ids) if ids else {}
    # A profile may have been hidden since the search.
    builders = [profiles[pk] for pk in ids if pk in profiles]
    next_query = None
    if len(others) > room and builders:
        next_query = replace(query, after=tuple(getattr(builders[-1], name) for name in SORTS[query.sort].fields))
    return Page(query, found.understood, found.match, builders, next_query, sample)
