"""Create the demo's builders directly in the database, without the stand-in for Clerk and without images."""

from decimal import Decimal
from typing import Any

from local.demo.users import DEMO_USERS, DemoUser
from profiles.models import BuilderProfile
from tests.helpers.factories import SINCE, BuilderProfileFactory


def create_demo_builders() -> dict[str, BuilderProfile]:
    """Return the demo's builders by username."""
    return {user.username: _create(user) for user in DEMO_USERS if "BUILDER" in user.roles}


def _create(user: DemoUser) -> BuilderProfile:
    facts: dict[str, Any] = {name: value for section in user.sections.values() for name, value in section.items()}
    if rate := facts.pop("hourly_rate", None):
        facts["hourly_rate"] = Decimal(rate)
    tier = int(user.team.get("tier", {}).get("tier", 1))
    featured_at = SINCE if user.team.get("featured") else None
    return BuilderProfileFactory.create(
        user__name=f"{user.first_name} {user.last_name}".strip(),
        user__image_url="https://img.clerk.com/x" if user.portrait else "",
        validation_tier=tier,
        featured_at=featured_at,
        **facts,
    )
