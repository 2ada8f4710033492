"""Generated users and events in Clerk's wire format, for tests, benchmarks and `manage.py clerk_event`.

The same seed generates the same users. README.md in this folder documents the sources of the JSON files.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Self

FOLDER = Path(__file__).parent
INSTANCE_ID = "ins_2sampleinstance00000000000A"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAMES = (
    *(("Zofia", "Wąsowska-Łęcka"), ("Ngozi", "Adébáyọ̀"), ("美咲", "高橋"), ("ليلى", "منصور"), ("Søren", "Kjær")),
    *(("Grace", "O’Sullivan"), ("Đặng", "Nguyễn"), ("Zoë", "Müller"), ("Omar", "Haddad"), ("Ana", "Núñez")),
    *(("İbrahim", "Şahin"), ("Priya", "Raman"), ("Ivan", "Ďurček"), ("Ruth", "Abebe"), ("Kai", "Tane")),
)
BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36"


@dataclass(frozen=True, slots=True)
class SampleUser:
    """A Clerk user. `with_changes` returns a changed copy, and `data` returns the user as JSON data."""

    clerk_id: str
    created_at: datetime
    updated_at: datetime
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    email: str | None = None
    email_verified: bool = True
    phone: str | None = None
    has_image: bool = False
    public_metadata: dict[str, Any] = field(default_factory=dict)
    banned: bool = False
    locked: bool = False

    @classmethod
    def generate(cls, random: Random, **fields: Any) -> Self:
        """Return a new user with random names.

        Args:
            fields: values for this class's fields, or `roles`, a list of role names for the public metadata.
        """
        clerk_id = new_id(random, "user")
        first_name, last_name = random.choice(NAMES)
        now = fields.get("updated_at") or fields.get("created_at") or datetime.now(UTC)
        roles = fields.pop("roles", None)
        defaults: dict[str, Any] = {
            "clerk_id": clerk_id,
            "created_at": now,
            "updated_at": now,
            "first_name": first_name,
            "last_name": last_name,
            "email": f"{clerk_id[5:17].lower()}@example.com",
            "public_metadata": {} if roles is None else {"roles": roles},
        }
        return cls(**defaults | fields)

    def with_changes(self, delay: timedelta = timedelta(seconds=1), **fields: Any) -> Self:
        """Return a copy with changed fields and a later `updated_at`. `roles` is stored in the public metadata."""
        if "roles" in fields:
            fields["public_metadata"] = {**self.public_metadata, "roles": fields.pop("roles")}
        return replace(self, **{"updated_at": self.updated_at + delay} | fields)

    def data(self) -> dict[str, Any]:
        """Return the `data` for a user.created or user.updated event."""
        return {
            **DEFAULT_DATA,
            "id": self.clerk_id,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "username": self.username,
            "email_addresses": [_email_address(self)] if self.email else [],
            "primary_email_address_id": _email_id(self) if self.email else None,
            "phone_numbers": [_phone_number(self)] if self.phone else [],
            "primary_phone_number_id": _phone_id(self) if self.phone else None,
            "has_image": self.has_image,
            "image_url": f"https://img.clerk.com/{self.clerk_id[5:]}",
            "public_metadata": self.public_metadata,
            "banned": self.banned,
            "locked": self.locked,
            "lockout_expires_in_seconds": 3600 if self.locked else None,
            "created_at": milliseconds(self.created_at),
            "updated_at": milliseconds(self.updated_at),
            "last_active_at": milliseconds(self.updated_at),
        }

    def deleted_data(self) -> dict[str, Any]:
        return {"object": "user", "id": self.clerk_id, "deleted": True}


def event(
    event_type: str, data: Any, *, occurred_at: datetime, client_ip: str = "203.0.113.7", user_agent: str = BROWSER
) -> dict[str, Any]:
    """Return an event with `data` in Clerk's envelope.

    Args:
        client_ip, user_agent: the client of the user who caused the event.
    """
    return {
        "data": data,
        "object": "event",
        "type": event_type,
        "timestamp": milliseconds(occurred_at),
        "instance_id": INSTANCE_ID,
        "event_attributes": {"http_request": {"client_ip": client_ip, "user_agent": user_agent}},
    }


def user_event(event_type: str, user: SampleUser) -> dict[str, Any]:
    """Return an event about `user` with the time of the user's last update."""
    data = user.deleted_data() if event_type == "user.deleted" else user.data()
    return event(event_type, data, occurred_at=user.updated_at)


@cache
def examples() -> dict[str, list[dict[str, Any]]]:
    events: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "examples.json").read_text("utf-8"))["events"]
    return events


@cache
def captured() -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((FOLDER / "captured.json").read_text("utf-8"))["events"]
    return events


def encode(envelope: dict[str, Any]) -> str:
    """Return a delivery body without white space between tokens, as Clerk sends it."""
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def subject_id(envelope: dict[str, Any]) -> str:
    return str(envelope["data"].get("id", ""))


def new_id(random: Random, prefix: str) -> str:
    return f"{prefix}_{''.join(random.choices(ALPHABET, k=27))}"


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _email_id(user: SampleUser) -> str:
    return f"idn_e{user.clerk_id[6:]}"


def _phone_id(user: SampleUser) -> str:
    return f"idn_p{user.clerk_id[6:]}"


def _email_address(user: SampleUser) -> dict[str, Any]:
    status = "verified" if user.email_verified else "unverified"
    return {
        "id": _email_id(user),
        "object": "email_address",
        "email_address": user.email,
        "reserved": False,
        "verification": {"status": status, "strategy": "email_code", "attempts": 1, "expire_at": None},
        "linked_to": [],
        "matches_sso_connection": False,
        "created_at": milliseconds(user.created_at),
        "updated_at": milliseconds(user.created_at),
    }


def _phone_number(user: SampleUser) -> dict[str, Any]:
    return {
        "id": _phone_id(user),
        "object": "phone_number",
        "phone_number": user.phone,
        "reserved_for_second_factor": False,
        "default_second_factor": False,
        "reserved": False,
        "verification": {"status": "verified", "strategy": "phone_code", "attempts": 1, "expire_at": None},
        "linked_to": [],
        "backup_codes": None,
        "created_at": milliseconds(user.created_at),
        "updated_at": milliseconds(user.created_at),
    }


#: Values that are the same for most users.
DEFAULT_DATA: dict[str, Any] = {
    "object": "user",
    "external_id": None,
    "passkeys": [],
    "web3_wallets": [],
    "external_accounts": [],
    "enterprise_accounts": [],
    "saml_accounts": [],
    "primary_web3_wallet_id": None,
    "private_metadata": {},
    "unsafe_metadata": {},
    "profile_image_url": "https://www.gravatar.com/avatar?d=mp",
    "password_enabled": True,
    "totp_enabled": False,
    "two_factor_enabled": False,
    "backup_code_enabled": False,
    "create_organization_enabled": True,
    "delete_self_enabled": True,
    "verification_attempts_remaining": 100,
    "last_sign_in_at": None,
    "legal_accepted_at": None,
    "mfa_enabled_at": None,
    "mfa_disabled_at": None,
}
