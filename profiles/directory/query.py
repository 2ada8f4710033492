"""What somebody looks for in the directory: as an address says it, and as PostgreSQL is asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from profiles import cursors
from profiles.directory import indexing
from profiles.directory import terms as words
from profiles.directory.facets import BEST, FACETS, SORTS

#: Of what was typed and chosen; the rest is not read.
LONGEST_TEXT, MOST_WORDS, MOST_CHOSEN = 200, 8, 8
#: Letters from which the beginning of a word tells something.
SHORT = 3


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """What somebody looks for.

    Attributes:
        chosen: values of each facet by which the list is narrowed.
        sort: a key of `facets.SORTS`.
        after: the place below which the page begins; None for the first page.
    """

    text: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = BEST
    after: tuple[Any, ...] | None = None

    @classmethod
    def of(cls, asked: QueryDict) -> Self:
        """Return what the parameters of an address ask for; whatever is not understood is left out."""
        sort = asked.get("sort", BEST) if asked.get("sort") in SORTS else BEST
        return cls(
            text=" ".join(asked.get("q", "")[:LONGEST_TEXT].replace("\x00", "").split()),
            chosen={key: values for key in FACETS if (values := _chosen(key, asked.getlist(key)))},
            sort=sort,
            after=cursors.parse_cursor(asked.get("after", ""), _kinds(sort)),
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether not simply everybody is asked for."""
        return bool(self.text or self.chosen)

    @property
    def asked(self) -> list[str]:
        """The tsqueries that all must match.

        The beginnings of one or two letters apart, if there is anything else: so many words begin with them that an
        index takes longer to gather those than rows do to be looked at.
        """
        typed = list(dict.fromkeys(words.query_prefixes(self.text)))[:MOST_WORDS]
        found: dict[bool, list[str]] = {False: [], True: []}
        for word in typed:
            found[len(word) < SHORT and word.isalpha() and word.isascii()].append(f"{indexing.quoted(word)}:*")
        found[False] += [FACETS[key].asked(values) for key, values in self.chosen.items()]
        return [" & ".join(terms) for terms in found.values() if terms]

    @property
    def said(self) -> list[tuple[str, str]]:
        """Who is looked for, as parameters of an address."""
        typed = [("q", self.text)] if self.text else []
        return [*typed, *((key, value) for key, values in self.chosen.items() for value in values)]

    def parameters(self) -> str:
        """Return the query string of its address: what is said, and nothing else."""
        after = cursors.format_cursor(self.after) if self.after else ""
        place = [("sort", "" if self.sort == BEST else self.sort), ("after", after)]
        return urlencode([*self.said, *((name, value) for name, value in place if value)])

    @property
    def address(self) -> str:
        """The address of the page."""
        return "?".join(filter(None, (reverse("profiles:builder_list"), self.parameters())))

    @property
    def first(self) -> "DirectoryQuery":
        """The same, from its first page."""
        return replace(self, after=None)

    def without(self, key: str, value: str | None = None) -> "DirectoryQuery":
        """Return it without one value of a facet, or without any; key "q" is what was typed."""
        if key == "q":
            return replace(self, text="", after=None)
        left = tuple(each for each in self.chosen.get(key, ()) if value is not None and each != value)
        chosen = {**self.chosen, key: left}
        return replace(self, chosen={key: values for key, values in chosen.items() if values}, after=None)


def _chosen(key: str, values: Iterable[str]) -> tuple[str, ...]:
    known = {words.term_key(value): value for value in list(values)[:MOST_CHOSEN] if FACETS[key].knows(value)}
    return tuple(known.values())


def _kinds(sort: str) -> tuple[type, ...]:
    return tuple(datetime if name.endswith("_at") else int for name in SORTS[sort].fields)
