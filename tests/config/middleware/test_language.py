"""Pages are in the visitor's language, and answers for machines are in English."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import Client
from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db

PAGE = "/builders/olive-owner/"
ROOT = '<html lang="{}" dir="{}">'


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Start without cached fragments, and do not leave another language active on the thread."""
    BuilderProfileFactory.create(user__name="Olive Owner", slug="olive-owner")
    caches["fragments"].clear()
    yield
    caches["fragments"].clear()
    translation.activate(settings.LANGUAGE_CODE)


def read(url: str = "/", *, accept: str = "", cookie: str = "", etag: str = "") -> Any:
    client = Client(headers={"accept-language": accept} if accept else {})
    client.cookies["__clerk_db_jwt"] = "dvb_any"  # The browser has completed a handshake, so it is not redirected.
    if cookie:
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = cookie
    return client.get(url, headers={"if-none-match": etag} if etag else None)


def choose(language: str, **headers: str) -> Any:
    return Client(enforce_csrf_checks=True).post("/language/", {"language": language}, headers=headers)


# --- Pages ---


@pytest.mark.parametrize(
    ("accept", "language", "direction"),
    (
        ("", "en", "ltr"),
        ("de-AT,de;q=0.9,en;q=0.8", "de", "ltr"),
        ("ar-EG", "ar", "rtl"),
        ("fr,de;q=0.5", "de", "ltr"),
        ("fr", "en", "ltr"),
        ("de;q=nonsense,,;;*", "en", "ltr"),
        ("de," * 5000, "de", "ltr"),
    ),
)
def test_page_is_in_the_first_supported_language_of_the_browser(accept: str, language: str, direction: str) -> None:
    response = read(accept=accept)
    assert ROOT.format(language, direction) in response.content.decode()
    assert response["Content-Language"] == language


@pytest.mark.parametrize("url", ("/", "/builders/", PAGE, "/sign-in/", "/nowhere/", "/admin/login/"))
def test_chosen_language_takes_precedence_on_every_page(url: str) -> None:
    text = read(url, accept="de", cookie="ar").content.decode()
    assert '<html lang="ar" dir="rtl"' in text
    assert '<button name="language" value="ar" lang="ar" aria-current="true">' in text


@pytest.mark.parametrize("cookie", ("xx", "../de", "de" * 500, "\u0000"))
def test_unknown_chosen_language_is_ignored(cookie: str) -> None:
    assert ROOT.format("de", "ltr") in read(accept="de", cookie=cookie).content.decode()


def test_addresses_do_not_depend_on_the_language() -> None:
    links = [set(read(accept=language).content.decode().split('href="')) for language in ("en", "de")]
    assert {link.partition('"')[0] for link in links[0]} == {link.partition('"')[0] for link in links[1]}


# --- The chooser ---


def test_choice_is_stored_for_a_year_and_returns_to_the_page() -> None:
    response = choose("de", referer=f"http://testserver{PAGE}")
    assert (response.status_code, response["Location"]) == (302, f"http://testserver{PAGE}")
    cookie = response.cookies["language"]
    assert (cookie.value, cookie["max-age"], cookie["samesite"]) == ("de", 365 * 24 * 3600, "Lax")
    assert cookie["httponly"]


@pytest.mark.parametrize("language", ("", "xx", "de" * 500))
def test_unknown_language_is_not_stored(language: str) -> None:
    response = choose(language)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert "language" not in response.cookies


def test_choice_never_redirects_to_another_site() -> None:
    assert choose("de", referer="https://evil.example/")["Location"] == "/"
    response = Client().post("/language/", {"language": "de", "next": "//evil.example/"})
    assert response["Location"] == "/"


@pytest.mark.parametrize("site", ("cross-site", "same-site"))
def test_other_sites_cannot_choose_the_language(site: str) -> None:
    response = choose("de", **{"sec-fetch-site": site})
    assert response.status_code == 403
    assert "language" not in response.cookies


# --- Caches ---


@pytest.mark.parametrize("url", ("/", "/builders/", PAGE))
def test_shared_caches_keep_each_language_apart(url: str) -> None:
    pages = {language: read(url, accept=language) for language in ("en", "de", "ar")}
    assert len({page["ETag"] for page in pages.values()}) == 3
    for page in pages.values():
        assert "s-maxage=5" in page["Cache-Control"]
        assert {"Accept-Language", "Cookie"} <= {name.strip() for name in page["Vary"].split(",")}
    assert read(url, accept="de", etag=pages["en"]["ETag"]).status_code == 200
    revalidated = read(url, accept="de", etag=pages["de"]["ETag"])
    assert (revalidated.status_code, revalidated["Vary"]) == (304, pages["de"]["Vary"])


def test_choice_changes_the_etag() -> None:
    assert read(PAGE, accept="en")["ETag"] != read(PAGE, accept="en", cookie="de")["ETag"]
    assert read(PAGE, accept="de")["ETag"] == read(PAGE, accept="en", cookie="de")["ETag"]


@pytest.mark.parametrize("url", ("/", "/builders/", PAGE))
def test_fragments_are_cached_for_each_language(url: str) -> None:
    cold = {language: read(url, accept=language).content for language in ("en", "de", "ar")}
    assert len(set(cold.values())) == 3
    assert {language: read(url, accept=language).content for language in cold} == cold


@pytest.mark.parametrize("language", ("en", "de"))
def test_languages_need_no_queries(language: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    etag = read(PAGE, accept=language)["ETag"]
    with django_assert_num_queries(1):
        assert read(PAGE, accept=language, etag=etag).status_code == 304


# --- Machines ---


@pytest.mark.parametrize(
    "url",
    (
        *(
            "/api/profiles/builders",
            "/api/profiles/builders?order=x",
            "/api/profiles/me",
            "/api/openapi.json",
            "/api/docs/",
        ),
        *("/api/nowhere", "/api/webhooks/clerk", "/healthz", "/robots.txt", "/sitemap.xml"),
    ),
)
def test_answers_for_machines_are_in_english(url: str) -> None:
    expected = read(url)
    read("/", accept="de")  # The language of the thread's previous request must not remain active.
    response = read(url, accept="de", cookie="ar")
    assert response.content == expected.content
    assert "Accept-Language" not in response.get("Vary", "")
    assert "Content-Language" not in response


@pytest.mark.parametrize(("language", "expected"), (("", "en"), ("de", "de"), ("pl", "en")))
def test_embedded_card_is_in_the_language_of_the_page(language: str, expected: str) -> None:
    BuilderProfileFactory._meta.model.objects.update(page_language=language)
    assert ROOT.format(expected, "ltr") in read(f"{PAGE}card/", accept="ar").content.decode()
