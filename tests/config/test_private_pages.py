"""Browsers and proxies must not store pages of signed-in users. Public pages may be stored."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from profiles.models import BuilderProfile
from tests.config.test_headers import URLS, every_url
from tests.helpers.clients import impersonating, signed_in, with_password
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory
from tests.helpers.tokens import ISSUER

pytestmark = pytest.mark.django_db

#: Files that are the same for everyone.
PUBLIC_FILES = ("/media/", "/static/", "/robots.txt", "/sitemap")
PUBLIC_IMAGES = ("/builders/olive-owner/card.png",)
PUBLIC_PAGES = ("/", "/builders/", "/builders/olive-owner/")


def stored_by(response: Any) -> str:
    """Return where a response may be cached: "everyone", "browser" or "" (nowhere)."""
    directives = {part.strip() for part in response.get("Cache-Control", "").split(",")}
    if "no-store" in directives:
        return ""
    return "browser" if "private" in directives else "everyone"


@pytest.fixture
def pk(one_of_each_pk: int) -> int:
    return one_of_each_pk


@pytest.fixture
def owner(pk: int) -> User:
    return BuilderProfile.objects.get(slug="olive-owner").user


def is_public_file(url: str) -> bool:
    return url.startswith(PUBLIC_FILES) or url in PUBLIC_IMAGES


@every_url
def test_no_response_to_an_owner_is_stored(owner: User, url: str, pk: int) -> None:
    response = signed_in(owner, raise_request_exception=False).get(url.format(pk=pk))
    assert is_public_file(url) or stored_by(response) == "", response.get("Cache-Control")


@every_url
def test_no_response_to_an_admin_is_stored(url: str, pk: int) -> None:
    response = signed_in(UserFactory.create(admin=True), raise_request_exception=False).get(url.format(pk=pk))
    assert is_public_file(url) or stored_by(response) == "", response.get("Cache-Control")


@pytest.mark.parametrize("url", [url for url in URLS if url.startswith("/admin/")])
def test_no_admin_page_of_an_operator_is_stored(url: str, pk: int) -> None:
    response = with_password(raise_request_exception=False).get(url.format(pk=pk))
    assert stored_by(response) == "", response.get("Cache-Control")


def test_forms_with_errors_are_not_stored(owner: User) -> None:
    response = signed_in(owner).post("/builders/olive-owner/edit/introduction/", {"headline": "x" * 5000})
    assert (response.status_code, stored_by(response)) == (422, "")


@pytest.mark.parametrize(
    "fields",
    (
        pytest.param({"unpublished_at": "2026-11-01T00:00Z"}, id="unpublished"),
        pytest.param({"searchable": False}, id="unlisted"),
        pytest.param({"hidden_at": "2026-11-01T00:00Z", "hidden_reason": "spam"}, id="hidden"),
    ),
)
@pytest.mark.parametrize("query", ("", "?as=visitor"))
def test_page_of_an_owner_is_not_stored(fields: dict[str, Any], query: str) -> None:
    profile = BuilderProfileFactory.create(slug="zofia", **fields)
    for browser in (signed_in(profile.user), impersonating(profile.user, UserFactory.create(admin=True))):
        response = browser.get(f"/builders/zofia/{query}")
        assert (response.status_code, stored_by(response)) == (200, "")


def test_client_page_is_not_stored() -> None:
    profile = ClientProfileFactory.create()
    for browser, url in (
        (signed_in(profile.user), "/account/client/"),
        (signed_in(UserFactory.create(admin=True)), f"/clients/{profile.pk}/edit/"),
    ):
        response = browser.get(url)
        assert (response.status_code, stored_by(response)) == (200, "")


def test_profile_from_the_api_is_not_stored_for_its_owner() -> None:
    profile = BuilderProfileFactory.create(slug="zofia")
    response = signed_in(profile.user).get(f"/api/profiles/builders/{profile.pk}")
    assert (response.status_code, stored_by(response)) == (200, "")


@pytest.mark.parametrize("url", PUBLIC_PAGES)
def test_public_page_of_a_visitor_can_be_stored(url: str, pk: int) -> None:
    """Otherwise going back would always load the page again."""
    response = Client().get(url)
    assert (response.status_code, "no-store" in response.get("Cache-Control", "")) == (200, False)


@pytest.mark.parametrize("url", [url for url in URLS if url.startswith("/admin/")])
def test_admin_pages_load_no_clerk_scripts_for_operators_with_a_password(url: str, pk: int) -> None:
    for browser in (Client(raise_request_exception=False), with_password(raise_request_exception=False)):
        response = browser.get(url.format(pk=pk))
        page = "" if response.streaming else response.content.decode()
        assert "/npm/@clerk/" not in page
        assert ISSUER not in response["Content-Security-Policy"]


@pytest.mark.parametrize("url", ("/account/", "/admin/", "/admin/password_change/"))
def test_pages_of_signed_in_users_load_the_script_that_hides_restored_pages(url: str) -> None:
    admin = UserFactory.create(admin=True)
    assert "js/private-page.js" in signed_in(admin).get(url).content.decode()
    if url.startswith("/admin/"):
        assert "js/private-page.js" in with_password().get(url).content.decode()
    assert "js/private-page.js" not in Client().get("/builders/").content.decode()
