"""Admin views that accept only POST and have no separate page."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urljoin

from django.contrib import messages
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _


def post_only(view: Callable[..., HttpResponseBase], back: str = "../change/") -> Callable[..., HttpResponseBase]:
    """Accept only POST, and redirect GET and HEAD to the page with the form.

    Browsers send GET when the login page returns to this URL after the session expired, and when the user reloads the
    response to a POST. A 405 response would show an empty page.

    Args:
        back: the form page's URL, relative to the view's URL.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["POST"])
        message = _("Nothing was done, because you signed in again or reloaded the page. Please try again.")
        messages.warning(request, message)
        query = request.GET.urlencode()
        return redirect(urljoin(request.path, back) + (f"?{query}" if query else ""))

    return wrapper
