"""Signed links that turn off one kind of email without signing in (RFC 8058)."""

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import User
from accounts.notifications.kinds import Kind, kinds

#: The links never expire, because people unsubscribe from old emails.
_signer = signing.Signer(salt="accounts.notifications.unsubscribe")
#: More digits do not fit PostgreSQL's bigint.
_MAX_DIGITS = 18


class InvalidLink(Exception):
    """The link was changed or truncated, or belongs to a kind that cannot be turned off."""


def unsubscribe_url(user: User, kind: Kind) -> str:
    token = _signer.sign(f"{user.pk}:{kind.key}")
    return settings.SITE_URL + reverse("accounts:unsubscribe", args=[token])


def read_token(token: str) -> tuple[User, Kind]:
    """Return the user and the kind of a link.

    Raises:
        InvalidLink: the token is not valid, or the kind is unknown or required.
    """
    try:
        number, _, key = _signer.unsign(token).partition(":")
    except signing.BadSignature:
        raise InvalidLink from None
    kind = kinds.get(key)
    user = User.objects.filter(pk=int(number)).first() if number.isdecimal() and len(number) <= _MAX_DIGITS else None
    if kind is None or user is None or not kind.is_optional:
        raise InvalidLink
    return user, kind
