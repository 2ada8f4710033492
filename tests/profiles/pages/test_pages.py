"""Public pages show only published builders."""

import re
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from profiles.models import BuilderProfile, Profile
from tests.helpers.factories import SINCE, BuilderProfileFactory, ClientProfileFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert("x")</script> & Sons'


def page(client: Client, url: str, status: int = 200) -> str:
    response = client.get(url)
    assert response.status_code == status, (url, response.status_code)
    return response.content.decode()


def shown(client: Client, url: str = "/builders/") -> list[str]:
    """Return the names on a page's cards in order."""
    return re.findall(r'class="card__name"[^>]*><a href="[^"]*">([^<]*)</a>', page(client, url))


def url_of(profile: BuilderProfile) -> str:
    return f"/builders/{quote(profile.slug or '')}/"


# --- Visibility ---


def test_published_builder_is_on_all_pages(client: Client) -> None:
    profile = BuilderProfileFactory.create(introduced=True, user__name="Olive Owner")
    assert shown(client, "/") == shown(client, "/builders/") == ["Olive Owner"]
    detail = page(client, url_of(profile))
    detail = " ".join(re.sub(r"<[^>]+>", "", detail).split())
    for text in ("Olive Owner", profile.headline, "New here. Not reviewed yet.", "Not stated"):
        assert text in detail


HIDDEN: dict[str, dict[str, Any]] = {reason: {reason: SINCE} for reason in Profile.HIDDEN_BY_FIELDS} | {
    "banned": {"user__banned": True},
    "deleted by Clerk": {"user__deleted": True},
    "several": {"archived": True, "hidden": True, "user__banned": True},
}


@pytest.mark.parametrize("facts", HIDDEN.values(), ids=HIDDEN)
def test_hidden_builder_is_not_on_any_page(client: Client, facts: dict[str, Any]) -> None:
    profile = BuilderProfileFactory.create(user__name="Olive Owner", introduced=True, **facts)
    for url, status in (("/", 200), ("/builders/", 200), (url_of(profile), 404)):
        text = page(client, url, status)
        assert "Olive" not in text
        assert profile.headline not in text


def test_builder_without_a_name_is_not_on_any_page(client: Client) -> None:
    BuilderProfileFactory.create(user__nameless=True, introduced=True)
    assert shown(client, "/") == shown(client, "/builders/") == []
    page(client, "/builders/None/", 404)


def test_unlisted_builder_has_a_page(client: Client) -> None:
    profile = BuilderProfileFactory.create(unlisted=True, user__name="Olive Owner")
    assert shown(client, "/") == shown(client, "/builders/") == []
    assert "Olive Owner" in page(client, url_of(profile))


def test_clients_have_no_public_page(client: Client) -> None:
    ClientProfileFactory.create(user__name="Vera Visitor")
    assert "Vera" not in page(client, "/") + page(client, "/builders/")
    page(client, "/builders/vera-visitor/", 404)


def test_private_fields_are_not_on_any_page(client: Client) -> None:
    profile = BuilderProfileFactory.create(user__email="olive@example.com", user__username="secretolive")
    text = page(client, "/") + page(client, "/builders/") + page(client, url_of(profile))
    assert profile.user.clerk_id
    for private in ("olive@example.com", "secretolive", profile.user.clerk_id):
        assert private not in text


def test_webhooks_create_and_remove_a_page(webhook: WebhookClient, client: Client) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    webhook.created(zofia)
    assert "Zofia Wąs" in page(client, "/builders/zofia-was/")
    webhook.deleted(zofia.with_changes())
    assert "Zofia" not in page(client, "/builders/zofia-was/", 404)


def test_empty_directory_and_home_page_have_a_message(client: Client) -> None:
    assert "No builders yet" in page(client, "/builders/")
    assert "Builders appear here as soon as they publish a page with a headline." in page(client, "/")


# --- Content ---


@pytest.mark.parametrize("field", ("user__name", "display_name", "headline"))
def test_user_text_is_escaped(client: Client, field: str) -> None:
    profile = BuilderProfileFactory.create(**{"slug": "hostile", "headline": "x"} | {field: HOSTILE})
    for url in ("/", "/builders/", url_of(profile)):
        text = page(client, url)
        assert escape(HOSTILE).replace("&#x27;", "&#39;") in text
        assert "<script>alert" not in text
        assert "& Sons" not in text


def test_hostile_name_from_clerk_is_escaped(webhook: WebhookClient, client: Client) -> None:
    webhook.created(person(first_name="<img src=x onerror=alert(1)>", last_name="'\"&", roles=["BUILDER"]))
    BuilderProfile.objects.update(headline="Apps")
    [profile] = BuilderProfile.objects.all()
    for url in ("/", "/builders/", url_of(profile)):
        text = page(client, url)
        assert "<img src=x" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;" in text


@pytest.mark.parametrize(
    ("tier", "name"), ((1, "New here"), (2, "Established"), (3, "Expert")), ids=("one", "two", "three")
)
def test_tier_is_shown_with_its_meaning(client: Client, tier: int, name: str) -> None:
    profile = BuilderProfileFactory.create(validation_tier=tier)
    assert name in page(client, "/builders/")
    assert profile.validation_tier_meaning in page(client, url_of(profile))


@pytest.mark.parametrize(
    ("facts", "label"),
    (
        ({"availability": "available"}, "Available"),
        ({"availability": "limited"}, "Limited"),
        ({"availability": "unavailable"}, "Unavailable"),
        ({"unavailable": True}, "Unavailable"),
        ({"availability_confirmed_at": None}, "Not stated"),
        ({"unavailable": True, "availability": "limited"}, "Unavailable"),
    ),
)
def test_page_and_card_use_the_same_term_for_availability(client: Client, facts: dict[str, Any], label: str) -> None:
    """Cards omit an availability that is not stated."""
    profile = BuilderProfileFactory.create(**{"availability_confirmed_at": SINCE, **facts})
    for url, words in ((url_of(profile), label), ("/builders/", label.replace("Not stated", ""))):
        marks = re.findall(r'class="mark[^"]*">(?:<svg.*?</svg>)?([^<]*)</span>', page(client, url))
        assert "".join(each for each in marks if not each.startswith("New here")) == words


def test_picture_is_shown_if_available(client: Client) -> None:
    picture = "https://img.clerk.com/olive"
    with_picture = BuilderProfileFactory.create(user__image_url=picture)
    assert f'src="{picture}"' in page(client, url_of(with_picture))
    without = BuilderProfileFactory.create()
    assert "<img" not in page(client, url_of(without))


def test_page_without_headline_is_not_indexed(client: Client) -> None:
    robots = '<meta name="robots" content="noindex">'
    assert robots in page(client, url_of(BuilderProfileFactory.create(headline="")))
    introduced = page(client, url_of(BuilderProfileFactory.create(introduced=True)))
    assert "robots" not in introduced
    assert '<meta name="description"' in introduced
    assert '<link rel="canonical" href="http://testserver/builders/' in introduced


@pytest.mark.parametrize("name", ("ليلى منصور", "高橋 美咲", "Zofia Wąsowska-Łęcka"))
def test_slugs_in_every_script_work(webhook: WebhookClient, client: Client, name: str) -> None:
    webhook.created(person(first_name=name, last_name=None, roles=["BUILDER"]))
    BuilderProfile.objects.update(headline="Apps")
    [profile] = BuilderProfile.objects.all()
    listed = page(client, "/builders/")
    [href] = re.findall(r'class="card__name"[^>]*><a href="([^"]*)">', listed)
    assert href.isascii()
    assert name in page(client, href)
    assert name in page(client, f"/builders/{profile.slug}/")


# --- Unknown URLs ---

BAD_SLUGS = (
    pytest.param("unknown", id="unknown"),
    pytest.param("\x00", id="NUL"),
    pytest.param("olive\x00-owner", id="NUL inside"),
    pytest.param("x" * 5000, id="5,000 characters"),
    pytest.param("%", id="percent"),
    pytest.param("' OR 1=1 --", id="SQL"),
    pytest.param("..", id="dots"),
    pytest.param("<script>", id="markup"),
    pytest.param("\ud800", id="surrogate"),
)


@pytest.mark.parametrize("slug", BAD_SLUGS)
def test_unknown_slug_returns_404(client: Client, slug: str) -> None:
    BuilderProfileFactory.create(slug="olive-owner")
    text = page(client, f"/builders/{quote(slug, safe='', errors='surrogatepass')}/", 404)
    assert "<script>" not in text


@pytest.mark.parametrize("url", ("/unknown", "/builders/unknown/", "/builders/a/b/", "/api/"))
def test_404_page_links_to_home_and_directory(client: Client, url: str) -> None:
    text = page(client, url, 404)
    assert "Page not found" in text
    assert 'href="/"' in text
    assert 'href="/builders/"' in text
    assert '<meta name="robots" content="noindex">' in text
    assert "page-error" in text


# --- Queries, methods and cookies ---


def test_pages_use_few_queries(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """test_builder_page.py and test_directory.py cover the other pages."""
    BuilderProfileFactory.create_batch(30, introduced=True, user__image_url="https://img.clerk.com/x")
    # An unknown page is looked up as a public page, under other spellings, and under former slugs.
    for url, queries in (("/", 1), ("/builders/unknown/", 3)):
        with django_assert_num_queries(queries):
            client.get(url)


@pytest.mark.parametrize("url", ("/", "/builders/", "/builders/olive-owner/"))
@pytest.mark.parametrize(
    ("method", "status"), (("head", 200), ("post", 405), ("put", 405), ("patch", 405), ("delete", 405))
)
def test_pages_accept_safe_methods_only(client: Client, url: str, method: str, status: int) -> None:
    BuilderProfileFactory.create(slug="olive-owner")
    response = getattr(client, method)(url)
    assert response.status_code == status
    if status == 405:
        assert response["Allow"] == "GET, HEAD"


def test_visitors_get_no_cookies(client: Client) -> None:
    profile = BuilderProfileFactory.create()
    for url in ("/", "/builders/", url_of(profile), "/unknown"):
        assert not client.get(url).cookies


def test_url_without_trailing_slash_is_redirected(client: Client) -> None:
    BuilderProfileFactory.create(slug="olive-owner")
    for url in ("/builders", "/builders/olive-owner"):
        response = client.get(url)
        assert (response.status_code, response["Location"]) == (301, f"{url}/")
