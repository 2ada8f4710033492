"""Template filters for admin lists."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

register = template.Library()


@register.filter
def label_cells(cells: Sequence[SafeString], headers: Sequence[Mapping[str, Any]]) -> Iterator[SafeString]:
    """Add the column name to each cell as `data-label`. Cells must begin with `<td` or `<th`."""
    for cell, header in zip(cells, headers, strict=True):
        if "action-checkbox-column" in header.get("class_attrib", ""):
            yield cell
        else:
            label = escape(capfirst(header["text"]))
            yield mark_safe(f'{cell[:3]} data-label="{label}"{cell[3:]}')  # noqa: S308  # the cell is safe
