"""Reserved slugs: words that the site uses in URLs, or that visitors could mistake for an official page."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain

from django.urls import URLPattern, URLResolver, get_resolver

#: Additional words that current URLs do not contain.
WORDS = frozenset(
    (
        *("about", "administrator", "blog", "buildappswith", "help", "home", "legal", "login", "logout"),
        *("me", "moderator", "null", "official", "password", "press", "pricing", "privacy", "profile"),
        *("register", "root", "search", "security", "settings", "signin", "signout", "signup", "staff"),
        *("static", "status", "support", "system", "team", "terms", "undefined", "user", "webmaster", "www"),
    )
)


@cache
def reserved_slugs() -> frozenset[str]:
    """Return `WORDS` and the fixed parts of the site's URLs that a slug could be mistaken for, such as admin, edit and new.

    These are the first part of every URL, and every part below builders/.
    """
    routes = [re.split(r"<[^>]*>|[/.]", route) for route in _routes(get_resolver().url_patterns)]
    parts = chain.from_iterable(route if route[0] == "builders" else route[:1] for route in routes)
    return WORDS | frozenset(part for part in parts if part)


def _routes(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """Yield the routes of all URLs. A route of included URLs starts with the prefix, unless that is blank."""
    for entry in patterns:
        prefix = str(entry.pattern).removeprefix("^")
        if prefix or isinstance(entry, URLPattern):
            yield prefix
        else:
            yield from _routes(entry.url_patterns)
