"""If a page is not public, admins see every reason on the page, in the admin bar and in the admin lists."""

from html import unescape
from itertools import combinations, product
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from profiles.models import Availability, Badge, BuilderProfile, Project
from profiles.permissions import is_public
from profiles.visibility import hiding_reasons
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, ClientProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

#: The fields that cause each reason.
CAUSES: dict[str, dict[str, Any]] = {
    "Account deleted": {"user__deleted_at": SINCE, "user__is_active": False},
    "Account banned": {"user__banned": True, "user__is_active": False},
    "Deleted": {"deleted_at": SINCE},
    "Hidden": {"hidden_at": SINCE, "hidden_reason": "Broken <links>"},
    "Archived": {"archived_at": SINCE},
    "Unpublished": {"unpublished_at": SINCE},
}
PAIRS = [*combinations(CAUSES, 2), tuple(CAUSES)]


@pytest.fixture
def adam() -> Client:
    return signed_in(UserFactory.create(admin=True, name="Adam Admin"))


def create(*causes: str, **values: Any) -> BuilderProfile:
    for cause in causes:
        values |= CAUSES[cause]
    profile: BuilderProfile = BuilderProfileFactory.create(slug="olive-owner", user__name="Olive Owner", **values)
    return profile


def labels(profile: Any) -> list[str]:
    return [str(reason.label) for reason in hiding_reasons(profile)]


def read(browser: Client, url: str) -> str:
    return unescape(browser.get(url).content.decode())


class TestReasons:
    @pytest.mark.parametrize("cause", CAUSES)
    def test_every_cause_is_a_reason(self, cause: str) -> None:
        assert labels(create(cause)) == [cause]

    def test_all_reasons_are_returned(self) -> None:
        assert labels(create(*CAUSES)) == list(CAUSES)

    def test_public_page_has_no_reason(self) -> None:
        assert labels(create()) == []

    def test_page_without_a_name_has_no_url(self) -> None:
        assert labels(BuilderProfileFactory.create(user__nameless=True)) == ["No URL"]

    def test_account_whose_identity_moved_is_inactive(self) -> None:
        assert labels(create(user__is_active=False)) == ["Account inactive"]

    def test_client_profile_is_always_private(self) -> None:
        assert labels(ClientProfileFactory.create()) == ["Private"]
        assert labels(ClientProfileFactory.create(hidden=True)) == ["Hidden", "Private"]

    @pytest.mark.parametrize("causes", ((), *((cause,) for cause in CAUSES), *PAIRS), ids=" ".join)
    def test_page_is_public_if_it_has_no_reason(self, causes: tuple[str, ...]) -> None:
        profile = create(*causes)
        is_found = BuilderProfile.objects.published().filter(pk=profile.pk).exists()
        assert is_public(profile) == is_found == (not hiding_reasons(profile))


class TestPage:
    @pytest.mark.parametrize("causes", PAIRS, ids=" ".join)
    def test_bar_and_page_show_every_reason(self, adam: Client, causes: tuple[str, ...]) -> None:
        create(*causes)
        text = read(adam, "/builders/olive-owner/")
        bar, page = text.partition('id="admin-bar"')[2].split("</aside>", 1)
        for cause in causes:
            assert f">{cause}" in bar
            assert cause in page.partition('class="person__hidden"')[2].partition("</p>")[0]

    def test_bar_shows_the_time_and_the_reason_for_hiding(self, adam: Client) -> None:
        create("Hidden")
        assert "Broken <links>" in read(adam, "/builders/olive-owner/")
        assert "Broken &lt;links&gt;" in adam.get("/builders/olive-owner/").content.decode()

    def test_public_page_has_no_note(self, adam: Client) -> None:
        create()
        text = read(adam, "/builders/olive-owner/")
        assert "Not public" not in text
        assert "person__hidden" not in text

    def test_unlisted_page_is_public_and_marked_as_unlisted(self, adam: Client) -> None:
        create(searchable=False)
        assert "Public, but not listed in the directory." in read(adam, "/builders/olive-owner/")

    @pytest.mark.parametrize("causes", PAIRS, ids=" ".join)
    def test_view_as_visitor_shows_the_reasons(self, adam: Client, causes: tuple[str, ...]) -> None:
        create(*causes)
        text = read(adam, "/builders/olive-owner/?as=visitor")
        assert f"Visitors cannot currently see this page. Reasons: {', '.join(causes)}." in text

    def test_saving_a_section_keeps_the_note(self, adam: Client) -> None:
        create("Hidden", introduced=True)
        url = "/builders/olive-owner/edit/introduction/"
        form = {"display_name": "Olive", "headline": "Maps", "tagline": "", "version": ""}
        response = adam.post(url, form, headers={"hx-request": "true"})
        assert "person__hidden" in response.content.decode()

    def test_owner_sees_every_reason_in_the_bar_only(self) -> None:
        profile = create("Hidden", "Archived")
        text = read(signed_in(profile.user), "/builders/olive-owner/")
        assert "All reasons: Hidden, Archived" in text
        assert "person__hidden" not in text

    def test_client_page_shows_every_reason(self, adam: Client) -> None:
        profile = ClientProfileFactory.create(hidden=True, archived=True, user__banned=True)
        text = read(adam, f"/clients/{profile.pk}/edit/")
        for label in ("Account banned", "Hidden", "Archived"):
            assert f">{label}" in text


class TestAdminLists:
    @pytest.mark.parametrize("causes", PAIRS, ids=" ".join)
    def test_lists_show_every_reason(self, adam: Client, causes: tuple[str, ...]) -> None:
        profile = create(*causes)
        Project.objects.create(builder=profile, title="Any")
        Badge.objects.create(builder=profile, kind="identity", evidence="Any", awarded_by=profile.user)
        for name in ("builderprofile", "project", "badge"):
            text = read(adam, f"/admin/profiles/{name}/")
            for cause in causes:
                assert f">{cause}" in text, (name, cause)

    def test_client_list_shows_every_reason(self, adam: Client) -> None:
        ClientProfileFactory.create(hidden=True, user__banned=True)
        text = read(adam, "/admin/profiles/clientprofile/")
        assert ">Hidden" in text
        assert ">Account banned" in text

    def test_public_and_unlisted_pages_are_marked(self, adam: Client) -> None:
        create()
        BuilderProfileFactory.create(unlisted=True)
        text = read(adam, "/admin/profiles/builderprofile/")
        assert ">Public<" in text
        assert ">Public, not listed<" in text

    @pytest.mark.parametrize(
        ("value", "expected"),
        (
            ("no", {"hidden", "archived"}),
            ("archived", {"archived"}),
            ("unlisted", {"public"}),
            ("listed", {"listed"}),
            ("banned", {"hidden"}),
            ("hidden", set()),
        ),
    )
    def test_builders_are_filtered_by_visibility(self, adam: Client, value: str, expected: set[str]) -> None:
        for slug, values in (
            ("hidden", CAUSES["Account banned"]),
            ("public", {"searchable": False}),
            ("listed", {"headline": "Any"}),
            ("archived", CAUSES["Archived"]),
        ):
            BuilderProfileFactory.create(slug=slug, user__name=f"Page {slug}", **values)
        text = read(adam, f"/admin/profiles/builderprofile/?public={value}")
        shown = {name for name in ("hidden", "archived", "public", "listed") if f"Page {name}" in text}
        assert shown == expected

    @pytest.mark.parametrize("value", Availability.values)
    def test_builders_are_filtered_by_the_availability_that_clients_see(self, adam: Client, value: str) -> None:
        for i, (availability, for_hire, confirmed_at) in enumerate(
            product(Availability.values, (True, False), (None, timezone.now()))
        ):
            values = {"availability": availability, "available_for_hire": for_hire}
            BuilderProfileFactory.create(user__name=f"Page {i}.", availability_confirmed_at=confirmed_at, **values)
        text = read(adam, f"/admin/profiles/builderprofile/?availability={value}")
        expected = {each.name for each in BuilderProfile.objects.all() if each.effective_availability == value}
        assert {each for each in (f"Page {i}." for i in range(16)) if each in text} == expected

    @pytest.mark.parametrize(
        ("values", "status"),
        (
            ({}, "Active"),
            ({"banned": True}, "Account banned"),
            ({"deleted": True, "banned": True}, "Account deleted, Account banned"),
            ({"is_active": False, "clerk_id": None, "login": "any"}, "Account inactive"),
        ),
    )
    def test_user_list_shows_every_reason(self, adam: Client, values: dict[str, Any], status: str) -> None:
        user: User = UserFactory.create(name="Olive Owner", **values)
        assert f"</svg> {status}</span>" in read(adam, f"/admin/accounts/user/?q={user.name.split()[0]}")
