"""The page with Clerk's user profile, and the links to it."""

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from profiles.models import BuilderProfile
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.tokens import ISSUER, PUBLISHABLE_KEY

pytestmark = pytest.mark.django_db

URL = "/account/security/"
PORTAL = "https://accounts.example.com"


@pytest.fixture
def vera() -> User:
    user: User = UserFactory.create(name="Vera Visitor", email="vera@example.com", confirmed=True)
    return user


def page_of(user: User, url: str = URL, **query: str) -> str:
    response = signed_in(user).get(url, query)
    assert response.status_code == 200
    return str(response.content.decode())


class TestPage:
    def test_clerks_user_profile_is_mounted(self, vera: User) -> None:
        text = page_of(vera)
        assert 'data-clerk-widget="user-profile"' in text
        assert f'src="{ISSUER}/npm/@clerk/ui@1/dist/ui.browser.js"' in text
        assert text.count(f'data-clerk-publishable-key="{PUBLISHABLE_KEY}"') == 1
        assert "js/private-page.js" in text

    def test_other_script_does_not_load_clerk_without_the_components(self, vera: User) -> None:
        """Clerk ignores the components if another script calls Clerk.load first."""
        assert "js/clerk-session.js" not in page_of(vera)

    def test_portal_is_linked_only_if_the_profile_is_missing(self, vera: User, settings: Settings) -> None:
        """The profile is missing if there is no JavaScript or if it could not be loaded."""
        settings.CLERK_ACCOUNT_PORTAL_URL = PORTAL
        text = page_of(vera)
        link = f'href="{PORTAL}/user">Manage account</a>'
        failed = text.partition('<p class="widget__failed')[2].partition("</p>")[0]
        without_scripts = "".join(re.findall(r"<noscript>(.*?)</noscript>", text))
        assert (link in failed, link in without_scripts, text.count(link)) == (True, True, 2)
        settings.CLERK_ACCOUNT_PORTAL_URL = ""
        text = page_of(vera)
        assert "/user" not in text
        assert "Turn on JavaScript" in text

    @pytest.mark.parametrize(
        ("requested", "back"),
        (
            ("/builders/olive/contact/", "/builders/olive/contact/"),
            ("", "/account/"),
            ("https://evil.example/", "/account/"),
            ("//evil.example/", "/account/"),
            ("javascript:alert(1)", "/account/"),
            ("/account/security/?next=/account/security/", "/account/"),
        ),
    )
    def test_page_links_back_to_this_site_only(self, vera: User, requested: str, back: str) -> None:
        assert f'class="arrow-link arrow-link--back" href="{back}"' in page_of(vera, next=requested)

    def test_policy_allows_the_profile_and_forms_with_an_expired_token(self, vera: User) -> None:
        response = signed_in(vera).get(URL)
        policy = response["Content-Security-Policy"]
        assert "style-src 'self' 'unsafe-inline';" in policy
        assert f"form-action 'self' {ISSUER};" in policy
        assert "img-src 'self' https://img.clerk.com data:;" in policy
        assert "worker-src 'self' blob:;" in policy
        assert "no-store" in response["Cache-Control"]

    def test_page_takes_one_query(self, vera: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        browser = signed_in(vera)
        browser.get(URL)
        with django_assert_num_queries(1):  # The user.
            browser.get(URL)

    def test_visitor_returns_after_signing_in(self) -> None:
        response = Client().get(URL)
        assert (response.status_code, response["Location"]) == (302, "/sign-in/?next=%2Faccount%2Fsecurity%2F")
        assert "Sign in to change your account details." in Client().get(response["Location"]).content.decode()


class TestLinks:
    @pytest.mark.parametrize(
        ("fields", "texts"),
        (
            ({}, ("vera@example.com", "Change email address")),
            (
                {"email_verified_at": None},
                ("(not verified)", "cannot send or receive messages", "Verify email address"),
            ),
            ({"email": None, "email_verified_at": None}, ("cannot send or receive messages", "Add email address")),
        ),
    )
    def test_account_page_says_what_to_do_about_the_email_address(
        self, vera: User, fields: dict[str, Any], texts: tuple[str, ...]
    ) -> None:
        User.objects.update(**fields)
        page = page_of(vera, "/account/")
        assert all(text in page for text in texts)
        assert page.count(f'href="{URL}"') == 2

    @pytest.mark.parametrize("method", ("get", "post"))
    def test_contact_form_links_to_the_page_and_back(self, vera: User, method: str) -> None:
        BuilderProfileFactory.create(slug="olive-owner", reachable=True)
        User.objects.filter(pk=vera.pk).update(email=None, email_verified_at=None)
        send = getattr(signed_in(vera), method)
        page = send("/builders/olive-owner/contact/", {"subject": "Hello", "body": "Hello"}).content.decode()
        assert f'href="{URL}?next=/builders/olive-owner/contact/"' in page

    def test_builder_without_a_name_gets_a_link(self, vera: User) -> None:
        BuilderProfileFactory.create(user=vera)
        BuilderProfile.objects.update(slug=None)
        page = page_of(vera, "/account/")
        assert f'when you add a name to your account.\n            <a href="{URL}">' in page

    @pytest.mark.parametrize("is_verified", (True, False))
    def test_owner_learns_why_clients_cannot_send_messages(self, *, is_verified: bool) -> None:
        profile = BuilderProfileFactory.create(slug="olive-owner", **{"reachable": True} if is_verified else {})
        page = page_of(profile.user, "/builders/olive-owner/")
        assert (f'href="{URL}?next=/builders/olive-owner/"' in page) != is_verified
        assert ("Clients cannot message you" in page) != is_verified
