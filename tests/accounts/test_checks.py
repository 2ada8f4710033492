"""System checks for the Clerk settings."""

from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

PK_LIVE, PK_TEST = "pk_live_Y2xlcmsuY2xlcmsuZGV2JA", "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"
SK_LIVE, SK_TEST = "sk_live_" + "a1B2" * 10, "sk_test_" + "a1B2" * 10
FRONTEND = "https://clerk.clerk.dev"
GOOD: dict[str, Any] = {
    "CLERK_PUBLISHABLE_KEY": PK_LIVE,
    "CLERK_SECRET_KEY": SK_LIVE,
    "CLERK_AUTHORIZED_PARTIES": ["https://x.example"],
    "CLERK_API_URL": "https://api.clerk.com",
    "CLERK_FRONTEND_API_URL": FRONTEND,
    "CLERK_KEY_FRONTEND_API_URL": FRONTEND,
}
#: Settings to change for a deployment without Clerk.
WITHOUT_CLERK = {"CLERK_PUBLISHABLE_KEY": "", "CLERK_FRONTEND_API_URL": "", "CLERK_KEY_FRONTEND_API_URL": ""}


def check_ids(settings: Settings, **changed: Any) -> list[str]:
    for name, value in (GOOD | {"LOCAL_MODE": False} | changed).items():
        setattr(settings, name, value)
    messages = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    return [message.id for message in messages if message.id and message.id.startswith("accounts.")]


@pytest.mark.parametrize(
    ("changed", "ids"),
    (
        pytest.param({}, [], id="valid"),
        pytest.param(WITHOUT_CLERK, ["accounts.W010"], id="without Clerk"),
        pytest.param(
            WITHOUT_CLERK | {"CLERK_AUTHORIZED_PARTIES": []},
            ["accounts.W010"],
            id="without Clerk and authorized parties",
        ),
        pytest.param({"CLERK_SECRET_KEY": ""}, ["accounts.W011"], id="no secret key"),
        pytest.param({"CLERK_AUTHORIZED_PARTIES": []}, ["accounts.E001"], id="no authorized parties"),
        pytest.param({"CLERK_JWT_KEY": "nonsense"}, ["accounts.E002"], id="invalid key"),
        pytest.param({"CLERK_SECRET_KEY": SK_TEST}, ["accounts.E003"], id="test and live keys"),
        pytest.param(
            {"CLERK_PUBLISHABLE_KEY": PK_TEST, "CLERK_SECRET_KEY": SK_TEST}, ["accounts.W004"], id="development"
        ),
        pytest.param(
            {"CLERK_PUBLISHABLE_KEY": PK_TEST, "CLERK_SECRET_KEY": SK_TEST, "LOCAL_MODE": True},
            [],
            id="development in local mode",
        ),
        pytest.param({"LOCAL_MODE": True}, ["accounts.E012"], id="live keys in local mode"),
        pytest.param({"CLERK_SECRET_KEY": "sk_live_x"}, ["accounts.E013"], id="secret key of one character"),
        pytest.param({"CLERK_SECRET_KEY": PK_LIVE}, ["accounts.E013"], id="publishable key as secret"),
        pytest.param({"CLERK_INSTANCE_ID": "user_2x"}, ["accounts.E014"], id="not an instance"),
        pytest.param({"CLERK_INSTANCE_ID": "ins_2x"}, [], id="instance"),
        pytest.param({"CLERK_ACCOUNT_PORTAL_URL": ""}, ["accounts.W015"], id="no account portal"),
        pytest.param({"CLERK_API_URL": "http://api.clerk.com"}, ["accounts.E008"], id="API without TLS"),
        pytest.param({"CLERK_API_URL": "api.clerk.com"}, ["accounts.E008"], id="API without scheme"),
        pytest.param({"CLERK_API_URL": "https://api.clerk.com/v1"}, ["accounts.E008"], id="API with version"),
        pytest.param(
            {"CLERK_FRONTEND_API_URL": "http://clerk.clerk.dev"},
            ["accounts.E008", "accounts.E009"],
            id="frontend without TLS",
        ),
        pytest.param(
            {"CLERK_FRONTEND_API_URL": "https://clerk.other.example"},
            ["accounts.E009"],
            id="another instance's frontend",
        ),
        pytest.param({"CLERK_FRONTEND_API_URL": "https://x.example/__clerk"}, [], id="frontend proxied by the site"),
    ),
)
def test_invalid_settings_are_reported(settings: Settings, changed: dict[str, Any], ids: list[str]) -> None:
    assert check_ids(settings, **changed) == ids


@pytest.mark.parametrize(
    ("party", "ids"),
    (
        ("https://x.example/", ["accounts.E005"]),
        ("https://X.example", ["accounts.E005"]),
        ("https://x.example:443", ["accounts.E005"]),
        ("https://x.example/path", ["accounts.E005"]),
        ("https://*.example.com", ["accounts.E005"]),
        ("https://x.example:99999", ["accounts.E005"]),
        ("https://jürgen.example", ["accounts.E005"]),
        ("x.example", ["accounts.E005"]),
        ("ftp://x.example", ["accounts.E005"]),
        ("http://x.example", ["accounts.E006"]),
        ("https://x.example:8443", ["accounts.W007"]),
        ("https://xn--jrgen-kva.example", []),
        ("https://127.0.0.1", []),
    ),
)
def test_authorized_party_must_be_an_origin_as_browsers_send_it(settings: Settings, party: str, ids: list[str]) -> None:
    assert check_ids(settings, CLERK_AUTHORIZED_PARTIES=[party]) == ids


def test_hint_contains_the_corrected_origin(settings: Settings) -> None:
    settings.CLERK_AUTHORIZED_PARTIES = ["https://X.example:443/"]
    [message] = [message for message in checks.run_checks(tags=["security"]) if message.id == "accounts.E005"]
    assert message.hint == "Write it as https://x.example."
