"""What people type into the forms of a profile, meant well and not: kept as it looks, or refused beside the field."""

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


def stored(page: BuilderProfile) -> dict[str, Any]:
    return dict(BuilderProfile.objects.filter(pk=page.pk).values().get())


REFUSED = (
    ("introduction", "headline", "x" * 161, "Shorten this to 160 characters; it has 161."),
    ("introduction", "display_name", LONG, "Shorten this to 120 characters; it has 10000."),
    ("about", "bio", "x" * 5001, "Shorten this to 5000 characters; it has 5001."),
    (
        "skills",
        "skills",
        LONG,
        "Shorten “xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…”: each may have 40 characters, and this one has 10000.",
    ),
    ("skills", "skills", ",".join(map(str, range(10_000))), "Keep the 20 most important; there are 10000."),
    ("skills", "expertise", ",".join(map(str, range(11))), "Keep the 10 most important; there are 11."),
    ("skills", "domains", "<script>", "Choose from what is offered."),
    ("terms", "hourly_rate", "-1", "The rate must be more than zero"),
    ("terms", "hourly_rate", "0", "The rate must be more than zero"),
    ("terms", "hourly_rate", "1e400", "A rate of more than 99999 an hour is probably a slip"),
    ("terms", "hourly_rate", "9" * 5000, "A rate of more than 99999 an hour is probably a slip"),
    ("terms", "hourly_rate", "1e-400", "at most two digits after the point"),
    ("terms", "hourly_rate", "85.505", "Give the rate with at most two digits after the point."),
    *(
        ("terms", "hourly_rate", typed, "Write the rate as a number, like 85 or 85.50.")
        for typed in ("NaN", "sNaN", "Infinity", "-Infinity", "1e", "eighty", "85,50", "$85", "0x10", "8\x000")
    ),
    ("terms", "currency", "XXX", "Choose from what is offered."),
    ("terms", "availability", "\x00", "Choose from what is offered."),
    ("terms", "time_zone", "../../etc/passwd", "Choose from what is offered."),
    *(
        ("links", "links", typed, "is not the address of a page. Begin it with https://")
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
        "Keep the 8 most important; there are 9.",
    ),
    ("links", "links", f"https://example.com/{LONG}", "each may have 300 characters"),
    ("visibility", "slug", "", "Give your page an address with at least one letter or digit."),
    ("visibility", "slug", "/../ \u200b\u202e", "Give your page an address with at least one letter or digit."),
    ("visibility", "slug", LONG, "Shorten this to 80 characters; it has 10000."),
)


@pytest.mark.parametrize(("section", "field", "typed", "message"), REFUSED)
def test_a_message_beside_the_field_nothing_changed_and_nothing_lost(
    page: BuilderProfile, section: str, field: str, typed: str, message: str
) -> None:
    before = stored(page)
    response = post(page, section, {**(TERMS if section == "terms" else {}), field: typed})
    assert response.status_code == 422
    text = html.unescape(response.content.decode())
    [beside] = re.findall(rf'<ul class="errorlist" id="id_{field}_error">(.+?)</ul>', text, re.DOTALL)
    assert message in beside
    if field not in ("domains", "currency", "availability", "time_zone"):  # there is no such choice to show
        assert response.context["form"][field].value() == typed
        assert typed.replace("\x00", "") in text.replace("\x00", "")
    assert stored(page) == before
    assert not AuditLog.objects.exists()


KEPT = (
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


@pytest.mark.parametrize(("section", "field", "typed", "expected"), KEPT)
def test_what_is_harmless_is_kept_as_it_looks(
    page: BuilderProfile, section: str, field: str, typed: str, expected: Any
) -> None:
    body = {**(TERMS if section == "terms" else {}), field: typed.encode("utf-8", "replace").decode()}
    assert post(page, section, body).status_code == 302
    if expected is not None:
        assert stored(page)[field] == expected
    text = Client().get(f"/builders/{page.slug}/").content.decode()
    for markup in ("<script>alert", "<img src=x", "<iframe", 'href="javascript'):
        assert markup not in text


def test_links_may_do_without_their_scheme_and_differ_in_case(page: BuilderProfile) -> None:
    typed = "example.com/a\nhttps://example.com/A https://example.com:8080/x?y#z https://example.com/a"
    post(page, "links", {"links": typed})
    assert stored(page)["links"] == ["https://example.com/a", "https://example.com/A", "https://example.com:8080/x?y#z"]


def test_the_browser_is_told_the_same_rules_in_the_same_words(page: BuilderProfile) -> None:
    text = signed_in(page.user).get(f"/builders/{page.slug}/edit/terms/").content.decode()
    [rate] = re.findall(r'<input type="number"[^>]+name="hourly_rate"[^>]*>', text)
    assert all(attribute in rate for attribute in ('min="0.01"', 'max="99999"', 'step="0.01"'))
    [messages] = re.findall(r'data-messages="([^"]+)"', rate)
    assert json.loads(html.unescape(messages))["rangeOverflow"] == (
        "A rate of more than 99999 an hour is probably a slip; check the number."
    )
    text = signed_in(page.user).get(f"/builders/{page.slug}/edit/skills/").content.decode()
    [skills] = re.findall(r'<input[^>]+name="skills"[^>]*>', text)
    assert 'data-most="20" data-longest="40"' in skills
    [messages] = re.findall(r'data-messages="([^"]+)"', skills)
    assert json.loads(html.unescape(messages)) == {
        "tooMany": "Keep the 20 most important; there are %(count)d.",
        "entryTooLong": "Shorten “%(entry)s…”: each may have 40 characters, and this one has %(length)d.",
    }


@pytest.mark.parametrize("form_class", (*BUILDER_FORMS, ClientForm, ProjectForm), ids=lambda form: form.__name__)
def test_no_browser_measures_what_it_has_no_words_for(form_class: type[ProfileForm]) -> None:
    told = {name: browser_rules.attributes(field) for name, field in form_class.base_fields.items()}
    measured = {name: found for name, found in told.items() if "data-longest" in found}
    assert all("tooLong" in json.loads(found["data-messages"]) for found in measured.values()), measured
