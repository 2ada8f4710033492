"""Middleware that only pages need. Webhooks and uploaded images pass it by."""

from typing import Any, cast

from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csp import ContentSecurityPolicyMiddleware
from django.utils.csp import CSP, build_policy

from accounts.middleware import ANONYMOUS_PREFIXES


class _ForPages:
    """Calls the next middleware directly for paths that never need a user, a session or a message."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_page = not request.path_info.startswith(ANONYMOUS_PREFIXES)
        handle = super().__call__ if is_page else self.get_response  # type: ignore[misc]  # of the class that follows
        return cast(HttpResponseBase, handle(request))


class PageSessionMiddleware(_ForPages, SessionMiddleware):
    pass


class PageMessageMiddleware(_ForPages, MessageMiddleware):
    pass


class PolicyMiddleware(ContentSecurityPolicyMiddleware):
    """Send the site's policy without a nonce as a text that is built once. Most responses use no nonce."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.policy = build_policy(settings.SECURE_CSP)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not request._csp_nonce and not hasattr(response, "_csp_config"):  # type: ignore[attr-defined]  # set by Django
            response.headers.setdefault(str(CSP.HEADER_ENFORCE), self.policy)
        return super().process_response(request, response)
