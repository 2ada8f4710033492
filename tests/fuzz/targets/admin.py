"""Lists and other pages of the admin."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from html import unescape
from random import Random

from django.conf import settings
from django.contrib import admin
from django.core.handlers.wsgi import WSGIHandler
from django.db.models import Model
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from core.admin.declared_filters import DeclaredFiltersMixin
from tests.fuzz import mutations
from tests.fuzz.application import call, rolled_back
from tests.fuzz.requests import Request, form_body, query_string
from tests.fuzz.world import CSRF_TOKEN, World

CONVERTER = re.compile(r"<[^>]+>")
#: The name and value of an input, a text area or a list of choices.
FIELD = re.compile(r'<(?:input|textarea|select|button)\b[^>]*?\bname="([^"]+)"(?:[^>]*?\bvalue="([^"]*)")?')
OK = 200
APPLICATION = WSGIHandler()
#: Parameters of every list, with valid values.
LIST = {"q": "olive", "o": "1.-2", "p": "2", "all": "1", "e": "1", "_facets": "True", "_popup": "1", "_to_field": "id"}
CURSOR = {
    "after": "1000000007",
    "before": "1793000000.5",
    "within": "7d",
    "password__regex": "^p",
    "body__contains": "a",
}
#: Fields of our own admin forms, with valid values.
FORM = {
    "action": "repair",
    "_selected_action": "{row}",
    "select_across": "0",
    "confirm": "on",
    "reason": "Checked.",
    "note": "Seen.",
    "choice": "link",
    "kind": "acknowledge",
    "rate": "10",
    "dry_run": "on",
    "state": "failed",
    "format": "csv",
    "BUILDER": "add",
    "name": "Editors",
    "everyone": "unknown",
    "percent": "50",
    "username": "operator1",
    "password": "wrong",
}


def admin_list(random: Random, world: World) -> Request:
    """Return a request for an admin list, with mutated filters, search terms, sort orders and cursors."""
    model = random.choice(list(admin.site._registry))
    valid = (
        LIST
        | CURSOR
        | dict.fromkeys(_declared_parameters(model), random.choice(("1", "processed", "7d", "2026-11-01", "")))
    )
    chosen = {name: value for name, value in valid.items() if random.random() < 0.3} or valid
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return Request(
        "GET", path, query_string(random, chosen), {"cookie": world.cookies[random.choice(("adam", "operator"))]}
    )


def admin_page(random: Random, world: World) -> Request:
    """Return a GET or POST request to any admin URL, with mutated arguments."""
    url = CONVERTER.sub(lambda _: _argument(random, world), random.choice(_urls()))
    headers = {
        "cookie": f"{world.cookies[random.choice(('adam', 'operator'))]}; {settings.CSRF_COOKIE_NAME}={CSRF_TOKEN}"
    }
    if random.random() < 0.4:
        return Request("GET", url, query_string(random, LIST | CURSOR | {"next": "/admin/", "page": "2"}), headers)
    own = _fields_of(url, world.cookies["operator"])
    valid = {name: value.format(row=world.row_pk) for name, value in FORM.items() if random.random() < 0.3} | own
    kind, body = form_body(random, mutations.fields(random, valid))
    return Request("POST", url, "", headers | {"content-type": kind, "x-csrftoken": CSRF_TOKEN}, body)


def _argument(random: Random, world: World) -> str:
    return str(world.row_pk) if random.random() < 0.7 else mutations.text(random, str(world.row_pk))[:200]


@lru_cache(1000)
def _fields_of(url: str, cookie: str) -> dict[str, str]:
    """Return the fields of the forms on a page. For a URL that accepts only POST, use the form on its parent page."""
    for page in (url, re.sub("[^/]+/$", "", url), re.sub("[^/]+/$", "change/", url)):
        with rolled_back():
            status, body = call(APPLICATION, Request("GET", page, headers={"cookie": cookie}).environ())
        if status == OK and (found := dict(FIELD.findall(body.decode()))):
            return {unescape(name): unescape(value) for name, value in found.items()}
    return {}


@cache
def _declared_parameters(model: type[Model]) -> list[str]:
    model_admin = admin.site._registry[model]
    assert isinstance(model_admin, DeclaredFiltersMixin)
    return sorted(model_admin.declared_parameters(RequestFactory().get("/")))


@cache
def _urls() -> list[str]:
    return sorted(
        {
            f"/{route.replace('^', '').replace('$', '')}"
            for route in _routes(get_resolver())
            if route.startswith("admin/")
        }
    )


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route
