"""What is posted to in the admin, and has no page of its own."""

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
    """Take posts only, and lead whoever comes otherwise back to the page with the form.

    Whoever had to sign in before they could post is brought here by the login page, and so are those who reload what
    a post answered; a browser would show them an empty page.

    Args:
        back: where that page is, seen from the address.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["POST"])
        told = _("Nothing was done, because signing in or reloading came between. If it is still wanted, do it again.")
        messages.warning(request, told)
        query = request.GET.urlencode()
        return redirect(urljoin(request.path, back) + (f"?{query}" if query else ""))

    return answer
