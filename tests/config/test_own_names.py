"""Hosts and folders in the settings are not redacted in error messages."""

from types import SimpleNamespace

import pytest

from config import own_names
from core import quoted_names, redaction


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("certificate is not valid for 'smtp.example.net'", None),
        ('Could not connect to the endpoint URL: "https://s3.example.net"', None),
        (
            'Could not connect to the endpoint URL: "https://s3.example.net/media/a.webp"',
            "Could not connect to the endpoint URL: 'https://s3.example.net/…'",
        ),
        ("Client error '404 Not Found' for url 'https://api.example.net/v1/users'", None),
        (
            "Client error '404 Not Found' for url 'https://profiles.example.net/builders/olive-owner/'",
            "Client error '404 Not Found' for url 'https://profiles.example.net/…'",
        ),
        ('could not connect to "db.example.net" as "app"', None),
        ("Permission denied: '/srv/media/a.webp'", "Permission denied: '/srv/media/…'"),
        ("certificate is not valid for 'mail.example.net'", "certificate is not valid for …"),
    ),
)
def test_names_from_settings_are_kept(monkeypatch: pytest.MonkeyPatch, text: str, expected: str | None) -> None:
    for name in ("known_names", "known_hosts", "known_folders", "known_apis"):
        monkeypatch.setattr(quoted_names, name, {*getattr(quoted_names, name)})
    values = {
        **dict.fromkeys(own_names.URLS, ""),
        "SITE_URL": "https://profiles.example.net",
        "CLERK_API_URL": "https://api.example.net",
        "MEDIA_ROOT": "/srv/media",
        "STATIC_ROOT": "",
        "DATABASES": {"default": {"HOST": "db.example.net", "NAME": "profiles", "USER": "app"}},
        "MAILERS": {"default": {"BACKEND": "x", "OPTIONS": {"host": "smtp.example.net"}}},
        "STORAGES": {"default": {"BACKEND": "x", "OPTIONS": {"endpoint_url": "https://s3.example.net"}}},
    }
    monkeypatch.setattr(own_names, "settings", SimpleNamespace(**values))
    own_names.keep()
    assert redaction.redact_error(text) == (expected or text)
