"""Public pages of the legal texts: versions, languages, caching and starting texts."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.legal import texts
from accounts.models import LegalVersion
from tests.accounts.legal.conftest import Document, Publish
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

PATHS = ("/terms/", "/privacy/", "/contact/")
STARTING_TEXT = "This is placeholder text."


def visitor() -> Client:
    """Return a signed-out browser that has completed a handshake, because the page is not shared before that."""
    browser = Client()
    browser.cookies["__clerk_db_jwt"] = "dvb_any"
    return browser


def page(path: str, language: str = "en") -> str:
    return visitor().get(path, headers={"accept-language": language}).text


@pytest.mark.parametrize("path", PATHS)
def test_starting_text_is_marked_and_not_indexed(path: str) -> None:
    text = page(path)
    assert STARTING_TEXT in text
    assert '<meta name="robots" content="noindex">' in text
    assert '<article class="prose" lang="en" dir="ltr">' in text


def test_every_starting_text_contains_placeholders() -> None:
    for document in Document:
        assert texts.find_placeholder(texts.starting_text(document))


@pytest.mark.parametrize(
    ("text", "placeholder"),
    (
        ("Operated by [name of the company].", "[name of the company]"),
        ("Operated by [Name of the\n  company].", "[Name of the\n  company]"),
        ("Operated by [name of the company](https://example.com).", ""),
        ("See note [1], and the quotation [sic].", ""),
    ),
)
def test_only_placeholders_of_the_starting_texts_are_found(text: str, placeholder: str) -> None:
    assert texts.find_placeholder(text) == placeholder


def test_page_shows_the_newest_version_and_links_to_all(publish: Publish) -> None:
    publish("## Before\n\nOld <b>words</b>.")
    publish("## Now\n\nNew **words**.")
    current, former = page("/terms/"), page("/terms/1/")
    assert "<h2>Now</h2>" in current
    assert "New <strong>words</strong>." in current
    assert STARTING_TEXT not in current
    assert "noindex" not in current
    assert "Old &lt;b&gt;words&lt;/b&gt;." in former
    assert "It no longer applies." in former
    assert "noindex" in former
    for text in (current, former):
        assert 'href="/terms/1/"' in text
        assert 'href="/terms/2/"' in text
    assert "It no longer applies." not in page("/terms/2/")


@pytest.mark.parametrize(
    "path", ("/terms/2/", "/terms/0/", "/terms/01/", f"/terms/{'9' * 30}/", "/imprint/", "/terms/x/")
)
def test_missing_version_is_not_found(publish: Publish, path: str) -> None:
    publish("Text")
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize(
    ("available", "requested", "expected"),
    (
        (("en", "de", "ar"), "ar", '<article class="prose" lang="ar" dir="rtl">'),
        (("en", "de"), "de", '<article class="prose" lang="de" dir="ltr">'),
        (("en", "de"), "ar", '<article class="prose" lang="en" dir="ltr">'),
        (("de",), "ar", '<article class="prose" lang="de" dir="ltr">'),
        (("ar",), "en", '<article class="prose" lang="ar" dir="rtl">'),
    ),
)
def test_text_falls_back_to_another_language(
    publish: Publish, available: tuple[str, ...], requested: str, expected: str
) -> None:
    publish({code: f"Text {code}" for code in available})
    shown = page("/terms/", requested)
    assert expected in shown
    assert f'<html lang="{requested}"' in shown


def test_visitors_share_a_cached_page_until_a_new_version_is_published(
    publish: Publish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    publish("Text")
    with django_assert_num_queries(2):  # the versions, and the text
        response = visitor().get("/terms/")
    assert "public" in response["Cache-Control"]
    assert "nonce" not in response.text
    headers = {"if-none-match": response["ETag"]}
    with django_assert_num_queries(1):
        assert visitor().get("/terms/", headers=headers).status_code == 304
    assert visitor().get("/terms/", headers=headers | {"accept-language": "de"}).status_code == 200
    publish("New text")
    assert visitor().get("/terms/", headers=headers).status_code == 200


def test_page_of_a_signed_in_user_is_not_shared(publish: Publish) -> None:
    publish("Text")
    assert "public" not in signed_in(UserFactory.create()).get("/terms/").get("Cache-Control", "")


def test_every_page_links_to_the_legal_texts() -> None:
    for path in ("/", "/builders/", "/sign-up/", "/nowhere/"):
        shown = page(path)
        assert all(f'href="{legal}"' in shown for legal in PATHS)


def test_sitemap_lists_published_texts_only(publish: Publish) -> None:
    assert "/terms/" not in page("/sitemap-0.xml")
    publish("Text")
    shown = page("/sitemap-0.xml")
    assert "/terms/</loc>" in shown
    assert "/privacy/</loc>" not in shown


def test_long_text_is_rendered_completely(publish: Publish) -> None:
    publish({"en": "word " * 11_000 + "\n\nThe end."})
    assert "The end." in page("/terms/")
    assert LegalVersion.objects.get().number == 1
