"""What the directory can be narrowed by, and in which orders it comes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.directory import indexing, terms
from profiles.models import Availability, BuilderProfile, Domain

LONGEST_SKILL = 40


@dataclass(frozen=True, slots=True)
class Facet:
    """Something to choose by.

    Attributes:
        key: names it in addresses.
        labels: its values in their order; none for skills, which builders name themselves.
        every: whether all that is chosen must hold, since a builder can have several; else any of it.
    """

    key: str
    title: str | Promise
    labels: Mapping[str, str | Promise] = field(default_factory=dict)
    every: bool = False

    def label(self, value: str) -> str:
        """Return the value in words."""
        return str(self.labels.get(value, value))

    def knows(self, value: str) -> bool:
        """Return whether `value` can be chosen."""
        return value in self.labels if self.labels else bool(terms.term_key(value)) and len(value) <= LONGEST_SKILL

    def asked(self, values: Iterable[str]) -> str:
        """Return the tsquery of what is chosen."""
        marks = (indexing.quoted(indexing.mark(self.key, value)) for value in values)
        return f"({(' & ' if self.every else ' | ').join(marks)})"


def _rates() -> dict[str, str | Promise]:
    steps = indexing.RATE_STEPS
    between = {str(i): f"${low}–{high}" for i, (low, high) in enumerate(pairwise(steps), 1)}
    return {"0": _("Under $40"), **between, str(len(steps)): _("$200 and more")}


FACETS = {
    facet.key: facet
    for facet in (
        Facet("domain", _("Domain"), dict(Domain.choices), every=True),
        Facet("skill", _("Skill"), every=True),
        Facet("availability", _("Availability"), dict(Availability.choices)),
        Facet("tier", _("Tier"), {str(value): label for value, label in BuilderProfile.Tier.choices}),
        Facet("rate", _("Hourly rate"), _rates()),
    )
}


@dataclass(frozen=True, slots=True)
class Sort:
    """An order.

    Attributes:
        explanation: what people read below the choice.
        fields: the last is unique, so that every place in the order can be named.
        descending: of all fields alike, so that a pair of values can be compared with a pair of columns.
        needs: without this field a builder is not in the order at all.
    """

    label: str | Promise
    explanation: str | Promise
    fields: tuple[str, ...]
    descending: bool = True
    needs: str = ""


_ROUGHLY = _("Currencies are compared roughly, in US dollars. Builders who name no rate are left out.")
BEST = "best"
SORTS = {
    BEST: Sort(
        _("Best match"),
        _(
            "Featured builders, then higher tiers, complete pages, and who lately confirmed their time. A name you typed wins."
        ),
        ("score", "id"),
    ),
    "newest": Sort(_("Newest"), _("Who joined last comes first."), ("id",)),
    "rate-low": Sort(_("Lowest rate"), _ROUGHLY, ("rate_usd", "id"), descending=False, needs="rate_usd"),
    "rate-high": Sort(_("Highest rate"), _ROUGHLY, ("rate_usd", "id"), needs="rate_usd"),
    "confirmed": Sort(
        _("Recently confirmed"),
        _("Who last said how much time they have comes first. Builders who never did are left out."),
        ("availability_confirmed_at", "id"),
        needs="availability_confirmed_at",
    ),
}
