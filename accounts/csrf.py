"""Handle CSRF failures, for example after the cookie was deleted or the token was rotated."""

from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure

from accounts.http import json_error, json_unauthenticated
from accounts.sessions import preserved_forms


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Reject the request. API clients get JSON.

    Other clients get their preserved form if possible, otherwise the error page.
    """
    if request.path.startswith("/api/"):
        return _reject_api_request(request)
    return _preserve_form(request) or csrf_failure(request, reason)


def _reject_api_request(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return json_unauthenticated(request)
    return json_error(
        403,
        "csrf_failed",
        "Send a Bearer token, or the CSRF token in the X-CSRFToken header together with the cookies.",
    )


def _preserve_form(request: HttpRequest) -> HttpResponse | None:
    """Preserve the form and return a redirect to it, or None if the request does not come from this site.

    Browsers set Sec-Fetch-Site and pages cannot forge it, so another site cannot insert content into a preserved form.
    """
    view = getattr(request.resolver_match.func, "view_class", object) if request.resolver_match else object
    if request.headers.get("Sec-Fetch-Site") == "same-origin" and issubclass(view, preserved_forms.PreservedFormMixin):
        return preserved_forms.preserve(request)
    return None
