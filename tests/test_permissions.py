"""Every URL and method of the product, for every kind of person, with the answer written by hand.

Here the admin is its front door; its own URLs are in tests/test_admin_permissions.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import DataExport, EndedSession, User
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.clients import with_password, with_token
from tests.helpers.factories import (
    SINCE,
    BuilderProfileFactory,
    ClientProfileFactory,
    ProjectFactory,
    UserFactory,
)
from tests.helpers.tokens import mint

pytestmark = pytest.mark.django_db

#: The people of the columns below. Olive owns what the addresses name; Bella is another builder, Clio another client.
PEOPLE = (
    "nobody",
    "visitor",
    "owner",
    "other builder",
    "client",
    "admin",
    "superuser",
    "banned",
    "deleted",
    "session over",
    "provisional",
)
OK, MOVED, FOUND, SEE, BAD, WHO, NO, NONE, VERB, WRONG = 200, 301, 302, 303, 400, 401, 403, 404, 405, 422
#: Longer than a real one, because browsers are made once for all tests.
AS_LONG_AS_TESTS_S = 3600
#: Somebody may do it, and has to say to which state of the profile.
IF = 428


def same(status: int) -> tuple[int, ...]:
    return (status,) * len(PEOPLE)


#: People:               nobody visit owner build clien admin super bannd delet over  provi
SIGNED_IN_ONLY = (FOUND, OK, OK, OK, OK, OK, FOUND, FOUND, FOUND, FOUND, OK)
SIGNED_OUT_ONLY = (OK, FOUND, FOUND, FOUND, FOUND, FOUND, OK, OK, OK, OK, FOUND)
OWNER_AND_ADMIN = (NONE, NONE, OK, NONE, NONE, OK, NONE, NONE, NONE, NONE, NONE)
EDITORS = (FOUND, NO, OK, NO, NO, OK, FOUND, FOUND, FOUND, FOUND, NO)
# Owners are told that it is their own page.
WRITERS = (FOUND, OK, OK, OK, OK, OK, FOUND, FOUND, FOUND, FOUND, OK)
WITH_TOKEN = (WHO, OK, OK, OK, OK, OK, WHO, WHO, WHO, WHO, OK)
API_EDITORS = (WHO, NO, IF, NO, NO, IF, WHO, WHO, WHO, WHO, NO)
API_HIDDEN = (NONE, NONE, IF, NONE, NONE, IF, NONE, NONE, NONE, NONE, NONE)
ADMIN_SITE = (FOUND, FOUND, FOUND, FOUND, FOUND, OK, OK, FOUND, FOUND, FOUND, FOUND)
ADMIN_ONLY = (FOUND, NO, NO, NO, NO, OK, FOUND, FOUND, FOUND, FOUND, NO)
OWNERS_BUTTON = ("/builders/{builder.slug}/publish/",)
ADMINS_PAGES = tuple(
    f"/builders/{{builder.slug}}/{page}/" for page in ("verify", "badges", "badges/identity", "record", "hide")
)

READ: dict[str, tuple[int, ...]] = {
    "/": same(OK),
    "/builders/": same(OK),
    "/builders/{builder.slug}/": same(OK),
    "/builders/{hidden.slug}/": OWNER_AND_ADMIN,
    "/builders/nobody-at-all/": same(NONE),
    "/builders/{builder.slug}/card.png": same(OK),
    "/builders/{hidden.slug}/card.png": same(NONE),
    "/builders/{builder.slug}/contact/": WRITERS,
    "/builders/{hidden.slug}/contact/": (NONE, NONE, OK, NONE, NONE, NO, NONE, NONE, NONE, NONE, NONE),
    "/builders/{builder.slug}/edit/introduction/": EDITORS,
    "/builders/{hidden.slug}/edit/introduction/": OWNER_AND_ADMIN,
    # What only its owner does with a page, and what only admins do.
    **dict.fromkeys(OWNERS_BUTTON, (FOUND, NO, FOUND, NO, NO, NO, FOUND, FOUND, FOUND, FOUND, NO)),
    "/builders/{builder.slug}/delete/": EDITORS,
    "/builders/{hidden.slug}/delete/": OWNER_AND_ADMIN,
    **dict.fromkeys(ADMINS_PAGES, ADMIN_ONLY),
    "/builders/{builder.slug}/feature/": (FOUND, NO, NO, NO, NO, FOUND, FOUND, FOUND, FOUND, FOUND, NO),
    "/builders/{hidden.slug}/hide/": (NONE, NONE, NO, NONE, NONE, OK, NONE, NONE, NONE, NONE, NONE),
    # Whoever has no profile of the kind begins at the beginning, and whoever is new waits.
    "/welcome/": SIGNED_IN_ONLY,
    "/welcome/builder/": (FOUND, FOUND, OK, OK, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, OK),
    "/welcome/client/": (FOUND, FOUND, OK, FOUND, OK, FOUND, FOUND, FOUND, FOUND, FOUND, OK),
    "/welcome/preview/": (FOUND, FOUND, OK, OK, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, OK),
    "/builders/{builder.slug}/picture/": EDITORS,
    "/builders/{hidden.slug}/picture/": OWNER_AND_ADMIN,
    "/builders/{builder.slug}/portfolio/new/": EDITORS,
    "/builders/{hidden.slug}/portfolio/new/": OWNER_AND_ADMIN,
    "/builders/{builder.slug}/portfolio/order/": (FOUND, NO, FOUND, NO, NO, FOUND, FOUND, FOUND, FOUND, FOUND, NO),
    "/builders/{builder.slug}/portfolio/{project.pk}/edit/": EDITORS,
    "/builders/{hidden.slug}/portfolio/{project.pk}/edit/": OWNER_AND_ADMIN,
    "/builders/{builder.slug}/portfolio/{project.pk}/delete/": EDITORS,
    "/builders/{hidden.slug}/portfolio/{project.pk}/delete/": OWNER_AND_ADMIN,
    f"/media/projects/{'0' * 32}.webp": same(NONE),  # nothing asks who looks at a picture; there is none of this name
    "/builders/{builder.slug}/availability/": (FOUND, NO, FOUND, NO, NO, FOUND, FOUND, FOUND, FOUND, FOUND, NO),
    "/account/client/": (FOUND, NONE, OK, NONE, OK, NONE, FOUND, FOUND, FOUND, FOUND, NONE),
    "/clients/{client.pk}/edit/": OWNER_AND_ADMIN,
    "/sign-in/": SIGNED_OUT_ONLY,
    "/sign-up/": SIGNED_OUT_ONLY,
    "/sign-out/": same(OK),
    "/account/": SIGNED_IN_ONLY,
    "/account/exports/{export}/": (FOUND, NONE, OK, NONE, NONE, NONE, FOUND, FOUND, FOUND, FOUND, NONE),
    "/account/roles/": SIGNED_IN_ONLY,
    "/account/roles/stop/builder/": SIGNED_IN_ONLY,
    "/account/roles/stop/admin/": (FOUND, NONE, NONE, NONE, NONE, NONE, FOUND, FOUND, FOUND, FOUND, NONE),
    "/account/delete/": SIGNED_IN_ONLY,
    "/account/exports/": same(FOUND),  # to the account, or to sign in
    "/api/profiles/me": WITH_TOKEN,
    "/api/profiles/builders": same(OK),
    "/api/profiles/builders/{builder.pk}": same(OK),
    "/api/profiles/builders/{hidden.pk}": OWNER_AND_ADMIN,
    "/api/profiles/clients/{client.pk}": OWNER_AND_ADMIN,
    "/api/openapi.json": same(OK),
    "/api/docs/": same(OK),
    "/api/nowhere": same(NONE),
    "/api/webhooks/clerk": same(VERB),
    "/admin/": ADMIN_SITE,
    "/healthz": same(OK),
    "/readyz": same(OK),
    "/metrics": same(OK),  # from this machine, in local mode
}
#: What posting an empty form does to the portfolio.
PORTFOLIO = {
    "picture": WRONG,
    "portfolio/new": WRONG,
    "portfolio/order": WRONG,
    "portfolio/{project.pk}/edit": WRONG,
    "portfolio/{project.pk}/delete": FOUND,
}
#: Methods that an address has besides GET and HEAD, asked with a CSRF token.
WRITE: dict[tuple[str, str], tuple[int, ...]] = {
    ("POST", "/sign-out/"): same(FOUND),
    # An empty form is a good one. Whose token is good and who is still not let in gets a draft.
    ("POST", "/builders/{builder.slug}/edit/introduction/"): (
        FOUND,
        NO,
        FOUND,
        NO,
        NO,
        FOUND,
        FOUND,
        SEE,
        SEE,
        SEE,
        NO,
    ),
    ("POST", "/builders/{hidden.slug}/edit/introduction/"): (
        NONE,
        NONE,
        FOUND,
        NONE,
        NONE,
        FOUND,
        NONE,
        NONE,
        NONE,
        NONE,
        NONE,
    ),
    **{("POST", address): (FOUND, NO, SEE, NO, NO, NO, FOUND, SEE, SEE, SEE, NO) for address in OWNERS_BUTTON},
    ("POST", "/builders/{builder.slug}/delete/"): (FOUND, NO, SEE, NO, NO, SEE, FOUND, SEE, SEE, SEE, NO),
    ("POST", "/builders/{hidden.slug}/delete/"): (NONE, NONE, SEE, NONE, NONE, SEE, NONE, NONE, NONE, NONE, NONE),
    # An empty form says nothing.
    **{("POST", address): (FOUND, NO, NO, NO, NO, WRONG, FOUND, SEE, SEE, SEE, NO) for address in ADMINS_PAGES},
    ("POST", "/builders/{builder.slug}/feature/"): (FOUND, NO, NO, NO, NO, SEE, FOUND, SEE, SEE, SEE, NO),
    ("POST", "/builders/{hidden.slug}/hide/"): (NONE, NONE, NO, NONE, NONE, WRONG, NONE, NONE, NONE, NONE, NONE),
    ("POST", "/welcome/"): (FOUND, WRONG, WRONG, WRONG, WRONG, WRONG, FOUND, SEE, SEE, SEE, OK),
    # Whoever has none is led to the beginning. The model asks for an availability and a currency.
    ("POST", "/welcome/builder/"): (FOUND, FOUND, WRONG, WRONG, FOUND, FOUND, FOUND, SEE, SEE, SEE, OK),
    ("POST", "/welcome/client/"): (FOUND, FOUND, SEE, FOUND, SEE, FOUND, FOUND, SEE, SEE, SEE, OK),
    ("POST", "/welcome/preview/"): (FOUND, VERB, VERB, VERB, VERB, VERB, FOUND, SEE, SEE, SEE, VERB),
    # Pictures and projects: an empty form is a bad one, and deleting needs no more than the click.
    **{
        ("POST", f"/builders/{{builder.slug}}/{rest}/"): (FOUND, NO, answer, NO, NO, answer, FOUND, SEE, SEE, SEE, NO)
        for rest, answer in PORTFOLIO.items()
    },
    **{
        ("POST", f"/builders/{{hidden.slug}}/{rest}/"): (NONE, NONE, answer, NONE, NONE, answer, *(NONE,) * 5)
        for rest, answer in PORTFOLIO.items()
    },
    # The switch is asked without a position, which is no good.
    ("POST", "/builders/{builder.slug}/availability/"): (FOUND, NO, FOUND, NO, NO, FOUND, FOUND, SEE, SEE, SEE, NO),
    ("POST", "/account/client/"): (FOUND, NONE, FOUND, NONE, FOUND, NONE, FOUND, SEE, SEE, SEE, NONE),
    ("POST", "/clients/{client.pk}/edit/"): (NONE, NONE, FOUND, NONE, NONE, FOUND, NONE, NONE, NONE, NONE, NONE),
    # An empty message is none.
    ("POST", "/builders/{builder.slug}/contact/"): (
        *(FOUND, WRONG, NO, WRONG, WRONG, WRONG, FOUND, SEE, SEE, SEE, WRONG),
    ),
    # Whoever Clerk has not told of yet has no roles to change.
    ("POST", "/account/roles/stop/builder/"): (FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, SEE, SEE, SEE, WRONG),
    ("POST", "/account/roles/stop/admin/"): (FOUND, NONE, NONE, NONE, NONE, NONE, FOUND, SEE, SEE, SEE, NONE),
    ("POST", "/account/roles/"): (FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, SEE, SEE, SEE, WRONG),
    ("POST", "/account/"): (FOUND, VERB, VERB, VERB, VERB, VERB, FOUND, SEE, SEE, SEE, VERB),
    ("POST", "/account/delete/"): (FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, SEE, SEE, SEE, FOUND),
    ("POST", "/account/exports/"): (FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, SEE, SEE, SEE, FOUND),
    **dict.fromkeys(
        (("PATCH", "/api/profiles/builders/{builder.pk}"), ("DELETE", "/api/profiles/builders/{builder.pk}")),
        API_EDITORS,
    ),
    **{
        (method, address): API_HIDDEN
        for method in ("PATCH", "DELETE")
        for address in ("/api/profiles/builders/{hidden.pk}", "/api/profiles/clients/{client.pk}")
    },
    ("POST", "/api/webhooks/clerk"): same(BAD),  # nothing is signed
}
#: Methods that an address does not have are 405, unless somebody may not even know what it has.
OTHERWISE: dict[str, tuple[int, ...]] = {
    **{
        f"/builders/{{builder.slug}}/{rest}/": (FOUND, NO, VERB, NO, NO, VERB, FOUND, FOUND, FOUND, FOUND, NO)
        for rest in PORTFOLIO
    },
    **{
        f"/builders/{{hidden.slug}}/{rest}/": (NONE, NONE, VERB, NONE, NONE, VERB, NONE, NONE, NONE, NONE, NONE)
        for rest in PORTFOLIO
    },
    f"/media/projects/{'0' * 32}.webp": same(VERB),
    "/builders/{builder.slug}/availability/": (FOUND, NO, VERB, NO, NO, VERB, FOUND, FOUND, FOUND, FOUND, NO),
    "/account/client/": (FOUND, NONE, VERB, NONE, VERB, NONE, FOUND, FOUND, FOUND, FOUND, NONE),
    "/builders/{builder.slug}/contact/": (FOUND, VERB, NO, VERB, VERB, VERB, FOUND, FOUND, FOUND, FOUND, VERB),
    "/builders/{hidden.slug}/contact/": (NONE, NONE, NO, NONE, NONE, NO, NONE, NONE, NONE, NONE, NONE),
    **dict.fromkeys(
        ("/builders/{builder.slug}/edit/introduction/", "/builders/{builder.slug}/delete/"),
        (FOUND, NO, VERB, NO, NO, VERB, FOUND, FOUND, FOUND, FOUND, NO),
    ),
    **dict.fromkeys(OWNERS_BUTTON, (FOUND, NO, VERB, NO, NO, NO, FOUND, FOUND, FOUND, FOUND, NO)),
    **dict.fromkeys(
        (*ADMINS_PAGES, "/builders/{builder.slug}/feature/"),
        (FOUND, NO, NO, NO, NO, VERB, FOUND, FOUND, FOUND, FOUND, NO),
    ),
    "/builders/{hidden.slug}/hide/": (NONE, NONE, NO, NONE, NONE, VERB, NONE, NONE, NONE, NONE, NONE),
    **dict.fromkeys(
        ("/welcome/", "/welcome/preview/"), (FOUND, VERB, VERB, VERB, VERB, VERB, FOUND, FOUND, FOUND, FOUND, VERB)
    ),
    "/welcome/builder/": (FOUND, FOUND, VERB, VERB, FOUND, FOUND, FOUND, FOUND, FOUND, FOUND, VERB),
    "/welcome/client/": (FOUND, FOUND, VERB, FOUND, VERB, FOUND, FOUND, FOUND, FOUND, FOUND, VERB),
    **dict.fromkeys(
        (
            *("/account/", "/account/roles/", "/account/delete/", "/account/exports/"),
            *("/account/roles/stop/builder/", "/account/roles/stop/admin/"),
        ),
        (FOUND, VERB, VERB, VERB, VERB, VERB, FOUND, FOUND, FOUND, FOUND, VERB),
    ),
    "/api/profiles/me": (WHO, VERB, VERB, VERB, VERB, VERB, WHO, WHO, WHO, WHO, VERB),
    **dict.fromkeys(
        (
            "/builders/{hidden.slug}/",
            "/builders/{hidden.slug}/edit/introduction/",
            "/builders/{hidden.slug}/delete/",
            "/api/profiles/builders/{hidden.pk}",
            "/api/profiles/clients/{client.pk}",
            "/clients/{client.pk}/edit/",
        ),
        (NONE, NONE, VERB, NONE, NONE, VERB, NONE, NONE, NONE, NONE, NONE),
    ),
    **dict.fromkeys(("/builders/nobody-at-all/", "/api/nowhere"), same(NONE)),
}
#: The admin answers the methods it does not know like GET, as Django's own views do.
NOT_CHECKED = {"/admin/"}
#: Which addresses above stand for which pattern; a pattern that is not here fails the test.
PATTERNS = {
    "": "/",
    "builders/": "/builders/",
    "builders/<str:slug>/": "/builders/{builder.slug}/",
    "builders/<str:slug>/card.png": "/builders/{builder.slug}/card.png",
    "builders/<str:slug>/contact/": "/builders/{builder.slug}/contact/",
    "builders/<str:slug>/edit/<slug:section>/": "/builders/{builder.slug}/edit/introduction/",
    "builders/<str:slug>/publish/": "/builders/{builder.slug}/publish/",
    "builders/<str:slug>/delete/": "/builders/{builder.slug}/delete/",
    "builders/<str:slug>/verify/": "/builders/{builder.slug}/verify/",
    "builders/<str:slug>/badges/": "/builders/{builder.slug}/badges/",
    "builders/<str:slug>/badges/<slug:kind>/": "/builders/{builder.slug}/badges/identity/",
    "builders/<str:slug>/record/": "/builders/{builder.slug}/record/",
    "builders/<str:slug>/feature/": "/builders/{builder.slug}/feature/",
    "builders/<str:slug>/hide/": "/builders/{builder.slug}/hide/",
    "welcome/": "/welcome/",
    "welcome/builder/": "/welcome/builder/",
    "welcome/client/": "/welcome/client/",
    "welcome/preview/": "/welcome/preview/",
    "account/roles/stop/<slug:role>/": "/account/roles/stop/builder/",
    "builders/<str:slug>/picture/": "/builders/{builder.slug}/picture/",
    "builders/<str:slug>/portfolio/new/": "/builders/{builder.slug}/portfolio/new/",
    "builders/<str:slug>/portfolio/order/": "/builders/{builder.slug}/portfolio/order/",
    "builders/<str:slug>/portfolio/<bigint:pk>/edit/": "/builders/{builder.slug}/portfolio/{project.pk}/edit/",
    "builders/<str:slug>/portfolio/<bigint:pk>/delete/": "/builders/{builder.slug}/portfolio/{project.pk}/delete/",
    "media/<image_name:name>": f"/media/projects/{'0' * 32}.webp",
    "builders/<str:slug>/availability/": "/builders/{builder.slug}/availability/",
    "account/client/": "/account/client/",
    "clients/<bigint:pk>/edit/": "/clients/{client.pk}/edit/",
    "sign-in/": "/sign-in/",
    "sign-up/": "/sign-up/",
    "sign-out/": "/sign-out/",
    "account/": "/account/",
    "account/exports/<uuid:public_id>/": "/account/exports/{export}/",
    "account/roles/": "/account/roles/",
    "account/delete/": "/account/delete/",
    "account/exports/": "/account/exports/",
    "api/profiles/me": "/api/profiles/me",
    "api/profiles/builders": "/api/profiles/builders",
    "api/profiles/builders/<bigint:pk>": "/api/profiles/builders/{builder.pk}",
    "api/profiles/clients/<bigint:pk>": "/api/profiles/clients/{client.pk}",
    "api/openapi.json": "/api/openapi.json",
    "api/docs/": "/api/docs/",
    "api/<path:rest>": "/api/nowhere",
    "^api/webhooks/clerk/?$": "/api/webhooks/clerk",
    "admin/": "/admin/",
    "healthz": "/healthz",
    "readyz": "/readyz",
    "metrics": "/metrics",
}


@pytest.fixture(scope="module")
def world(module_rows: None) -> dict[str, Any]:
    """Return what the addresses name: a page, the same owner's client profile, and a page an admin has hidden."""
    owner = UserFactory.create(builder=True, client=True, confirmed=True)
    builder = BuilderProfileFactory.create(user=owner)
    export = DataExport.objects.create(user=owner, ready_at=SINCE, expires_at="2100-01-01T00:00:00Z", archive=b"zip")
    project = ProjectFactory.create(builder=builder)
    client = ClientProfileFactory.create(user=owner)
    return {"builder": builder, "client": client, "export": export.public_id, "project": project}


@pytest.fixture(scope="module")
def browsers(world: dict[str, Any]) -> list[Client]:
    """Return a browser of each of PEOPLE."""
    return [browser_of(person, world["builder"].user) for person in PEOPLE]


def hide(world: dict[str, Any], address: str) -> str:
    """Return `address` filled in. Olive has one page; where the hidden one is meant, hers is hidden."""
    builder: BuilderProfile = world["builder"]
    if "{hidden" in address:
        BuilderProfile.objects.filter(pk=builder.pk).update(hidden_at=SINCE)
    return address.format(**world, hidden=builder)


def browser_of(person: str, owner: User) -> Client:
    """Return a browser of one of PEOPLE, with Clerk's cookie, or with a password's session."""
    if person == "superuser":
        browser = with_password()
    elif person == "nobody":
        browser = Client()
    else:
        return with_token(mint(_clerk_id(person, owner), lifetime_s=AS_LONG_AS_TESTS_S))
    browser.cookies["__clerk_db_jwt"] = "dvb_any"
    return browser


def _clerk_id(person: str, owner: User) -> str:
    if person == "provisional":
        return "user_2neverheardof"
    user = owner if person == "owner" else _somebody(person)
    if person == "session over":
        EndedSession.objects.create(
            session_id=f"sess_{str(user.clerk_id)[5:]}", clerk_id=str(user.clerk_id), ended_at=SINCE
        )
    return str(user.clerk_id)


def _somebody(person: str) -> User:
    if person == "other builder":
        builder: BuilderProfile = BuilderProfileFactory.create()
        return builder.user
    if person == "client":
        client: ClientProfile = ClientProfileFactory.create()
        return client.user
    traits = {person: True} if person in ("admin", "banned", "deleted") else {}
    return UserFactory.create(**traits)


def ask(browser: Client, method: str, address: str) -> int:
    # As a browser asks for a page, but for a fragment of it, so that nobody is sent to Clerk first.
    return int(browser.generic(method, address, headers={"sec-fetch-dest": "empty"}).status_code)


def answers(browsers: list[Client], world: dict[str, Any], address: str, method: str) -> tuple[int, ...]:
    """Return what each of PEOPLE gets, all in the same world."""
    found = []
    for browser in browsers:
        with transaction.atomic():
            found.append(ask(unused(browser), method, hide(world, address)))
            transaction.set_rollback(True)
    return tuple(found)


def unused(browser: Client) -> Client:
    """Return one with the same cookies, which an answer may change."""
    copy = Client()
    copy.cookies.load({name: cookie.value for name, cookie in browser.cookies.items()})
    return copy


@pytest.mark.parametrize("address", READ)
def test_reading(browsers: list[Client], world: dict[str, Any], address: str) -> None:
    assert answers(browsers, world, address, "GET") == READ[address]
    assert answers(browsers, world, address, "HEAD") == READ[address]


@pytest.mark.parametrize("address", [address for address in READ if address not in NOT_CHECKED])
@pytest.mark.parametrize("method", ("PUT", "PATCH", "DELETE", "POST"))
def test_other_methods(browsers: list[Client], world: dict[str, Any], address: str, method: str) -> None:
    expected = WRITE.get((method, address)) or OTHERWISE.get(address, same(VERB))
    assert answers(browsers, world, address, method) == expected


def test_every_url_is_in_the_matrix() -> None:
    found = set(patterns(get_resolver("config.urls")))
    assert found == set(PATTERNS)
    assert set(PATTERNS.values()) <= set(READ)


def patterns(resolver: URLResolver) -> Iterator[str]:
    """Yield every pattern of the product's own; the admin is one."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern) or str(entry.pattern) == "admin/":
            yield str(entry.pattern)
        else:
            yield from patterns(entry)
