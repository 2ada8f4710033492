"""Signing in, up and out, and the account."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import activity
from accounts.clerk.samples import SampleUser
from accounts.models import DataExport, EndedSession, User
from accounts.privacy import exports
from audit.log import SYSTEM
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
def test_the_page_loads_clerks_own_form(path: str, widget: str) -> None:
    text = text_of(Client().get(path))
    assert f'data-clerk-widget="{widget}"' in text
    assert f'src="{ISSUER}/npm/@clerk/clerk-js@6/dist/clerk.browser.js"' in text
    assert f'src="{ISSUER}/npm/@clerk/ui@1/dist/ui.browser.js"' in text
    assert f'data-clerk-publishable-key="{PUBLISHABLE_KEY}"' in text
    assert "<noscript>" in text


def test_without_clerk_the_page_says_so(settings: Settings) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    text = text_of(Client().get("/sign-in/"))
    assert "Nobody can sign in here yet" in text
    assert "clerk.browser.js" not in text


@pytest.mark.parametrize(
    ("wanted", "target"),
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
def test_only_our_own_pages_are_landed_on(olive: SampleUser, wanted: str, target: str) -> None:
    response = signed_in(olive).get("/sign-in/", {"next": wanted})
    assert (response.status_code, response["Location"]) == (302, target)
    assert f'data-target="{target.replace("&", "&amp;")}"' in text_of(Client().get("/sign-in/", {"next": wanted}))


def test_who_wanted_a_page_comes_back_to_it() -> None:
    response = Client().get("/account/?tab=1")
    assert (response.status_code, response["Location"]) == (302, "/sign-in/?next=%2Faccount%2F%3Ftab%3D1")


@pytest.mark.parametrize(
    ("wanted", "purpose"),
    (
        ("/builders/olive-o-owner/contact/", "Sign in or sign up to send this builder a message."),
        ("/builders/%D9%84%D9%8A%D9%84%D9%89/contact/", "Sign in or sign up to send this builder a message"),
        ("/builders/olive/edit/about/?draft=1", "Sign in to edit this profile."),
        ("http://testserver/account/", "Sign in or sign up to view your account."),
        ("/account/roles/", "Sign in or sign up to continue."),
        ("/nothing/is/here/", "Sign in or sign up to continue."),
        ("https://evil.example/account/", ""),
        ("", ""),
    ),
)
@pytest.mark.parametrize("path", ("/sign-in/", "/sign-up/"))
def test_it_says_why_somebody_has_to_sign_in(olive: SampleUser, path: str, wanted: str, purpose: str) -> None:
    text = text_of(Client().get(path, {"next": wanted}))
    assert purpose in text
    assert ("Sign in or sign up" in text or "Sign in to edit" in text) == bool(purpose)
    assert "Olive" not in text


# --- The account ---


def test_the_account_says_who_is_signed_in(olive: SampleUser) -> None:
    response = signed_in(olive).get("/account/")
    text = text_of(response)
    assert "Olive O &amp; Owner" in text
    assert "Client, Builder" in text
    assert "no-store" in response["Cache-Control"]


def test_somebody_clerk_has_not_told_of_yet_sees_that_the_account_is_being_set_up(webhook: WebhookClient) -> None:
    new = person(first_name="Zofia")
    client = signed_in(new)
    text = text_of(client.get("/account/"))
    assert "Setting up your account" in text
    assert 'http-equiv="refresh"' in text
    webhook.created(new)
    assert "Zofia" in text_of(client.get("/account/"))


class TestTheAccountPage:
    def test_it_says_what_each_profile_shows_to_whom(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
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

    def test_it_tells_what_happened_and_who_did_it(self, olive: SampleUser) -> None:
        user, adam = User.objects.get(), UserFactory.create(admin=True, name="Adam")
        profile = BuilderProfile.objects.get()
        editing.save(profile, {"headline": "By me"}, actor=user, origin=SYSTEM)
        editing.save(profile, {"validation_tier": 2}, actor=adam, origin=SYSTEM)
        page = text_of(signed_in(olive).get("/account/"))
        assert "Profile updated: headline</span>" in page
        assert "Profile updated: tier (by an admin)</span>" in page
        assert "Adam" not in page

    def test_it_tells_of_what_admins_decide_in_words(self, olive: SampleUser) -> None:
        profile, adam = BuilderProfile.objects.get(), UserFactory.create(admin=True)
        moderation.award(profile, "code", "Reviewed.", actor=adam, origin=SYSTEM)
        moderation.hide(profile, "Broken links.", actor=adam, origin=SYSTEM)
        page = text_of(signed_in(olive).get("/account/"))
        assert "Profile updated: badges (by an admin)</span>" in page
        assert "Profile updated: hidden by our team, reason for hiding (by an admin)</span>" in page

    def test_every_field_of_a_profile_has_a_word(self) -> None:
        fields = {field.name for model in (BuilderProfile, ClientProfile) for field in model._meta.concrete_fields}
        assert fields - set(activity.FIELD_LABELS) == {"id", "user", "created_at", *indexing.COLUMNS}

    def test_roles_are_given_up_directly_after_what_follows_is_said(self, olive: SampleUser) -> None:
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

    def test_it_takes_five_queries(self, olive: SampleUser, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        browser = signed_in(olive)
        browser.get("/account/")
        with django_assert_num_queries(5):  # who is asking, two profiles, what happened, the export
            browser.get("/account/")

    def test_a_copy_of_the_data_is_asked_for_and_downloaded(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
        assert browser.post("/account/exports/").status_code == 302
        assert "is being made" in text_of(browser.get("/account/"))
        exports.build_export(DataExport.objects.get().pk)
        page = text_of(browser.get("/account/"))
        assert "Download your data" in page
        assert browser.get(f"/account/exports/{DataExport.objects.get().public_id}/").status_code == 200

    def test_a_copy_that_could_not_be_made_is_asked_for_again(self, olive: SampleUser) -> None:
        """Its job is tried three times within a minute."""
        browser = signed_in(olive)
        browser.post("/account/exports/")
        DataExport.objects.update(requested_at=timezone.now() - exports.REUSE_WITHIN)
        page = text_of(browser.get("/account/"))
        assert "Look again in a minute" not in page
        assert "Request a copy" in page
        browser.post("/account/exports/")
        assert DataExport.objects.count() == 2

    def test_the_account_is_deleted_after_a_question_and_kept_after_all(self, olive: SampleUser) -> None:
        browser = signed_in(olive)
        assert "You have 7 days to change your mind" in text_of(browser.get("/account/delete/"))
        browser.post("/account/delete/")
        assert User.objects.get().deletion_due_at
        assert "This account will be deleted on" in text_of(browser.get("/account/"))
        browser.post("/account/delete/", {"keep": "1"})
        assert User.objects.get().deletion_due_at is None
        assert "Account deletion cancelled." in text_of(browser.get("/account/"))

    def test_a_button_pressed_with_an_expired_session_leads_back_to_it(self, olive: SampleUser) -> None:
        answer = signed_in(olive, expired=True).post("/account/exports/", headers=PAGE)
        assert answer.status_code == 303
        back = signed_in(olive).get(answer["Location"], follow=True)
        assert "Request a copy" in text_of(back)


def test_pages_of_people_who_are_signed_in_keep_their_session_fresh(olive: SampleUser) -> None:
    response = signed_in(olive).get("/builders/")
    assert "js/clerk-session.js" in text_of(response)
    assert ISSUER in response["Content-Security-Policy"]
    stranger = Client().get("/builders/")
    assert "js/clerk-session.js" not in text_of(stranger)
    assert ISSUER not in stranger["Content-Security-Policy"]


def test_the_admin_keeps_its_session_fresh_too(webhook: WebhookClient) -> None:
    adam = person(roles=["ADMIN"])
    webhook.created(adam)
    assert "js/clerk-session.js" in text_of(signed_in(adam).get("/admin/"))


# --- Signing out ---


def test_signing_out_counts_here_at_once_and_is_told_to_clerk(settings: Settings, olive: SampleUser) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    client, other_tab = signed_in(olive), signed_in(olive)
    response = client.post("/sign-out/")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert client.cookies["__session"].value == ""
    assert other_tab.get("/account/").status_code == 302
    session = EndedSession.objects.get()
    assert session.clerk_id == olive.clerk_id
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("accounts.tasks.revoke_session", {"session_id": session.session_id})


def test_opening_the_page_signs_nobody_out(olive: SampleUser) -> None:
    client = signed_in(olive)
    assert "Sign out?" in text_of(client.get("/sign-out/"))
    assert client.get("/account/").status_code == 200


def test_a_foreign_form_signs_nobody_out(olive: SampleUser) -> None:
    client = signed_in(olive, enforce_csrf_checks=True)
    assert client.post("/sign-out/").status_code == 403
    assert client.get("/account/").status_code == 200


def test_signing_out_twice_is_no_error(olive: SampleUser) -> None:
    assert Client().post("/sign-out/").status_code == 302
    assert "You are signed out" in text_of(Client().get("/sign-out/"))


def test_forms_of_people_who_are_signed_in_may_be_led_through_the_handshake(olive: SampleUser) -> None:
    """Chromium asks `form-action` of every redirect that answers a form."""
    policy = signed_in(olive).get("/account/")["Content-Security-Policy"]
    assert f"form-action 'self' {ISSUER};" in policy + ";"
    assert "form-action 'self';" in Client().get("/builders/")["Content-Security-Policy"] + ";"
