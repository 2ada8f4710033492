"""List builders, newest first, with the same filters as the directory.

Scores can change between requests. Sorting by id guarantees that a client that reads every page gets each builder once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from core.db.cursors import MAX_ID, parse_id
from profiles.api.errors import ApiError
from profiles.api.schemas import NUMBER
from profiles.directory.facets import FACETS, MAX_SKILL_LENGTH, Facet
from profiles.directory.indexing import RATE_STEPS
from profiles.directory.query import MAX_FILTER_VALUES, MAX_TEXT_LENGTH, DirectoryQuery
from profiles.directory.search import Page

NEWEST = "newest"
#: Error messages for facets that do not have a fixed list of values.
EXPECTED = {
    "skill": "Use the name of a skill.",
    "place": "Use the name of a country in any language, or the last part of a location.",
    "near": "Use an IANA time zone, such as Europe/Warsaw.",
}


def parse_query(params: QueryDict) -> DirectoryQuery:
    """Parse query parameters into a directory query.

    The directory page ignores invalid parameters. The API rejects them: otherwise a client could mistake the full list
    for a filtered one, or fetch the first page repeatedly.

    Raises:
        ApiError: a parameter is invalid.
    """
    if errors := dict(_errors(params)):
        message = "Some parameters are invalid. See `fields`."
        raise ApiError(422, "invalid", message, fields=errors)
    before = parse_id(params.get("before", ""))
    if "before" in params and before is None:
        raise ApiError(400, "bad_cursor", "Set `before` to the value of `next_before` on the previous page.")
    return replace(DirectoryQuery.from_params(params), sort=NEWEST, after=(before,) if before else None)


def describe_search(page: Page) -> dict[str, Any] | None:
    """Return the effective search text and the type of match, or None if there is no search text."""
    return {"text": page.query.text, "match": page.match} if page.query.text else None


def next_page_links(query: DirectoryQuery | None) -> dict[str, Any]:
    """Return the next page's URL and cursor, or None for both on the last page."""
    if query is None or query.after is None:
        return {"next": None, "next_before": None}
    [before] = query.after
    url = f"{reverse('profiles:api_builders')}?{urlencode([*query.filter_parameters, ('before', before)])}"
    return {"next": url, "next_before": before}


def _errors(params: QueryDict) -> Iterator[tuple[str, list[str]]]:
    if len(params.get("q", "")) > MAX_TEXT_LENGTH:
        yield "q", [f"Use at most {MAX_TEXT_LENGTH} characters."]
    for key, facet in FACETS.items():
        values = params.getlist(key)
        if len(values) > MAX_FILTER_VALUES:
            yield key, [f"Use at most {MAX_FILTER_VALUES} values."]
        elif not all(map(facet.is_valid, values)):
            expected = f"Use one of {', '.join(facet.labels)}." if facet.labels else EXPECTED[key]
            yield key, [expected]


# --- OpenAPI description ---


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _filter(facet: Facet) -> dict[str, Any]:
    limits = {"enum": list(facet.labels)} if facet.labels else {"minLength": 1, "maxLength": MAX_SKILL_LENGTH}
    summary = (
        "Only builders with all of these values." if facet.match_all else "Only builders with one of these values."
    )
    labels: Mapping[str, object] = _rate_ranges() if facet.key == "rate" else facet.labels
    ranges = ", ".join(f"{value}: {label}" for value, label in labels.items() if str(value).isdecimal())
    schema = {"type": "array", "items": {"type": "string", **limits}, "maxItems": MAX_FILTER_VALUES}
    expected = "" if facet.labels else EXPECTED[facet.key]
    return _parameter(facet.key, schema, " ".join(filter(None, (summary, ranges, expected))))


def _rate_ranges() -> dict[str, str]:
    """Return the hourly rates of each value. Pages show them in the visitor's currency."""
    steps = [f"${step}" for step in RATE_STEPS]
    ranges = [f"under {steps[0]}", *(f"{low} to {high}" for low, high in pairwise(steps)), f"{steps[-1]} or more"]
    return {str(band): text for band, text in enumerate(ranges)}


PARAMETERS = [
    _parameter(
        "q",
        {"type": "string", "maxLength": MAX_TEXT_LENGTH},
        "Words on the builder's page, or prefixes of such words. See `search` in the response.",
    ),
    *map(_filter, FACETS.values()),
    _parameter(
        "before",
        NUMBER | {"minimum": 1, "maximum": MAX_ID},
        "Continue after this profile id. Use the next_before of the previous page.",
    ),
]
PARAMETER_NAMES = frozenset(parameter["name"] for parameter in PARAMETERS)
