"""Feature flags of the profiles app. See accounts.flags."""

from django.http import HttpRequest

from accounts.flags import is_enabled

IN_PLACE_EDITING = "in_place_editing"
PUBLIC_API = "public_api"
DIRECTORY_FACETS = "directory_facets"


def in_place_editing(request: HttpRequest) -> bool:
    """Return whether sections are edited in place. Otherwise each form opens as a separate page."""
    return is_enabled(request, IN_PLACE_EDITING)


def public_api(request: HttpRequest) -> bool:
    """Return whether /api/profiles/ is enabled. Otherwise it returns 503."""
    return is_enabled(request, PUBLIC_API)


def directory_facets(request: HttpRequest) -> bool:
    """Return whether the directory has filters. Otherwise it only has the search field."""
    return is_enabled(request, DIRECTORY_FACETS)
