"""Directory queries, parsed from query parameters and converted to tsqueries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from core.db.cursors import InvalidCursor, format_cursor, parse_cursor
from core.text import postgres_safe
from profiles.directory import terms
from profiles.directory.facets import BEST, FACETS, SORTS
from profiles.directory.hints import Hint
from profiles.directory.understanding import Concept, Condition, Understanding, understand

#: Text and filter values beyond these limits are ignored.
MAX_TEXT_LENGTH, MAX_FILTER_VALUES = 200, 8
#: Maximum number of pages in one list. After that, "Show more builders" starts a new list.
MAX_PAGES = 5


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """The search text, filters, sort order and cursor for one directory page.

    Attributes:
        filters: selected values by facet.
        sort: a key of `facets.SORTS`.
        after: the cursor of the last row on the previous page, or None for the first page.
        pages: the number of pages that the visitor has loaded into the list.
        is_explicit: whether the URL without search and filters must ask for all builders explicitly. Otherwise, the
            directory would open with suggestions for the client.
        conditions: how to match `text`, set by `search.find`. By default, all words must match, without synonyms.
    """

    text: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: str = BEST
    after: tuple[Any, ...] | None = None
    conditions: tuple[Condition, ...] | None = None
    pages: int = 1
    is_explicit: bool = field(default=False, compare=False)

    @classmethod
    def from_params(cls, params: QueryDict) -> Self:
        """Parse query parameters. Invalid parameters are ignored."""
        sort = params.get("sort", BEST) if params.get("sort") in SORTS else BEST
        return cls(
            text=" ".join(postgres_safe(params.get("q", "")[:MAX_TEXT_LENGTH], nul="").split()),
            filters={key: values for key in FACETS if (values := _valid_values(key, params.getlist(key)))},
            sort=sort,
            after=_parse_cursor(params.get("after", ""), sort),
            pages=_parse_pages(params.get("pages", "")),
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.filters)

    @property
    def tsqueries(self) -> list[str]:
        """One or two tsqueries that must all match.

        If there are other terms, prefixes of one or two letters go into a separate tsquery. They match so many words
        that collecting the matches from the index would take longer than checking each row.
        """
        conditions = understand(self.text).literal if self.conditions is None else self.conditions
        by_shortness: dict[bool, list[str]] = {False: [], True: []}
        for condition in conditions:
            by_shortness[condition.is_short].append(condition.tsquery)
        by_shortness[False] += [FACETS[key].tsquery(values) for key, values in self.filters.items()]
        return [" & ".join(each) for each in by_shortness.values() if each]

    @property
    def filter_parameters(self) -> list[tuple[str, str]]:
        text = [("q", self.text)] if self.text else []
        return [*text, *((key, value) for key, values in self.filters.items() for value in values)]

    def parameters(self) -> str:
        """Return the query string without default values."""
        after = format_cursor(self.after) if self.after else ""
        pages = str(self.pages) if self.pages > 1 else ""
        rest = [("sort", "" if self.sort == BEST else self.sort), ("after", after), ("pages", pages)]
        return urlencode([*self.filter_parameters, *((name, value) for name, value in rest if value)])

    @property
    def url(self) -> str:
        parameters = self.parameters() or ("q=" if self.is_explicit else "")
        return "?".join(filter(None, (reverse("profiles:builder_list"), parameters)))

    @property
    def first_page(self) -> "DirectoryQuery":
        return replace(self, after=None, pages=1)

    @property
    def with_next_page(self) -> "DirectoryQuery":
        """Return the query for a list with one more page, up to `MAX_PAGES`."""
        return replace(self, pages=min(self.pages + 1, MAX_PAGES))

    def without_filter(self, key: str, value: str | None = None) -> "DirectoryQuery":
        """Return a copy without one value of a facet, or without the whole facet.

        The key "q" removes the search text.
        """
        if key == "q":
            return replace(self.first_page, text="", conditions=None)
        kept = tuple(each for each in self.filters.get(key, ()) if value is not None and each != value)
        filters = {**self.filters, key: kept}
        return replace(self.first_page, filters={key: values for key, values in filters.items() if values})

    def without_concept(self, understood: Understanding, concept: Concept) -> "DirectoryQuery":
        """Return a copy without one concept in the search text."""
        rest = tuple(each.broad for each in understood.concepts if each is not concept)
        return replace(self.first_page, text=understood.text_without(concept), conditions=rest)

    def with_hint(self, understood: Understanding, hint: Hint) -> "DirectoryQuery":
        """Return a copy with the hint's words replaced by its filter or sort order."""
        text = " ".join([concept.text for concept in understood.concepts])
        filters = {**self.filters, hint.filter[0]: (hint.filter[1],)} if hint.filter else self.filters
        return replace(self.first_page, text=text, filters=filters, sort=hint.sort or self.sort, conditions=None)


def _valid_values(key: str, values: Iterable[str]) -> tuple[str, ...]:
    facet = FACETS[key]
    valid = [facet.canonical(value) for value in list(values)[:MAX_FILTER_VALUES] if facet.is_valid(value)]
    return tuple({terms.term_key(value): value for value in valid}.values())


def _parse_pages(text: str) -> int:
    return int(text) if text in map(str, range(1, MAX_PAGES + 1)) else 1


def _parse_cursor(text: str, sort: str) -> tuple[Any, ...] | None:
    try:
        return parse_cursor(text, [datetime if name.endswith("_at") else int for name in SORTS[sort].fields])
    except InvalidCursor:
        return None
