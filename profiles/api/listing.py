"""The list of builders: what the directory is asked in its address, and always answered newest first.

A program that reads everybody thus meets nobody twice and misses nobody, however scores change meanwhile.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from profiles.api.errors import ApiError
from profiles.api.schemas import NUMBER
from profiles.cursors import MAX_ID, parse_id_cursor
from profiles.directory.facets import FACETS, LONGEST_SKILL, Facet
from profiles.directory.query import LONGEST_TEXT, MOST_CHOSEN, DirectoryQuery

NEWEST = "newest"


def query_of(asked: QueryDict) -> DirectoryQuery:
    """Return what the parameters of the address ask for.

    The page leaves out whatever it does not understand. A program would take everybody for whom it has asked, or read the
    first page for ever, so it is told.

    Raises:
        ApiError: a parameter is not as it has to be.
    """
    if errors := dict(_trouble(asked)):
        message = "Nobody was looked for: see what is wrong with the parameters."
        raise ApiError(422, "invalid", message, fields=errors)
    before = parse_id_cursor(asked.get("before", ""))
    if "before" in asked and before is None:
        raise ApiError(400, "bad_cursor", "Send as `before` the next_before of the page before.")
    return replace(DirectoryQuery.of(asked), sort=NEWEST, after=(before,) if before else None)


def following_of(query: DirectoryQuery | None) -> dict[str, Any]:
    """Return where the next page is, for programs that follow an address and for those that count by ids."""
    if query is None or query.after is None:
        return {"next": None, "next_before": None}
    [before] = query.after
    address = f"{reverse('profiles:api_builders')}?{urlencode([*query.said, ('before', before)])}"
    return {"next": address, "next_before": before}


def _trouble(asked: QueryDict) -> Iterator[tuple[str, list[str]]]:
    if len(asked.get("q", "")) > LONGEST_TEXT:
        yield "q", [f"Shorten this to {LONGEST_TEXT} characters."]
    for key, facet in FACETS.items():
        values = asked.getlist(key)
        if len(values) > MOST_CHOSEN:
            yield key, [f"Give at most {MOST_CHOSEN}."]
        elif not all(map(facet.knows, values)):
            known = f"Give any of {', '.join(facet.labels)}." if facet.labels else "Give names of skills."
            yield key, [known]


# --- The description ---


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _filter(facet: Facet) -> dict[str, Any]:
    limits = {"enum": list(facet.labels)} if facet.labels else {"minLength": 1, "maxLength": LONGEST_SKILL}
    which = "Only builders with all of these." if facet.every else "Only builders with one of these."
    ranges = ", ".join(f"{value}: {label}" for value, label in facet.labels.items() if str(value).isdecimal())
    schema = {"type": "array", "items": {"type": "string", **limits}, "maxItems": MOST_CHOSEN}
    return _parameter(facet.key, schema, f"{which} {ranges}".strip())


PARAMETERS = [
    _parameter(
        "q", {"type": "string", "maxLength": LONGEST_TEXT}, "Words of their pages, or the beginnings of such words."
    ),
    *map(_filter, FACETS.values()),
    _parameter(
        "before",
        NUMBER | {"minimum": 1, "maximum": MAX_ID},
        "Continue below the profile with this id: the next_before of the page before.",
    ),
]
