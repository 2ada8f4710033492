"""Browsers of every kind of person: `signed_in(olive)`, `signed_in(olive, expired=True)`, `impersonating(olive, adam)`.

    browser = signed_in(UserFactory.create(builder=True))
    assert browser.get("/account/").status_code == 200

Being banned or deleted is a fact of the user, not of the token: `signed_in(UserFactory.create(banned=True))`.
"""

from typing import Any, Protocol

from django.test import Client

from tests.helpers.factories import UserFactory
from tests.helpers.tokens import mint

#: What a browser says when it loads a whole page, and what htmx says.
PAGE = {"sec-fetch-dest": "document", "accept": "text/html"}
HTMX = {"hx-request": "true", "sec-fetch-dest": "empty"}
#: Long past the minute that a token lives.
EXPIRED_S = 3600


class Known(Protocol):
    """Whoever has a Clerk id: a row of ours, or a made-up person at Clerk."""

    @property
    def clerk_id(self) -> Any:
        """Return the id at Clerk."""


def with_token(token: str, **options: Any) -> Client:
    """Return a browser with Clerk's cookies around `token`.

    Args:
        options: of Django's test client, such as `enforce_csrf_checks` or `headers`.
    """
    browser = Client(**options)
    browser.cookies.load({"__session": token, "__client_uat": "1", "__clerk_db_jwt": "dvb_any"})
    return browser


def signed_in(person: Known, *, expired: bool = False, pending: bool = False, **options: Any) -> Client:
    """Return the browser of somebody with a session token.

    Args:
        expired: the token's minute is over.
        pending: there is still something to do at Clerk, such as choosing an organisation.
    """
    token = mint(person.clerk_id, age_s=EXPIRED_S if expired else 0, sts="pending" if pending else "active")
    return with_token(token, **options)


def impersonating(person: Known, operator: Known, **options: Any) -> Client:
    """Return the browser of `operator`, who sees the product through the eyes of `person`."""
    return with_token(mint(person.clerk_id, act={"sub": operator.clerk_id}), **options)


def with_password(**options: Any) -> Client:
    """Return the browser of a local superuser, who has given a password."""
    browser = Client(**options)
    browser.force_login(UserFactory.create(superuser=True), backend="django.contrib.auth.backends.ModelBackend")
    return browser
