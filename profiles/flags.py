"""Which parts of profiles are on for whom; see accounts.flags."""

from django.http import HttpRequest

from accounts.flags import is_enabled

IN_PLACE_EDITING = "in_place_editing"
PUBLIC_API = "public_api"
DIRECTORY_FACETS = "directory_facets"


def in_place_editing(request: HttpRequest) -> bool:
    """Return whether sections are edited where they stand; otherwise their forms are pages of their own."""
    return is_enabled(request, IN_PLACE_EDITING)


def public_api(request: HttpRequest) -> bool:
    """Return whether /api/profiles/ answers."""
    return is_enabled(request, PUBLIC_API)


def directory_facets(request: HttpRequest) -> bool:
    """Return whether the directory can be narrowed by facets; otherwise there is the search alone."""
    return is_enabled(request, DIRECTORY_FACETS)
