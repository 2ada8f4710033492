"""Builders ask for reviews, and admins decide. The page then shows what was checked and when."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import MetadataPush, User
from audit.log import Actor
from audit.models import AuditLog
from profiles import personal_data, tasks
from profiles.models import Badge, BuilderProfile, ReviewFile, ReviewRequest
from profiles.moderation import services as moderation
from profiles.reviews import services as reviews
from profiles.reviews.evidence import EvidenceFile
from profiles.reviews.services import MAX_REQUESTS, AlreadyClosedError, Decision, ReviewRejectedError
from profiles.reviews.subjects import Subject
from profiles.signals import review_decided
from tests.helpers.clients import impersonating, signed_in, with_password
from tests.helpers.documents import pdf_file
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

PAGE = "/builders/olive-owner/reviews/"
ADMIN = "/admin/profiles/reviewrequest/"
TIER, IDENTITY = Subject(tier=2), Subject(badge="identity")
State = ReviewRequest.State


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(slug="olive-owner", user__name="Olive Owner")
    return profile


@pytest.fixture
def owner(olive: BuilderProfile) -> Client:
    return signed_in(olive.user)


@pytest.fixture
def adam() -> User:
    user: User = UserFactory.create(admin=True, name="Adam Admin")
    return user


@pytest.fixture
def admin(adam: User) -> Client:
    return signed_in(adam)


def ask(profile: BuilderProfile, subject: Subject = TIER, **given: Any) -> ReviewRequest:
    files = [EvidenceFile("cv.pdf", ReviewFile.Kind.PDF, pdf_file())]
    evidence = {"text": "Two shops.", "links": ["https://example.com/shop"], "files": files} | given
    return reviews.request_review(profile, subject, **evidence, actor=Actor(user=profile.user))


def decide(review: ReviewRequest, adam: User, state: State = State.GRANTED, **given: Any) -> None:
    facts: dict[str, Any] = {
        "checked_items": ["identity"],
        "checked_projects": 2,
        "badge_evidence": "Passport seen.",
    } | given
    reviews.decide(review, Decision(state, "All good.", **facts), actor=Actor(user=adam))


def text_of(response: Any, status: int = 200) -> str:
    assert response.status_code == status
    return str(response.content.decode())


class TestRequest:
    def test_builder_asks_for_a_tier(self, olive: BuilderProfile, owner: Client) -> None:
        assert f'href="{PAGE}"' in text_of(owner.get("/builders/olive-owner/"))
        assert "Established" in text_of(owner.get(PAGE))
        typed = {"subject": "tier-2", "text": "Two shops.", "links": "example.com/shop"}
        text = text_of(owner.post(PAGE, typed, follow=True))
        assert "Request sent." in text
        assert "Two shops." in text
        review = ReviewRequest.objects.get()
        assert (review.builder, review.tier, review.badge, review.state) == (olive, 2, "", "open")
        assert (review.text, review.links) == ("Two shops.", ["https://example.com/shop"])
        row = AuditLog.objects.get(action="REVIEW_REQUESTED")
        assert (row.subject_id, row.details) == (olive.user_id, {"requested": "Tier: Established"})

    @pytest.mark.parametrize(
        ("typed", "message"),
        (
            ({"text": "x"}, "Choose a tier or a badge."),
            ({"subject": "tier-1", "text": "x"}, "You already have this tier or badge"),
            ({"subject": "badge-unknown", "text": "x"}, "You already have this tier or badge"),
            ({"subject": "tier-2"}, "Add a description, a link or a file"),
            ({"subject": "tier-2", "text": " \u200b "}, "Add a description, a link or a file"),
            ({"subject": "tier-2", "links": "https://10.0.0.1/"}, "is on a private network"),
            ({"subject": "tier-2", "text": "x" * 4001}, "Use 4000 characters or fewer."),
        ),
    )
    def test_invalid_request_is_explained(self, owner: Client, typed: dict[str, str], message: str) -> None:
        assert message in text_of(owner.post(PAGE, typed), 422)
        assert not ReviewRequest.objects.exists()

    def test_only_missing_tiers_and_badges_are_offered(self, olive: BuilderProfile, owner: Client, adam: User) -> None:
        BuilderProfile.objects.update(validation_tier=2)
        moderation.award(olive, "code", "Read.", actor=Actor(user=adam))
        ask(olive, IDENTITY)
        text = text_of(owner.get(PAGE))
        offered = [
            value for value in ("tier-2", "tier-3", "badge-code", "badge-identity", "badge-mentor") if value in text
        ]
        assert offered == ["tier-3", "badge-mentor"]

    def test_same_request_is_accepted_once(self, olive: BuilderProfile) -> None:
        ask(olive)
        for subject in (TIER, Subject(tier=3)):
            with pytest.raises(ReviewRejectedError, match="a request for it is open"):
                ask(olive, subject)
        ReviewRequest.objects.create(builder=olive, badge="mentor")
        for duplicate in ({"tier": 3}, {"badge": "mentor"}):
            with pytest.raises(IntegrityError), transaction.atomic():
                ReviewRequest.objects.create(builder=olive, **duplicate)

    @pytest.mark.parametrize("subject", ({}, {"tier": 2, "badge": "mentor"}))
    def test_request_has_exactly_one_subject(self, olive: BuilderProfile, subject: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            ReviewRequest.objects.create(builder=olive, **subject)

    def test_number_of_requests_per_day_is_limited(self, olive: BuilderProfile) -> None:
        actor = Actor(user=olive.user)
        for _ in range(MAX_REQUESTS):
            reviews.withdraw(ask(olive), actor=actor)
        with pytest.raises(ReviewRejectedError, match="too many requests today"):
            ask(olive)
        ReviewRequest.objects.update(requested_at=timezone.now() - timedelta(days=1, seconds=1))
        ask(olive)

    def test_withdrawn_request_loses_its_evidence(self, olive: BuilderProfile, owner: Client) -> None:
        review = ask(olive)
        text = text_of(owner.post(f"{PAGE}{review.pk}/withdraw/", follow=True))
        assert "Request withdrawn." in text
        assert "The evidence has been erased." in text
        review.refresh_from_db()
        assert (review.state, review.text, review.links) == ("withdrawn", "", [])
        assert not ReviewFile.objects.exists()
        assert "The request has been withdrawn." in text_of(owner.post(f"{PAGE}{review.pk}/withdraw/", follow=True))

    def test_owner_downloads_own_files_only(self, olive: BuilderProfile, owner: Client) -> None:
        file = ask(olive).files.get()
        response = owner.get(f"{PAGE}{file.review_id}/files/{file.pk}/")
        assert response.content == pdf_file()
        assert not AuditLog.objects.filter(action="REVIEW_FILE_OPENED").exists()
        assert response["Content-Disposition"] == 'attachment; filename="cv.pdf"'
        assert response["Content-Type"] == "application/pdf"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert "no-store" in response["Cache-Control"]
        ben = BuilderProfileFactory.create(slug="ben-builder")
        others = signed_in(ben.user)
        assert others.get(f"/builders/ben-builder/reviews/{file.review_id}/files/{file.pk}/").status_code == 404
        assert others.get(f"{PAGE}{file.review_id}/files/{file.pk}/").status_code == 403
        assert owner.get(f"{PAGE}{file.review_id + 1}/files/{file.pk}/").status_code == 404

    def test_admin_who_impersonates_the_owner_is_audited(self, olive: BuilderProfile, adam: User) -> None:
        file = ask(olive).files.get()
        support = impersonating(olive.user, adam)
        assert support.get(f"{PAGE}{file.review_id}/files/{file.pk}/").content == pdf_file()
        assert AuditLog.objects.get(action="REVIEW_FILE_OPENED").impersonator == adam.clerk_id

    def test_new_request_needs_the_role(self, olive: BuilderProfile, owner: Client) -> None:
        BuilderProfile.objects.update(archived_at=timezone.now())
        assert 'type="file"' not in text_of(owner.get(PAGE))
        assert owner.post(PAGE, {"subject": "tier-2", "text": "Two shops."}).status_code == 403
        assert not ReviewRequest.objects.exists()

    def test_owner_without_the_role_downloads_and_withdraws_evidence(
        self, olive: BuilderProfile, owner: Client
    ) -> None:
        review = ask(olive)
        BuilderProfile.objects.update(archived_at=timezone.now())
        file_url = f"{PAGE}{review.pk}/files/{review.files.get().pk}/"
        assert PAGE in text_of(owner.get("/builders/olive-owner/"))
        assert file_url in text_of(owner.get(PAGE))
        assert owner.get(file_url).content == pdf_file()
        assert "Request withdrawn." in text_of(owner.post(f"{PAGE}{review.pk}/withdraw/", follow=True))
        assert not ReviewFile.objects.exists()

    def test_queries_do_not_grow_with_the_requests(
        self, olive: BuilderProfile, owner: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        owner.get(PAGE)
        for subject in (TIER, IDENTITY, Subject(badge="code")):
            ask(olive, subject)
        with django_assert_num_queries(6):
            owner.get(PAGE)


class TestPublicPage:
    def test_page_shows_what_was_checked_and_when(self, olive: BuilderProfile, adam: User) -> None:
        before = text_of(Client().get("/builders/olive-owner/"))
        assert "Checked by our team" not in before
        decide(ask(olive), adam)
        BuilderProfile.objects.update(checked_at="2026-05-12T10:00:00Z")
        text = text_of(Client().get("/builders/olive-owner/"))
        assert "Checked by our team on May 12, 2026: identity, 2 completed projects." in text
        assert "All good." not in text

    def test_nothing_is_claimed_without_a_check(self, olive: BuilderProfile, adam: User) -> None:
        ask(olive)
        assert "Checked by our team" not in text_of(Client().get("/builders/olive-owner/"))
        moderation.set_tier(olive, 2, "Known for years.", actor=Actor(user=adam))
        assert "Checked by our team" not in text_of(Client().get("/builders/olive-owner/"))

    def test_first_tier_claims_nothing(self, olive: BuilderProfile, adam: User) -> None:
        decide(ask(olive), adam)
        moderation.set_tier(olive, 1, "", actor=Actor(user=adam), checked_items=["identity"], checked_projects=2)
        olive.refresh_from_db()
        assert (olive.checked_items, olive.checked_projects, olive.checked_at) == ([], 0, None)

    def test_date_changes_only_with_a_new_check(self, olive: BuilderProfile, adam: User) -> None:
        decide(ask(olive), adam)
        BuilderProfile.objects.update(checked_at="2026-05-12T10:00:00Z", validation_tier=3)
        facts: dict[str, Any] = {"checked_items": ["identity"], "checked_projects": 2, "actor": Actor(user=adam)}
        moderation.set_tier(olive, 2, "Lowered.", **facts)
        olive.refresh_from_db()
        assert f"{olive.checked_at:%d %b}" == "12 May"
        moderation.set_tier(olive, 2, "Lowered.", **facts | {"checked_projects": 3})
        olive.refresh_from_db()
        assert f"{olive.checked_at:%d %b}" != "12 May"

    def test_admin_enters_what_was_checked_on_the_tier_page(self, olive: BuilderProfile, admin: Client) -> None:
        typed = {"tier": "2", "evidence": "R-17", "checked_items": ["code", "identity"], "checked_projects": "1"}
        admin.post("/builders/olive-owner/verify/", typed)
        assert ": identity, source code, 1 completed project." in text_of(Client().get("/builders/olive-owner/"))
        text = text_of(admin.get("/builders/olive-owner/verify/"))
        assert text.count("checked>") == 2
        for invalid in ({"checked_items": "age"}, {"checked_projects": "-1"}, {"checked_projects": "9" * 30}):
            assert admin.post("/builders/olive-owner/verify/", typed | invalid).status_code == 422


class TestDecision:
    def test_granted_tier(self, olive: BuilderProfile, admin: Client, adam: User) -> None:
        review = ask(olive)
        text = text_of(admin.get(f"{ADMIN}{review.pk}/decide/"))
        assert "Two shops." in text
        typed = {"state": "granted", "reason": "All good.", "checked_items": "identity", "checked_projects": "2"}
        assert "Decision saved." in text_of(admin.post(f"{ADMIN}{review.pk}/decide/", typed, follow=True))
        review.refresh_from_db()
        olive.refresh_from_db()
        assert (review.state, review.reason, review.decided_by) == ("granted", "All good.", adam)
        assert (olive.validation_tier, olive.checked_items, olive.checked_projects) == (2, ["identity"], 2)
        assert olive.validation_evidence == f"Review request {review.pk}: All good."
        assert MetadataPush.objects.filter(user=olive.user).exists()
        row = AuditLog.objects.get(action="REVIEW_DECIDED")
        assert row.details == {"state": ["open", "granted"], "requested": "Tier: Established"}

    def test_granted_badge(self, olive: BuilderProfile, admin: Client) -> None:
        review = ask(olive, IDENTITY)
        typed = {"state": "granted", "reason": "Passport matches.", "badge_evidence": "Passport seen in a call."}
        admin.post(f"{ADMIN}{review.pk}/decide/", typed)
        assert Badge.objects.get(builder=olive).evidence == "Passport seen in a call."
        assert "Passport seen in a call." in text_of(Client().get("/builders/olive-owner/"))

    def test_declined_request_changes_nothing_and_shows_the_reason(
        self, olive: BuilderProfile, owner: Client, admin: Client
    ) -> None:
        review = ask(olive)
        admin.post(f"{ADMIN}{review.pk}/decide/", {"state": "declined", "reason": "The links do not open."})
        olive.refresh_from_db()
        assert (olive.validation_tier, olive.checked_at) == (1, None)
        assert "The links do not open." in text_of(owner.get(PAGE))
        ask(olive)

    @pytest.mark.parametrize(
        ("typed", "message"),
        (
            ({"state": "granted", "reason": "Kept."}, "Choose what you checked."),
            ({"state": "granted", "checked_items": "identity"}, "Enter a reason."),
            ({"state": "open", "reason": "Kept."}, "Select a valid choice"),
            ({"reason": "Kept."}, "Choose a decision."),
            ({"state": "declined", "reason": "x" * 451}, "Use 450 characters or fewer."),
        ),
    )
    def test_invalid_decision_keeps_the_input(
        self, olive: BuilderProfile, admin: Client, typed: dict[str, str], message: str
    ) -> None:
        review = ask(olive)
        text = text_of(admin.post(f"{ADMIN}{review.pk}/decide/", typed))
        assert message in text
        assert typed.get("reason", "") in text
        assert ReviewRequest.objects.get().state == "open"

    def test_badge_needs_public_evidence(self, olive: BuilderProfile, admin: Client) -> None:
        review = ask(olive, IDENTITY)
        text = text_of(admin.post(f"{ADMIN}{review.pk}/decide/", {"state": "granted", "reason": "Fine."}))
        assert "Enter the evidence for this badge." in text
        assert not Badge.objects.exists()

    def test_raised_tier_and_its_evidence_are_kept(self, olive: BuilderProfile, adam: User) -> None:
        review = ask(olive)
        checked: dict[str, Any] = {"checked_items": ["identity", "code"], "checked_projects": 5}
        moderation.set_tier(olive, 3, "Known.", actor=Actor(user=adam), **checked)
        columns = ("validation_tier", "validation_evidence", "checked_items", "checked_projects", "checked_at")
        before = BuilderProfile.objects.values(*columns).get()
        decide(review, adam, checked_items=["identity"], checked_projects=1)
        assert BuilderProfile.objects.values(*columns).get() == before
        review.refresh_from_db()
        assert review.state == State.GRANTED

    def test_late_decisions_are_rejected_with_the_cause(self, olive: BuilderProfile, admin: Client, adam: User) -> None:
        decided, withdrawn = ask(olive), ask(olive, IDENTITY)
        decide(decided, UserFactory.create(admin=True), State.DECLINED)
        reviews.withdraw(withdrawn, actor=Actor(user=olive.user))
        typed = {"state": "granted", "reason": "x", "checked_projects": "1", "badge_evidence": "x"}
        text = text_of(admin.post(f"{ADMIN}{decided.pk}/decide/", typed, follow=True))
        assert "An admin has already decided." in text
        text = text_of(admin.post(f"{ADMIN}{withdrawn.pk}/decide/", typed, follow=True))
        assert "The request has been withdrawn." in text
        olive.refresh_from_db()
        assert (olive.validation_tier, Badge.objects.count()) == (1, 0)

    def test_admin_cannot_decide_about_own_profile(self, olive: BuilderProfile) -> None:
        User.objects.filter(pk=olive.user_id).update(roles=["BUILDER", "ADMIN"])
        review = ask(olive)
        own = signed_in(User.objects.get(pk=olive.user_id))
        typed = {"state": "granted", "reason": "I am great.", "checked_projects": "9"}
        assert own.post(f"{ADMIN}{review.pk}/decide/", typed).status_code == 403
        assert own.post(f"{ADMIN}{review.pk}/files/{review.files.get().pk}/").status_code == 403
        assert ReviewRequest.objects.get().state == "open"

    def test_admin_who_lost_the_role_meanwhile_cannot_decide(self, olive: BuilderProfile, adam: User) -> None:
        """The role is removed after the request was authenticated, and before the decision is stored."""
        review = ask(olive)
        User.objects.filter(pk=adam.pk).update(roles=[])
        for action in (decide, lambda *args: reviews.assign(args[0], adam, instead_of=None, actor=Actor(user=adam))):
            with pytest.raises(PermissionDenied):
                action(review, adam)
        assert ReviewRequest.objects.get().state == "open"
        assert signed_in(User.objects.get(pk=adam.pk)).get(f"{ADMIN}{review.pk}/decide/").status_code == 302

    def test_local_superuser_decides(self, olive: BuilderProfile) -> None:
        review, operator = ask(olive), with_password()
        typed = {"state": "declined", "reason": "No."}
        assert "Decision saved." in text_of(operator.post(f"{ADMIN}{review.pk}/decide/", typed, follow=True))

    def test_signal_is_sent_with_the_decision(self, olive: BuilderProfile, adam: User) -> None:
        received: list[Any] = []

        def listen(sender: object, review: ReviewRequest, **kwargs: object) -> None:
            received.append((sender, review.state, review.builder.validation_tier))

        review_decided.connect(listen)
        try:
            decide(ask(olive), adam)
            reviews.withdraw(ask(olive, IDENTITY), actor=Actor(user=olive.user))
        finally:
            review_decided.disconnect(listen)
        assert received == [(ReviewRequest, "granted", 2)]


class TestQueue:
    def test_list_shows_age_assignment_and_state(self, olive: BuilderProfile, admin: Client, adam: User) -> None:
        review = ask(olive)
        ReviewRequest.objects.update(requested_at=timezone.now() - timedelta(days=3, hours=2))
        for value, is_listed in (("no", True), ("me", False), ("others", False)):
            text = text_of(admin.get(f"{ADMIN}?assigned={value}&state__exact=open"))
            assert (f"{ADMIN}{review.pk}/change/" in text) == is_listed, value
        assert "3\xa0days" in text_of(admin.get(ADMIN))
        admin.post(f"{ADMIN}{review.pk}/assign/", {"to": "me", "instead_of": ""})
        assert f"{ADMIN}{review.pk}/change/" in text_of(admin.get(f"{ADMIN}?assigned=me"))
        other = signed_in(UserFactory.create(admin=True))
        assert "Adam Admin" in text_of(other.get(f"{ADMIN}?assigned=others"))

    def test_simultaneous_assignment_is_rejected(self, olive: BuilderProfile, admin: Client, adam: User) -> None:
        review = ask(olive)
        other = UserFactory.create(admin=True)
        reviews.assign(review, other, instead_of=None, actor=Actor(user=other))
        text = text_of(admin.post(f"{ADMIN}{review.pk}/assign/", {"to": "me", "instead_of": ""}, follow=True))
        assert "Another admin has changed the assignment." in text
        assert ReviewRequest.objects.get().assigned_to == other
        admin.post(f"{ADMIN}{review.pk}/assign/", {"to": "me", "instead_of": str(other.pk)})
        assert ReviewRequest.objects.get().assigned_to == adam
        text = text_of(admin.post(f"{ADMIN}{review.pk}/assign/", {"to": "", "instead_of": str(adam.pk)}, follow=True))
        assert "Assignment removed." in text

    def test_former_admin_is_no_longer_assigned(self, olive: BuilderProfile, admin: Client) -> None:
        review, former = ask(olive), UserFactory.create(admin=True, name="Former Admin")
        reviews.assign(review, former, instead_of=None, actor=Actor(user=former))
        User.objects.filter(pk=former.pk).update(roles=[])
        text = text_of(admin.get(f"{ADMIN}?assigned=no"))
        assert f"{ADMIN}{review.pk}/change/" in text
        assert "Former Admin" not in text

    def test_each_opened_file_is_audited(self, olive: BuilderProfile, admin: Client, adam: User) -> None:
        review = ask(olive)
        url = f"{ADMIN}{review.pk}/files/{review.files.get().pk}/"
        assert url in text_of(admin.get(f"{ADMIN}{review.pk}/change/"))
        assert admin.get(url).status_code == 302
        assert not AuditLog.objects.filter(action="REVIEW_FILE_OPENED").exists()
        response = admin.post(url)
        assert response.content == pdf_file()
        assert response["Content-Disposition"] == 'attachment; filename="cv.pdf"'
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        row = AuditLog.objects.get(action="REVIEW_FILE_OPENED")
        assert (row.actor_id, row.subject_id) == (adam.pk, olive.user_id)
        for missing in (f"{ADMIN}{review.pk}/files/{10**30}/", f"{ADMIN}{review.pk + 1}/files/1/"):
            assert admin.post(missing).status_code == 404


class TestErasure:
    def test_evidence_is_erased_on_schedule(self, olive: BuilderProfile, adam: User, settings: Settings) -> None:
        settings.REVIEW_EVIDENCE_DAYS = 30
        old, new, waiting = ask(olive), ask(olive, IDENTITY), ask(olive, Subject(badge="code"))
        for review in (old, new):
            decide(review, adam, State.DECLINED)
        long_ago = timezone.now() - timedelta(days=31)
        ReviewRequest.objects.filter(pk=old.pk).update(closed_at=long_ago)
        ReviewRequest.objects.filter(pk=waiting.pk).update(requested_at=long_ago)
        tasks.erase_review_evidence(0)
        old.refresh_from_db()
        assert (old.text, old.links, old.state, old.reason) == ("", [], "declined", "All good.")
        assert set(ReviewFile.objects.values_list("review", flat=True)) == {new.pk, waiting.pk}
        assert reviews.erase_expired_evidence() == 0

    @pytest.mark.parametrize("column", ("archived_at", "deleted_at"))
    def test_request_of_a_builder_who_left_is_withdrawn(self, olive: BuilderProfile, column: str) -> None:
        review = ask(olive)
        for days, state in ((89, "open"), (91, "withdrawn")):
            BuilderProfile.objects.update(**{column: timezone.now() - timedelta(days=days)})
            tasks.erase_review_evidence(0)
            review.refresh_from_db()
            assert review.state == state
        assert not ReviewFile.objects.exists()

    def test_export_and_erasure_of_the_person(self, olive: BuilderProfile, adam: User) -> None:
        review = ask(olive)
        decide(review, adam)
        held = personal_data.export(olive.user)
        [row] = held.data["review_requests"]
        assert (row["text"], row["reason"], row["state"]) == ("Two shops.", "All good.", "granted")
        assert not {"assigned_to_id", "decided_by_id"} & row.keys()
        assert held.files[f"review-{review.pk}-{review.files.get().pk}-cv.pdf"] == pdf_file()
        personal_data.erase(olive.user)
        olive.refresh_from_db()
        assert not ReviewRequest.objects.exists()
        assert (olive.checked_items, olive.checked_projects, olive.checked_at) == ([], 0, None)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_decisions_wins() -> None:
    olive = BuilderProfileFactory.create()
    review = ask(olive)
    admins = [UserFactory.create(admin=True) for _ in range(2)]

    def click(adam: User) -> str:
        try:
            decide(ReviewRequest.objects.get(pk=review.pk), adam)
        except AlreadyClosedError as error:
            return str(error)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(click, admins))
    assert answers == ["", "An admin has already decided. Nothing was changed."]
    assert AuditLog.objects.filter(action="REVIEW_DECIDED").count() == 1
