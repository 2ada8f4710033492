"""Forms whose CSRF token is not believed: the cookie went, or the page is from before it was renewed."""

from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure

from accounts import drafts


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Show the form again with what was typed if it came from a page of ours, else the page that says no.

    Browsers say where a post comes from, and no page can make them lie: another site can lay no words into a form.
    """
    view = getattr(request.resolver_match.func, "view_class", object) if request.resolver_match else object
    if request.headers.get("Sec-Fetch-Site") == "same-origin" and issubclass(view, drafts.DraftMixin):
        kept = drafts.keep(request)
        if kept:
            return kept
    return csrf_failure(request, reason)
