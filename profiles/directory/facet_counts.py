"""Count builders for each filter value in the directory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from profiles.directory import indexing, terms
from profiles.directory import results as directory
from profiles.directory.facets import FACETS, NEAR, Facet
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import Row, Sample
from profiles.directory.search import Match, Page
from profiles.localization import languages, time_zones
from profiles.models import Availability

#: Number of choices of skills, places and languages. There are fewer countries and languages than skills.
MAX_SKILL_CHOICES, MAX_CHOICES = 10, 24
MAX_SUGGESTIONS = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """A selectable facet value.

    Attributes:
        count: the number of builders with this value, formatted by `format_count`, or "" if unknown.
    """

    element_id: str
    facet: Facet
    value: str
    count: str
    is_selected: bool

    @property
    def label(self) -> str:
        return self.facet.label(self.value)

    @property
    def meaning(self) -> str:
        return str(self.facet.meanings.get(self.value, ""))


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, or the search text.

    Attributes:
        remaining_query: the query without this filter.
        count: the number of matches for `remaining_query`, or "" if they were not counted.
        rate_band: the value of a filter by hourly rate, which is shown in the visitor's currency.
    """

    label: str
    remaining_query: DirectoryQuery
    count: str = ""
    rate_band: str = ""


@dataclass(frozen=True, slots=True)
class FacetChoices:
    """A facet and its choices.

    Attributes:
        is_common: whether many visitors see the same choices, so that the rendered facet is worth caching.
        is_shortened: whether builders have more values than are listed.
    """

    facet: Facet
    choices: list[Choice]
    is_common: bool
    is_shortened: bool

    @property
    def version(self) -> str:
        """Return everything that the rendered facet depends on, except the language, or "" if it is not cached."""
        shown = [(choice.value, choice.count) for choice in self.choices]
        return f"{self.facet.key} {shown} {self.is_shortened}" if self.is_common else ""


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """The number of sampled builders for each facet value.

    Attributes:
        spellings: the display text for each skill and place, by filter term. Uses the first builder's spelling.
    """

    counts: Mapping[str, Counter[str]]
    spellings: Mapping[str, str]
    is_complete: bool

    @classmethod
    def from_sample(cls, sample: Sample) -> "FacetCounts":
        rows, spellings = sample.rows, dict[str, str]()
        counts = {
            "domain": Counter(chain.from_iterable(row.domains for row in rows)),
            "skill": _count_texts("skill", Counter(chain.from_iterable(row.skills for row in rows)), spellings),
            "place": _count_texts("place", _places(rows), spellings),
            "language": _language_codes(rows),
            "tier": Counter(str(row.validation_tier) for row in rows),
            "availability": Counter(map(_availability, rows)),
            "rate": Counter(indexing.rate_range(row.rate_usd) for row in rows if row.rate_usd),
        }
        return cls(counts, spellings, sample.is_complete)

    def formatted(self, key: str, value: str) -> str:
        value = terms.term_key(value) if key in indexing.FREE_TEXT else value
        return format_count(self.counts[key][value], is_complete=self.is_complete)


def format_count(number: int, *, is_complete: bool) -> str:
    """Return an exact count such as "7", or a lower bound such as "40+" if the sample is incomplete and not empty."""
    if is_complete:
        return str(number)
    if number == 0:
        return ""
    step = 10 ** (len(str(number)) - 1)
    return f"{number // step * step}+"


def facet_choices(page: Page) -> list[FacetChoices]:
    """Return all facets with their choices and the number of builders for each.

    Facets with `match_all` are counted in the page's sample. In the other facets, selecting another value adds
    builders, so they are counted in a sample without that facet.
    """
    query = page.query
    any_of = [key for key, facet in FACETS.items() if key in query.filters and not facet.match_all]
    queries = {key: query.without_filter(key) for key in any_of}
    if query.after:
        queries[""] = query.first_page
    samples = dict(zip(queries, directory.scan(list(queries.values())), strict=True)) if queries else {}
    counts = {key: FacetCounts.from_sample(sample) for key, sample in samples.items()}
    default = counts.get("") or _count(page)
    return [_choices_of(query, facet, counts.get(key, default)) for key, facet in FACETS.items()]


def _choices_of(query: DirectoryQuery, facet: Facet, counts: FacetCounts) -> FacetChoices:
    choices = list(_choices(query, facet, counts))
    is_shortened = _lists_most_frequent(facet) and len(counts.counts[facet.key]) > len(choices)
    return FacetChoices(facet, choices, _is_common(query, facet), is_shortened)


#: The last sample of the directory without filters, and its counts. Most visitors see this list, and it rarely changes.
_unfiltered: list[tuple[Sample, FacetCounts]] = []


def _count(page: Page) -> FacetCounts:
    """Count the page's sample. Comparing a sample with the last one is much faster than counting it."""
    if page.query.is_filtered:
        return FacetCounts.from_sample(page.sample)
    for sample, counts in _unfiltered:
        if sample == page.sample:
            return counts
    counts = FacetCounts.from_sample(page.sample)
    _unfiltered[:] = [(page.sample, counts)]
    return counts


def _is_common(query: DirectoryQuery, facet: Facet) -> bool:
    """Return whether the facet is shown as in the directory without a search. Crawlers send endless different queries."""
    return facet.key not in query.filters if facet.key == NEAR else not query.is_filtered


def active_filters(page: Page) -> list[Chip]:
    """Return a chip for each concept in the search text and each filter value."""
    query, understood = page.query, page.understood
    concepts = [
        Chip(f"“{concept.text}”", query.without_concept(understood, concept)) for concept in understood.concepts
    ]
    filters = [(FACETS[key], value) for key, values in query.filters.items() for value in values]
    return [*concepts, *(_filter_chip(query, facet, value) for facet, value in filters)]


def _filter_chip(query: DirectoryQuery, facet: Facet, value: str) -> Chip:
    rate_band = value if facet.key == "rate" else ""
    return Chip(facet.label(value), query.without_filter(facet.key, value), rate_band=rate_band)


def hint_suggestions(page: Page) -> list[Chip]:
    """Return the filters and sort orders that the search text suggests."""
    return [Chip(str(hint.label), page.query.with_hint(page.understood, hint)) for hint in page.understood.hints]


def synonyms_used(page: Page) -> list[str]:
    """Return up to `MAX_SUGGESTIONS` synonyms and domains that were included in the search."""
    labels = (
        [] if page.match == Match.ALL_WORDS else [label for each in page.understood.concepts for label in each.also]
    )
    return list(dict.fromkeys(labels))[:MAX_SUGGESTIONS]


def removal_suggestions(page: Page) -> list[Chip]:
    """Suggest filters to remove if there are no matches, sorted by the resulting number of matches."""
    chips = active_filters(page)[:MAX_SUGGESTIONS]
    counts = directory.count([chip.remaining_query for chip in chips])
    ranked = sorted(zip(counts, chips, strict=True), key=lambda pair: -pair[0])
    limit = directory.SAMPLE_SIZE
    return [
        replace(chip, count=format_count(min(count, limit), is_complete=count <= limit))
        for count, chip in ranked
        if count
    ]


def total(page: Page) -> str:
    return format_count(len(page.sample.rows), is_complete=page.sample.is_complete)


def _availability(row: Row) -> str:
    """Return the same value as `BuilderProfile.effective_availability`."""
    if not row.available_for_hire:
        return Availability.UNAVAILABLE
    return row.availability if row.availability_confirmed_at else Availability.NOT_STATED


def _choices(query: DirectoryQuery, facet: Facet, counts: FacetCounts) -> Iterator[Choice]:
    selected = query.filters.get(facet.key, ())
    if facet.key == NEAR:
        yield from _city_choices(facet, selected)
        return
    values = _most_frequent(facet, selected, counts) if _lists_most_frequent(facet) else facet.labels
    for number, value in enumerate(values):
        count = counts.formatted(facet.key, value)
        # Omit values without matches.
        if count != "0" or value in selected:
            yield Choice(f"{facet.key}-{number}", facet, value, count, value in selected)


def _lists_most_frequent(facet: Facet) -> bool:
    return facet.key != NEAR and (facet.is_long or not facet.labels)


def _city_choices(facet: Facet, selected: tuple[str, ...]) -> Iterator[Choice]:
    """Yield a choice for each city, without counts. The browser adds the visitor's own time zone."""
    for number, zone in enumerate(dict.fromkeys((*selected, *time_zones.CITIES))):
        yield Choice(f"{facet.key}-{number}", facet, zone, "", zone in selected)


def _language_codes(rows: Iterable[Row]) -> Counter[str]:
    counts = Counter[str]()
    for entry, number in Counter(chain.from_iterable(row.languages for row in rows)).items():
        counts[languages.split(entry)[0]] += number
    return counts


def _places(rows: Iterable[Row]) -> Counter[str]:
    """Count places. Many builders share a location, so each location is parsed only once."""
    counts = Counter[str]()
    for location, number in Counter(row.location for row in rows).items():
        counts[indexing.place_of(location)] += number
    return counts


def _count_texts(facet: str, texts: Mapping[str, int], spellings: dict[str, str]) -> Counter[str]:
    """Count texts by term key, and record the spelling of each new text."""
    counts = Counter[str]()
    for text, number in texts.items():
        if key := terms.term_key(text):
            spellings.setdefault(indexing.filter_term(facet, text), text)
            counts[key] += number
    return counts


def _most_frequent(facet: Facet, selected: tuple[str, ...], counts: FacetCounts) -> list[str]:
    """Return the selected values, then the most frequent other values."""
    is_text = facet.key in indexing.FREE_TEXT
    limit = MAX_SKILL_CHOICES if facet.key == "skill" else MAX_CHOICES
    keys = {terms.term_key(value) if is_text else value for value in selected}
    frequent = [
        counts.spellings[indexing.filter_term(facet.key, key)] if is_text else key
        for key, _ in counts.counts[facet.key].most_common(limit + len(keys))
        if key not in keys and (is_text or facet.is_valid(key))
    ]
    return [*selected, *frequent[:limit]]
