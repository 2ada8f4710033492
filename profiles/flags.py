"""Feature flags for the profiles app. See accounts.flags."""

from django.http import HttpRequest

from accounts.flags import is_enabled

IN_PLACE_EDITING = "in_place_editing"
PUBLIC_API = "public_api"
DIRECTORY_FACETS = "directory_facets"


def in_place_editing(request: HttpRequest) -> bool:
    """Return whether sections are edited in place. If not, each form opens on a separate page."""
    return is_enabled(request, IN_PLACE_EDITING)


def public_api(request: HttpRequest) -> bool:
    """Return whether /api/profiles/ is enabled. If not, it returns 503."""
    return is_enabled(request, PUBLIC_API)


def directory_facets(request: HttpRequest) -> bool:
    """Return whether the directory shows filters. If not, it shows only the search field."""
    return is_enabled(request, DIRECTORY_FACETS)
