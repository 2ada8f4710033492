"""security.txt is built from settings, and malformed contacts are rejected."""

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from config.environment import contact_uris

URL = "/.well-known/security.txt"


def test_file_is_missing_without_a_contact(client: Client, settings: Settings, db: None) -> None:
    settings.SECURITY_CONTACT = []
    assert client.get(URL).status_code == 404


def test_file_contains_the_fields_of_the_rfc(client: Client, settings: Settings, db: None) -> None:
    settings.SECURITY_CONTACT = ["mailto:security@example.com", "https://example.com/report"]
    settings.SECURITY_LANGUAGES, settings.SITE_URL = ["en", "de"], "https://profiles.example.com"
    response = client.get(URL)
    assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
    lines = response.text.splitlines()
    assert lines[:2] == ["Contact: mailto:security@example.com", "Contact: https://example.com/report"]
    assert lines[3:] == ["Preferred-Languages: en, de", f"Canonical: https://profiles.example.com{URL}"]
    expires_at = datetime.fromisoformat(lines[2].removeprefix("Expires: "))
    assert timedelta(days=170) < expires_at - timezone.now() < timedelta(days=365)


@pytest.mark.parametrize(
    ("value", "uris"),
    (
        ("", []),
        ("security@example.com", ["mailto:security@example.com"]),
        ("mailto:a@example.com, https://example.com/", ["mailto:a@example.com", "https://example.com/"]),
    ),
)
def test_addresses_become_uris(monkeypatch: pytest.MonkeyPatch, value: str, uris: list[str]) -> None:
    monkeypatch.setenv("SECURITY_CONTACT", value)
    assert contact_uris("SECURITY_CONTACT") == uris


@pytest.mark.parametrize("value", ("nobody", "http://example.com/", "a b@example.com", "a@example.com\r\nX: y"))
def test_malformed_contact_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SECURITY_CONTACT", value)
    with pytest.raises(ImproperlyConfigured, match="SECURITY_CONTACT must contain"):
        contact_uris("SECURITY_CONTACT")
