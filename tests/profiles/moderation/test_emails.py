"""Owners get an email about each decision of an admin on their page."""

import pytest

from accounts.models import Notification, User
from audit.log import Actor
from profiles.models import BuilderProfile, ReviewRequest
from profiles.moderation import services as moderation
from profiles.reviews import services as reviews
from profiles.reviews.services import Decision
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.notifications import deliver

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", user__name="Olive Owner", user__email="olive@example.com", reachable=True
    )
    return profile


@pytest.fixture
def adam() -> Actor:
    admin: User = UserFactory.create(admin=True)
    return Actor(user=admin)


def test_owner_gets_the_reason_for_hiding(olive: BuilderProfile, adam: Actor) -> None:
    for reason in ("Not your work.", "Not your work.", "The images are copied."):
        moderation.hide(olive, reason, actor=adam)
    first, second = deliver()
    assert (first.to, first.subject) == (["olive@example.com"], "Your page was hidden")
    assert "Not your work." in first.body
    assert "The images are copied." in second.body
    assert "/builders/olive-owner/" in first.body


def test_owner_gets_an_email_when_the_page_is_shown_again(olive: BuilderProfile, adam: Actor) -> None:
    moderation.unhide(olive, actor=adam)
    moderation.hide(olive, "Not your work.", actor=adam)
    moderation.unhide(olive, actor=adam)
    moderation.unhide(olive, actor=adam)
    _, email = deliver()
    assert email.subject == "Your page is no longer hidden"
    assert "Not your work." in email.body


def test_email_about_a_tier_omits_the_internal_evidence(olive: BuilderProfile, adam: Actor) -> None:
    moderation.set_tier(olive, 2, "Reviewed by Adam, folder 7", actor=adam)
    moderation.set_tier(olive, 2, "Reviewed by Adam, folder 8", actor=adam)
    [email] = deliver()
    assert email.subject == "Your tier is now “Established”"
    assert str(BuilderProfile.TIER_MEANINGS[BuilderProfile.Tier.ESTABLISHED]) in email.body
    assert "folder" not in email.body


def test_owner_gets_emails_about_badges(olive: BuilderProfile, adam: Actor) -> None:
    for _ in range(2):
        moderation.award(olive, "identity", "Passport seen", actor=adam)
    for _ in range(2):
        moderation.withdraw(olive, "identity", "The passport was a copy", actor=adam)
    awarded, withdrawn = deliver()
    assert awarded.subject == "You were awarded the badge “Identity checked”"
    assert "Passport seen" in awarded.body
    assert withdrawn.subject == "The badge “Identity checked” was withdrawn"
    assert "copy" not in withdrawn.body  # The reason is only for admins.


def test_owner_gets_the_reason_for_declining(olive: BuilderProfile, adam: Actor) -> None:
    review = ReviewRequest.objects.create(builder=olive, tier=2, text="Two shops.")
    reviews.decide(review, Decision(ReviewRequest.State.DECLINED, "The shops are not yours."), actor=adam)
    [email] = deliver()
    assert email.subject == "Your request for “Established” was declined"
    assert "The shops are not yours." in email.body


def test_granted_badge_sends_one_email_with_the_reason(olive: BuilderProfile, adam: Actor) -> None:
    review = ReviewRequest.objects.create(builder=olive, badge="identity", text="My passport.")
    decision = Decision(ReviewRequest.State.GRANTED, "The names match.", badge_evidence="Passport seen")
    reviews.decide(review, decision, actor=adam)
    [email] = deliver()
    assert email.subject == "Your request for “Identity checked” was granted"
    for text in ("The names match.", "Passport seen", "now shows the badge"):
        assert text in email.body


def test_granted_tier_sends_one_email_with_the_reason(olive: BuilderProfile, adam: Actor) -> None:
    review = ReviewRequest.objects.create(builder=olive, tier=2, text="Two shops.")
    decision = Decision(ReviewRequest.State.GRANTED, "Both owners confirmed it.", checked_projects=2)
    reviews.decide(review, decision, actor=adam)
    [email] = deliver()
    assert email.subject == "Your request for “Established” was granted"
    assert "Both owners confirmed it." in email.body
    assert str(BuilderProfile.TIER_MEANINGS[BuilderProfile.Tier.ESTABLISHED]) in email.body


@pytest.mark.parametrize("tier", (2, 3))
def test_owner_is_notified_if_the_granted_tier_changes_nothing(olive: BuilderProfile, adam: Actor, tier: int) -> None:
    review = ReviewRequest.objects.create(builder=olive, tier=2, text="Two shops.")
    moderation.set_tier(olive, tier, "Known.", actor=adam)
    decision = Decision(ReviewRequest.State.GRANTED, "Both owners confirmed it.", checked_projects=2)
    reviews.decide(review, decision, actor=adam)
    _, email = deliver()
    assert email.subject == "Your request for “Established” was granted"
    assert "Both owners confirmed it." in email.body
    assert "did not change" in email.body


def test_owner_is_notified_if_the_granted_badge_exists(olive: BuilderProfile, adam: Actor) -> None:
    review = ReviewRequest.objects.create(builder=olive, badge="identity", text="My passport.")
    moderation.award(olive, "identity", "Seen in a call", actor=adam)
    decision = Decision(ReviewRequest.State.GRANTED, "The names match.", badge_evidence="Passport seen")
    reviews.decide(review, decision, actor=adam)
    _, email = deliver()
    assert "did not change" in email.body
    assert "Seen in a call" in email.body
    assert "Passport seen" not in email.body


@pytest.mark.parametrize("language", ("de", "ar"))
def test_names_of_tiers_and_badges_are_translated(olive: BuilderProfile, adam: Actor, language: str) -> None:
    BuilderProfile.objects.update(page_language=language)
    moderation.set_tier(olive, 2, "Reviewed", actor=adam)
    moderation.award(olive, "identity", "Passport seen", actor=adam)
    for email in deliver():
        assert "Established" not in email.body
        assert "Identity checked" not in email.body


def test_email_about_an_erased_page_is_obsolete(olive: BuilderProfile, adam: Actor) -> None:
    moderation.hide(olive, "Not your work.", actor=adam)
    BuilderProfile.objects.update(slug=None)
    assert (deliver(), Notification.objects.get().result) == ([], "The page was erased.")
