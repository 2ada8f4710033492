"""Onboarding from sign-up to a published page. Unfinished pages are never public, and user input is never lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from accounts.roles.services import change_roles
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from profiles.moderation import services as moderation
from profiles.onboarding import services as onboarding
from profiles.onboarding.services import Goal
from profiles.pages import visibility
from profiles.pages.completeness import completeness_of
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
from tests.helpers.images import upload
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

ANSWERS = {
    "headline": "Maps that work offline",
    "skills": "Maps, Sync, Python",
    "domains": ["web", "mobile"],
    "availability": "limited",
    "hourly_rate": "85.50",
    "currency": "EUR",
}
PROJECT = {"title": "Ferry timetable", "description": "It works offline.", "url": "https://example.com/ferries"}
COMPANY = {"company_name": "Kowal & Córki", "industry": "Ferries", "project_preferences": "A timetable that works."}


@pytest.fixture
def olive() -> User:
    user: User = UserFactory.create(client=True, name="Olive Owner")
    return user


def text_of(browser: Client, path: str) -> str:
    response = browser.get(path)
    assert response.status_code == 200, path
    return str(response.content.decode())


def submit(browser: Client, page: str, typed: Any, next_url: str) -> None:
    response = browser.post(f"/welcome/{page}", typed, headers=PAGE)
    assert (response.status_code, response["Location"]) == (303, next_url)


class TestSteps:
    def test_builder_completes_all_steps(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        assert Client().get("/builders/olive-owner/").status_code == 404
        submit(browser, "builder/", ANSWERS, "/welcome/picture/")
        preview = text_of(browser, "/welcome/preview/")
        assert "Maps that work offline" in preview
        assert "Publish page" in preview
        assert Client().get("/builders/olive-owner/").status_code == 404
        response = browser.post("/builders/olive-owner/publish/", {"on": "1"})
        assert (response.status_code, response["Location"]) == (303, "/builders/olive-owner/")
        assert "Maps that work offline" in text_of(Client(), "/builders/olive-owner/")
        profile = BuilderProfile.objects.get()
        assert (profile.skills, profile.domains) == (["Maps", "Sync", "Python"], ["web", "mobile"])
        assert (str(profile.hourly_rate), profile.currency, profile.availability) == ("85.50", "EUR", "limited")
        assert profile.availability_confirmed_at
        assert profile.unpublished_at is None
        olive.refresh_from_db()
        assert olive.roles == ["BUILDER"]

    def test_client_is_redirected_to_the_directory(self, olive: User) -> None:
        browser = signed_in(olive)
        ClientProfile.objects.create(user=olive)
        submit(browser, "", {"goal": "client"}, "/welcome/client/")
        submit(browser, "client/", COMPANY, "/builders/")
        client = ClientProfile.objects.get()
        assert {name: getattr(client, name) for name in COMPANY} == COMPANY

    def test_template_shows_every_field_of_the_form(self, olive: User) -> None:
        """A field without an input would be saved as empty."""
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        form = browser.get("/welcome/builder/").context["form"]
        shown = text_of(browser, "/welcome/builder/")
        names = ["languages_0" if name == "languages" else name for name in form.fields]
        assert [name for name in names if f'name="{name}"' not in shown] == []

    def test_builder_and_client_answers_both_sets_of_questions(self, olive: User) -> None:
        browser = signed_in(olive)
        ClientProfile.objects.create(user=olive)
        submit(browser, "", {"goal": "both"}, "/welcome/builder/")
        assert "Step 2 of 6" in text_of(browser, "/welcome/builder/")
        submit(browser, "builder/", ANSWERS, "/welcome/picture/")
        assert "Step 3 of 6" in text_of(browser, "/welcome/picture/")
        submit(browser, "picture/", {"image": upload()}, "/welcome/project/")
        assert "Step 4 of 6" in text_of(browser, "/welcome/project/")
        submit(browser, "project/", PROJECT, "/welcome/client/")
        assert "Step 5 of 6" in text_of(browser, "/welcome/client/")
        submit(browser, "client/", COMPANY, "/welcome/preview/")
        assert "Step 6 of 6" in text_of(browser, "/welcome/preview/")

    def test_sign_up_redirects_to_onboarding_unless_next_is_set(self) -> None:
        assert 'data-target="/welcome/"' in text_of(Client(), "/sign-up/")
        wanted = text_of(Client(), "/sign-up/?next=/builders/olive-owner/")
        assert 'data-target="/builders/olive-owner/"' in wanted
        assert 'data-sign-in="/sign-in/?next=%2Fbuilders%2Folive-owner%2F"' in wanted
        assert 'data-target="/account/"' in text_of(Client(), "/sign-in/")
        assert 'data-sign-up="/sign-up/"' in text_of(Client(), "/sign-in/")

    def test_new_user_waits_for_the_webhook(self, webhook: WebhookClient) -> None:
        new = person(first_name="Zofia")
        browser = signed_in(new)
        waiting = text_of(browser, "/welcome/")
        assert "Setting up your account" in waiting
        assert 'http-equiv="refresh"' in waiting
        webhook.created(new)
        assert "What brings you here?" in text_of(browser, "/welcome/")

    def test_onboarding_can_be_skipped(self, olive: User) -> None:
        assert '<a href="/account/">Skip for now</a>' in text_of(signed_in(olive), "/welcome/")

    def test_user_without_profile_is_sent_to_the_first_step(self, olive: User) -> None:
        for page in ("builder", "picture", "project", "client", "preview"):
            response = signed_in(olive).get(f"/welcome/{page}/")
            assert (response.status_code, response["Location"]) == (302, "/welcome/")

    @pytest.mark.parametrize("goal", ("", "admin", "ADMIN", "builder\x00", "x" * 5000))
    def test_invalid_goal_is_rejected(self, olive: User, goal: str) -> None:
        response = signed_in(olive).post("/welcome/", {"goal": goal})
        assert response.status_code == 422
        assert "errorlist" in response.content.decode()
        olive.refresh_from_db()
        assert olive.roles == ["CLIENT"]

    def test_user_without_a_name_has_no_preview(self) -> None:
        unnamed = UserFactory.create(nameless=True, client=True)
        browser = signed_in(unnamed)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        submit(browser, "builder/", ANSWERS, "/account/")
        assert browser.get("/welcome/preview/")["Location"] == "/account/"
        assert "Your page will be created when you add a name to your account." in text_of(browser, "/account/")


class TestFirstPage:
    """Answering every question produces a nearly complete page."""

    def test_answering_every_question_completes_at_least_80_percent(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        spoken = {"page_language": "en", "languages_0": "pl", "languages_1": "native"}
        place = {"location": "Gdynia, Poland", "time_zone": "Europe/Warsaw"}
        submit(browser, "builder/", ANSWERS | spoken | place, "/welcome/picture/")
        submit(browser, "picture/", {"image": upload()}, "/welcome/project/")
        image = {"image": upload(), "image_alt": "A timetable on a phone"}
        submit(browser, "project/", PROJECT | image, "/welcome/preview/")
        profile = BuilderProfile.objects.get()
        [project] = profile.projects.all()
        assert (project.title, project.url, project.images.get().alt) == (
            "Ferry timetable",
            "https://example.com/ferries",
            "A timetable on a phone",
        )
        assert completeness_of(profile).percent >= 80

    @pytest.mark.parametrize(
        ("page", "next_page"), (("builder", "picture"), ("picture", "project"), ("project", "preview"))
    )
    def test_each_step_can_be_skipped(self, olive: User, page: str, next_page: str) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        assert '<a href="?skip=1">Skip this step</a>' in text_of(browser, f"/welcome/{page}/")
        assert browser.get(f"/welcome/{page}/?skip=1")["Location"] == f"/welcome/{next_page}/"

    def test_client_step_can_be_skipped(self, olive: User) -> None:
        ClientProfile.objects.create(user=olive)
        assert signed_in(olive).get("/welcome/client/?skip=1")["Location"] == "/builders/"

    def test_repeated_project_step_adds_one_project(self, olive: User) -> None:
        """Submitting the form twice does not add a second project, and the step is not shown again."""
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        token = {"form_token": str(browser.get("/welcome/project/").context["form"]["form_token"].value())}
        for _ in range(2):
            submit(browser, "project/", PROJECT | token, "/welcome/preview/")
        assert BuilderProfile.objects.get().projects.count() == 1
        assert browser.get("/welcome/picture/?skip=1")["Location"] == "/welcome/preview/"

    def test_invalid_picture_or_project_keeps_the_entered_text(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        response = browser.post("/welcome/picture/", {"image": upload(b"not an image")})
        assert response.status_code == 422
        assert browser.post("/welcome/picture/", {}).status_code == 422
        response = browser.post("/welcome/project/", PROJECT | {"url": "javascript:alert(1)"})
        assert response.status_code == 422
        assert "It works offline." in response.content.decode()
        assert not BuilderProfile.objects.get().projects.exists()

    def test_account_picture_is_sufficient(self) -> None:
        user = UserFactory.create(client=True, name="Olive Owner", image_url="https://img.clerk.com/olive")
        browser = signed_in(user)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        assert "Your page shows the picture of your account" in text_of(browser, "/welcome/picture/")
        submit(browser, "picture/", {}, "/welcome/project/")

    def test_prefilled_values_ask_for_confirmation(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        polish = browser.get("/welcome/builder/", headers={"accept-language": "pl-PL"}).content.decode()
        unknown = browser.get("/welcome/builder/", headers={"accept-language": "xx"}).content.decode()
        for note in ("We took the currency from your browser", "We took the language from your browser"):
            assert note in polish
            assert note not in unknown

    def test_builder_link_preselects_the_role(self, olive: User) -> None:
        assert text_of(signed_in(olive), "/welcome/?goal=builder").count("checked") == 1
        assert text_of(signed_in(olive), "/welcome/?goal=ADMIN").count("checked") == 0


class TestUnfinishedProfile:
    def test_new_profile_is_never_public(self, olive: User) -> None:
        onboarding.start(olive, Goal.BUILDER, actor=SYSTEM)
        profile = BuilderProfile.objects.get()
        assert profile.unpublished_at == profile.created_at
        created, unpublished = AuditLog.objects.filter(target__startswith="profiles").order_by("id")
        assert (created.action, unpublished.action, unpublished.actor) == ("PROFILE_CREATED", "PROFILE_UPDATED", olive)
        assert created.transaction == unpublished.transaction

    def test_profile_created_by_webhook_stays_public(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", last_name="", roles=["BUILDER"])
        webhook.created(zofia)
        submit(signed_in(zofia), "", {"goal": "builder"}, "/welcome/builder/")
        assert Client().get("/builders/zofia/").status_code == 200

    def test_choosing_twice_creates_one_profile(self, olive: User) -> None:
        for _ in range(2):
            onboarding.start(olive, Goal.BUILDER, actor=SYSTEM)
        assert AuditLog.objects.filter(changed_fields__contains=["unpublished_at"]).count() == 1

    def test_going_back_after_publishing_keeps_the_page_published(self, olive: User) -> None:
        onboarding.start(olive, Goal.BUILDER, actor=SYSTEM)
        moderation.publish(BuilderProfile.objects.get(), actor=Actor(user=olive))
        onboarding.start(olive, Goal.BOTH, actor=SYSTEM)
        assert BuilderProfile.objects.get().unpublished_at is None

    def test_unfinished_onboarding_can_be_continued(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        for path in ("/account/", "/builders/olive-owner/"):
            text = text_of(browser, path)
            assert '<a class="button" href="/welcome/builder/">Continue setting up your profile</a>' in text
            assert "until you publish it" in text
        submit(browser, "builder/", ANSWERS, "/welcome/picture/")
        assert 'href="/welcome/preview/">Continue setting up your profile</a>' in text_of(browser, "/account/")
        browser.post("/builders/olive-owner/publish/", {"on": "1"})
        for path in ("/account/", "/builders/olive-owner/"):
            assert "Continue setting up your profile" not in text_of(browser, path)

    def test_unpublished_page_does_not_continue_onboarding(self) -> None:
        profile = BuilderProfileFactory.create(unpublished_at=timezone.now() + timedelta(seconds=1))
        for path in ("/account/", f"/builders/{profile.slug}/"):
            text = text_of(signed_in(profile.user), path)
            assert "until you publish it" in text
            assert "Continue setting up your profile" not in text

    def test_deleted_profile_is_restored_unpublished_with_its_content(self) -> None:
        profile = BuilderProfileFactory.create(introduced=True)
        browser = signed_in(profile.user)
        browser.post(f"/builders/{profile.slug}/delete/")
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        assert profile.headline in text_of(browser, "/welcome/builder/")
        profile.refresh_from_db()
        assert (profile.deleted_at, profile.archived_at) == (None, None)
        assert profile.unpublished_at
        assert Client().get(f"/builders/{profile.slug}/").status_code == 404

    def test_hidden_profile_stays_hidden(self) -> None:
        profile = BuilderProfileFactory.create(hidden_at=SINCE, deleted_at=SINCE)
        onboarding.start(profile.user, Goal.BUILDER, actor=SYSTEM)
        profile.refresh_from_db()
        assert profile.hidden_at == SINCE


class TestQuestions:
    def test_all_questions_are_optional(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        submit(browser, "builder/", {"availability": "available", "currency": "USD"}, "/welcome/picture/")
        assert "Add a headline" in text_of(browser, "/welcome/preview/")

    def test_questions_use_the_sections_validation_rules(self, olive: User) -> None:
        browser = signed_in(olive)
        submit(browser, "", {"goal": "builder"}, "/welcome/builder/")
        bad = ANSWERS | {"headline": "x" * 161, "hourly_rate": "-1", "domains": ["web", "sorcery"]}
        response = browser.post("/welcome/builder/", bad)
        text = response.content.decode()
        assert response.status_code == 422
        assert "Use 160 characters or fewer. You entered 161." in text
        assert "Enter a rate above zero" in text
        assert len(response.context["form"].errors) == 3
        assert "Maps, Sync, Python" in text
        assert BuilderProfile.objects.get().headline == ""

    def test_answers_survive_an_expired_session(self, olive: User) -> None:
        submit(signed_in(olive), "", {"goal": "builder"}, "/welcome/builder/")
        submit(signed_in(olive, expired=True), "builder/", ANSWERS, "/welcome/builder/?draft=1")
        text = text_of(signed_in(olive), "/welcome/builder/?draft=1")
        assert "Your changes have not been saved yet" in text
        assert "Maps that work offline" in text
        assert text.count("checked") == 2

    def test_goal_survives_an_expired_session(self, olive: User) -> None:
        submit(signed_in(olive, expired=True), "", {"goal": "both"}, "/welcome/?draft=1")
        text = text_of(signed_in(olive), "/welcome/?draft=1")
        assert "Your changes have not been saved yet" in text
        assert text.count("checked") == 1


class TestPreview:
    def test_preview_shows_what_visitors_see(self, olive: User) -> None:
        onboarding.start(olive, Goal.BUILDER, actor=SYSTEM)
        text = text_of(signed_in(olive), "/welcome/preview/")
        assert "/edit/" not in text
        assert 'id="owner-bar"' not in text
        assert "noindex" in text

    def test_preview_is_identical_to_the_page(self) -> None:
        """The preview shows everything that visitors see, including the contact button."""
        page = BuilderProfileFactory.create(introduced=True, reachable=True)
        owner = signed_in(page.user)
        _, _, there = text_of(owner, f"/builders/{page.slug}/?as=visitor").partition("<article")
        _, _, here = text_of(owner, "/welcome/preview/").partition("<article")
        assert "Write a message" in here
        assert here.partition("</article>")[0] == there.partition("</article>")[0]

    def test_preview_takes_few_queries(self, olive: User, django_assert_max_num_queries: Any) -> None:
        onboarding.start(olive, Goal.BUILDER, actor=SYSTEM)
        browser = signed_in(olive)
        with django_assert_max_num_queries(6):
            browser.get("/welcome/preview/")


def test_client_becomes_a_builder_from_the_account_page(olive: User) -> None:
    ClientProfile.objects.create(user=olive)
    browser = signed_in(olive)
    text = text_of(browser, "/account/")
    assert '<input type="hidden" name="keep_other_role" value="1">' in text
    assert 'name="goal" value="builder">Become a builder' in text
    submit(browser, "", {"goal": "builder", "keep_other_role": "1"}, "/welcome/builder/")
    olive.refresh_from_db()
    assert olive.roles == ["CLIENT", "BUILDER"]


def test_becoming_a_client_keeps_a_role_gained_meanwhile() -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    submit(signed_in(profile.user), "", {"goal": "client", "keep_other_role": "1"}, "/welcome/client/")
    profile.refresh_from_db()
    assert (profile.user.roles, profile.archived_at) == (["CLIENT", "BUILDER"], None)


class TestRolesForm:
    """Profiles created with the roles form also start unpublished."""

    def test_new_page_is_a_draft(self, olive: User) -> None:
        browser = signed_in(olive)
        browser.post("/account/roles/", {"builder": "on", "client": "on"})
        assert visibility.is_draft(BuilderProfile.objects.get())
        assert Client().get("/builders/olive-owner/").status_code == 404

    @pytest.mark.parametrize("url", ("/account/roles/stop/builder/", "/builders/{slug}/delete/"))
    def test_restored_page_stays_private_until_published(self, url: str) -> None:
        profile = BuilderProfileFactory.create(introduced=True)
        browser = signed_in(profile.user)
        browser.post(url.format(slug=profile.slug))
        browser.post("/account/roles/", {"builder": "on"})
        assert Client().get(profile.get_absolute_url()).status_code == 404
        browser.post(f"/builders/{profile.slug}/publish/", {"on": "1"})
        assert profile.headline in text_of(Client(), profile.get_absolute_url())

    def test_role_given_by_admin_restores_the_published_page(self) -> None:
        profile = BuilderProfileFactory.create(archived_at=SINCE, user=UserFactory.create(client=True))
        adam = UserFactory.create(admin=True)
        change_roles(profile.user, add=[User.Role.BUILDER], actor=Actor(user=adam))
        assert Client().get(profile.get_absolute_url()).status_code == 200


def test_questions_take_two_queries(olive: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    onboarding.start(olive, Goal.BUILDER, actor=SYSTEM)
    browser = signed_in(olive)
    with django_assert_num_queries(2):  # One query for the user and one for the profile.
        browser.get("/welcome/builder/")
