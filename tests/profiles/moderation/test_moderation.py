"""Owner and admin actions on a whole page: permissions, effects and audit rows."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import MetadataPush, User
from audit.log import Actor
from audit.models import AuditLog
from profiles import lifecycle
from profiles.models import Badge, BuilderProfile
from profiles.moderation import services as moderation
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

MARKERS = ('id="admin-bar"', "/verify/", "/badges/", "/record/", "/feature/", "/hide/", "/delete/")


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(user__name="Olive Owner", introduced=True)
    return profile


@pytest.fixture
def adam() -> User:
    user: User = UserFactory.create(admin=True, name="Adam Admin")
    return user


def post(browser: Client, page: BuilderProfile, action: str, **typed: Any) -> Any:
    return browser.post(f"/builders/{page.slug}/{action}/", typed)


def text_of(browser: Client, path: str, status: int = 200) -> str:
    response = browser.get(path)
    assert response.status_code == status
    return str(response.content.decode())


def is_public(page: BuilderProfile) -> bool:
    return Client().get(f"/builders/{page.slug}/").status_code == 200


def log() -> list[tuple[str, list[str], int | None]]:
    return list(AuditLog.objects.order_by("id").values_list("action", "changed_fields", "actor"))


class TestAdminBar:
    def test_admin_sees_the_bar_on_other_pages(self, page: BuilderProfile, adam: User) -> None:
        text = text_of(signed_in(adam), f"/builders/{page.slug}/")
        assert [marker for marker in MARKERS if marker not in text] == []
        assert "logged under your name" in text

    def test_all_actions_of_the_bar_look_alike(self, page: BuilderProfile, adam: User) -> None:
        bar = (
            text_of(signed_in(adam), f"/builders/{page.slug}/").partition('id="admin-bar"')[2].partition("</aside>")[0]
        )
        actions = re.findall(r"<(?:a|button)\b[^>]*>", bar)
        assert len(actions) == 9
        assert [action for action in actions if "bar__link" not in action] == []

    def test_other_users_do_not_see_the_bar(self, page: BuilderProfile) -> None:
        browsers = {
            "anonymous": Client(),
            "visitor": signed_in(UserFactory.create()),
            "other builder": signed_in(BuilderProfileFactory.create().user),
            "owner": signed_in(page.user),
        }
        for who, browser in browsers.items():
            text = text_of(browser, f"/builders/{page.slug}/")
            assert [marker for marker in MARKERS if marker in text] == [], who

    def test_admin_sees_owner_bar_on_own_page(self) -> None:
        own = BuilderProfileFactory.create(user=UserFactory.create(builder=True, admin=True))
        text = text_of(signed_in(own.user), f"/builders/{own.slug}/")
        assert 'id="owner-bar"' in text
        assert 'id="admin-bar"' not in text


class TestTier:
    def test_tier_is_raised_with_evidence(self, page: BuilderProfile, adam: User) -> None:
        response = post(signed_in(adam), page, "verify", tier="2", evidence="Two apps reviewed, notes in R-17.")
        assert (response.status_code, response["Location"]) == (303, f"/builders/{page.slug}/")
        page.refresh_from_db()
        assert (page.validation_tier, page.validation_evidence) == (2, "Two apps reviewed, notes in R-17.")
        assert page.validated_at
        [row] = AuditLog.objects.all()
        assert (row.actor, row.subject) == (adam, page.user)
        assert row.details is not None
        assert row.details["validation_tier"] == [1, 2]
        assert MetadataPush.objects.get().user == page.user

    def test_raising_without_evidence_is_rejected(self, page: BuilderProfile, adam: User) -> None:
        response = post(signed_in(adam), page, "verify", tier="3", evidence=" ")
        assert response.status_code == 422
        assert "Enter the evidence for a higher tier" in response.content.decode()
        page.refresh_from_db()
        assert page.validation_tier == 1

    def test_lowering_needs_no_evidence(self, page: BuilderProfile, adam: User) -> None:
        BuilderProfile.objects.update(validation_tier=3, validation_evidence="Reviewed.")
        assert post(signed_in(adam), page, "verify", tier="2", evidence="").status_code == 303
        page.refresh_from_db()
        assert (page.validation_tier, page.validation_evidence) == (2, "")

    @pytest.mark.parametrize("tier", ("", "0", "4", "-1", "expert", "2" * 5000))
    def test_invalid_tier_is_rejected(self, page: BuilderProfile, adam: User, tier: str) -> None:
        assert post(signed_in(adam), page, "verify", tier=tier, evidence="Reviewed.").status_code == 422

    def test_repeated_submission_changes_nothing(self, page: BuilderProfile, adam: User) -> None:
        for _ in range(2):
            post(signed_in(adam), page, "verify", tier="2", evidence="Reviewed.")
        assert len(log()) == 1

    def test_form_survives_an_expired_session(self, page: BuilderProfile, adam: User) -> None:
        path = f"/builders/{page.slug}/verify/"
        response = signed_in(adam, expired=True).post(path, {"tier": "2", "evidence": "Long review"}, headers=PAGE)
        assert (response.status_code, response["Location"]) == (303, f"{path}?draft=1")
        text = text_of(signed_in(adam), response["Location"])
        assert "Your changes have not been saved yet" in text
        assert "Long review" in text


class TestBadges:
    def test_badge_is_awarded_with_evidence_and_withdrawn_with_a_reason(self, page: BuilderProfile, adam: User) -> None:
        browser = signed_in(adam)
        assert post(browser, page, "badges", kind="code", evidence="Read the sync engine.").status_code == 303
        badge = Badge.objects.get()
        assert (badge.kind, badge.evidence, badge.awarded_by) == ("code", "Read the sync engine.", adam)
        assert "Read the sync engine." in text_of(browser, f"/builders/{page.slug}/badges/")
        assert post(browser, page, "badges/code", reason="The engine was someone else's.").status_code == 303
        assert not Badge.objects.exists()
        awarded, withdrawn = AuditLog.objects.order_by("id")
        assert awarded.details == {"badges": [[], ["code"]], "evidence": "Read the sync engine."}
        assert withdrawn.details == {"badges": [["code"], []], "evidence": "The engine was someone else's."}
        assert {awarded.actor, withdrawn.actor} == {adam}

    @pytest.mark.parametrize(
        ("action", "typed"),
        (
            ("badges", {"kind": "code", "evidence": ""}),
            ("badges", {"kind": "champion", "evidence": "x"}),
            ("badges", {"kind": "code", "evidence": "x" * 301}),
            ("badges/code", {"reason": ""}),
        ),
    )
    def test_missing_evidence_or_reason_is_rejected(
        self, page: BuilderProfile, adam: User, action: str, typed: dict[str, str]
    ) -> None:
        response = post(signed_in(adam), page, action, **typed)
        assert response.status_code == 422
        assert "errorlist" in response.content.decode()
        assert log() == []

    def test_awarding_twice_keeps_the_first_evidence(self, page: BuilderProfile, adam: User) -> None:
        browser = signed_in(adam)
        post(browser, page, "badges", kind="code", evidence="First.")
        again = browser.post(f"/builders/{page.slug}/badges/", {"kind": "code", "evidence": "Second."}, follow=True)
        assert "was already awarded" in again.content.decode()
        assert Badge.objects.get().evidence == "First."
        assert len(log()) == 1

    def test_withdrawing_a_missing_badge_is_not_an_error(self, page: BuilderProfile, adam: User) -> None:
        assert post(signed_in(adam), page, "badges/code", reason="Gone already").status_code == 303
        assert post(signed_in(adam), page, "badges/champion", reason="x").status_code == 404
        assert log() == []


class TestFeaturing:
    def test_featuring_and_unfeaturing_are_idempotent(self, page: BuilderProfile, adam: User) -> None:
        browser = signed_in(adam)
        for on in ("1", "1", "", ""):
            assert post(browser, page, "feature", on=on).status_code == 303
            page.refresh_from_db()
            assert bool(page.featured_at) == bool(on)
        assert log() == [("PROFILE_UPDATED", ["featured_at"], adam.pk)] * 2


class TestHiding:
    def test_hidden_page_is_not_public_and_owner_sees_the_reason(self, page: BuilderProfile, adam: User) -> None:
        browser = signed_in(adam)
        assert post(browser, page, "hide", reason="The links are broken.\nMend them.").status_code == 303
        assert not is_public(page)
        for path in (f"/builders/{page.slug}/", "/account/"):
            assert "The links are broken." in text_of(signed_in(page.user), path)
        assert "The links are broken." in text_of(browser, f"/builders/{page.slug}/")
        assert post(browser, page, "hide", show="1").status_code == 303
        assert is_public(page)
        page.refresh_from_db()
        assert page.hidden_reason == ""
        assert [row[1] for row in log()] == [["hidden_at", "hidden_reason"]] * 2

    def test_missing_reason_is_rejected(self, page: BuilderProfile, adam: User) -> None:
        response = post(signed_in(adam), page, "hide", reason="  ")
        assert response.status_code == 422
        assert "Enter a reason" in response.content.decode()
        assert is_public(page)

    def test_new_reason_keeps_the_original_time(self, page: BuilderProfile, adam: User) -> None:
        BuilderProfile.objects.update(hidden_at=SINCE, hidden_reason="One.")
        post(signed_in(adam), page, "hide", reason="Another.")
        page.refresh_from_db()
        assert (page.hidden_at, page.hidden_reason) == (SINCE, "Another.")

    def test_publishing_does_not_unhide(self, page: BuilderProfile) -> None:
        BuilderProfile.objects.update(hidden_at=SINCE, unpublished_at=SINCE, hidden_reason="Broken links.")
        response = signed_in(page.user).post(f"/builders/{page.slug}/publish/", {"on": "1"}, follow=True)
        assert (
            "Page published. Only you and our team can see your page, because our team has hidden it."
            in response.content.decode()
        )
        assert not is_public(page)


class TestTrackRecord:
    def test_figures_are_saved(self, page: BuilderProfile, adam: User) -> None:
        assert post(signed_in(adam), page, "record", completed_projects="12").status_code == 303
        page.refresh_from_db()
        assert page.completed_projects == 12
        assert log() == [("PROFILE_UPDATED", ["completed_projects"], adam.pk)]

    @pytest.mark.parametrize("projects", ("-1", "", "1" * 30, "one"))
    def test_impossible_figures_are_rejected(self, page: BuilderProfile, adam: User, projects: str) -> None:
        response = post(signed_in(adam), page, "record", completed_projects=projects)
        assert response.status_code == 422
        assert "errorlist" in response.content.decode()


class TestPublishing:
    def test_owner_unpublishes_and_publishes_the_page(self, page: BuilderProfile) -> None:
        browser = signed_in(page.user)
        for on in ("", "", "1", "1"):
            response = post(browser, page, "publish", on=on)
            assert (response.status_code, response["Location"]) == (303, f"/builders/{page.slug}/")
            assert is_public(page) == bool(on)
        assert log() == [("PROFILE_UPDATED", ["unpublished_at"], page.user.pk)] * 2

    def test_admin_cannot_publish(self, page: BuilderProfile, adam: User) -> None:
        assert post(signed_in(adam), page, "publish").status_code == 403
        assert is_public(page)

    def test_signing_in_returns_to_the_button(self, page: BuilderProfile) -> None:
        path = f"/builders/{page.slug}/publish/"
        response = signed_in(page.user, expired=True).post(path, headers=PAGE)
        assert response.status_code == 303
        back = signed_in(page.user).get(response["Location"], follow=True)
        assert "Unpublish" in back.content.decode()


class TestDeleting:
    def test_owner_deletes_after_confirmation(self, page: BuilderProfile) -> None:
        browser = signed_in(page.user)
        path = f"/builders/{page.slug}/delete/"
        assert "Delete your builder profile?" in text_of(browser, path)
        response = browser.post(path)
        assert (response.status_code, response["Location"]) == (303, "/account/")
        assert not is_public(page)
        assert browser.get(path).status_code == 404
        page.refresh_from_db()
        page.user.refresh_from_db()
        assert page.deleted_at
        assert page.archived_at
        assert page.user.roles == []
        assert "Become a builder" in text_of(browser, "/account/")

    def test_deletion_by_admin_is_audited_with_the_admin_as_actor(self, page: BuilderProfile, adam: User) -> None:
        browser = signed_in(adam)
        path = f"/builders/{page.slug}/delete/"
        assert "Delete Olive Owner’s profile?" in text_of(browser, path)
        response = browser.post(path)
        assert (response.status_code, response["Location"]) == (303, f"/builders/{page.slug}/")
        assert "Deleted" in text_of(browser, response["Location"])
        actors = {(action, tuple(changed)): actor for action, changed, actor in log()}
        assert actors["ROLE_REMOVED", ()] == actors["PROFILE_UPDATED", ("deleted_at",)] == adam.pk

    def test_profile_of_banned_user_cannot_be_deleted(self, adam: User) -> None:
        page = BuilderProfileFactory.create(user__banned=True)
        response = post(signed_in(adam), page, "delete")
        assert response.status_code == 422
        assert "is not active in Clerk" in response.content.decode()


ACTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "publish": (moderation.publish, ()),
    "tier": (moderation.set_tier, (2, "Reviewed.")),
    "badge": (moderation.award, ("code", "Reviewed.")),
    "feature": (moderation.feature, ()),
    "hide": (moderation.hide, ("Broken links.",)),
    "delete": (lifecycle.delete, ()),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ACTIONS)
def test_simultaneous_clicks_are_applied_once(action: str) -> None:
    page = BuilderProfileFactory.create(unpublished_at=SINCE)
    function, arguments = ACTIONS[action]

    def click(_: int) -> None:
        try:
            function(BuilderProfile.objects.get(pk=page.pk), *arguments, actor=Actor(user=page.user))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(click, range(4)))
    rows = AuditLog.objects.filter(action="PROFILE_UPDATED").exclude(changed_fields=["archived_at"])
    assert rows.count() == 1
