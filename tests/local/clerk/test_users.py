"""The JSON API for users, and the events it sends."""

import re
import time
from typing import Any

import pytest

from tests.local.clerk.standin import INSTANCE_ID, Endpoint, StandIn

#: The fields that Clerk's `User` schema requires. Source: clerk/openapi-specs webhooks/2025-04-15.yml
REQUIRED = {
    *("id", "object", "external_id", "username", "first_name", "last_name", "has_image", "banned", "locked"),
    *("email_addresses", "phone_numbers", "web3_wallets", "passkeys", "external_accounts", "saml_accounts"),
    *("primary_email_address_id", "primary_phone_number_id", "primary_web3_wallet_id", "enterprise_accounts"),
    *("public_metadata", "created_at", "updated_at", "last_active_at", "last_sign_in_at", "legal_accepted_at"),
    *("password_enabled", "totp_enabled", "two_factor_enabled", "backup_code_enabled", "mfa_enabled_at"),
    *("mfa_disabled_at", "delete_self_enabled", "create_organization_enabled", "lockout_expires_in_seconds"),
    "verification_attempts_remaining",
}
VERA = {"first_name": "Vera", "last_name": "Łęcka", "username": "vera", "email": "vera@example.com"}


class TestUsers:
    def test_created_user_has_clerks_format(self, stand_in: StandIn) -> None:
        user = stand_in.create(**VERA, roles=["BUILDER"], phone="+15555550100")
        assert len(REQUIRED) == 35
        assert user.keys() >= REQUIRED | {"image_url", "private_metadata", "unsafe_metadata"}
        assert re.fullmatch(r"user_[0-9A-Za-z]{27}", user["id"])
        [email] = user["email_addresses"]
        assert re.fullmatch(r"idn_[0-9A-Za-z]{27}", email["id"])
        assert email["email_address"] == "vera@example.com"
        assert email["verification"]["status"] == "verified"
        assert user["primary_email_address_id"] == email["id"]
        assert user["phone_numbers"][0]["phone_number"] == "+15555550100"
        assert user["public_metadata"] == {"roles": ["BUILDER"]}

    def test_creation_is_delivered_within_a_second(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        started = time.time()
        user = stand_in.create(**VERA)
        [delivery] = endpoint.wait_for(user)
        assert delivery.at - started < 1
        assert delivery.event["data"] == user
        assert delivery.event["type"] == "user.created"
        assert delivery.event["object"] == "event"
        assert delivery.event["instance_id"] == INSTANCE_ID
        assert abs(delivery.event["timestamp"] / 1000 - started) < 5
        assert delivery.event["event_attributes"]["http_request"]["client_ip"] == "127.0.0.1"
        assert re.fullmatch(r"msg_[0-9A-Za-z]{27}", delivery.headers["svix-id"])
        assert delivery.headers["user-agent"] == "Svix-Webhooks/1.0 (localclerk)"

    def test_names_and_emails_are_empty_by_default(self, stand_in: StandIn) -> None:
        user = stand_in.create()
        assert (user["first_name"], user["last_name"], user["username"]) == (None, None, None)
        assert user["email_addresses"] == []
        assert user["primary_email_address_id"] is None
        assert user["public_metadata"] == {}

    def test_change_is_delivered_with_a_newer_version(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        user = stand_in.create(**VERA)
        status, changed = stand_in.call("PATCH", f"/local/users/{user['id']}", {"banned": True, "roles": ["ADMIN"]})
        assert (status, changed["banned"], changed["public_metadata"]) == (200, True, {"roles": ["ADMIN"]})
        assert changed["updated_at"] > user["updated_at"]
        assert changed["first_name"] == "Vera"
        deliveries = {delivery.event["type"]: delivery for delivery in endpoint.wait_for(user, 2)}
        assert deliveries["user.updated"].event["data"] == changed

    def test_versions_are_strictly_increasing(self, stand_in: StandIn) -> None:
        user = stand_in.create()
        path = f"/local/users/{user['id']}"
        versions = [stand_in.call("PATCH", path, {"first_name": str(n)})[1]["updated_at"] for n in range(10)]
        assert versions == sorted(set(versions))

    def test_unchanged_data_sends_no_event(self, stand_in: StandIn) -> None:
        user = stand_in.create(**VERA)
        assert stand_in.call("PATCH", f"/local/users/{user['id']}", VERA) == (200, user)
        assert len(stand_in.messages(user)) == 1

    def test_existing_email_keeps_its_id(self, stand_in: StandIn) -> None:
        user = stand_in.create(**VERA)
        emails = [{"address": "vera@example.com"}, {"address": "v@example.org", "verified": False, "primary": True}]
        _, changed = stand_in.call("PATCH", f"/local/users/{user['id']}", {"emails": emails})
        first, second = changed["email_addresses"]
        assert first["id"] == user["primary_email_address_id"]
        assert second["id"] == changed["primary_email_address_id"]
        assert second["verification"]["status"] == "unverified"

    def test_deletion_is_delivered_with_the_id_only(self, stand_in: StandIn, endpoint: Endpoint) -> None:
        user = stand_in.create(**VERA)
        path = f"/local/users/{user['id']}"
        deleted = {"object": "user", "id": user["id"], "deleted": True}
        assert stand_in.call("DELETE", path) == (200, deleted)
        assert {d.event["type"]: d.event["data"] for d in endpoint.wait_for(user, 2)}["user.deleted"] == deleted
        assert stand_in.call("GET", path)[0] == 404
        assert stand_in.call("DELETE", path)[0] == 404

    def test_users_are_listed(self, stand_in: StandIn) -> None:
        user = stand_in.create(**VERA)
        status, users = stand_in.call("GET", "/local/users")
        assert status == 200
        assert user in users

    @pytest.mark.parametrize(
        "data",
        (
            "{",
            "[]",
            "[" * 100_000,
            {"nickname": "V"},
            {"email": "nowhere"},
            {"email": ["vera@example.com"]},
            {"emails": "vera@example.com"},
            {"emails": [{"verified": True}]},
            {"phone": "12"},
            {"public_metadata": "admin"},
            {"first_name": "x" * 5000},
        ),
        ids=lambda data: str(data)[:30],
    )
    def test_invalid_data_is_rejected(self, data: Any, stand_in: StandIn) -> None:
        """The error has a message, and nothing is stored."""
        before = len(stand_in.call("GET", "/local/users")[1])
        status, response = stand_in.call("POST", "/local/users", data)
        assert status == 400
        [error] = response["errors"]
        assert error["message"]
        assert error["code"]
        assert len(stand_in.call("GET", "/local/users")[1]) == before
