"""Sign-in, sign-up, sign-out and account pages."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import activity
from accounts.clerk.samples import SampleUser
from accounts.extensions import extensions
from accounts.models import DataExport, EndedSession, User
from accounts.privacy import exports
from audit.log import Actor
from config.clerk_environment import ClerkScript
from profiles.directory import indexing
from profiles.editing import services as editing
from profiles.models import BuilderProfile, ClientProfile
from profiles.moderation import services as moderation
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.tokens import ISSUER, PUBLISHABLE_KEY
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive(webhook: WebhookClient) -> SampleUser:
    olive = person(first_name="Olive", last_name="O & Owner", roles=["BUILDER", "CLIENT"])
    webhook.created(olive)
    return olive


def text_of(response: Any) -> str:
    text: str = response.content.decode()
    return text


# --- Signing in ---


@pytest.mark.parametrize(("path", "widget"), (("/sign-in/", "sign-in"), ("/sign-up/", "sign-up")))
def test_page_loads_clerks_form(path: str, widget: str) -> None:
    text = text_of(Client().get(path))
    assert f'data-clerk-widget="{widget}"' in text
    assert f'src="{ISSUER}/npm/@clerk/clerk-js@6/dist/clerk.browser.js"' in text
    assert f'src="{ISSUER}/npm/@clerk/ui@1/dist/ui.browser.js"' in text
    assert f'data-clerk-publishable-key="{PUBLISHABLE_KEY}"' in text
    assert "<noscript>" in text


@pytest.mark.parametrize("integrity", ("", f"sha384-{'A' * 64}"))
def test_page_loads_pinned_releases(settings: Settings, integrity: str) -> None:
    settings.CLERK_JS, settings.CLERK_UI = ClerkScript("6.40.0", integrity), ClerkScript("1.36.0", integrity)
    text = text_of(Client().get("/sign-in/"))
    attribute = f' integrity="{integrity}"' if integrity else ""
    assert f'src="{ISSUER}/npm/@clerk/clerk-js@6.40.0/dist/clerk.browser.js"{attribute}>' in text
    assert f'src="{ISSUER}/npm/@clerk/ui@1.36.0/dist/ui.browser.js"{attribute}>' in text


def test_page_without_clerk_explains_why(settings: Settings) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    text = text_of(Client().get("/sign-in/"))
    assert "Sign-in is not available yet" in text
    assert "clerk.browser.js" not in text


@pytest.mark.parametrize(
    ("requested", "target"),
    (
        ("/builders/?before=7", "/builders/?before=7"),
        ("http://testserver/builders/", "http://testserver/builders/"),
        ("", "/account/"),
        ("https://evil.example/", "/account/"),
        ("//evil.example/", "/account/"),
        ("///evil.example", "/account/"),
        (r"/\evil.example", "/account/"),
        ("javascript:alert(1)", "/account/"),
        ("http://testserver@evil.example/", "/account/"),
        ("https:evil.example", "/account/"),
        ("\x00/builders/", "/account/"),
        ("/sign-in/?next=/sign-in/", "/account/"),
        ("builders", "/account/"),
        ("builders/", "/account/"),
    ),
)
def test_redirect_target_must_be_on_this_site(olive: SampleUser, requested: str, target: str) -> None:
    response = signed_in(olive).get("/sign-in/", {"next": requested})
    assert (response.status_code, response["Location"]) == (302, target)
    assert f'data-target="{target.replace("&", "&amp;")}"' in text_of(Client().get("/sign-in/", {"next": requested}))


def test_sign_in_link_contains_the_requested_page() -> None:
    response = Client().get("/account/?tab=1")
    assert (response.status_code, response["Location"]) == (302, "/sign-in/?next=%2Faccount%2F%3Ftab%3D1")


@pytest.mark.parametrize(
    ("requested", "purpose"),
    (
        ("/builders/olive-o-owner/contact/", "Sign in or sign up to send this builder a message."),
        ("/builders/%D9%84%D9%8A%D9%84%D9%89/contact/", "Sign in or sign up to send this builder a message"),
        ("/builders/olive/edit/about/", "Sign in to edit this profile."),
        ("/builders/olive/edit/about/?draft=1", "You were signed out. Your text is saved. Sign in to continue."),
        ("http://testserver/account/", "Sign in or sign up to view your account."),
        ("/account/roles/", "Sign in or sign up to continue."),
        ("/nothing/is/here/", "Sign in or sign up to continue."),
        ("https://evil.example/account/", ""),
        ("", ""),
    ),
)
@pytest.mark.parametrize("path", ("/sign-in/", "/sign-up/"))
def test_page_explains_why_to_sign_in(olive: SampleUser, path: str, requested: str, purpose: str) -> None:
    text = text_of(Client().get(path, {"next": requested}))
    assert purpose in text
    reasons = ("Sign in or sign up", "Sign in to edit", "Sign in to continue")
    assert any(reason in text for reason in reasons) == bool(purpose)
    # The heading may name a builder whose page is public. Everything else is independent of the URL.
    names_builder = path == "/sign-in/" and "olive-o-owner/contact" in requested
    assert ("Sign in to write to Olive" in text) == ("Olive" in text) == names_builder


# --- The account ---


def test_account_page_shows_name_and_roles(olive: SampleUser) -> None:
    response = signed_in(olive).get("/account/")
    text = text_of(response)
    assert "Olive O &amp; Owner" in text
    assert "Client, Builder" in text
    assert "no-store" in response["Cache-Control"]


def test_provisional_user_sees_the_waiting_page(webhook: WebhookClient) -> None:
    new = person(first_name="Zofia")
    client = signed_in(new)
    text = text_of(client.get("/account/"))
    assert "Setting up your account" in text
    assert 'http-equiv="refresh"' in text
    webhook.created(new)
    assert "Zofia" in text_of(client.get("/account/"))


class TestAccountPage:
    def test_visibility_of_each_profile_is_described(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
        assert "Add a headline to be listed." in text_of(browser.get("/account/"))
        BuilderProfile.objects.update(headline="Apps")
        page = text_of(browser.get("/account/"))
        assert "Your page is public and listed in the directory." in page
        assert "Only you and our team can see it." in page
        for fields, sentence in (
            ({"searchable": False}, "Anyone with the link can see your page."),
            ({"unpublished_at": timezone.now()}, "until you publish it"),
            ({"hidden_at": timezone.now()}, "our team has hidden it"),
        ):
            BuilderProfile.objects.update(**fields)
            assert sentence in text_of(browser.get("/account/"))

    def test_activity_shows_changes_and_actors(self, olive: SampleUser) -> None:
        user, adam = User.objects.get(), UserFactory.create(admin=True, name="Adam")
        profile = BuilderProfile.objects.get()
        editing.save(profile, {"headline": "By me"}, actor=Actor(user=user))
        editing.save(profile, {"validation_tier": 2}, actor=Actor(user=adam))
        page = text_of(signed_in(olive).get("/account/"))
        assert "Profile updated: headline</span>" in page
        assert "Profile updated: tier (by an admin)</span>" in page
        assert "Adam" not in page

    def test_activity_describes_decisions_of_admins(self, olive: SampleUser) -> None:
        profile, adam = BuilderProfile.objects.get(), UserFactory.create(admin=True)
        moderation.award(profile, "code", "Reviewed.", actor=Actor(user=adam))
        moderation.hide(profile, "Broken links.", actor=Actor(user=adam))
        page = text_of(signed_in(olive).get("/account/"))
        assert "Profile updated: badges (by an admin)</span>" in page
        assert "Profile updated: hidden by our team, reason for hiding (by an admin)</span>" in page

    def test_every_profile_field_has_a_label(self) -> None:
        fields = {field.name for model in (BuilderProfile, ClientProfile) for field in model._meta.concrete_fields}
        labels = activity.FIELD_LABELS | extensions.field_labels
        assert fields - set(labels) == {"id", "user", "created_at", *indexing.COLUMNS}

    def test_roles_are_removed_after_confirmation(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
        page = text_of(browser.get("/account/"))
        assert page.index("Sign out") < page.index("Stop being a builder") < page.index("Delete account")
        for word, sentence in (
            ("builder", "Your page is hidden straight away"),
            ("client", "Your client profile is archived"),
        ):
            path = f"/account/roles/stop/{word}/"
            assert sentence in text_of(browser.get(path))
            for _ in range(2):
                answer = browser.post(path)
                assert (answer.status_code, answer["Location"]) == (302, "/account/")
        assert User.objects.get().roles == []
        page = text_of(browser.get("/account/"))
        assert "You are no longer a client." in page
        assert "Stop being" not in page
        assert 'name="goal" value="builder">Become a builder' in page
        assert 'name="goal" value="client">Become a client' in page

    def test_page_takes_five_queries(
        self, olive: SampleUser, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        browser = signed_in(olive)
        browser.get("/account/")
        with django_assert_num_queries(5):  # Queries for the user, two profiles, the activity and the export.
            browser.get("/account/")

    def test_export_is_requested_and_downloaded(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
        assert browser.post("/account/exports/").status_code == 302
        assert "is being prepared" in text_of(browser.get("/account/"))
        exports.build_export(DataExport.objects.get().pk)
        page = text_of(browser.get("/account/"))
        assert "Download your data" in page
        assert browser.get(f"/account/exports/{DataExport.objects.get().public_id}/").status_code == 200

    def test_failed_export_can_be_requested_again(self, olive: SampleUser) -> None:
        """The job is attempted three times within a minute."""
        browser = signed_in(olive)
        browser.post("/account/exports/")
        DataExport.objects.update(requested_at=timezone.now() - exports.REUSE_WITHIN)
        page = text_of(browser.get("/account/"))
        assert "Check back in a minute" not in page
        assert "Request a copy" in page
        browser.post("/account/exports/")
        assert DataExport.objects.count() == 2

    def test_deletion_is_confirmed_and_cancelled(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
        assert "You have 7 days to change your mind" in text_of(browser.get("/account/delete/"))
        browser.post("/account/delete/")
        assert User.objects.get().deletion_due_at
        assert "This account will be deleted on" in text_of(browser.get("/account/"))
        browser.post("/account/delete/", {"keep": "1"})
        assert User.objects.get().deletion_due_at is None
        assert "Account deletion cancelled." in text_of(browser.get("/account/"))

    def test_expired_session_returns_to_the_button(self, olive: SampleUser) -> None:
        answer = signed_in(olive, expired=True).post("/account/exports/", headers=PAGE)
        assert answer.status_code == 303
        back = signed_in(olive).get(answer["Location"], follow=True)
        assert "Request a copy" in text_of(back)


def test_pages_for_signed_in_users_refresh_the_session(olive: SampleUser) -> None:
    response = signed_in(olive).get("/builders/")
    assert "js/clerk-session.js" in text_of(response)
    assert ISSUER in response["Content-Security-Policy"]
    stranger = Client().get("/builders/")
    assert "js/clerk-session.js" not in text_of(stranger)
    assert ISSUER not in stranger["Content-Security-Policy"]


def test_admin_refreshes_the_session(webhook: WebhookClient) -> None:
    adam = person(roles=["ADMIN"])
    webhook.created(adam)
    assert "js/clerk-session.js" in text_of(signed_in(adam).get("/admin/"))


# --- Signing out ---


def test_signing_out_ends_the_session_here_and_at_clerk(settings: Settings, olive: SampleUser) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    client, other_tab = signed_in(olive), signed_in(olive)
    response = client.post("/sign-out/")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.cookies["__session"].value == ""
    assert other_tab.get("/account/").status_code == 302
    session = EndedSession.objects.get()
    assert session.clerk_id == olive.clerk_id
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == (
        "accounts.sessions.services.revoke_session",
        {"session_id": session.session_id},
    )


def test_opening_the_page_does_not_sign_out(olive: SampleUser) -> None:
    client = signed_in(olive)
    assert "Sign out?" in text_of(client.get("/sign-out/"))
    assert client.get("/account/").status_code == 200


def test_cross_site_form_does_not_sign_out(olive: SampleUser) -> None:
    client = signed_in(olive, enforce_csrf_checks=True)
    assert client.post("/sign-out/").status_code == 403
    assert client.get("/account/").status_code == 200


def test_signing_out_twice_succeeds(olive: SampleUser) -> None:
    assert Client().post("/sign-out/").status_code == 302
    assert "You are signed out" in text_of(Client().get("/sign-out/"))


def test_forms_of_signed_in_users_may_redirect_to_clerk(olive: SampleUser) -> None:
    """Chromium checks `form-action` for every redirect of a form submission."""
    policy = signed_in(olive).get("/account/")["Content-Security-Policy"]
    assert f"form-action 'self' {ISSUER};" in policy + ";"
    assert "form-action 'self';" in Client().get("/builders/")["Content-Security-Policy"] + ";"
