"""Hostile values in form fields are rejected with an error at the field, or cleaned before they are stored."""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import Client

from accounts.models import User
from profiles.editing.versions import version_of
from profiles.models import Badge, BuilderProfile, ClientProfile, ContactMessage, Project, ProjectImage, ReviewRequest
from profiles.portfolio.gallery import IMAGE_FIELDS
from profiles.portfolio.services import PROJECT_FIELDS
from tests.helpers.clients import signed_in
from tests.helpers.factories import (
    BuilderProfileFactory,
    ClientProfileFactory,
    ProjectFactory,
    ProjectImageFactory,
    UserFactory,
)
from tests.helpers.images import upload
from tests.helpers.tokens import mint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

HOSTILE_INPUTS = {
    "script": "<script>alert(1)</script>",
    "markup that leaves an attribute": "\"'><img src=x onerror=alert(1)>",
    "markup that leaves a text area": "</textarea></title><svg onload=alert(1)>",
    "markdown with markup": "[x](javascript:alert(1)) ![x](//evil.example/x) <iframe src=//evil.example>",
    "a template": "{{ 7*7 }}{% debug %}${7*7}%(x)s %s {0}",
    "NUL": "a\x00b",
    "an unpaired surrogate": "a\ud800b\udfff",
    "control characters": "a\x01\x1b[31m\x7f\x85b",
    "line breaks of a header": "a\r\nBcc: everybody@example.com\r\n\r\nb",
    "right to left override": "invoice\u202egpj.exe",
    "isolates": "\u2066a\u2067b\u2069\u200f",
    "zero width": "a\u200bb\u2060c\ufeffd",
    "invisible characters": "\u200b\u2060\ufeff\u00ad\u3164",
    "decomposed": "Cafe\u0301",
    "200 combining accents": "Z" + "\u0351" * 200,
    "noncharacters": "a\ufffe\U0010ffffb",
    "10,000 characters": "x" * 10_000,
    "10,000 entries": ",".join(map(str, range(10_000))),
    "10,000 emoji": "🚀" * 10_000,
    "a path": "../../../../etc/passwd",
    "SQL": "'; DROP TABLE accounts_user; --",
}
#: Values that must not become links.
LINKS = {
    "javascript": "javascript:alert(document.domain)",
    "javascript behind a line break": "java\nscript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "a file": "file:///etc/passwd",
    "a protocol-relative URL": "//evil.example/x",
    "user info before the host": "http://google.com@evil.example/",
    "one Cyrillic letter": "https://аpple.com/",
    "only Cyrillic lookalikes": "https://аррӏе.com/",
    "a loopback address": "http://127.0.0.1:8000/admin/",
    "a loopback host name": "https://api.localhost/",
    "a private network": "http://10.0.0.1/",
    "a cloud metadata service": "http://169.254.169.254/latest/meta-data/",
    "IPv6": "http://[::1]/",
    "a malformed URL": "https://[::1",
}
NUMBERS = {
    "negative": "-1",
    "absurd": "1e400",
    "many digits": "9" * 5000,
    "other digits": "٣٤",
    "NaN": "NaN",
    "a signalling NaN": "sNaN",
    "Infinity": "Infinity",
}
ALL = HOSTILE_INPUTS | LINKS | NUMBERS
LINK_FIELDS, NUMBER_FIELDS = (
    {"links", "url", "bio"},
    {
        *("hourly_rate", "completed_projects", "days_per_week", "min_project", "years_experience"),
        "checked_projects",
    },
)
#: A selection for choice fields, and for fields that another form tests with all values.
SELECTED = (
    "script",
    "NUL",
    "an unpaired surrogate",
    "right to left override",
    "10,000 characters",
    "invisible characters",
)
#: Must not be stored: control characters, surrogates, direction marks and invisible characters.
UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff\u00ad]"
)
MARKUP = re.compile("<|javascript:|data:|file:|^//")
#: Must not appear in a page as markup.
EXECUTABLE = re.compile(
    r"<script>alert|<img src=x|<svg onload|<iframe|href=[\"']?\s*(?:javascript|data|file|//evil)", re.IGNORECASE
)


def values_for_field(name: str) -> dict[str, str]:
    return HOSTILE_INPUTS | (LINKS if name in LINK_FIELDS else {}) | (NUMBERS if name in NUMBER_FIELDS else {})


@dataclass(frozen=True)
class Form:
    """A form that the tests submit once for each hostile input.

    Attributes:
        who: the user who submits the form. Olive owns the profiles, Vera is a visitor, and Adam is an admin.
        filled: values for the other fields.
        texts: free-text fields.
        choices: fields with fixed choices.
        hidden: hidden fields.
        is_covered: whether another form has the same fields, so that a few values are enough.
    """

    url: str
    who: str = "olive"
    filled: dict[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    is_covered: bool = False

    def values_for(self, name: str) -> Iterable[str]:
        return SELECTED if self.is_covered or name not in self.texts else values_for_field(name)


TERMS = {"availability": "limited", "currency": "EUR"}
PAGE_URL = "/builders/{slug}/"
FORMS = (
    Form(PAGE_URL + "edit/introduction/", texts=("display_name", "headline", "tagline"), hidden=("opened",)),
    Form(
        PAGE_URL + "edit/about/",
        filled={"languages_0": "pl"},
        texts=("bio", "years_experience"),
        choices=("page_language",),
        hidden=("opened",),
    ),
    Form(PAGE_URL + "edit/skills/", texts=("skills", "expertise"), choices=("domains",)),
    Form(
        PAGE_URL + "edit/terms/",
        filled=TERMS,
        texts=("hourly_rate", "location", "days_per_week", "min_project"),
        choices=("availability", "currency", "time_zone"),
    ),
    Form(PAGE_URL + "edit/links/", texts=("links",)),
    Form(PAGE_URL + "edit/visibility/", filled={"searchable": "on"}, texts=("slug",)),
    Form(
        PAGE_URL + "portfolio/new/",
        filled={"title": "Ledger", "status": "live"},
        texts=("title", "description", "url", "technologies", "image_alt"),
        choices=("status",),
        hidden=("version", "form_token"),
    ),
    Form(
        PAGE_URL + "portfolio/{project}/edit/",
        filled={"title": "Ledger", "status": "live"},
        texts=("title", "description", "url", "technologies"),
        choices=("status",),
        hidden=("version", "form_token"),
        is_covered=True,
    ),
    Form(
        PAGE_URL + "portfolio/{project}/images/{image}/", filled={"alt": "A map"}, texts=("alt",), hidden=("version",)
    ),
    Form(PAGE_URL + "contact/", "vera", {"subject": "Hello", "body": "A map."}, texts=("subject", "body")),
    Form(
        PAGE_URL + "verify/",
        "adam",
        {"tier": "1"},
        texts=("evidence", "checked_projects"),
        choices=("tier", "checked_items"),
    ),
    Form(
        PAGE_URL + "reviews/",
        filled={"subject": "tier-2", "text": "Two shops."},
        texts=("text", "links"),
        choices=("subject",),
    ),
    Form(PAGE_URL + "badges/", "adam", {"kind": "code", "evidence": "Read."}, texts=("evidence",), choices=("kind",)),
    Form(PAGE_URL + "badges/code/", "adam", texts=("reason",)),
    Form(PAGE_URL + "record/", "adam", {"completed_projects": "1"}, texts=("completed_projects",)),
    Form(PAGE_URL + "hide/", "adam", texts=("reason",)),
    Form("/welcome/", choices=("goal",)),
    Form(
        "/welcome/builder/",
        filled=TERMS,
        texts=("headline", "skills", "hourly_rate"),
        choices=("domains", "availability", "currency", "page_language", "time_zone"),
        is_covered=True,
    ),
    Form("/welcome/client/", texts=("company_name", "industry", "project_preferences")),
    Form(
        "/account/client/",
        texts=("company_name", "industry", "project_preferences"),
        hidden=("opened",),
        is_covered=True,
    ),
    Form("/clients/{client}/edit/", "adam", texts=("company_name", "industry", "project_preferences"), is_covered=True),
    Form("/account/roles/", filled={"builder": "on", "client": "on"}, hidden=("builder",)),
)
#: Models of which each submission adds a row.
REPEATED: tuple[Any, ...] = (Badge, ContactMessage, ReviewRequest)
FIELDS = [(form, name) for form in FORMS for name in (*form.texts, *form.choices, *form.hidden)]


@dataclass
class People:
    """The users who submit the forms, and the objects that the forms edit."""

    olive: User
    vera: User
    adam: User
    page: BuilderProfile
    client: ClientProfile
    project: Project
    image: ProjectImage

    def url_for(self, url: str) -> str:
        names = {"project": self.project.pk, "image": self.image.pk, "client": self.client.pk}
        return url.format(slug=self.page.slug, **names)

    def filled(self, form: Form) -> dict[str, Any]:
        self.project.refresh_from_db()
        if "{image}" in form.url:
            image = ProjectImage.objects.get(pk=self.image.pk)
            return form.filled | {"version": version_of(image, IMAGE_FIELDS)}
        return form.filled | ({"version": version_of(self.project, PROJECT_FIELDS)} if "{project}" in form.url else {})


@pytest.fixture
def people() -> People:
    olive = UserFactory.create(builder=True, client=True, confirmed=True, name="Olive Owner")
    page = BuilderProfileFactory.create(user=olive, introduced=True)
    project = ProjectFactory.create(builder=page)
    image = ProjectImageFactory.create(project=project)
    return People(
        olive=olive,
        vera=UserFactory.create(confirmed=True),
        adam=UserFactory.create(admin=True),
        page=page,
        client=ClientProfileFactory.create(user=olive),
        project=project,
        image=image,
    )


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings_in(each)


def stored_texts() -> list[str]:
    """Return all stored user text."""
    models: tuple[Any, ...] = (BuilderProfile, ClientProfile, Project, ProjectImage, *REPEATED)
    rows = [row for model in models for row in model._default_manager.defer(None).values()]
    return [text for row in rows for name, value in row.items() if name != "search" for text in strings_in(value)]


def find_unwanted() -> list[str]:
    """Return stored texts with unwanted characters."""
    texts = stored_texts()
    return [text[:40] for text in texts if UNWANTED.search(text) or not unicodedata.is_normalized("NFC", text)]


def post(browser: Client, url: str, typed: dict[str, Any], **headers: str) -> tuple[Any, Any]:
    """Submit the form with unpaired surrogates, and return the response and the received data."""
    body = urlencode(typed, errors="surrogatepass", doseq=True)
    response = browser.post(url, body, content_type="application/x-www-form-urlencoded", headers=headers)
    return response, QueryDict(body)


def problem_with_error(response: Any, name: str, received: str, *, is_typed: bool) -> str:
    """Return a description of a missing error message or submitted value in the error response, or ""."""
    form, text = response.context["form"], html.unescape(response.content.decode())
    if response.status_code != 422 or name not in form.errors:
        return f"{response.status_code}, and the only messages are {dict(form.errors)}"
    if not re.search(rf'<ul class="errorlist[^"]*" id="{form[name].auto_id}_error">\s*<li>', text):
        return "no message at the field"
    if is_typed and (form[name].value() != received or received.replace("\x00", "") not in text.replace("\x00", "")):
        return "the submitted value is lost"
    return ""


@pytest.mark.parametrize(("form", "name"), FIELDS, ids=lambda value: value if isinstance(value, str) else value.url)
def test_hostile_values_are_rejected_or_cleaned(people: People, form: Form, name: str) -> None:
    failures: dict[str, str] = {}
    browser = signed_in(getattr(people, form.who))
    for label in form.values_for(name):
        typed = ALL[label]
        response, received = post(browser, people.url_for(form.url), people.filled(form) | {name: typed})
        assert response.status_code in ((302, 303, 409) if name in form.hidden else (302, 303, 422)), label
        if response.status_code == 422 or name in form.choices:
            if problem := problem_with_error(response, name, received[name], is_typed=name in form.texts):
                failures[label] = problem
            assert not EXECUTABLE.search(response.content.decode()), label
        if response.status_code == 422:
            continue
        if bad := find_unwanted():
            failures[label] = f"stored: {bad[0]!r}"
        people.page.refresh_from_db()  # The slug may have changed.
        if MARKUP.search(typed) and EXECUTABLE.search(Client().get(people.page.get_absolute_url()).content.decode()):
            failures[label] = "the page contains it as markup"
        for model in REPEATED:  # Avoid duplicates and limits for the next value.
            model.objects.all().delete()
        Project.objects.exclude(pk=people.project.pk).delete()
        BuilderProfile.objects.filter(pk=people.page.pk).update(hidden_at=None)
    assert (failures, find_unwanted()) == ({}, [])  # Rejected forms must not store anything.


LINK_LABELS = sorted(LINKS.keys() - {"a protocol-relative URL"})


@pytest.mark.parametrize(("url", "name"), ((PAGE_URL + "edit/links/", "links"), (PAGE_URL + "portfolio/new/", "url")))
@pytest.mark.parametrize("label", LINK_LABELS)
def test_unsafe_links_are_rejected(people: People, url: str, name: str, label: str) -> None:
    filled = {"title": "Ledger", "status": "live", name: LINKS[label]}
    response, received = post(signed_in(people.olive), people.url_for(url), filled)
    assert problem_with_error(response, name, received[name], is_typed=True) == ""


@pytest.mark.parametrize(
    "link",
    ("https://例え.jp/", "https://пример.рф/a", "https://bücher.example/", "https://8.8.8.8/", "example.com/x?y#z"),
)
def test_valid_links_in_any_script_are_accepted(people: People, link: str) -> None:
    post(signed_in(people.olive), people.url_for(PAGE_URL + "edit/links/"), {"links": link})
    people.page.refresh_from_db()
    assert people.page.links == [link if "//" in link else f"https://{link}"]


@pytest.mark.parametrize("rate", ("-1", "0", "1e400", "1e-400", "9" * 5000, "NaN", "sNaN", "-Infinity", "0.001"))
@pytest.mark.parametrize("url", (PAGE_URL + "edit/terms/", "/welcome/builder/"))
def test_invalid_rates_are_rejected(people: People, url: str, rate: str) -> None:
    response, _ = post(signed_in(people.olive), people.url_for(url), TERMS | {"hourly_rate": rate})
    assert problem_with_error(response, "hourly_rate", rate, is_typed=True) == ""


def api_client(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {mint(str(user.clerk_id))}", "if-match": "*"})


@pytest.mark.parametrize(
    "name",
    (
        *("display_name", "headline", "tagline", "bio", "location", "time_zone", "currency", "availability", "slug"),
        *("hourly_rate", "skills", "expertise", "domains", "links"),
    ),
)
def test_api_rejects_or_cleans_hostile_values(people: People, name: str) -> None:
    url, browser = f"/api/profiles/builders/{people.page.pk}", api_client(people.olive)
    for label, typed in values_for_field(name).items():
        value = [typed] if name in ("skills", "expertise", "domains", "links") else typed
        bodies = [{name: value}, {name: [value, {"a": None}]}, {name: {"a": value}}]
        for body in bodies if label == "script" else bodies[:1]:
            response = browser.patch(url, json.dumps(body), content_type="application/json")
            assert response.status_code in (200, 422), (label, body)
            assert response.status_code == 200 or list(response.json()["error"]["fields"]) == [name], label
            if response.status_code == 200:
                assert not find_unwanted(), label
        if MARKUP.search(typed):
            people.page.refresh_from_db()
            assert not EXECUTABLE.search(Client().get(people.page.get_absolute_url()).content.decode()), label


@pytest.mark.parametrize("parameter", ("q", "skill", "domain", "sort", "after", "tier", "rate"))
def test_search_accepts_hostile_parameters(people: People, parameter: str) -> None:
    for label, typed in (ALL if parameter == "q" else HOSTILE_INPUTS | NUMBERS).items():
        params = urlencode({parameter: typed}, errors="surrogatepass")
        response = Client().get(f"/builders/?{params}")
        assert (response.status_code, EXECUTABLE.search(response.content.decode())) == (200, None), label
        # The API has no sort order and its own cursor, so it names these parameters as unknown.
        accepted = (400,) if parameter in ("sort", "after") else (200, 422)
        assert Client().get(f"/api/profiles/builders?{params}").status_code in accepted, label


# --- Repeated and expired submissions ---


@pytest.mark.parametrize(
    "form",
    [form for form in FORMS if form.texts and form.url != PAGE_URL + "badges/code/"],
    ids=lambda form: form.url,
)
def test_form_submitted_twice_is_applied_once(people: People, form: Form) -> None:
    browser = signed_in(getattr(people, form.who))
    typed = people.filled(form) | {
        name: form.filled.get(name, "7") for name in form.texts if name not in {"url", "links"}
    }
    if form.url.endswith("new/"):
        typed["form_token"] = "0" * 31 + "1"
    first, _ = post(browser, people.url_for(form.url), typed)
    people.page.refresh_from_db()
    after_first = (sorted(stored_texts()), Project.objects.count(), ContactMessage.objects.count())
    second, _ = post(browser, people.url_for(form.url), typed)
    assert first.status_code in (302, 303), first.context["form"].errors
    assert second.status_code in (302, 303) or "already" in str(second.context["form"].errors)
    assert (sorted(stored_texts()), Project.objects.count(), ContactMessage.objects.count()) == after_first


@pytest.mark.parametrize("form", [form for form in FORMS if form.texts], ids=lambda form: form.url)
def test_form_with_expired_csrf_token_is_preserved(people: People, form: Form) -> None:
    before, browser = sorted(stored_texts()), signed_in(getattr(people, form.who), enforce_csrf_checks=True)
    typed = form.filled | dict.fromkeys(form.texts, "Typed with care") | {"csrfmiddlewaretoken": "0" * 64}
    response, _ = post(browser, people.url_for(form.url), typed, **{"sec-fetch-site": "same-origin"})
    assert (response.status_code, response["Location"]) == (303, f"{people.url_for(form.url)}?draft=1")
    assert browser.get(response["Location"]).content.decode().count("Typed with care") >= len(form.texts)
    cross_site, _ = post(browser, people.url_for(form.url), typed, **{"sec-fetch-site": "cross-site"})
    assert cross_site.status_code == 403
    assert "Go back, reload the page and submit the form again." in cross_site.content.decode()
    assert sorted(stored_texts()) == before


@pytest.mark.parametrize(
    "content", (b"", b"<script>alert(1)</script>", b"<svg onload=alert(1)/>", b"GIF89a", b"\xff\xd8\xff" + b"\0" * 99)
)
@pytest.mark.parametrize(
    "url", (PAGE_URL + "picture/", PAGE_URL + "portfolio/new/", PAGE_URL + "portfolio/{project}/images/")
)
def test_invalid_images_are_rejected_at_their_field(people: People, url: str, content: bytes) -> None:
    filled = {"title": "Ledger", "status": "live", "image_alt": "A map", "image": upload(content)}
    response = signed_in(people.olive).post(people.url_for(url), filled)
    assert problem_with_error(response, "image", "", is_typed=False) == ""
    if "portfolio" in url:
        assert response.context["form"]["image_alt"].value() == "A map"
