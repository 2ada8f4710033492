"""Valid, invalid and hostile input in a profile's section forms."""

import html
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from audit.models import AuditLog
from profiles.api.patching import BUILDER_FORMS
from profiles.forms import browser_rules
from profiles.forms.sections import ClientForm, ProfileForm, ProjectForm
from profiles.models import BuilderProfile
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db

TERMS = {"availability": "limited", "available_for_hire": "on", "currency": "EUR", "time_zone": "Europe/Warsaw"}
LONG = "x" * 10_000


@pytest.fixture
def page() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(user__name="Olive Owner")
    return profile


def post(page: BuilderProfile, section: str, typed: dict[str, Any]) -> Any:
    return signed_in(page.user).post(f"/builders/{page.slug}/edit/{section}/", typed)


def stored_values(page: BuilderProfile) -> dict[str, Any]:
    return dict(BuilderProfile.objects.filter(pk=page.pk).values().get())


INVALID = (
    ("introduction", "headline", "x" * 161, "Use 160 characters or fewer. You entered 161."),
    ("introduction", "display_name", LONG, "Use 120 characters or fewer. You entered 10000."),
    ("about", "bio", "x" * 5001, "Use 5000 characters or fewer. You entered 5001."),
    (
        "skills",
        "skills",
        LONG,
        "“xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…” has 10000 characters. Use 40 or fewer.",
    ),
    ("skills", "skills", ",".join(map(str, range(10_000))), "Enter at most 20. You entered 10000."),
    ("skills", "expertise", ",".join(map(str, range(11))), "Enter at most 10. You entered 11."),
    ("skills", "domains", "<script>", "Choose one of the options."),
    ("terms", "hourly_rate", "-1", "Enter a rate above zero"),
    ("terms", "hourly_rate", "0", "Enter a rate above zero"),
    ("terms", "hourly_rate", "1e400", "Enter a rate of 99999 or less."),
    ("terms", "hourly_rate", "9" * 5000, "Enter a rate of 99999 or less."),
    ("terms", "hourly_rate", "1e-400", "at most two decimal places"),
    ("terms", "hourly_rate", "85.505", "Enter the rate with at most two decimal places."),
    *(
        ("terms", "hourly_rate", typed, "Enter the rate as a number, like 85 or 85.50.")
        for typed in ("NaN", "sNaN", "Infinity", "-Infinity", "1e", "eighty", "85,50", "$85", "0x10", "8\x000")
    ),
    ("terms", "currency", "XXX", "Choose one of the options."),
    ("terms", "availability", "\x00", "Choose one of the options."),
    ("terms", "time_zone", "../../etc/passwd", "Choose one of the options."),
    *(
        ("links", "links", typed, "is not a valid URL. Enter a full URL that starts with https://")
        for typed in (
            "javascript:alert(1)",
            "JaVaScRiPt://example.com/%0aalert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:x",
            "ftp://example.com/",
            "mailto:olive@example.com",
            "https://google.com@evil.example/",
            "https://evil.example\\@google.com/",
            "https://",
            "https://localhost/",
            "https://[::1",
            "//evil.example/",
            "https://exa\u202emple.com/",
            "nonsense",
        )
    ),
    (
        "links",
        "links",
        "\n".join(f"https://example.com/{n}" for n in range(9)),
        "Enter at most 8. You entered 9.",
    ),
    ("links", "links", f"https://example.com/{LONG}", "characters. Use 300 or fewer."),
    ("visibility", "slug", "", "Enter a URL with at least one letter or digit."),
    ("visibility", "slug", "/../ \u200b\u202e", "Enter a URL with at least one letter or digit."),
    ("visibility", "slug", LONG, "Use 80 characters or fewer. You entered 10000."),
)


@pytest.mark.parametrize(("section", "field", "typed", "message"), INVALID)
def test_invalid_value_shows_an_error_and_changes_nothing(
    page: BuilderProfile, section: str, field: str, typed: str, message: str
) -> None:
    before = stored_values(page)
    response = post(page, section, {**(TERMS if section == "terms" else {}), field: typed})
    assert response.status_code == 422
    text = html.unescape(response.content.decode())
    [errors] = re.findall(rf'<ul class="errorlist" id="id_{field}_error">(.+?)</ul>', text, re.DOTALL)
    assert message in errors
    if field not in ("domains", "currency", "availability", "time_zone"):  # An unknown choice cannot be displayed.
        assert response.context["form"][field].value() == typed
        assert typed.replace("\x00", "") in text.replace("\x00", "")
    assert stored_values(page) == before
    assert not AuditLog.objects.exists()


VALID = (
    ("introduction", "headline", "<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("introduction", "headline", '"><img src=x onerror=alert(1)>', '"><img src=x onerror=alert(1)>'),
    ("introduction", "headline", "{{ 7*7 }} {% load i18n %}", "{{ 7*7 }} {% load i18n %}"),
    ("introduction", "headline", "a\x00b\r\nc\x1b[31m", "a b c [31m"),
    ("introduction", "headline", "safe\u202egnp.exe\u2066 \u061c", "safe gnp.exe"),
    ("introduction", "headline", "zero\u200bwidth\u2060\u00ad\ufeff", "zerowidth"),
    ("introduction", "headline", "\u200b\u200d\u3164\u2800", ""),
    ("introduction", "headline", "tags\U000e0041\U000e0042", "tags"),
    ("introduction", "headline", "Z" + "\u0351" * 50, "Z\u0351\u0351\u0351"),
    ("introduction", "headline", "\ud83d\ude80 👩\u200d💻 ❤\ufe0f", None),
    ("introduction", "headline", "می\u200cخواهم", "می\u200cخواهم"),
    ("introduction", "headline", "Cafe\u0301", "Café"),
    ("introduction", "headline", "x" * 160, "x" * 160),
    ("about", "bio", "One\r\n\r\nTwo  \rThree\x00\u202e", "One\n\nTwo\nThree"),
    ("about", "bio", "[x](javascript:alert(1)) <iframe>", "[x](javascript:alert(1)) <iframe>"),
    ("skills", "skills", "Python, django;, PYTHON、Łódź،lodz\n\x00", ["Python", "django", "Łódź"]),
    ("links", "links", "example.com/a\nhttps://example.com/A https://例え.jp/", None),
    ("terms", "hourly_rate", "85.5", Decimal("85.50")),
    ("terms", "hourly_rate", "", None),
)


@pytest.mark.parametrize(("section", "field", "typed", "expected"), VALID)
def test_valid_value_is_cleaned_stored_and_escaped(
    page: BuilderProfile, section: str, field: str, typed: str, expected: Any
) -> None:
    body = {**(TERMS if section == "terms" else {}), field: typed.encode("utf-8", "replace").decode()}
    assert post(page, section, body).status_code == 302
    if expected is not None:
        assert stored_values(page)[field] == expected
    text = Client().get(f"/builders/{page.slug}/").content.decode()
    for markup in ("<script>alert", "<img src=x", "<iframe", 'href="javascript'):
        assert markup not in text


def test_links_get_a_scheme_and_are_case_sensitive(page: BuilderProfile) -> None:
    typed = "example.com/a\nhttps://example.com/A https://example.com:8080/x?y#z https://example.com/a"
    post(page, "links", {"links": typed})
    assert stored_values(page)["links"] == [
        "https://example.com/a",
        "https://example.com/A",
        "https://example.com:8080/x?y#z",
    ]


def test_browser_gets_the_same_rules_and_messages(page: BuilderProfile) -> None:
    text = signed_in(page.user).get(f"/builders/{page.slug}/edit/terms/").content.decode()
    [rate] = re.findall(r'<input type="number"[^>]+name="hourly_rate"[^>]*>', text)
    assert all(attribute in rate for attribute in ('min="0.01"', 'max="99999"', 'step="0.01"'))
    [messages] = re.findall(r'data-messages="([^"]+)"', rate)
    assert json.loads(html.unescape(messages))["rangeOverflow"] == ("Enter a rate of 99999 or less.")
    text = signed_in(page.user).get(f"/builders/{page.slug}/edit/skills/").content.decode()
    [skills] = re.findall(r'<textarea[^>]+name="skills"[^>]*>', text)
    assert 'data-max-items="20" data-max-length="40"' in skills
    [messages] = re.findall(r'data-messages="([^"]+)"', skills)
    assert json.loads(html.unescape(messages)) == {
        "tooMany": "Enter at most 20. You entered %(count)d.",
        "entryTooLong": "“%(entry)s…” has %(length)d characters. Use 40 or fewer.",
    }


@pytest.mark.parametrize("form_class", (*BUILDER_FORMS, ClientForm, ProjectForm), ids=lambda form: form.__name__)
def test_every_max_length_has_a_message(form_class: type[ProfileForm[Any]]) -> None:
    attributes = {name: browser_rules.attributes(field) for name, field in form_class.base_fields.items()}
    limited = {name: found for name, found in attributes.items() if "data-max-length" in found}
    assert all("tooLong" in json.loads(found["data-messages"]) for found in limited.values()), limited
