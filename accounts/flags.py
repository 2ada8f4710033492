"""Which parts of the product are on for whom. Admins switch them in the admin: docs/configuration.md"""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from waffle import flag_is_active

from accounts.clerk.tokens import SessionClaims
from accounts.models import User

HANDSHAKE = "handshake"


def is_enabled(request: HttpRequest, flag: str) -> bool:
    """Return whether the part of the product that `flag` names is on for whoever is behind `request`.

    It costs no query while the flag is in this process's cache, unless it depends on the person's groups.
    """
    return bool(flag_is_active(request, flag))


def is_handshake_enabled(request: HttpRequest, expired: SessionClaims | None) -> bool:
    """Return whether a page may be sent to Clerk for a fresh token; otherwise its visitor counts as signed out.

    Args:
        expired: what the token says whose time is up. Nobody is signed in by it, but a flag may name the person.
    """
    request.user = SimpleLazyObject(lambda: _person(expired))  # type: ignore[assignment]
    return is_enabled(request, HANDSHAKE)


def _person(claims: SessionClaims | None) -> User | AnonymousUser:
    known = User.objects.filter(clerk_id=claims.clerk_id, is_active=True) if claims else User.objects.none()
    return known.first() or AnonymousUser()
