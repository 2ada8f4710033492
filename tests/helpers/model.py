"""A reference model: the expected state after any history of events, independent of the implementation."""

from dataclasses import dataclass
from typing import Any

RANKS = {"user.created": 1, "user.updated": 2}


@dataclass(frozen=True)
class Expected:
    """The final state of a user. For a deleted user the other fields do not matter."""

    deleted: bool
    name: str = ""
    username: str = ""
    email: str | None = None
    active: bool = True
    roles: tuple[str, ...] = ()


def expected(events: list[dict[str, Any]]) -> Expected:
    """Return the state of a user after `events`, which may have been delivered in any order and repeatedly."""
    if any(event["type"] == "user.deleted" for event in events):
        return Expected(deleted=True)
    ordered = sorted(events, key=lambda event: (event["data"]["updated_at"], RANKS[event["type"]], event["timestamp"]))
    newest = ordered[-1]["data"]
    named = [
        event["data"]["public_metadata"]["roles"] for event in ordered if "roles" in event["data"]["public_metadata"]
    ]
    primary = [
        address["email_address"].lower()
        for address in newest["email_addresses"]
        if address["id"] == newest["primary_email_address_id"]
    ]
    return Expected(
        deleted=False,
        name=" ".join(filter(None, [newest["first_name"], newest["last_name"]])),
        username=newest["username"] or "",
        email=primary[0] if primary else None,
        active=not newest["banned"],
        roles=tuple(sorted(named[-1] if named else ["CLIENT"])),
    )
