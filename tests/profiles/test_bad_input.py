"""Whatever is posted to whichever field of whichever form: a sentence beside the field, or kept harmless; never a failure."""

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
from profiles.models import Badge, BuilderProfile, ClientProfile, ContactMessage, Project
from profiles.portfolio.services import PROJECT_FIELDS
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, ProjectFactory, UserFactory
from tests.helpers.images import upload
from tests.helpers.tokens import mint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

NASTY = {
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
    "nothing visible": "\u200b\u2060\ufeff\u00ad\u3164",
    "decomposed": "Cafe\u0301",
    "a tower of accents": "Z" + "\u0351" * 200,
    "no character": "a\ufffe\U0010ffffb",
    "10,000 characters": "x" * 10_000,
    "10,000 entries": ",".join(map(str, range(10_000))),
    "10,000 emoji": "🚀" * 10_000,
    "a path": "../../../../etc/passwd",
    "SQL": "'; DROP TABLE accounts_user; --",
}
#: What some would make a link of.
ADDRESSES = {
    "javascript": "javascript:alert(document.domain)",
    "javascript behind a line break": "java\nscript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "a file": "file:///etc/passwd",
    "a bare host": "//evil.example/x",
    "somebody before the host": "http://google.com@evil.example/",
    "one Cyrillic letter": "https://аpple.com/",
    "only Cyrillic lookalikes": "https://аррӏе.com/",
    "this machine": "http://127.0.0.1:8000/admin/",
    "this machine by name": "https://api.localhost/",
    "a private network": "http://10.0.0.1/",
    "the keys of the cloud": "http://169.254.169.254/latest/meta-data/",
    "IPv6": "http://[::1]/",
    "a broken address": "https://[::1",
}
NUMBERS = {
    "negative": "-1",
    "absurd": "1e400",
    "many digits": "9" * 5000,
    "other digits": "٣٤",
    "NaN": "NaN",
    "a NaN that signals": "sNaN",
    "Infinity": "Infinity",
}
ALL = NASTY | ADDRESSES | NUMBERS
OF_ADDRESSES, OF_NUMBERS = {"links", "url", "bio"}, {"hourly_rate", "completed_projects", "response_rate"}
#: Enough for what must be one of a few values, or is tried with all of them elsewhere.
A_FEW = (
    "script",
    "NUL",
    "an unpaired surrogate",
    "right to left override",
    "10,000 characters",
    "nothing visible",
)
#: Nothing of it may be stored: control characters, surrogates, what turns directions, what nobody sees.
UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff\u00ad]"
)
MARKUP = re.compile("<|javascript:|data:|file:|^//")
#: Nothing of it may stand in a page as markup.
RUNS = re.compile(
    r"<script>alert|<img src=x|<svg onload|<iframe|href=[\"']?\s*(?:javascript|data|file|//evil)", re.IGNORECASE
)


def meant_for(name: str) -> dict[str, str]:
    """Return what a field is tried with."""
    return NASTY | (ADDRESSES if name in OF_ADDRESSES else {}) | (NUMBERS if name in OF_NUMBERS else {})


@dataclass(frozen=True)
class Form:
    """A form as somebody fills it in.

    Attributes:
        who: Olive owns the profiles, Vera is a visitor, and Adam an admin.
        filled: what else is in it.
        texts: fields that take whatever is typed.
        choices: fields that are chosen.
        unseen: fields that nobody types.
        is_alike: another form above has the same fields, so that a few values suffice.
    """

    url: str
    who: str = "olive"
    filled: dict[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    is_alike: bool = False

    def values_for(self, name: str) -> Iterable[str]:
        """Return the labels of what a field is tried with."""
        return A_FEW if self.is_alike or name not in self.texts else meant_for(name)


TERMS = {"availability": "limited", "currency": "EUR"}
PAGE_OF = "/builders/{slug}/"
FORMS = (
    Form(PAGE_OF + "edit/introduction/", texts=("display_name", "headline", "tagline"), unseen=("opened",)),
    Form(PAGE_OF + "edit/about/", texts=("bio",), unseen=("opened",)),
    Form(PAGE_OF + "edit/skills/", texts=("skills", "expertise"), choices=("domains",)),
    Form(
        PAGE_OF + "edit/terms/",
        filled=TERMS,
        texts=("hourly_rate", "location"),
        choices=("availability", "currency", "time_zone"),
    ),
    Form(PAGE_OF + "edit/links/", texts=("links",)),
    Form(PAGE_OF + "edit/visibility/", filled={"searchable": "on"}, texts=("slug",)),
    Form(
        PAGE_OF + "portfolio/new/",
        filled={"title": "Ledger", "status": "live"},
        texts=("title", "description", "url", "technologies", "image_alt"),
        choices=("status",),
        unseen=("version", "form_token"),
    ),
    Form(
        PAGE_OF + "portfolio/{project}/edit/",
        filled={"title": "Ledger", "status": "live"},
        texts=("title", "description", "url", "technologies", "image_alt"),
        choices=("status",),
        unseen=("version", "form_token"),
        is_alike=True,
    ),
    Form(PAGE_OF + "contact/", "vera", {"subject": "Hello", "body": "A map."}, texts=("subject", "body")),
    Form(PAGE_OF + "verify/", "adam", {"tier": "1"}, texts=("evidence",), choices=("tier",)),
    Form(PAGE_OF + "badges/", "adam", {"kind": "code", "evidence": "Read."}, texts=("evidence",), choices=("kind",)),
    Form(PAGE_OF + "badges/code/", "adam", texts=("reason",)),
    Form(PAGE_OF + "record/", "adam", {"completed_projects": "1"}, texts=("completed_projects", "response_rate")),
    Form(PAGE_OF + "hide/", "adam", texts=("reason",)),
    Form("/welcome/", choices=("goal",)),
    Form(
        "/welcome/builder/",
        filled=TERMS,
        texts=("headline", "skills", "hourly_rate"),
        choices=("domains", "availability", "currency"),
        is_alike=True,
    ),
    Form("/welcome/client/", texts=("company_name", "industry", "project_preferences")),
    Form(
        "/account/client/", texts=("company_name", "industry", "project_preferences"), unseen=("opened",), is_alike=True
    ),
    Form("/clients/{client}/edit/", "adam", texts=("company_name", "industry", "project_preferences"), is_alike=True),
    Form("/account/roles/", filled={"builder": "on", "client": "on"}, unseen=("builder",)),
)
FIELDS = [(form, name) for form in FORMS for name in (*form.texts, *form.choices, *form.unseen)]


@dataclass
class People:
    """Whoever fills in forms, and what the forms are about."""

    olive: User
    vera: User
    adam: User
    page: BuilderProfile
    client: ClientProfile
    project: Project

    def address(self, url: str) -> str:
        return url.format(slug=self.page.slug, project=self.project.pk, client=self.client.pk)

    def filled(self, form: Form) -> dict[str, Any]:
        self.project.refresh_from_db()
        return form.filled | ({"version": version_of(self.project, PROJECT_FIELDS)} if "{project}" in form.url else {})


@pytest.fixture
def people() -> People:
    olive = UserFactory.create(builder=True, client=True, confirmed=True, name="Olive Owner")
    page = BuilderProfileFactory.create(user=olive, introduced=True)
    return People(
        olive=olive,
        vera=UserFactory.create(confirmed=True),
        adam=UserFactory.create(admin=True),
        page=page,
        client=ClientProfileFactory.create(user=olive),
        project=ProjectFactory.create(builder=page),
    )


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_of(each)


def stored() -> list[str]:
    """Return every text that people may have written."""
    models: tuple[Any, ...] = (BuilderProfile, ClientProfile, Project, Badge, ContactMessage)
    rows = [row for model in models for row in model._default_manager.defer(None).values()]
    return [text for row in rows for name, value in row.items() if name != "search" for text in texts_of(value)]


def unwanted() -> list[str]:
    """Return what should not have been stored."""
    texts = stored()
    return [text[:40] for text in texts if UNWANTED.search(text) or not unicodedata.is_normalized("NFC", text)]


def post(browser: Client, url: str, typed: dict[str, Any], **headers: str) -> tuple[Any, Any]:
    """Post the form byte by byte, surrogates included, and return the answer and what arrives of it."""
    body = urlencode(typed, errors="surrogatepass", doseq=True)
    response = browser.post(url, body, content_type="application/x-www-form-urlencoded", headers=headers)
    return response, QueryDict(body)


def is_told(response: Any, name: str, arrived: str, *, is_typed: bool) -> str:
    """Return what is missing of a refusal: the sentence beside the field, or what was typed in it."""
    form, text = response.context["form"], html.unescape(response.content.decode())
    if response.status_code != 422 or name not in form.errors:
        return f"{response.status_code}, and no message for it but {dict(form.errors)}"
    if not re.search(rf'<ul class="errorlist[^"]*" id="{form[name].auto_id}_error">\s*<li>', text):
        return "no message beside it"
    if is_typed and (form[name].value() != arrived or arrived.replace("\x00", "") not in text.replace("\x00", "")):
        return "what was typed is lost"
    return ""


@pytest.mark.parametrize(("form", "name"), FIELDS, ids=lambda value: value if isinstance(value, str) else value.url)
def test_a_sentence_beside_the_field_or_kept_harmless(people: People, form: Form, name: str) -> None:
    wrong: dict[str, str] = {}
    browser = signed_in(getattr(people, form.who))
    for label in form.values_for(name):
        typed = ALL[label]
        response, arrived = post(browser, people.address(form.url), people.filled(form) | {name: typed})
        assert response.status_code in ((302, 303, 409) if name in form.unseen else (302, 303, 422)), label
        if response.status_code == 422 or name in form.choices:
            if trouble := is_told(response, name, arrived[name], is_typed=name in form.texts):
                wrong[label] = trouble
            assert not RUNS.search(response.content.decode()), label
        if response.status_code == 422:
            continue
        if bad := unwanted():
            wrong[label] = f"stored: {bad[0]!r}"
        people.page.refresh_from_db()  # its address may have changed
        if MARKUP.search(typed) and RUNS.search(Client().get(people.page.get_absolute_url()).content.decode()):
            wrong[label] = "it is markup on the page"
        for model in (ContactMessage, Badge):  # so that the next is no repetition, and not too many
            model.objects.all().delete()
        Project.objects.exclude(pk=people.project.pk).delete()
        BuilderProfile.objects.filter(pk=people.page.pk).update(hidden_at=None)
    assert (wrong, unwanted()) == ({}, [])  # refused forms stored nothing either


LINKS = sorted(ADDRESSES.keys() - {"a bare host"})


@pytest.mark.parametrize(("url", "name"), ((PAGE_OF + "edit/links/", "links"), (PAGE_OF + "portfolio/new/", "url")))
@pytest.mark.parametrize("label", LINKS)
def test_no_such_address_becomes_a_link(people: People, url: str, name: str, label: str) -> None:
    filled = {"title": "Ledger", "status": "live", name: ADDRESSES[label]}
    response, arrived = post(signed_in(people.olive), people.address(url), filled)
    assert is_told(response, name, arrived[name], is_typed=True) == ""


@pytest.mark.parametrize(
    "link",
    ("https://例え.jp/", "https://пример.рф/a", "https://bücher.example/", "https://8.8.8.8/", "example.com/x?y#z"),
)
def test_honest_addresses_in_any_script_are_taken(people: People, link: str) -> None:
    post(signed_in(people.olive), people.address(PAGE_OF + "edit/links/"), {"links": link})
    people.page.refresh_from_db()
    assert people.page.links == [link if "//" in link else f"https://{link}"]


@pytest.mark.parametrize("rate", ("-1", "0", "1e400", "1e-400", "9" * 5000, "NaN", "sNaN", "-Infinity", "0.001"))
@pytest.mark.parametrize("url", (PAGE_OF + "edit/terms/", "/welcome/builder/"))
def test_no_such_rate_is_taken(people: People, url: str, rate: str) -> None:
    response, _ = post(signed_in(people.olive), people.address(url), TERMS | {"hourly_rate": rate})
    assert is_told(response, "hourly_rate", rate, is_typed=True) == ""


def program(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {mint(str(user.clerk_id))}", "if-match": "*"})


@pytest.mark.parametrize(
    "name",
    (
        *("display_name", "headline", "tagline", "bio", "location", "time_zone", "currency", "availability", "slug"),
        *("hourly_rate", "skills", "expertise", "domains", "links"),
    ),
)
def test_programs_are_told_or_what_they_send_is_harmless(people: People, name: str) -> None:
    url, browser = f"/api/profiles/builders/{people.page.pk}", program(people.olive)
    for label, typed in meant_for(name).items():
        value = [typed] if name in ("skills", "expertise", "domains", "links") else typed
        bodies = [{name: value}, {name: [value, {"a": None}]}, {name: {"a": value}}]
        for body in bodies if label == "script" else bodies[:1]:
            response = browser.patch(url, json.dumps(body), content_type="application/json")
            assert response.status_code in (200, 422), (label, body)
            assert response.status_code == 200 or list(response.json()["error"]["fields"]) == [name], label
            if response.status_code == 200:
                assert not unwanted(), label
        if MARKUP.search(typed):
            people.page.refresh_from_db()
            assert not RUNS.search(Client().get(people.page.get_absolute_url()).content.decode()), label


@pytest.mark.parametrize("parameter", ("q", "skill", "domain", "sort", "after", "tier", "rate"))
def test_no_search_breaks(people: People, parameter: str) -> None:
    for label, typed in (ALL if parameter == "q" else NASTY | NUMBERS).items():
        asked = urlencode({parameter: typed}, errors="surrogatepass")
        response = Client().get(f"/builders/?{asked}")
        assert (response.status_code, RUNS.search(response.content.decode())) == (200, None), label
        assert Client().get(f"/api/profiles/builders?{asked}").status_code in (200, 422), label


# --- Twice, and too late ---


@pytest.mark.parametrize(
    "form",
    [form for form in FORMS if form.texts and form.url != PAGE_OF + "badges/code/"],
    ids=lambda form: form.url,
)
def test_the_same_form_sent_twice_has_one_effect(people: People, form: Form) -> None:
    browser = signed_in(getattr(people, form.who))
    typed = people.filled(form) | {
        name: form.filled.get(name, "7") for name in form.texts if name not in {"url", "links"}
    }
    if form.url.endswith("new/"):
        typed["form_token"] = "0" * 31 + "1"
    first, _ = post(browser, people.address(form.url), typed)
    people.page.refresh_from_db()
    after_first = (sorted(stored()), Project.objects.count(), ContactMessage.objects.count())
    second, _ = post(browser, people.address(form.url), typed)
    assert first.status_code in (302, 303), first.context["form"].errors
    assert second.status_code in (302, 303) or "already" in str(second.context["form"].errors)
    assert (sorted(stored()), Project.objects.count(), ContactMessage.objects.count()) == after_first


@pytest.mark.parametrize("form", [form for form in FORMS if form.texts], ids=lambda form: form.url)
def test_a_form_whose_csrf_token_ran_out_waits_with_what_was_typed(people: People, form: Form) -> None:
    before, browser = sorted(stored()), signed_in(getattr(people, form.who), enforce_csrf_checks=True)
    typed = form.filled | dict.fromkeys(form.texts, "Typed with care") | {"csrfmiddlewaretoken": "0" * 64}
    response, _ = post(browser, people.address(form.url), typed, **{"sec-fetch-site": "same-origin"})
    assert (response.status_code, response["Location"]) == (303, f"{people.address(form.url)}?draft=1")
    assert browser.get(response["Location"]).content.decode().count("Typed with care") >= len(form.texts)
    strange, _ = post(browser, people.address(form.url), typed, **{"sec-fetch-site": "cross-site"})
    assert strange.status_code == 403
    assert "Go back, reload the page and send it once more." in strange.content.decode()
    assert sorted(stored()) == before


@pytest.mark.parametrize(
    "content", (b"", b"<script>alert(1)</script>", b"<svg onload=alert(1)/>", b"GIF89a", b"\xff\xd8\xff" + b"\0" * 99)
)
@pytest.mark.parametrize(
    "url", (PAGE_OF + "picture/", PAGE_OF + "portfolio/new/", PAGE_OF + "portfolio/{project}/edit/")
)
def test_what_is_no_picture_is_refused_beside_its_field(people: People, url: str, content: bytes) -> None:
    filled = {"title": "Ledger", "status": "live", "image_alt": "A map", "image": upload(content)}
    response = signed_in(people.olive).post(people.address(url), filled)
    assert is_told(response, "image", "", is_typed=False) == ""
    if "portfolio" in url:
        assert response.context["form"]["image_alt"].value() == "A map"
