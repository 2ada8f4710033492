"""Helpers for custom pages inside the admin site."""

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
    """Restrict a view to operators, in the same way as the admin site. Other users are redirected to the login page.

    htmx would follow the redirect and insert the login page into the current page. Therefore htmx requests get a
    client-side redirect.
    """
    guarded = admin.site.admin_view(view)

    @wraps(guarded)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        htmx = getattr(request, "htmx", None)
        if htmx and not admin.site.has_permission(request):
            next_url = htmx.current_url_abs_path or request.path
            return HttpResponseClientRedirect(f"{reverse('admin:login')}?{urlencode({'next': next_url})}")
        return guarded(request, *args, **kwargs)

    return wrapper


def may_view_events(request: HttpRequest) -> bool:
    return admin.site.get_model_admin(WebhookEvent).has_view_permission(request)
