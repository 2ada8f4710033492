"""What the Content-Security-Policy allows beyond the site's own, where Clerk's scripts run.

Source: https://clerk.com/docs/guides/secure/best-practices/csp-headers
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override

type Policy = dict[str, list[str]]

_CLERK = [settings.CLERK_FRONTEND_API_URL] if settings.CLERK_FRONTEND_API_URL else []
_CHALLENGES, _PROTECT = "https://challenges.cloudflare.com", "https://*.protect.clerk.com"

#: Pages of somebody who is signed in: Clerk's script keeps their session fresh.
SESSION: Policy = settings.SECURE_CSP | {
    "script-src": [*settings.SECURE_CSP["script-src"], *_CLERK],
    "connect-src": [CSP.SELF, *_CLERK],
    "worker-src": [CSP.SELF, "blob:"],
    # A form posted with an expired token is led through the handshake, and Chromium asks this of every redirect.
    "form-action": [*settings.SECURE_CSP["form-action"], *_CLERK],
}
#: Pages with Clerk's widgets. Their styles are made at run time, and a nonce beside 'unsafe-inline' would switch it off.
WIDGETS: Policy = SESSION | {
    "script-src": [*SESSION["script-src"], _CHALLENGES, _PROTECT],
    "connect-src": [*SESSION["connect-src"], f"{_PROTECT}:*"],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "form-action": settings.SECURE_CSP["form-action"],
    "frame-src": [CSP.SELF, _CHALLENGES, _PROTECT],
}


def set_policy(policy: Policy, request: HttpRequest, response: HttpResponse) -> None:
    """Give `response` a policy of its own, as Django's decorator does for a view."""
    csp_override(policy)(lambda _: response)(request)
