"""Verifying session tokens."""

import base64
import hashlib
import hmac
import json
import math
import time
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from accounts.clerk import tokens
from accounts.clerk.tokens import Reason, SessionTokenError
from tests.helpers.tokens import (
    ISSUER,
    KEY,
    KEY_ID,
    MACHINE,
    SESSION,
    TEMPLATE,
    claims,
    mint,
    new_key,
    public_pem,
    sign,
)

OLIVE = "user_2olive0000000000000000000000"
STRANGER = new_key()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def rejection_reason(token: str) -> Reason:
    with pytest.raises(SessionTokenError) as caught:
        tokens.verify(token)
    assert str(caught.value) == caught.value.reason.value  # The message must not contain the token.
    return caught.value.reason


def test_valid_token_yields_user_and_session() -> None:
    now = int(time.time())
    found = tokens.verify(mint(OLIVE))
    assert (found.clerk_id, found.session_id, found.impersonator) == (OLIVE, f"sess_{OLIVE[5:]}", None)
    assert abs(found.issued_at.timestamp() - now) <= 1
    assert abs(found.expires_at.timestamp() - now - 60) <= 1


@pytest.mark.parametrize("category", (SESSION, "cl_I7d4PD111III", None))
def test_session_categories_are_accepted(category: str | None) -> None:
    assert tokens.verify(mint(OLIVE, header={"cat": category})).clerk_id == OLIVE


@pytest.mark.parametrize("version", (None, 1, 2))
def test_all_claim_versions_are_accepted(version: int | None) -> None:
    assert tokens.verify(mint(OLIVE, v=version, org_id="org_1", org_role="org:admin")).clerk_id == OLIVE


def test_impersonator_is_returned() -> None:
    found = tokens.verify(mint(OLIVE, act={"iss": ISSUER, "sid": "sess_x", "sub": "user_2adam"}))
    assert found.impersonator == "user_2adam"


@pytest.mark.parametrize(
    ("token", "reason"),
    (
        pytest.param(lambda: mint(OLIVE, header={"cat": TEMPLATE}), Reason.WRONG_TYPE, id="template"),
        pytest.param(lambda: mint(OLIVE, header={"cat": MACHINE}), Reason.WRONG_TYPE, id="machine"),
        pytest.param(lambda: mint(OLIVE, header={"cat": "cl_new"}), Reason.WRONG_TYPE, id="unknown category"),
        pytest.param(lambda: mint(OLIVE, header={"cat": 5}), Reason.WRONG_TYPE, id="category not a string"),
        pytest.param(lambda: mint(OLIVE, header={"typ": "at+jwt"}), Reason.WRONG_TYPE, id="OAuth"),
        pytest.param(lambda: mint(OLIVE, algorithm="RS512"), Reason.WRONG_ALGORITHM, id="RS512"),
        pytest.param(lambda: mint(OLIVE, key=STRANGER), Reason.BAD_SIGNATURE, id="foreign key"),
        pytest.param(lambda: mint("mch_2machine"), Reason.NO_SUBJECT, id="machine subject"),
        pytest.param(lambda: mint(OLIVE, sub=None), Reason.NO_SUBJECT, id="no sub"),
        pytest.param(lambda: mint(OLIVE, sub="x"), Reason.NO_SUBJECT, id="invalid sub"),
        pytest.param(lambda: mint("user_" + "a" * 60), Reason.NO_SUBJECT, id="long sub"),
        pytest.param(lambda: mint("user_a\x00"), Reason.NO_SUBJECT, id="sub with NUL"),
        pytest.param(lambda: mint("user_a\ud800"), Reason.NO_SUBJECT, id="sub with a surrogate"),
        pytest.param(lambda: mint(OLIVE, sid="sess_" + "a" * 60), Reason.NO_SESSION, id="long sid"),
        pytest.param(lambda: mint(OLIVE, sid="\x00"), Reason.NO_SESSION, id="sid with NUL"),
        pytest.param(lambda: mint(OLIVE, azp=None), Reason.NO_PARTY, id="no azp"),
        pytest.param(lambda: mint(OLIVE, azp=""), Reason.NO_PARTY, id="empty azp"),
        pytest.param(lambda: mint(OLIVE, azp=["https://evil.example"]), Reason.WRONG_PARTY, id="azp list"),
        pytest.param(lambda: mint(OLIVE, azp=None, sts="pending"), Reason.PENDING, id="no azp, pending"),
        pytest.param(
            lambda: mint(OLIVE, azp=None, iss="https://x.example"), Reason.WRONG_ISSUER, id="no azp, other iss"
        ),
        pytest.param(lambda: mint(OLIVE, azp="https://evil.example"), Reason.WRONG_PARTY, id="foreign azp"),
        pytest.param(lambda: mint(OLIVE, iss="https://clerk.other.example"), Reason.WRONG_ISSUER, id="other instance"),
        pytest.param(lambda: mint(OLIVE, iss=None), Reason.WRONG_ISSUER, id="no iss"),
        pytest.param(lambda: mint(OLIVE, exp=None), Reason.NO_EXPIRY, id="no exp"),
        pytest.param(lambda: mint(OLIVE, exp=True), Reason.NO_EXPIRY, id="exp true"),
        pytest.param(lambda: mint(OLIVE, exp=math.inf), Reason.NO_EXPIRY, id="exp infinite"),
        pytest.param(lambda: mint(OLIVE, exp=10**400), Reason.NO_EXPIRY, id="exp enormous"),
        pytest.param(lambda: mint(OLIVE, iat=None), Reason.NO_EXPIRY, id="no iat"),
        pytest.param(lambda: mint(OLIVE, age_s=66), Reason.EXPIRED, id="expired"),
        pytest.param(lambda: mint(OLIVE, nbf=time.time() + 8), Reason.NOT_YET_VALID, id="not yet valid"),
        pytest.param(lambda: mint(OLIVE, age_s=-8, nbf=None), Reason.FROM_THE_FUTURE, id="from the future"),
        pytest.param(lambda: mint(OLIVE, sid=None), Reason.NO_SESSION, id="no sid"),
        pytest.param(lambda: mint(OLIVE, sts="pending"), Reason.PENDING, id="pending"),
        # Base64 uses groups of four characters, so one truncation is invalid and the other produces a shorter
        # signature.
        pytest.param(lambda: mint(OLIVE)[:-21], Reason.MALFORMED, id="truncated"),
        pytest.param(lambda: mint(OLIVE)[:-22], Reason.BAD_SIGNATURE, id="truncated by whole groups"),
        pytest.param(lambda: mint(OLIVE, padding="x" * 9000), Reason.MALFORMED, id="oversized"),
        pytest.param(lambda: "", Reason.MALFORMED, id="empty"),
        pytest.param(lambda: "a.b.c", Reason.MALFORMED, id="junk"),
        pytest.param(lambda: "é.é.é", Reason.MALFORMED, id="not ASCII"),
        pytest.param(lambda: b64(b"[" * 5000) + ".e30.x", Reason.MALFORMED, id="deep header"),
        pytest.param(lambda: b64(b"\xff\xfe") + ".e30.x", Reason.MALFORMED, id="header not UTF-8"),
    ),
)
def test_invalid_tokens_are_rejected(token: Any, reason: Reason) -> None:
    assert rejection_reason(token()) == reason


@pytest.mark.parametrize("age_s", (64, -4), ids=("expired 4 s ago", "issued 4 s ahead"))
def test_clock_difference_within_tolerance_is_accepted(age_s: float) -> None:
    assert tokens.verify(mint(OLIVE, age_s=age_s)).clerk_id == OLIVE


def test_unsigned_token_is_rejected() -> None:
    header = b64(json.dumps({"alg": "none", "typ": "JWT", "kid": KEY_ID}).encode())
    assert rejection_reason(f"{header}.{b64(json.dumps(claims(OLIVE)).encode())}.") == Reason.WRONG_ALGORITHM


def test_hmac_with_public_key_is_rejected() -> None:
    signed = ".".join(
        b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", "kid": KEY_ID}, claims(OLIVE))
    )
    forged = hmac.new(public_pem(KEY).encode(), signed.encode(), hashlib.sha256).digest()
    assert rejection_reason(f"{signed}.{b64(forged)}") == Reason.WRONG_ALGORITHM


def test_signature_is_checked_before_claims() -> None:
    assert (
        rejection_reason(mint(OLIVE, key=STRANGER, exp=None, sub=None, iss="https://x.example")) == Reason.BAD_SIGNATURE
    )


def test_expired_token_error_contains_its_claims() -> None:
    with pytest.raises(SessionTokenError) as caught:
        tokens.verify(mint(OLIVE, age_s=3600))
    assert caught.value.expired_claims
    assert caught.value.expired_claims.clerk_id == OLIVE


@pytest.mark.parametrize("age", (timedelta(hours=1, minutes=2), timedelta(days=400)))
def test_old_token_does_not_identify_a_user(age: timedelta) -> None:
    with pytest.raises(SessionTokenError) as caught:
        tokens.verify(mint(OLIVE, age_s=age.total_seconds()))
    assert (caught.value.reason, caught.value.expired_claims) == (Reason.EXPIRED, None)


def test_payload_that_is_not_an_object_is_rejected() -> None:
    good = mint(OLIVE).split(".")
    assert rejection_reason(f"{good[0]}.{b64(b'[]')}.{good[2]}") in (Reason.BAD_SIGNATURE, Reason.MALFORMED)


def test_tokens_are_rejected_without_a_configured_instance(settings: Settings) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert rejection_reason(sign(claims(OLIVE))) == Reason.WRONG_ISSUER
