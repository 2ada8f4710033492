"""Test clients for every kind of visitor: `signed_in(olive)`, `signed_in(olive, expired=True)`, `impersonating(olive, adam)`.

    browser = signed_in(UserFactory.create(builder=True))
    assert browser.get("/account/").status_code == 200

Bans and deletions are properties of the user, not of the token: `signed_in(UserFactory.create(banned=True))`.
"""

from typing import Any, Protocol

from django.test import Client

from tests.helpers.factories import UserFactory
from tests.helpers.tokens import mint

#: Headers of a browser that opens a page, and of htmx.
PAGE = {"sec-fetch-dest": "document", "accept": "text/html"}
HTMX = {"hx-request": "true", "sec-fetch-dest": "empty"}
#: An age at which a token has expired.
EXPIRED_S = 3600


class HasClerkId(Protocol):
    """A local user, or a sample user in Clerk."""

    @property
    def clerk_id(self) -> Any: ...


def with_token(token: str, **options: Any) -> Client:
    """Return a client with Clerk's cookies for `token`.

    Args:
        options: options of Django's test client, such as `enforce_csrf_checks` or `headers`.
    """
    browser = Client(**options)
    browser.cookies.load({"__session": token, "__client_uat": "1", "__clerk_db_jwt": "dvb_any"})
    return browser


def signed_in(user: HasClerkId, *, expired: bool = False, pending: bool = False, **options: Any) -> Client:
    """Return a client with a session token.

    Args:
        expired: the token has expired.
        pending: the session still needs a step in Clerk, such as choosing an organisation.
    """
    token = mint(user.clerk_id, age_s=EXPIRED_S if expired else 0, sts="pending" if pending else "active")
    return with_token(token, **options)


def impersonating(user: HasClerkId, operator: HasClerkId, **options: Any) -> Client:
    """Return a client with a session token of `operator`, who impersonates `user`."""
    return with_token(mint(user.clerk_id, act={"sub": operator.clerk_id}), **options)


def with_password(**options: Any) -> Client:
    """Return a client with the session of a local superuser who signed in with a password."""
    browser = Client(**options)
    browser.force_login(UserFactory.create(superuser=True), backend="django.contrib.auth.backends.ModelBackend")
    return browser
