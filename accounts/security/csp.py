"""Content Security Policies for pages with Clerk's scripts.

Source: https://clerk.com/docs/guides/secure/best-practices/csp-headers
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override

type Policy = dict[str, list[str]]

_CLERK = [settings.CLERK_FRONTEND_API_URL] if settings.CLERK_FRONTEND_API_URL else []
_CHALLENGES, _PROTECT = "https://challenges.cloudflare.com", "https://*.protect.clerk.com"

#: For pages on which Clerk's script refreshes a signed-in user's session token.
SESSION: Policy = settings.SECURE_CSP | {
    "script-src": [*settings.SECURE_CSP["script-src"], *_CLERK],
    "connect-src": [CSP.SELF, *_CLERK],
    "worker-src": [CSP.SELF, "blob:"],
    # A form posted with an expired token is redirected through the handshake, and Chromium checks every redirect.
    "form-action": [*settings.SECURE_CSP["form-action"], *_CLERK],
}
#: For pages with Clerk's widgets, which create styles at run time. A nonce would disable 'unsafe-inline'.
WIDGETS: Policy = SESSION | {
    "script-src": [*SESSION["script-src"], _CHALLENGES, _PROTECT],
    "connect-src": [*SESSION["connect-src"], f"{_PROTECT}:*"],
    "style-src": [*settings.STATIC_ORIGINS, CSP.UNSAFE_INLINE],
    "form-action": settings.SECURE_CSP["form-action"],
    "frame-src": [CSP.SELF, _CHALLENGES, _PROTECT],
}
#: For the page with Clerk's user profile, which also contains our own forms, and whose visitors are signed in.
PROFILE: Policy = WIDGETS | {"form-action": SESSION["form-action"]}


def set_policy(policy: Policy, request: HttpRequest, response: HttpResponse) -> None:
    """Override the policy for one response, as Django's decorator does for a view."""
    csp_override(policy)(lambda _: response)(request)
