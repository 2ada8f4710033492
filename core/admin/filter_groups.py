"""Admin list filters as groups of links, and active filters as removable chips."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.utils.functional import Promise

#: Groups with more links are collapsed.
MAX_LINKS = 7


class Chip(NamedTuple):
    """An active filter, and the list URL that removes the filter.

    Attributes:
        stored: replaces `value` in descriptions that are stored, if `value` is personal data.
    """

    label: str | Promise
    value: str | Promise
    remove_url: str
    stored: str = ""


class FilterGroup(NamedTuple):
    """A filter and its choices, as returned by `choices()`. The first choice removes the filter."""

    title: str | Promise
    choices: list[dict[str, Any]]
    spec: admin.ListFilter

    @property
    def selected(self) -> list[dict[str, Any]]:
        return [choice for choice in self.choices[1:] if choice["selected"]]

    @property
    def is_long(self) -> bool:
        return len(self.choices) > MAX_LINKS

    @property
    def is_offered(self) -> bool:
        """Whether to show the group's links. Some filters can only be set by links on other pages."""
        return not getattr(self.spec, "is_set_by_links", False)


def build_groups(changelist: ChangeList) -> list[FilterGroup]:
    return [
        FilterGroup(spec.title or "", [dict(choice) for choice in spec.choices(changelist)], spec)
        for spec in changelist.filter_specs
    ]


def build_chips(groups: Iterable[FilterGroup]) -> Iterator[Chip]:
    for group in groups:
        for choice in group.selected:
            yield Chip(group.title, choice["display"], group.choices[0]["query_string"])
