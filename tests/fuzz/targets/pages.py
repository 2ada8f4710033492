"""Forms, the directory, the API, and any URL with any method and headers."""

from random import Random
from typing import NamedTuple

from django.conf import settings

from tests.fuzz import mutations
from tests.fuzz.requests import BOUNDARY, Request, browser_headers, form_body, multipart, query_string
from tests.fuzz.world import CSRF_TOKEN, World
from tests.helpers.images import image_file

INTRODUCTION = {"display_name": "Olive", "headline": "Field apps", "tagline": "Offline", "opened": "1", "version": "1"}
TERMS = {"availability": "limited", "available_for_hire": "on", "hourly_rate": "85.50", "currency": "EUR"}
FACTS = {"available_from": "2027-01-15", "days_per_week": "3", "min_project": "2000"}
SPOKEN = {
    "page_language": "pl",
    "languages_0": "pl",
    "languages_1": "native",
    "languages_2": "en",
    "years_experience": "9",
}
PLACE = {"location": "Leeds", "time_zone": "Europe/London", "adhd_friendly": "on", "version": "1"}
SKILLS = {"skills": "Django, SQL", "expertise": "payments", "domains": "web", "version": "1"}
PROJECT = {"title": "Ledger", "description": "A ledger.", "url": "https://example.com/", "technologies": "Go, SQL"}
CROP = {f"crop_{side}": "5" for side in ("left", "top", "right", "bottom")}
IMAGE = {"image_alt": "A table", "form_token": "a" * 32} | CROP
PROJECT_STATE = {"status": "live", "image_alt": "A table", "form_token": "a" * 32, "version": "1"}
CLIENT = {"company_name": "Acme", "industry": "Rail", "project_preferences": "Small", "opened": "1", "version": "1"}
PAGE = "/builders/{slug}/"


class Form(NamedTuple):
    """A form: a user who can submit it, its URL, and valid field values. `file` is the name of the upload field."""

    user: str
    url: str
    fields: dict[str, str]
    file: str = ""


FORMS = (
    Form("olive", PAGE + "edit/introduction/", INTRODUCTION),
    Form(
        "olive",
        PAGE + "edit/about/",
        SPOKEN | {"bio": "**I** build [apps](https://example.com).\n\n* one", "opened": "1"},
    ),
    Form("olive", PAGE + "edit/skills/", SKILLS),
    Form("olive", PAGE + "edit/terms/", TERMS | FACTS | PLACE),
    Form("olive", PAGE + "edit/links/", {"links": "https://example.com/\nhttps://github.com/x", "version": "1"}),
    Form("olive", PAGE + "edit/visibility/", {"searchable": "on", "slug": "olive", "version": "1"}),
    Form("olive", PAGE + "availability/", {"availability": "available", "version": "1"}),
    Form("olive", PAGE + "portfolio/new/", PROJECT | PROJECT_STATE, "image"),
    Form("olive", PAGE + "portfolio/{project}/edit/", PROJECT | PROJECT_STATE),
    Form("olive", PAGE + "portfolio/{project}/delete/", {"confirm": "on"}),
    Form("olive", PAGE + "portfolio/{project}/images/", IMAGE, "image"),
    Form("olive", PAGE + "portfolio/{project}/images/{image}/", {"alt": "A map", "version": "1", "remove": "1"}),
    Form("olive", PAGE + "portfolio/{project}/images/order/", {"row": "{image}", "up": "{image}", "down": "1"}),
    Form("olive", PAGE + "portfolio/order/", {"project": "{project}", "up": "{project}", "down": "1"}),
    Form("olive", PAGE + "picture/", {"remove": "on"} | CROP, "image"),
    Form("olive", PAGE + "publish/", {"publish": "on", "published": "0", "action": "unpublish"}),
    Form("olive", PAGE + "delete/", {"confirm": "olive", "slug": "olive"}),
    Form(
        "olive", PAGE + "reviews/", {"subject": "tier-2", "text": "Shops", "links": "https://a.example"}, "attachments"
    ),
    Form("vera", PAGE + "contact/", {"subject": "Hello", "body": "A map.", "form_token": "a" * 32}),
    Form(
        "adam", PAGE + "verify/", {"tier": "2", "evidence": "Read.", "checked_items": "code", "checked_projects": "2"}
    ),
    Form("adam", PAGE + "badges/", {"kind": "code", "evidence": "Read."}),
    Form("adam", PAGE + "badges/code/", {"reason": "Old."}),
    Form("adam", PAGE + "record/", {"completed_projects": "3", "version": "1"}),
    Form("adam", PAGE + "feature/", {"featured": "1"}),
    Form("adam", PAGE + "hide/", {"reason": "Spam.", "hide": "1"}),
    Form("vera", "/welcome/", {"goal": "build", "keep_other_role": "on"}),
    Form("olive", "/welcome/builder/", TERMS | SKILLS | {"headline": "Field apps"}),
    Form("olive", "/welcome/client/", CLIENT),
    Form("olive", "/account/client/", CLIENT),
    Form("adam", "/clients/{client}/edit/", CLIENT),
    Form("olive", "/account/roles/", {"builder": "on", "client": "on"}),
    Form("olive", "/account/roles/stop/builder/", {"confirm": "on"}),
    Form("olive", "/account/notifications/", {"message_received": "on", "roles_changed": "on", "language": "de"}),
    Form("anonymous", "/account/notifications/unsubscribe/1:message_received:x/", {"List-Unsubscribe": "One-Click"}),
    Form("vera", "/account/delete/", {"confirm": "on", "cancel": "1"}),
    Form("vera", "/account/exports/", {"confirm": "on"}),
    Form("olive", "/sign-out/", {"next": "/builders/", "everywhere": "on"}),
    Form("anonymous", "/admin/login/", {"username": "operator1", "password": "wrong", "next": "/admin/"}),
)
DIRECTORY = {
    "q": "django offline",
    "domain": "web",
    "skill": "Django",
    "availability": "available",
    "tier": "1",
    "rate": "2",
    "sort": "rate-low",
    "after": "120.17",
}
BUILDER = {
    "display_name": "Olive",
    "headline": "Field apps",
    "tagline": "",
    "bio": "**Bold**",
    "skills": ["Django"],
    "expertise": ["payments"],
    "domains": ["web"],
    "availability": "limited",
    "available_for_hire": True,
    "hourly_rate": "85.50",
    "currency": "EUR",
    "location": "Leeds",
    "time_zone": "Europe/London",
    "languages": ["pl:native", "en"],
    "page_language": "pl",
    "years_experience": "9",
    "available_from": "2027-01-15",
    "days_per_week": "3",
    "min_project": "2000",
    "adhd_friendly": False,
    "links": ["https://example.com/"],
    "searchable": True,
    "slug": "olive",
}
COMPANY = {"company_name": "Acme", "industry": "Rail", "project_preferences": "Small"}
IMAGES = ("image/png", "image/jpeg", "image/webp", "text/html")
#: Headers that the application or its middleware reads.
HEADERS = {
    "accept": "text/html,*/*;q=0.8",
    "accept-encoding": "gzip, br",
    "accept-language": "de-DE,de;q=0.9",
    "authorization": "Bearer x",
    "content-type": "application/json",
    "cookie": "a=b",
    "forwarded": 'for="[2001:db8::1]:443";proto=https',
    "host": "testserver",
    "hx-current-url": "http://testserver/",
    "hx-request": "true",
    "hx-target": "results",
    "if-match": '"abc"',
    "if-modified-since": "Sat, 28 Nov 2026 10:00:00 GMT",
    "if-none-match": 'W/"abc", "def"',
    "origin": "http://testserver",
    "range": "bytes=0-99",
    "referer": "http://testserver/",
    "remote-addr": "10.0.0.1:5678",
    "sec-fetch-dest": "document",
    "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    "user-agent": "Mozilla/5.0",
    "x-forwarded-for": "1.2.3.4:5678, [2001:db8::1]:443",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "https",
    "x-request-id": "abcdefgh-1234",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X")
PATHS = (
    *(
        "/",
        "/builders/",
        PAGE,
        PAGE + "card.png",
        "/welcome/preview/",
        "/sign-in/",
        "/sign-up/",
        "/account/",
        "/account/security/",
        "/account/notifications/",
        "/account/notifications/unsubscribe/1:message_received:x/",
        "/static/css/base.css",
    ),
    *(
        "/account/exports/{export}/",
        "/media/projects/" + "0" * 32 + ".webp",
        "/api/openapi.json",
        "/api/docs/",
        "/api/nowhere",
    ),
    *(
        "/healthz",
        "/readyz",
        "/metrics",
        "/admin/",
        "/clients/{client}/edit/",
        "/builders/olive owner/",
        "/favicon.ico",
        "/robots.txt",
    ),
)


def form(random: Random, world: World) -> Request:
    """Return a form submission with mutated fields or a mutated upload."""
    chosen = random.choice(FORMS)
    fields = mutations.fields(random, {name: world.fill_in(value) for name, value in chosen.fields.items()})
    if chosen.file and random.random() < 0.5:
        kind, body = _upload(random, fields, chosen.file)
    else:
        kind, body = form_body(random, fields)
    headers = browser_headers(random) | {"content-type": kind} | _signed_in(random, world, chosen.user)
    if random.random() < 0.15 and chosen.user in world.expired_tokens:
        headers |= {"sec-fetch-site": "same-origin", "cookie": _expired(world, chosen.user)}
    if random.random() < 0.03:
        headers["host"] = mutations.text(random, "testserver")[:500]
    return Request("POST", world.fill_in(chosen.url), headers=headers, body=body)


def directory(random: Random, world: World) -> Request:
    """Return a directory search with mutated filters."""
    chosen = {name: value for name, value in DIRECTORY.items() if random.random() < 0.4} or DIRECTORY
    path, headers = random.choice(("/builders/", "/builders/", "/", "/api/profiles/builders")), browser_headers(random)
    return Request("GET", path, query_string(random, chosen), headers | {"cookie": world.cookies["anonymous"]})


def api(random: Random, world: World) -> Request:
    """Return a request to the JSON API with a mutated body, query or precondition."""
    user = random.choice(("olive", "olive", "adam", "vera"))
    headers = {"authorization": f"Bearer {world.tokens[user]}", "if-match": "*", "content-type": "application/json"}
    if random.random() < 0.2:
        headers["if-match"] = mutations.text(random, '"abc", W/"def"')[:2000]
    path, valid = random.choice(
        (("builders/{builder}", BUILDER), ("builders/{builder}", BUILDER), ("clients/{client}", COMPANY))
    )
    method = random.choice(("PATCH",) * 12 + ("GET", "DELETE", "PUT"))
    fields = {name: value for name, value in valid.items() if random.random() < 0.3} or valid
    body = mutations.encode(random, mutations.json_value(random, fields))
    if random.random() < 0.05:
        body = mutations.data(random, body)
    query = query_string(random, {"fields": "slug"}) if random.random() < 0.1 else ""
    return Request(method, world.fill_in(f"/api/profiles/{path}"), query, headers, body)


def any_url(random: Random, world: World) -> Request:
    """Return a request with a mutated path, any method and mutated headers."""
    path = world.fill_in(random.choice((*PATHS, *(each.url for each in FORMS))))
    if random.random() < 0.6:
        parts = path.split("/")
        at = random.randrange(len(parts))
        parts[at] = mutations.text(random, parts[at])[:2000]
        path = "/".join(parts)
    names = random.sample(list(HEADERS), random.choice((1, 2, 5)))
    headers = {name: mutations.text(random, HEADERS[name])[:6000] for name in names}
    if "cookie" not in headers:
        headers |= _signed_in(random, world, random.choice(list(world.cookies)))
    query = query_string(random, {"as": "visitor", "next": "/account/", "fbclid": "x"}) if random.random() < 0.3 else ""
    method = random.choice(("GET",) * 10 + ("POST",) * 4 + METHODS)
    if method == "GET":
        return Request(method, path, query, headers)
    kind, body = form_body(random, mutations.fields(random, INTRODUCTION))
    return Request(method, path, query, {"content-type": kind, "x-csrftoken": CSRF_TOKEN} | headers, body)


def _signed_in(random: Random, world: World, user: str) -> dict[str, str]:
    name = user if random.random() < 0.95 else random.choice(list(world.cookies))
    return {"cookie": f"{world.cookies[name]}; {settings.CSRF_COOKIE_NAME}={CSRF_TOKEN}", "x-csrftoken": CSRF_TOKEN}


def _expired(world: World, user: str) -> str:
    return world.cookies[user].replace(world.tokens[user], world.expired_tokens[user])


def _upload(random: Random, fields: list[tuple[str, str]], name: str) -> tuple[str, bytes]:
    """Return the content type and body of a form with a valid or damaged image."""
    image = image_file(kind=random.choice(("PNG", "JPEG", "WEBP", "GIF")))
    content = image if random.random() < 0.2 else mutations.data(random, image)
    filename = mutations.text(random, "portrait.png")[:300]
    body = multipart(fields, {name: (filename, random.choice(IMAGES), content)})
    return f"multipart/form-data; boundary={BOUNDARY}", mutations.data(random, body) if random.random() < 0.1 else body
