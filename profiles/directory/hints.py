"""Words in a search text that suggest a filter or a sort order, such as “cheap”."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.directory.facets import LOWEST_RATE


@dataclass(frozen=True, slots=True)
class Hint:
    """A suggested sort order or filter.

    Attributes:
        label: the label of the suggestion.
        text: the words that triggered the suggestion, as typed.
        sort: the sort order, or "".
        filter: a facet key and value, or ().
    """

    label: str | Promise
    sort: str = ""
    filter: tuple[str, str] | tuple[()] = ()
    text: str = field(default="", compare=False)


_LOWEST_RATE = Hint(_("Sort by lowest rate"), sort=LOWEST_RATE)
_AVAILABLE = Hint(_("Only available builders"), filter=("availability", "available"))
_EXPERTS = Hint(_("Only experts"), filter=("tier", "3"))
_HINTS = {
    **dict.fromkeys(("affordable", "cheap", "cheaper", "cheapest", "inexpensive", "low cost"), _LOWEST_RATE),
    **dict.fromkeys(("available", "available now", "immediately", "immediate", "urgent", "urgently"), _AVAILABLE),
    **dict.fromkeys(("experienced", "senior", "top rated"), _EXPERTS),
}


def find_hint(words: Sequence[str], text: str) -> Hint | None:
    """Return the hint for normalized `words`, which were typed as `text`."""
    hint = _HINTS.get(" ".join(words))
    return Hint(hint.label, hint.sort, hint.filter, text) if hint else None
