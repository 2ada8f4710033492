"""Validate redirect targets from requests."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def is_internal_url(request: HttpRequest, target: str) -> bool:
    """Return whether `target` is a safe redirect URL on this site.

    Relative paths are rejected, because their meaning depends on the current page.
    """
    is_absolute = target.startswith(("/", "http://", "https://"))
    return is_absolute and url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
