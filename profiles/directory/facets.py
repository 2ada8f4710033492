"""Filters and sort orders for the directory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.directory import countries, indexing, terms
from profiles.directory.tsqueries import quoted
from profiles.localization import languages, time_zones
from profiles.models import Availability, BuilderProfile, Domain

MAX_SKILL_LENGTH = indexing.MAX_FREE_TEXT


@dataclass(frozen=True, slots=True)
class Facet:
    """A directory filter.

    Attributes:
        key: the query parameter.
        labels: labels by value, in display order. Empty for skills, places and time zones.
        is_long: whether there are too many values, so only the most frequent ones are shown.
        meanings: what values mean, if their labels need an explanation.
        match_all: whether builders must match all selected values, not just one.
    """

    key: str
    title: str | Promise
    labels: Mapping[str, str | Promise] = field(default_factory=dict)
    match_all: bool = False
    is_long: bool = False
    meanings: Mapping[str, str | Promise] = field(default_factory=dict)

    def label(self, value: str) -> str:
        return str(self.labels.get(value, value))

    def canonical(self, value: str) -> str:
        """Return the spelling of a value that the list of choices contains."""
        return value

    def is_valid(self, value: str) -> bool:
        return value in self.labels if self.labels else bool(terms.term_key(value)) and len(value) <= MAX_SKILL_LENGTH

    def tsquery(self, values: Iterable[str]) -> str:
        return f"({(' & ' if self.match_all else ' | ').join(map(self._term, values))})"

    def _term(self, value: str) -> str:
        return quoted(indexing.filter_term(self.key, value))


class PlaceFacet(Facet):
    """Filter by country. Values are English names of countries, and other places as their builders wrote them."""

    def label(self, value: str) -> str:
        code = countries.code_of(value)
        return countries.name(code) if code else value

    def canonical(self, value: str) -> str:
        code = countries.code_of(value)
        return countries.english_name(code) if code else value


class NearFacet(Facet):
    """Filter by local time within three hours of the visitor's. Values are IANA time zones."""

    def label(self, value: str) -> str:
        return gettext("Within 3 hours of %(city)s") % {"city": time_zones.city(value)}

    def is_valid(self, value: str) -> bool:
        return value in time_zones.zone_names()

    def _term(self, value: str) -> str:
        groups = (quoted(indexing.filter_term(self.key, group)) for group in time_zones.near_groups(value))
        return f"({' | '.join(groups)})"


def _rate_labels() -> dict[str, str | Promise]:
    """Return the same label for all bands, because pages show their amounts with the filter `rate_band`."""
    return {str(band): _("Hourly rate") for band in range(len(indexing.RATE_STEPS) + 1)}


def _language_labels() -> dict[str, str | Promise]:
    return {code: _(english) for code, (english, _native) in languages.LANGUAGES.items()}


NEAR = "near"
FACETS = {
    facet.key: facet
    for facet in (
        Facet("domain", _("Domain"), dict(Domain.choices), match_all=True),
        Facet("skill", _("Skill"), match_all=True),
        Facet("availability", _("Availability"), dict(Availability.choices)),
        Facet(
            "tier",
            _("Tier"),
            {str(value): label for value, label in BuilderProfile.Tier.choices},
            meanings={str(value): meaning for value, meaning in BuilderProfile.TIER_MEANINGS.items()},
        ),
        Facet("rate", _("Hourly rate"), _rate_labels()),
        Facet("language", _("Language"), _language_labels(), match_all=True, is_long=True),
        PlaceFacet("place", _("Place")),
        NearFacet(NEAR, _("Time zone"), match_all=True),
    )
}


@dataclass(frozen=True, slots=True)
class Sort:
    """A directory sort order.

    Attributes:
        explanation: help text displayed below the sort field.
        fields: the columns to sort by. The last column is unique, so that a cursor identifies one row.
        descending: the direction for all fields. They share one direction, so that a cursor can be compared as a row
            value.
        required_field: a column that must have a value. Builders without one are omitted.
    """

    label: str | Promise
    explanation: str | Promise
    fields: tuple[str, ...]
    descending: bool = True
    required_field: str = ""


_RATE_EXPLANATION = _(
    "Rates are compared in US dollars at approximate exchange rates. Builders without a rate are not shown."
)
BEST = "best"
LOWEST_RATE = "rate-low"
SORTS = {
    BEST: Sort(
        _("Best match"),
        _(
            "Featured first, then tier, completeness and recent activity. When you search, matching names and main "
            "skills come first."
        ),
        ("score", "id"),
    ),
    "newest": Sort(_("Newest"), _("Builders who joined most recently come first."), ("id",)),
    LOWEST_RATE: Sort(
        _("Lowest rate"), _RATE_EXPLANATION, ("rate_usd", "id"), descending=False, required_field="rate_usd"
    ),
    "rate-high": Sort(_("Highest rate"), _RATE_EXPLANATION, ("rate_usd", "id"), required_field="rate_usd"),
    "confirmed": Sort(
        _("Recently confirmed"),
        _("Builders who confirmed their availability most recently come first. Others are not shown."),
        ("availability_confirmed_at", "id"),
        required_field="availability_confirmed_at",
    ),
}
