"""Feature flags, which admins can switch in the Django admin. See docs/configuration.md."""

from typing import cast

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from waffle import flag_is_active

from accounts.clerk.tokens import SessionClaims
from accounts.models import User

HANDSHAKE = "handshake"


def is_enabled(request: HttpRequest, flag: str) -> bool:
    """Return whether `flag` is on for the request's user.

    No query is needed if this process has cached the flag, unless the flag depends on groups.
    """
    return bool(flag_is_active(request, flag))


def is_handshake_enabled(request: HttpRequest, expired: SessionClaims | None) -> bool:
    """Return whether a page request may be redirected to Clerk for a new token. If not, the visitor is treated as signed out.

    Args:
        expired: the expired token's claims. Used only to evaluate the flag for this user, not to sign the user in.
    """
    request.user = cast("User", SimpleLazyObject(lambda: _flag_user(expired)))
    return is_enabled(request, HANDSHAKE)


def _flag_user(claims: SessionClaims | None) -> User | AnonymousUser:
    users = User.objects.filter(clerk_id=claims.clerk_id, is_active=True) if claims else User.objects.none()
    return users.first() or AnonymousUser()
