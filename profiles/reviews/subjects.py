"""What a builder can ask for: a higher tier, or a badge."""

from dataclasses import dataclass
from typing import Self

from profiles.models import Badge, BuilderProfile, ReviewRequest

Tier = BuilderProfile.Tier


@dataclass(frozen=True, slots=True)
class Subject:
    """A tier or a badge. The other one is None or ""."""

    tier: int | None = None
    badge: str = ""

    @property
    def value(self) -> str:
        """The value of the form field, for example "tier-2" or "badge-identity"."""
        return f"badge-{self.badge}" if self.badge else f"tier-{self.tier}"

    @classmethod
    def of(cls, review: ReviewRequest) -> Self:
        return cls(review.tier, review.badge)


def open_subjects(profile: BuilderProfile) -> list[Subject]:
    """Return what the builder can ask for now: tiers and badges that the builder neither has nor has asked for."""
    requested = {Subject.of(review) for review in profile.review_requests.filter(state=ReviewRequest.State.OPEN)}
    held = set(profile.badges.values_list("kind", flat=True))
    is_tier_requested = any(subject.tier for subject in requested)
    tiers = [Subject(tier) for tier in Tier if tier > profile.validation_tier and not is_tier_requested]
    badges = [Subject(badge=kind) for kind in Badge.Kind.values if kind not in held]
    return [*tiers, *(subject for subject in badges if subject not in requested)]
