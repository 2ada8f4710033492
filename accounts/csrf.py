"""Changes whose CSRF token is not believed: the cookie went, or the page is from before it was renewed."""

from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure

from accounts import preserved_forms
from accounts.http import json_error, json_unauthenticated


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse it in the way that whoever asks understands, and give people back what they typed into a form of ours."""
    if request.path.startswith("/api/"):
        return _refuse_program(request)
    return _keep_form(request) or csrf_failure(request, reason)


def _refuse_program(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return json_unauthenticated(request)
    return json_error(403, "csrf_failed", "Send a Bearer token, or the CSRF token as X-CSRFToken beside the cookies.")


def _keep_form(request: HttpRequest) -> HttpResponse | None:
    """Keep what was typed, and return the way to its form; None unless it came from a page of ours.

    Browsers say where a post comes from, and no page can make them lie: another site can lay no words into a form.
    """
    view = getattr(request.resolver_match.func, "view_class", object) if request.resolver_match else object
    if request.headers.get("Sec-Fetch-Site") == "same-origin" and issubclass(view, preserved_forms.PreservedFormMixin):
        return preserved_forms.preserve(request)
    return None
