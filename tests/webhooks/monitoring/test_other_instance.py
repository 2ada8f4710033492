"""The signal about events from another Clerk instance."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import diagnostics
from tests.helpers.tokens import KEY, KEY_ID, key_set
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import Alert, CheckResult
from webhooks.monitoring import rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.signals import Signal

pytestmark = pytest.mark.django_db

OURS, THEIRS = "ins_ours", "ins_theirs"


def signal() -> Signal:
    return rules.evaluate(measure())[Alert.Rule.OTHER_INSTANCE]


def store_check(name: str = "clerk_api", age: timedelta = timedelta(minutes=1)) -> None:
    CheckResult.objects.create(
        name=name, state="passed", summary="", checked_at=timezone.now() - age, facts={"instance_ids": [OURS]}
    )


def test_unknown_instance_is_not_reported_as_well() -> None:
    event(timezone.now(), instance_id=THEIRS)
    assert signal().state == "unknown"
    assert "CLERK_INSTANCE_ID is not set" in signal().summary


@pytest.mark.parametrize("check", ("clerk_api", "key_server"))
def test_instance_is_derived_from_the_keys_that_clerk_returned(check: str) -> None:
    store_check(check)
    event(timezone.now(), instance_id=OURS)
    event(timezone.now(), instance_id="")  # a test delivery
    assert signal().state == "well"
    event(timezone.now(), instance_id=THEIRS)
    assert signal().state == "broken"
    assert "CLERK_INSTANCE_ID is not set" in signal().summary


def test_outdated_instance_is_not_used() -> None:
    store_check(age=timedelta(hours=2))
    assert signal().state == "unknown"


def test_setting_takes_precedence_over_the_keys(settings: Settings) -> None:
    settings.CLERK_INSTANCE_ID = THEIRS
    store_check()
    event(timezone.now(), instance_id=OURS)
    assert signal().state == "broken"
    assert "They are ignored" in signal().summary


@pytest.mark.parametrize(
    ("key_id", "expected"),
    ((KEY_ID, {"instance_ids": [KEY_ID]}), ("1", {})),
)
def test_check_of_the_key_server_stores_the_instance(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, key_id: str, expected: dict[str, list[str]]
) -> None:
    settings.CLERK_SECRET_KEY, settings.CLERK_JWT_KEY = "sk_test_any", ""
    response = httpx.Response(200, json=key_set(KEY.public_key(), key_id), request=httpx.Request("GET", "https://x"))
    monkeypatch.setattr(httpx, "get", lambda url, **options: response)
    assert diagnostics.check_key_server().facts == expected
