"""From signing up to a first published page: nothing half done is public, and nothing is lost on the way."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from accounts.role_changes import change_roles
from audit.log import SYSTEM
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from profiles.moderation import services as moderation
from profiles.onboarding import services as onboarding
from profiles.onboarding.services import Goal
from profiles.pages import visibility
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
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
COMPANY = {"company_name": "Kowal & Córki", "industry": "Ferries", "project_preferences": "A timetable that works."}


@pytest.fixture
def olive() -> User:
    user: User = UserFactory.create(client=True, name="Olive Owner")
    return user


def text_of(browser: Client, path: str) -> str:
    response = browser.get(path)
    assert response.status_code == 200, path
    return str(response.content.decode())


def say(browser: Client, page: str, typed: Any, leads_to: str) -> None:
    answer = browser.post(f"/welcome/{page}", typed, headers=PAGE)
    assert (answer.status_code, answer["Location"]) == (303, leads_to)


class TestTheWay:
    def test_a_builder_goes_it_to_the_end(self, olive: User) -> None:
        browser = signed_in(olive)
        say(browser, "", {"goal": "builder"}, "/welcome/builder/")
        assert Client().get("/builders/olive-owner/").status_code == 404
        say(browser, "builder/", ANSWERS, "/welcome/preview/")
        preview = text_of(browser, "/welcome/preview/")
        assert "Maps that work offline" in preview
        assert "Publish profile" in preview
        assert Client().get("/builders/olive-owner/").status_code == 404
        answer = browser.post("/builders/olive-owner/publish/", {"on": "1"})
        assert (answer.status_code, answer["Location"]) == (303, "/builders/olive-owner/")
        assert "Maps that work offline" in text_of(Client(), "/builders/olive-owner/")
        profile = BuilderProfile.objects.get()
        assert (profile.skills, profile.domains) == (["Maps", "Sync", "Python"], ["web", "mobile"])
        assert (str(profile.hourly_rate), profile.currency, profile.availability) == ("85.50", "EUR", "limited")
        assert profile.availability_confirmed_at
        assert profile.unpublished_at is None
        olive.refresh_from_db()
        assert olive.roles == ["BUILDER"]

    def test_a_client_is_led_to_the_builders(self, olive: User) -> None:
        browser = signed_in(olive)
        ClientProfile.objects.create(user=olive)
        say(browser, "", {"goal": "client"}, "/welcome/client/")
        say(browser, "client/", COMPANY, "/builders/")
        client = ClientProfile.objects.get()
        assert {name: getattr(client, name) for name in COMPANY} == COMPANY

    def test_whoever_is_both_answers_both(self, olive: User) -> None:
        browser = signed_in(olive)
        ClientProfile.objects.create(user=olive)
        say(browser, "", {"goal": "both"}, "/welcome/builder/")
        assert "Step 2 of 4" in text_of(browser, "/welcome/builder/")
        say(browser, "builder/", ANSWERS, "/welcome/client/")
        assert "Step 3 of 4" in text_of(browser, "/welcome/client/")
        say(browser, "client/", COMPANY, "/welcome/preview/")
        assert "Step 4 of 4" in text_of(browser, "/welcome/preview/")

    def test_signing_up_leads_to_it_unless_another_page_was_wanted(self) -> None:
        assert 'data-target="/welcome/"' in text_of(Client(), "/sign-up/")
        wanted = text_of(Client(), "/sign-up/?next=/builders/olive-owner/")
        assert 'data-target="/builders/olive-owner/"' in wanted
        assert 'data-sign-in="/sign-in/?next=%2Fbuilders%2Folive-owner%2F"' in wanted
        assert 'data-target="/account/"' in text_of(Client(), "/sign-in/")
        assert 'data-sign-up="/sign-up/"' in text_of(Client(), "/sign-in/")

    def test_whoever_is_new_waits_until_clerk_has_told(self, webhook: WebhookClient) -> None:
        new = person(first_name="Zofia")
        browser = signed_in(new)
        waiting = text_of(browser, "/welcome/")
        assert "Setting up your account" in waiting
        assert 'http-equiv="refresh"' in waiting
        webhook.created(new)
        assert "What are you here for?" in text_of(browser, "/welcome/")

    def test_it_can_be_skipped(self, olive: User) -> None:
        assert '<a href="/account/">Skip for now</a>' in text_of(signed_in(olive), "/welcome/")

    def test_whoever_has_no_profile_begins_at_the_beginning(self, olive: User) -> None:
        for page in ("builder", "client", "preview"):
            answer = signed_in(olive).get(f"/welcome/{page}/")
            assert (answer.status_code, answer["Location"]) == (302, "/welcome/")

    @pytest.mark.parametrize("goal", ("", "admin", "ADMIN", "builder\x00", "x" * 5000))
    def test_nonsense_is_asked_about_again(self, olive: User, goal: str) -> None:
        answer = signed_in(olive).post("/welcome/", {"goal": goal})
        assert answer.status_code == 422
        assert "errorlist" in answer.content.decode()
        olive.refresh_from_db()
        assert olive.roles == ["CLIENT"]

    def test_somebody_without_a_name_has_no_page_to_look_at_yet(self) -> None:
        nobody = UserFactory.create(nameless=True, client=True)
        browser = signed_in(nobody)
        say(browser, "", {"goal": "builder"}, "/welcome/builder/")
        say(browser, "builder/", ANSWERS, "/account/")
        assert browser.get("/welcome/preview/")["Location"] == "/account/"
        assert "Your page is created once your account has a name." in text_of(browser, "/account/")


class TestWhatIsBegun:
    def test_no_instant_of_it_is_public(self, olive: User) -> None:
        onboarding.begin(olive, Goal.BUILDER, origin=SYSTEM)
        profile = BuilderProfile.objects.get()
        assert profile.unpublished_at == profile.created_at
        created, unpublished = AuditLog.objects.filter(target__startswith="profiles").order_by("id")
        assert (created.action, unpublished.action, unpublished.actor) == ("PROFILE_CREATED", "PROFILE_UPDATED", olive)
        assert created.transaction == unpublished.transaction

    def test_one_that_came_by_webhook_is_public_and_stays_so(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", last_name="", roles=["BUILDER"])
        webhook.created(zofia)
        say(signed_in(zofia), "", {"goal": "builder"}, "/welcome/builder/")
        assert Client().get("/builders/zofia/").status_code == 200

    def test_choosing_twice_begins_once(self, olive: User) -> None:
        for _ in range(2):
            onboarding.begin(olive, Goal.BUILDER, origin=SYSTEM)
        assert AuditLog.objects.filter(changed_fields__contains=["unpublished_at"]).count() == 1

    def test_going_back_after_publishing_unpublishes_nothing(self, olive: User) -> None:
        onboarding.begin(olive, Goal.BUILDER, origin=SYSTEM)
        moderation.publish(BuilderProfile.objects.get(), actor=olive, origin=SYSTEM)
        onboarding.begin(olive, Goal.BOTH, origin=SYSTEM)
        assert BuilderProfile.objects.get().unpublished_at is None

    def test_whoever_stopped_halfway_finds_the_way_on(self, olive: User) -> None:
        browser = signed_in(olive)
        say(browser, "", {"goal": "builder"}, "/welcome/builder/")
        for path in ("/account/", "/builders/olive-owner/"):
            text = text_of(browser, path)
            assert '<a class="button" href="/welcome/builder/">Continue setting up your profile</a>' in text
            assert "until you publish it" in text
        say(browser, "builder/", ANSWERS, "/welcome/preview/")
        assert 'href="/welcome/preview/">Continue setting up your profile</a>' in text_of(browser, "/account/")
        browser.post("/builders/olive-owner/publish/", {"on": "1"})
        for path in ("/account/", "/builders/olive-owner/"):
            assert "Continue setting up your profile" not in text_of(browser, path)

    def test_whoever_unpublishes_has_nothing_to_go_on_with(self) -> None:
        profile = BuilderProfileFactory.create(unpublished_at=timezone.now() + timedelta(seconds=1))
        for path in ("/account/", f"/builders/{profile.slug}/"):
            text = text_of(signed_in(profile.user), path)
            assert "until you publish it" in text
            assert "Continue setting up your profile" not in text

    def test_a_deleted_profile_is_begun_again_unpublished_with_what_was_on_it(self) -> None:
        profile = BuilderProfileFactory.create(introduced=True)
        browser = signed_in(profile.user)
        browser.post(f"/builders/{profile.slug}/delete/")
        say(browser, "", {"goal": "builder"}, "/welcome/builder/")
        assert profile.headline in text_of(browser, "/welcome/builder/")
        profile.refresh_from_db()
        assert (profile.deleted_at, profile.archived_at) == (None, None)
        assert profile.unpublished_at
        assert Client().get(f"/builders/{profile.slug}/").status_code == 404

    def test_a_hidden_one_stays_hidden(self) -> None:
        profile = BuilderProfileFactory.create(hidden_at=SINCE, deleted_at=SINCE)
        onboarding.begin(profile.user, Goal.BUILDER, origin=SYSTEM)
        profile.refresh_from_db()
        assert profile.hidden_at == SINCE


class TestAnswers:
    def test_all_of_them_may_wait(self, olive: User) -> None:
        browser = signed_in(olive)
        say(browser, "", {"goal": "builder"}, "/welcome/builder/")
        say(browser, "builder/", {"availability": "available", "currency": "USD"}, "/welcome/preview/")
        assert "Add a headline" in text_of(browser, "/welcome/preview/")

    def test_the_rules_are_those_of_the_sections(self, olive: User) -> None:
        browser = signed_in(olive)
        say(browser, "", {"goal": "builder"}, "/welcome/builder/")
        bad = ANSWERS | {"headline": "x" * 161, "hourly_rate": "-1", "domains": ["web", "sorcery"]}
        answer = browser.post("/welcome/builder/", bad)
        text = answer.content.decode()
        assert answer.status_code == 422
        assert "Shorten this to 160 characters; it has 161." in text
        assert "The rate must be more than zero" in text
        assert len(answer.context["form"].errors) == 3
        assert "Maps, Sync, Python" in text
        assert BuilderProfile.objects.get().headline == ""

    def test_they_survive_a_session_that_ended(self, olive: User) -> None:
        say(signed_in(olive), "", {"goal": "builder"}, "/welcome/builder/")
        say(signed_in(olive, expired=True), "builder/", ANSWERS, "/welcome/builder/?draft=1")
        text = text_of(signed_in(olive), "/welcome/builder/?draft=1")
        assert "Nothing is lost" in text
        assert "Maps that work offline" in text
        assert text.count("checked") == 2

    def test_so_does_the_choice(self, olive: User) -> None:
        say(signed_in(olive, expired=True), "", {"goal": "both"}, "/welcome/?draft=1")
        text = text_of(signed_in(olive), "/welcome/?draft=1")
        assert "Nothing is lost" in text
        assert text.count("checked") == 1


class TestThePreview:
    def test_it_is_what_a_visitor_sees(self, olive: User) -> None:
        onboarding.begin(olive, Goal.BUILDER, origin=SYSTEM)
        text = text_of(signed_in(olive), "/welcome/preview/")
        assert "/edit/" not in text
        assert 'id="owner-bar"' not in text
        assert "noindex" in text

    def test_it_is_the_page_itself(self) -> None:
        """Whatever a visitor finds on the page is on its preview, the way to write to its builder included."""
        page = BuilderProfileFactory.create(introduced=True, reachable=True)
        owner = signed_in(page.user)
        _, _, there = text_of(owner, f"/builders/{page.slug}/?as=visitor").partition("<article")
        _, _, here = text_of(owner, "/welcome/preview/").partition("<article")
        assert "Write a message" in here
        assert here.partition("</article>")[0] == there.partition("</article>")[0]

    def test_its_queries_do_not_grow(self, olive: User, django_assert_max_num_queries: Any) -> None:
        onboarding.begin(olive, Goal.BUILDER, origin=SYSTEM)
        browser = signed_in(olive)
        with django_assert_max_num_queries(6):
            browser.get("/welcome/preview/")


def test_the_account_page_makes_a_builder_of_a_client_directly(olive: User) -> None:
    ClientProfile.objects.create(user=olive)
    browser = signed_in(olive)
    text = text_of(browser, "/account/")
    assert '<input type="hidden" name="keep_other_role" value="1">' in text
    assert 'name="goal" value="builder">Become a builder' in text
    say(browser, "", {"goal": "builder", "keep_other_role": "1"}, "/welcome/builder/")
    olive.refresh_from_db()
    assert olive.roles == ["CLIENT", "BUILDER"]


def test_becoming_a_client_takes_no_role_that_came_meanwhile() -> None:
    profile = BuilderProfileFactory.create(introduced=True)
    say(signed_in(profile.user), "", {"goal": "client", "keep_other_role": "1"}, "/welcome/client/")
    profile.refresh_from_db()
    assert (profile.user.roles, profile.archived_at) == (["CLIENT", "BUILDER"], None)


class TestTheRolesForm:
    """What the other form for roles gives is as private until it is published."""

    def test_a_new_page_is_begun(self, olive: User) -> None:
        browser = signed_in(olive)
        browser.post("/account/roles/", {"builder": "on", "client": "on"})
        assert visibility.is_draft(BuilderProfile.objects.get())
        assert Client().get("/builders/olive-owner/").status_code == 404

    @pytest.mark.parametrize("way", ("/account/roles/stop/builder/", "/builders/{slug}/delete/"))
    def test_a_page_that_is_back_waits_for_its_owner(self, way: str) -> None:
        profile = BuilderProfileFactory.create(introduced=True)
        browser = signed_in(profile.user)
        browser.post(way.format(slug=profile.slug))
        browser.post("/account/roles/", {"builder": "on"})
        assert Client().get(profile.get_absolute_url()).status_code == 404
        browser.post(f"/builders/{profile.slug}/publish/", {"on": "1"})
        assert profile.headline in text_of(Client(), profile.get_absolute_url())

    def test_one_that_an_admin_gives_back_is_as_it_was(self) -> None:
        profile = BuilderProfileFactory.create(archived_at=SINCE, user=UserFactory.create(client=True))
        adam = UserFactory.create(admin=True)
        change_roles(profile.user, add=[User.Role.BUILDER], actor=adam, origin=SYSTEM)
        assert Client().get(profile.get_absolute_url()).status_code == 200


def test_questions_take_few_queries(olive: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    onboarding.begin(olive, Goal.BUILDER, origin=SYSTEM)
    browser = signed_in(olive)
    with django_assert_num_queries(2):  # who is asking, and the profile
        browser.get("/welcome/builder/")
