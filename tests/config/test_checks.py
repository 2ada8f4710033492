"""System checks of hosts, proxies and HTTPS."""

from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

YEAR_S = 365 * 24 * 3600
#: Settings of a sound deployment.
GOOD: dict[str, Any] = {
    "LOCAL_MODE": False,
    "SECURE_HSTS_SECONDS": 3600,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": False,
    "SECURE_HSTS_PRELOAD": False,
}


def found(settings: Settings, **changed: Any) -> list[checks.CheckMessage]:
    for name, value in (GOOD | changed).items():
        setattr(settings, name, value)
    messages = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    return [message for message in messages if (message.id or "").startswith("config.")]


def test_sound_settings_have_no_findings(settings: Settings) -> None:
    assert found(settings) == []


@pytest.mark.parametrize(
    ("seconds", "includes_subdomains", "ids"),
    (
        (YEAR_S, True, []),
        (YEAR_S, False, ["config.W001"]),
        (YEAR_S - 1, True, ["config.W001"]),
    ),
)
def test_preload_requires_a_year_and_subdomains(
    settings: Settings, seconds: int, *, includes_subdomains: bool, ids: list[str]
) -> None:
    hsts = {"SECURE_HSTS_SECONDS": seconds, "SECURE_HSTS_INCLUDE_SUBDOMAINS": includes_subdomains}
    assert [message.id for message in found(settings, SECURE_HSTS_PRELOAD=True, **hsts)] == ids
