"""The numbers beside the directory's filters: how many builders each would leave."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from profiles.directory import indexing, terms
from profiles.directory import results as directory
from profiles.directory.facets import FACETS, Facet
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import Page, Sample
from profiles.models import Availability

SKILLS_OFFERED = 10
MOST_ADVICE = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, as it is offered.

    Attributes:
        count: how many it would leave; "" where that is not known.
    """

    element_id: str
    value: str
    label: str
    count: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """Something that narrows the list.

    Attributes:
        left: the query without it.
        count: how many match that; "" where nobody asked.
    """

    label: str
    left: DirectoryQuery
    count: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A facet with its values."""

    facet: Facet
    choices: list[Choice]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a sample have each value of each facet.

    Attributes:
        spellings: how the first builder with it spells a skill.
    """

    counts: Mapping[str, Counter[str]]
    spellings: Mapping[str, str]
    is_all: bool

    @classmethod
    def of(cls, sample: Sample) -> "Tally":
        """Count a sample."""
        rows, skills, spellings = sample.rows, Counter[str](), dict[str, str]()
        for skill, number in Counter(chain.from_iterable(row.skills for row in rows)).items():
            if key := terms.term_key(skill):
                spellings.setdefault(key, skill)
                skills[key] += number
        counts = {
            "domain": Counter(chain.from_iterable(row.domains for row in rows)),
            "skill": skills,
            "tier": Counter(str(row.validation_tier) for row in rows),
            "availability": Counter(
                row.availability if row.available_for_hire else Availability.UNAVAILABLE for row in rows
            ),
            "rate": Counter(indexing.rate_range(row.rate_usd) for row in rows if row.rate_usd),
        }
        return cls(counts, spellings, sample.is_all)

    def count(self, key: str, value: str) -> str:
        """Return how many have a value, in words."""
        return about(self.counts[key][terms.term_key(value) if key == "skill" else value], is_all=self.is_all)


def about(number: int, *, is_all: bool) -> str:
    """Say how many there are: 7, or 40+ if only some were looked at; "" if none of those was."""
    if is_all:
        return str(number)
    if number == 0:
        return ""
    step = 10 ** (len(str(number)) - 1)
    return f"{number // step * step}+"


def offers(query: DirectoryQuery, page: Page) -> list[Offer]:
    """Return the facets with how many builders each choice would leave.

    Of domains and skills all that are chosen must hold, so the page's own sample tells. Of the others any may, so what
    one more would bring is among those who match without that facet.
    """
    free = [key for key, facet in FACETS.items() if key in query.chosen and not facet.every]
    asked = {key: query.without(key) for key in free}
    if query.after:
        asked[""] = query.first
    samples = dict(zip(asked, directory.walk(list(asked.values())), strict=True)) if asked else {}
    tallies = {key: Tally.of(sample) for key, sample in samples.items()}
    own = tallies.get("") or Tally.of(page.sample)
    return [Offer(facet, list(_choices(query, facet, tallies.get(key, own)))) for key, facet in FACETS.items()]


def chips(query: DirectoryQuery) -> list[Chip]:
    """Return what narrows the list."""
    typed = [Chip(f"“{query.text}”", query.without("q"))] if query.text else []
    chosen = [(FACETS[key], value) for key, values in query.chosen.items() for value in values]
    return [*typed, *(Chip(facet.label(value), query.without(facet.key, value)) for facet, value in chosen)]


def advice(query: DirectoryQuery) -> list[Chip]:
    """Return what to drop when nobody matches, with how many there would be then; what gives most comes first."""
    dropped = chips(query)[:MOST_ADVICE]
    counts = directory.count([chip.left for chip in dropped])
    found = sorted(zip(counts, dropped, strict=True), key=lambda pair: -pair[0])
    return [
        replace(chip, count=about(min(count, directory.SAMPLE), is_all=count <= directory.SAMPLE))
        for count, chip in found
        if count
    ]


def total(page: Page) -> str:
    """Say how many match from this page on."""
    return about(len(page.sample.rows), is_all=page.sample.is_all)


def _choices(query: DirectoryQuery, facet: Facet, tally: Tally) -> Iterator[Choice]:
    chosen = query.chosen.get(facet.key, ())
    values = facet.labels or _skills(chosen, tally)
    for number, value in enumerate(values):
        count = tally.count(facet.key, value)
        # What would leave nobody is not offered.
        if count != "0" or value in chosen:
            yield Choice(f"{facet.key}-{number}", value, facet.label(value), count, value in chosen)


def _skills(chosen: tuple[str, ...], tally: Tally) -> list[str]:
    """Return the skills to offer: the chosen ones, then the most frequent."""
    keys = {terms.term_key(value) for value in chosen}
    frequent = [
        tally.spellings[key]
        for key, _ in tally.counts["skill"].most_common(SKILLS_OFFERED + len(keys))
        if key not in keys
    ]
    return [*chosen, *frequent[:SKILLS_OFFERED]]
