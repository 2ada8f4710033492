"""Builders reach their own page from the header of every page."""

import pytest
from django.test import Client

from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

LINK = 'href="/account/page/"'


@pytest.mark.parametrize("path", ("/", "/builders/", "/account/"))
def test_header_links_builders_to_their_own_page(path: str) -> None:
    builder = BuilderProfileFactory.create(introduced=True).user
    assert LINK in signed_in(builder).get(path).text


def test_other_visitors_see_no_link_to_a_page_of_their_own(client: Client) -> None:
    for browser in (client, signed_in(ClientProfileFactory.create().user), signed_in(UserFactory.create(admin=True))):
        assert LINK not in browser.get("/builders/").text


def test_link_is_the_current_page_only_for_the_owner() -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    other = BuilderProfileFactory.create(introduced=True)
    assert f'{LINK} aria-current="page"' in signed_in(profile.user).get(profile.get_absolute_url()).text
    assert f"{LINK} aria-current" not in signed_in(other.user).get(profile.get_absolute_url()).text


def test_own_page_redirects_to_the_builder_page() -> None:
    profile = BuilderProfileFactory.create(slug="olive")
    assert signed_in(profile.user).get("/account/page/")["Location"] == "/builders/olive/"


def test_users_without_a_builder_page_are_redirected_to_their_account() -> None:
    unnamed = BuilderProfileFactory.create(slug=None)
    for user in (unnamed.user, UserFactory.create()):
        assert signed_in(user).get("/account/page/")["Location"] == "/account/"
