"""The private shortlist of a client, filled from cards and pages."""

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from profiles.models import BuilderProfile, ShortlistEntry
from profiles.personal_data import erase, export
from profiles.shortlist import services as shortlist
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, ClientProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

SAVE, LIST = "/builders/olive-owner/save/", "/account/shortlist/"


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", user__name="Olive Owner", introduced=True
    )
    return profile


@pytest.fixture
def vera() -> User:
    user: User = ClientProfileFactory.create(user__name="Vera Visitor", user__client=True).user
    return user


def read(user: User, path: str = LIST) -> str:
    response = signed_in(user).get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def buttons(text: str) -> list[str]:
    """Return the labels of the shortlist buttons."""
    return re.findall(r'form="shortlist"[^>]*>(\w+)', text)


def test_builder_can_be_saved_and_removed_from_a_card(olive: BuilderProfile, vera: User) -> None:
    assert buttons(read(vera, "/builders/")) == ["Save"]
    response = signed_in(vera).post(SAVE, {"on": "1", "next": "/builders/?q=maps"})
    assert (response.status_code, response["Location"]) == (302, "/builders/?q=maps")
    assert buttons(read(vera, "/builders/")) == ["Remove"]
    assert "Olive Owner" in read(vera)
    signed_in(vera).post(SAVE, {"on": "0"})
    assert buttons(read(vera, "/builders/")) == ["Save"]
    assert "You have not saved any builders yet." in read(vera)


def test_builder_can_be_saved_from_the_page(olive: BuilderProfile, vera: User) -> None:
    page = olive.get_absolute_url()
    assert buttons(read(vera, page)) == ["Save"]
    assert signed_in(vera).post(SAVE, {"on": "1"})["Location"] == page
    assert buttons(read(vera, page)) == ["Remove"]
    link = f'<a href="{SAVE}" rel="nofollow">Save to shortlist</a>'
    assert link in Client().get(page).content.decode()
    assert link in read(UserFactory.create(), page)
    assert "shortlist" not in read(olive.user, page)


def test_visitor_can_continue_after_signing_in(olive: BuilderProfile, vera: User) -> None:
    assert "/sign-in/" in Client().get(SAVE)["Location"]
    assert "Save Olive Owner to your shortlist?" in read(vera, SAVE)
    shortlist.add(vera, olive)
    assert "Remove Olive Owner from your shortlist?" in read(vera, SAVE)


def test_htmx_replaces_the_button(olive: BuilderProfile, vera: User) -> None:
    response = signed_in(vera).post(SAVE, {"on": "1"}, headers=HTMX)
    text = response.content.decode()
    assert text.startswith("<button")
    assert 'value="0"' in text
    assert "autofocus" in text
    assert signed_in(vera).get(LIST).context["saved"] == [olive.pk]


def test_saving_twice_adds_one_entry(olive: BuilderProfile, vera: User) -> None:
    for _ in range(2):
        signed_in(vera).post(SAVE, {"on": "1"})
    assert ShortlistEntry.objects.count() == 1
    for _ in range(2):
        signed_in(vera).post(SAVE, {"on": "0"})
    assert not ShortlistEntry.objects.exists()


def test_post_without_token_is_rejected(olive: BuilderProfile, vera: User) -> None:
    for path in (SAVE, LIST):
        assert signed_in(vera, enforce_csrf_checks=True).post(path, {"on": "1"}).status_code == 403
    assert not ShortlistEntry.objects.exists()


def test_redirect_stays_on_the_site(olive: BuilderProfile, vera: User) -> None:
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "builders"):
        assert signed_in(vera).post(SAVE, {"on": "1", "next": target})["Location"] == "/builders/olive-owner/"


def test_shortlist_is_limited(olive: BuilderProfile, vera: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "MAX_ENTRIES", 1)
    shortlist.add(vera, BuilderProfileFactory.create(introduced=True))
    browser = signed_in(vera)
    response = browser.post(SAVE, {"on": "1"}, follow=True)
    assert "Your shortlist has 1 builders, which is the maximum." in response.content.decode()
    assert browser.post(SAVE, {"on": "1"}, headers=HTMX).status_code == 422
    assert ShortlistEntry.objects.count() == 1


@pytest.mark.parametrize("field", ("hidden_at", "unpublished_at", "deleted_at", "archived_at"))
def test_hidden_builder_is_shown_without_details(olive: BuilderProfile, vera: User, field: str) -> None:
    shortlist.add(vera, olive)
    BuilderProfile.objects.update(**{field: SINCE})
    text = read(vera)
    assert "A builder that you saved is no longer available." in text
    assert "Olive" not in text
    assert "olive-owner" not in text
    signed_in(vera).post(LIST, {"remove": str(olive.pk)})
    assert not ShortlistEntry.objects.exists()


@pytest.mark.parametrize("value", ("", "x", "-1", "9" * 40, "1\x00"))
def test_invalid_id_changes_nothing(olive: BuilderProfile, vera: User, value: str) -> None:
    shortlist.add(vera, olive)
    assert signed_in(vera).post(LIST, {"remove": value}).status_code == 302
    assert ShortlistEntry.objects.count() == 1


def test_shortlists_are_private(olive: BuilderProfile, vera: User) -> None:
    shortlist.add(vera, olive)
    other = ClientProfileFactory.create(user__client=True).user
    assert "Olive" not in read(other)
    signed_in(other).post(LIST, {"remove": str(olive.pk)})
    signed_in(other).post(SAVE, {"on": "0"})
    assert ShortlistEntry.objects.count() == 1


def test_shortlist_is_exported_and_erased(olive: BuilderProfile, vera: User) -> None:
    shortlist.add(vera, olive)
    [entry] = export(vera).data["shortlist"]
    assert entry["page"] == "olive-owner"
    assert export(olive.user).data["shortlist"] == []
    erase(vera)
    assert not ShortlistEntry.objects.exists()
    shortlist.add(vera, olive)
    erase(olive.user)
    assert not ShortlistEntry.objects.exists()


class TestCost:
    @pytest.fixture(autouse=True)
    def builders(self, olive: BuilderProfile) -> None:
        for _ in range(3):
            BuilderProfileFactory.create(introduced=True)

    def test_shortlist_executes_three_queries(
        self, olive: BuilderProfile, vera: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        shortlist.add(vera, olive)
        with django_assert_num_queries(3):  # One query for the user, one for the entries and one for the builders.
            read(vera)

    def test_directory_executes_one_extra_query_for_clients(self, vera: User, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(4):  # Two queries for the list, one for the user and one for the client.
            read(vera, "/builders/")

    def test_builder_page_executes_one_extra_query_for_clients(
        self, olive: BuilderProfile, vera: User, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(5):  # The builder, the projects, the badges, the user and the saved state.
            read(vera, olive.get_absolute_url())
