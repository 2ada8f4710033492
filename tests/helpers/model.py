"""A reference model, independent of the implementation, of the expected state after any history of events."""

from dataclasses import dataclass
from typing import Any

from accounts.models import User

RANKS = {"user.created": 1, "user.updated": 2}
#: The keys that determine each field. The value comes from the newest event that contains all of these keys.
FIELD_KEYS = {
    "name": ("first_name", "last_name"),
    "username": ("username",),
    "email": ("email_addresses", "primary_email_address_id"),
    "image_url": ("has_image", "image_url"),
    "active": ("banned",),
    "locked": ("locked",),
    "roles": ("public_metadata",),
    "created": ("created_at",),
}
type Event = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """The final state of a user. For a deleted user the other fields do not matter."""

    deleted: bool
    name: str = ""
    username: str = ""
    email: str | None = None
    verified: bool = False
    image_url: str = ""
    active: bool = True
    locked: bool = False
    roles: tuple[str, ...] = ()
    has_created_at: bool = False


def expected(events: list[Event]) -> Expected:
    """Return the state of a user after `events`, which may have been delivered in any order and repeatedly."""
    if any(event["type"] == "user.deleted" for event in events):
        return Expected(deleted=True)
    ordered = sorted(events, key=lambda event: (event["data"]["updated_at"], RANKS[event["type"]], event["timestamp"]))
    newest = {field: _newest_with(keys, ordered) for field, keys in FIELD_KEYS.items()}
    named = [
        event["data"]["public_metadata"]["roles"]
        for event in ordered
        if "roles" in event["data"].get("public_metadata", {})
    ]
    email = _primary_email(newest["email"])
    return Expected(
        deleted=False,
        name=" ".join(filter(None, [newest["name"].get("first_name"), newest["name"].get("last_name")])),
        username=newest["username"].get("username") or "",
        email=email["email_address"].lower() if email else None,
        verified=bool(email) and email["verification"]["status"] == "verified",
        image_url=newest["image_url"]["image_url"] if newest["image_url"].get("has_image") else "",
        active=not newest["active"].get("banned", False),
        locked=newest["locked"].get("locked", False),
        roles=tuple(sorted(named[-1] if named else ["CLIENT"])),
        has_created_at="created_at" in newest["created"],
    )


def state_of(user: User) -> Expected:
    """Return the stored state of a user."""
    if user.deleted_at:
        return Expected(deleted=True)
    return Expected(
        deleted=False,
        name=user.name,
        username=user.username,
        email=user.email,
        verified=user.email_verified_at is not None,
        image_url=user.image_url,
        active=user.is_active,
        locked=user.locked,
        roles=tuple(sorted(user.roles)),
        has_created_at=user.clerk_created_at is not None,
    )


def _newest_with(keys: tuple[str, ...], ordered: list[Event]) -> dict[str, Any]:
    """Return the data of the newest event that contains all `keys`, or an empty object."""
    return next((event["data"] for event in reversed(ordered) if all(key in event["data"] for key in keys)), {})


def _primary_email(data: dict[str, Any]) -> dict[str, Any]:
    primary_id = data.get("primary_email_address_id")
    return next((entry for entry in data.get("email_addresses", []) if entry["id"] == primary_id), {})
