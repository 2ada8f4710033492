"""Pages of our own inside the admin site."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from webhooks.models import WebhookEvent


def operators_page(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let only operators in, as the admin site does with its own pages.

    Others are sent to its login page. An htmx request follows a redirect by itself and would put that page into the
    middle of the one that is open; it is told to move the whole page there instead.
    """
    guarded = admin.site.admin_view(view)

    @wraps(guarded)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        htmx = getattr(request, "htmx", None)
        if htmx and not admin.site.has_permission(request):
            came_from = htmx.current_url_abs_path or request.path
            return HttpResponseClientRedirect(f"{reverse('admin:login')}?{urlencode({'next': came_from})}")
        return guarded(request, *args, **kwargs)

    return answer


def may_view_events(request: HttpRequest) -> bool:
    """Return whether the person may see what is in the inbox."""
    return admin.site.get_model_admin(WebhookEvent).has_view_permission(request)
