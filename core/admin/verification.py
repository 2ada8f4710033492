"""Ask admins to verify their identity again before serious actions.

The accounts app registers the check, so that apps below it can also protect their actions.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

type Check = Callable[[HttpRequest, str, bool], HttpResponse | None]

_checks: list[Check] = []


def register(check: Check) -> None:
    """Register the check. Call this in `AppConfig.ready`."""
    _checks[:] = [check]


def ask_to_verify(request: HttpRequest, page_url: str, *, keep_form: bool = True) -> HttpResponse | None:
    """Return None if the user was verified recently. Otherwise, return a redirect to the verification.

    Args:
        page_url: the URL of the form's page, to which the user returns.
        keep_form: preserve the posted form. The page must fill in the fields again.
    """
    [check] = _checks
    return check(request, page_url, keep_form)
