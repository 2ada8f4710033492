"""System checks for hosts, proxies and HTTPS."""

from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

YEAR_S = 365 * 24 * 3600
#: Settings for a valid deployment.
GOOD: dict[str, Any] = {
    "LOCAL_MODE": False,
    "LIVE_SITE": True,
    "SITE_URL": "https://profiles.example.com",
    "ALLOWED_HOSTS": ["profiles.example.com", ".example.org", "web-1", "10.0.3.17", "[2001:db8::7]"],
    "CSRF_TRUSTED_ORIGINS": ["https://forms.example.com", "https://*.example.org", "https://example.com:8443"],
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "TRUSTED_PROXY_COUNT": 1,
    "SECURE_HSTS_SECONDS": 3600,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": False,
    "SECURE_HSTS_PRELOAD": False,
}


def check_ids(settings: Settings, **changed: Any) -> list[checks.CheckMessage]:
    for name, value in (GOOD | changed).items():
        setattr(settings, name, value)
    messages = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    return [message for message in messages if (message.id or "").startswith("config.")]


def test_valid_settings_have_no_findings(settings: Settings) -> None:
    assert check_ids(settings) == []


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
    assert [message.id for message in check_ids(settings, SECURE_HSTS_PRELOAD=True, **hsts)] == ids


def test_replica_must_not_be_the_primary(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    primary = settings.DATABASES["default"]
    monkeypatch.setitem(settings.DATABASES, "replica", primary | {"PASSWORD": "other"})
    assert [message.id for message in check_ids(settings)] == ["config.E020"]
    monkeypatch.setitem(settings.DATABASES, "replica", primary | {"HOST": "10.0.0.6"})
    assert check_ids(settings) == []


def ids(settings: Settings, **changed: Any) -> list[str | None]:
    return [message.id for message in check_ids(settings, **changed)]


@pytest.mark.parametrize(
    ("changed", "expected"),
    (
        ({"DEBUG": True}, "config.E002"),
        ({"SECRET_KEY": "a"}, "config.E003"),
        ({"SECRET_KEY": "abcd" * 20}, "config.E003"),
        ({"SECRET_KEY_FALLBACKS": ["a"]}, "config.E003"),
        ({"ALLOWED_HOSTS": []}, "config.E004"),
        ({"SITE_URL": ""}, "config.E011"),
        ({"SITE_URL": "https://other.example.com"}, "config.E013"),
        ({"LIVE_SITE": False}, "config.W012"),
        ({"SECURE_PROXY_SSL_HEADER": None}, "config.W009"),
        ({"TRUSTED_PROXY_COUNT": 0}, "config.E008"),
        ({"TRUSTED_PROXY_COUNT": 0, "SECURE_PROXY_SSL_HEADER": None}, "config.W009"),
    ),
)
def test_dangerous_setting_is_reported(settings: Settings, changed: dict[str, Any], expected: str) -> None:
    assert ids(settings, **changed) == [expected]
    [message] = check_ids(settings, **changed)
    assert message.hint
    assert any(
        name in message.msg
        for name in ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "TRUSTED_PROXY_SSL_HEADER", "SITE_URL", "LIVE_SITE")
    )


@pytest.mark.parametrize(
    "host",
    (
        "*",
        ".",
        ".com",
        "*.example.com",
        "https://example.com",
        "example.com:443",
        "example.com/",
        "exam ple.com",
        "a,b",
    ),
)
def test_wildcard_or_malformed_host_is_an_error(settings: Settings, host: str) -> None:
    [message] = check_ids(settings, ALLOWED_HOSTS=["example.com", host])
    assert message.id == "config.E005"
    assert repr(host) in message.msg


@pytest.mark.parametrize(
    "origin",
    (
        "https://*",
        "https://*.com",
        "https://example.com/",
        "https://Example.com",
        "https://example.com:443",
        "example.com",
    ),
)
def test_wildcard_or_malformed_origin_is_an_error(settings: Settings, origin: str) -> None:
    assert ids(settings, CSRF_TRUSTED_ORIGINS=[origin]) == ["config.E006"]


@pytest.mark.parametrize(
    ("name", "value", "is_valid"),
    (
        ("X_FORWARDED_PROTO", "https", True),
        ("CLOUDFRONT_FORWARDED_PROTO", "https", True),
        ("X_FORWARDED_SSL", "on", True),
        ("FASTLY_SSL", "1", True),
        ("X_FORWARDED_PROTO", "http", False),
        ("X_FORWARDED_SSL", "off", False),
        ("X_FORWARDED_FOR", "https", False),
        ("HOST", "https", False),
        ("UPGRADE_INSECURE_REQUESTS", "1", False),
        ("X FORWARDED PROTO", "https", False),
        ("X_FORWARDED_PROT", "https", False),
    ),
)
def test_tls_header_must_show_that_https_was_used(settings: Settings, name: str, value: str, *, is_valid: bool) -> None:
    header = (f"HTTP_{name}", value)
    assert ids(settings, SECURE_PROXY_SSL_HEADER=header) == ([] if is_valid else ["config.E007"])


def test_forwarded_header_needs_a_proxy(settings: Settings) -> None:
    changed = {"TRUSTED_PROXY_IP_HEADER": "Forwarded", "TRUSTED_PROXY_COUNT": 0, "SECURE_PROXY_SSL_HEADER": None}
    assert ids(settings, **changed) == ["config.W009", "config.W010"]


def test_local_mode_does_not_require_hosts_and_proxies(settings: Settings) -> None:
    changed = {"LOCAL_MODE": True, "DEBUG": True, "ALLOWED_HOSTS": [], "SECURE_PROXY_SSL_HEADER": None}
    assert ids(settings, **changed) == []
