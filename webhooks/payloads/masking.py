"""Payload fields without personal data, which all users with access to the inbox can see.

A value is shown only if its path is listed here and it has the expected format. New fields from Clerk and unknown
metadata keys are hidden until they are added.
"""

import re
from collections.abc import Callable
from typing import Any

from accounts.clerk.fields import parse_time_or_none
from accounts.models import User

#: The keys from the root to a value, without list positions.
type Path = tuple[str, ...]

ID = re.compile(r"[a-z]{2,12}(?:_[a-z]{2,12}){0,2}_[0-9A-Za-z]{4,64}")
WORD = re.compile(r"[a-z][A-Za-z_.:]{0,59}")
KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
#: Objects, and lists of objects, whose keys are defined by Clerk. Metadata can contain any keys.
CONTAINERS = frozenset(
    {
        *("data", "event_attributes", "http_request", "verification", "linked_to", "latest_activity", "invitation"),
        *("email_addresses", "phone_numbers", "web3_wallets", "external_accounts", "saml_accounts"),
        *("enterprise_accounts", "passkeys", "user", "organization", "public_user_data", "public_organization_data"),
        *("items", "subscription_items", "plan", "payer", "payee", "payment_source", "permissions"),
    }
)
METADATA = frozenset({"public_metadata", "private_metadata", "unsafe_metadata"})
IDS = frozenset(
    {
        *("id", "user_id", "session_id", "client_id", "organization_id", "instance_id", "created_by", "product_id"),
        *("primary_email_address_id", "primary_phone_number_id", "primary_web3_wallet_id", "email_address_id"),
        *("phone_number_id", "identification_id", "external_account_id", "last_active_organization_id"),
        *("payment_id", "plan_id", "payer_id", "subscription_id", "latest_payment_id", "payment_source_id"),
        "statement_id",
    }
)
TIMES = frozenset(
    {
        *("timestamp", "created_at", "updated_at", "last_active_at", "last_sign_in_at", "legal_accepted_at"),
        *("mfa_enabled_at", "mfa_disabled_at", "expire_at", "expires_at", "abandon_at", "active_at", "ended_at"),
        *("canceled_at", "past_due_at", "failed_at", "paid_at", "period_start", "period_end", "billing_date"),
        "next_payment_date",
    }
)
FLAGS = frozenset(
    {
        *("banned", "locked", "is_locked", "deleted", "has_image", "password_enabled", "two_factor_enabled"),
        *("totp_enabled", "backup_code_enabled", "delete_self_enabled", "create_organization_enabled", "reserved"),
        *("reserved_for_second_factor", "default_second_factor", "matches_sso_connection", "is_mobile"),
        *("delivered_by_clerk", "admin_delete_enabled", "is_free_trial", "is_recurring", "is_default"),
    }
)
NUMBERS = frozenset(
    {
        *("verification_attempts_remaining", "lockout_expires_in_seconds", "attempts", "create_organizations_limit"),
        *("members_count", "max_allowed_memberships", "pending_invitations_count"),
    }
)
WORDS = frozenset({"object", "type", "status", "strategy", "provider", "role", "charge_type", "enrollment_mode"})

#: An ISO 4217 code.
CURRENCY = re.compile(r"[A-Z]{3}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


#: A format check for each known key.
VALIDATORS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(IDS, _matches(ID)),
    **dict.fromkeys(TIMES, lambda value: parse_time_or_none(value) is not None),
    **dict.fromkeys(FLAGS, lambda value: isinstance(value, bool)),
    **dict.fromkeys(NUMBERS, _is_number),
    **dict.fromkeys(WORDS, _matches(WORD)),
}
#: Keys in public metadata that this application owns (docs/ownership.md), except the company name.
METADATA_VALIDATORS: dict[str, Callable[[Any], bool]] = {
    "roles": lambda value: value in User.Role.values,
    "validationTier": _is_number,
    "availableForHire": lambda value: isinstance(value, bool),
    "hourlyRate": lambda value: value is None or _is_number(value),
    "hourlyRateCurrency": _matches(CURRENCY),
}


def is_safe_key(path: Path) -> bool:
    """Return whether Clerk or this application defines the last key of the path."""
    if not path:
        return True
    if _is_in_public_metadata(path):
        return path[-1] in METADATA_VALIDATORS
    return _is_defined_by_clerk(path) and KEY.fullmatch(path[-1]) is not None


def is_safe_value(path: Path, value: Any) -> bool:
    """Return whether a scalar value contains no personal data."""
    if not path:
        return False
    if _is_in_public_metadata(path):
        is_valid = METADATA_VALIDATORS.get(path[-1])
        return is_valid is not None and is_valid(value)
    if not _is_defined_by_clerk(path) or path[-1] in METADATA:
        return False
    return value is None or (path[-1] in VALIDATORS and VALIDATORS[path[-1]](value))


def is_time(path: Path) -> bool:
    return bool(path) and path[-1] in TIMES


def _is_defined_by_clerk(path: Path) -> bool:
    return CONTAINERS.issuperset(path[:-1])


def _is_in_public_metadata(path: Path) -> bool:
    return len(path) > 1 and path[-2] == "public_metadata" and CONTAINERS.issuperset(path[:-2])
