"""System checks of the Clerk settings."""

from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

PK_LIVE, PK_TEST = "pk_live_Y2xlcmsuY2xlcmsuZGV2JA", "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"
GOOD: dict[str, Any] = {"CLERK_PUBLISHABLE_KEY": PK_LIVE, "CLERK_AUTHORIZED_PARTIES": ["https://x.example"]}


def check_ids(settings: Settings, **changed: Any) -> list[str]:
    for name, value in (GOOD | {"LOCAL_MODE": False} | changed).items():
        setattr(settings, name, value)
    messages = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    return [message.id for message in messages if message.id and message.id.startswith("accounts.")]


@pytest.mark.parametrize(
    ("changed", "ids"),
    (
        pytest.param({}, [], id="valid"),
        pytest.param({"CLERK_PUBLISHABLE_KEY": ""}, [], id="without Clerk"),
        pytest.param(
            {"CLERK_PUBLISHABLE_KEY": "", "CLERK_AUTHORIZED_PARTIES": []}, [], id="without Clerk and authorized parties"
        ),
        pytest.param({"CLERK_AUTHORIZED_PARTIES": []}, ["accounts.E001"], id="no authorized parties"),
        pytest.param({"CLERK_JWT_KEY": "nonsense"}, ["accounts.E002"], id="invalid key"),
        pytest.param({"CLERK_SECRET_KEY": "sk_live_x"}, [], id="matching keys"),
        pytest.param({"CLERK_SECRET_KEY": "sk_test_x"}, ["accounts.E003"], id="test and live keys"),
        pytest.param({"CLERK_PUBLISHABLE_KEY": PK_TEST}, ["accounts.W004"], id="development"),
        pytest.param({"CLERK_PUBLISHABLE_KEY": PK_TEST, "LOCAL_MODE": True}, [], id="development in local mode"),
    ),
)
def test_invalid_settings_are_reported(settings: Settings, changed: dict[str, Any], ids: list[str]) -> None:
    assert check_ids(settings, **changed) == ids
