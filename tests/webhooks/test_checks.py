"""System checks of the webhook settings."""

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from tests.settings import NEXT_SECRET, SECRET


def check_ids() -> list[str | None]:
    """Return the IDs of this app's messages."""
    messages = checks.run_checks(tags=[checks.Tags.security])
    return [message.id for message in messages if (message.id or "").startswith("webhooks.")]


def message() -> checks.CheckMessage:
    [only] = [message for message in checks.run_checks() if (message.id or "").startswith("webhooks.")]
    return only


def test_valid_settings_raise_no_messages(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = ["svix", "198.51.100.0/24", "2001:db8::1"]
    assert settings.CLERK_WEBHOOK_SECRETS == [SECRET, NEXT_SECRET]
    assert check_ids() == []


def test_empty_allowlist_is_valid(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = []
    assert check_ids() == []


def test_missing_secret_is_an_error(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = []
    assert check_ids() == ["webhooks.E001"]
    assert "CLERK_WEBHOOK_SECRET" in message().msg
    assert message().level == checks.ERROR
    assert message().hint


@pytest.mark.parametrize(
    "secret", ("whsec_a", "whsec_é", "whsec_not*base64*", "whsec_dGhl dGhl", "sk_test_dGhl", "dGhl")
)
def test_invalid_secret_is_an_error_that_does_not_reveal_it(settings: Settings, secret: str) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET, secret]
    assert check_ids() == ["webhooks.E002"]
    assert "Entry 2 of CLERK_WEBHOOK_SECRET" in message().msg
    assert secret not in f"{message().msg} {message().hint}"


@pytest.mark.parametrize("secret", ("whsec_YQ==", "whsec_" + "a" * 28))
def test_short_secret_is_an_error_that_does_not_reveal_it(settings: Settings, secret: str) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET, secret]
    assert check_ids() == ["webhooks.E006"]
    assert "Entry 2 of CLERK_WEBHOOK_SECRET" in message().msg
    assert secret not in f"{message().msg} {message().hint}"


def test_short_metrics_token_is_an_error_that_does_not_reveal_it(settings: Settings) -> None:
    settings.METRICS_TOKEN = "x"
    assert check_ids() == ["webhooks.E007"]
    assert "METRICS_TOKEN" in message().msg
    settings.METRICS_TOKEN = "x" * 16
    assert check_ids() == []


@pytest.mark.parametrize("entry", ("0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3"))
def test_unrestricted_metrics_access_is_an_error(settings: Settings, entry: str) -> None:
    settings.METRICS_ALLOWED_IPS = ["10.0.0.0/8", "fc00::/7", entry]
    assert check_ids() == ["webhooks.E008"]
    assert repr(entry) in message().msg


def test_each_invalid_secret_has_a_message(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = ["whsec_", SECRET, "whsec_a"]
    assert check_ids() == ["webhooks.E002", "webhooks.E002"]


@pytest.mark.parametrize("entry", ("localhost", "1.2.3", "1.2.3.4/33", "2001:db8::/129", "svix.com", "1.2.3.4:80", "*"))
def test_invalid_address_is_an_error(settings: Settings, entry: str) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = ["svix", entry]
    assert check_ids() == ["webhooks.E003"]
    assert "CLERK_WEBHOOK_ALLOWED_IPS" in message().msg
    assert entry in message().msg


def test_only_webhooks_are_advised_to_allow_svix(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = settings.METRICS_ALLOWED_IPS = ["x"]
    hints = {each.id: each.hint or "" for each in checks.run_checks(tags=[checks.Tags.security])}
    assert ("svix" in hints["webhooks.E003"], "svix" in hints["webhooks.E004"]) == (True, False)


def test_check_command_fails(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = []
    with pytest.raises(SystemCheckError, match=r"webhooks\.E001"):
        call_command("check")
