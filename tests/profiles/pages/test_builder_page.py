"""A builder's page: content for each role, URLs and query counts."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from profiles.models import Badge, BuilderProfile, FormerSlug, Project
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
#: A value for every profile field.
FACTS: dict[str, Any] = {
    "user__name": "Olive Owner",
    "slug": "olive-owner",
    "headline": "Maps that work offline",
    "tagline": "Twelve years of mud",
    "bio": "I *build* maps.",
    "location": "Kraków",
    "time_zone": "Europe/Warsaw",
    "domains": ["data", "mobile"],
    "skills": [f"Skill {number}" for number in range(1, 10)],
    "expertise": ["Conflict-free merging"],
    "links": ["https://www.github.com/olive/"],
    "validation_tier": 3,
    "hourly_rate": Decimal("1250.00"),
    "currency": "EUR",
    "availability": "limited",
    "availability_confirmed_at": NOW - timedelta(days=3),
    "adhd_friendly": True,
    "completed_projects": 27,
}
VISIBLE_TEXTS = (
    "Olive Owner",
    "Maps that work offline",
    "Twelve years of mud",
    "I <em>build</em> maps.",
    "Kraków",
    "2:05 p.m.",
    "Data and dashboards",
    "Skill 7",
    "Conflict-free merging",
    "github.com",
    "Expert",
    "Proven on demanding projects",
    "€1,250",
    "Limited",
    "Confirmed 3\u00a0days\u00a0ago",
    "ADHD-friendly",
    "27",
    "Code reviewed",
    "Two repositories read",
)


@pytest.fixture
def olive() -> BuilderProfile:
    """Return a complete profile for a builder who can be contacted."""
    profile: BuilderProfile = BuilderProfileFactory.create(reachable=True, **FACTS)
    adam = UserFactory.create(admin=True)
    Badge.objects.create(builder=profile, kind="code", evidence="Two repositories read", awarded_by=adam)
    return profile


def read(browser: Client, url: str = "/builders/olive-owner/", status: int = 200) -> str:
    response = browser.get(url)
    assert response.status_code == status, (url, response.status_code)
    return re.sub(r'nonce="[^"]+"', 'nonce=""', response.content.decode())


# --- Content ---


@pytest.mark.usefixtures("olive")
def test_page_shows_all_fields(client: Client) -> None:
    with time_machine.travel(NOW, tick=False):
        text = read(client)
    assert [text_part for text_part in VISIBLE_TEXTS if text_part not in text] == []
    assert "Skill 8" not in text  # Only the first seven are shown.


@pytest.mark.usefixtures("olive")
def test_times_have_machine_readable_values(client: Client) -> None:
    with time_machine.travel(NOW, tick=False):
        text = read(client)
    assert '<time datetime="2026-11-24T14:05:00+01:00" title="Europe/Warsaw">2:05 p.m.</time>' in text
    assert re.search(r'<time datetime="2026-11-21T13:05:00\+00:00" title="[^"]+">Confirmed 3.days.ago</time>', text)


def test_empty_sections_are_not_rendered(client: Client) -> None:
    BuilderProfileFactory.create(slug="olive-owner")
    text = read(client)
    for absent in (
        "section-about",
        "section-skills",
        "section-badges",
        "section-record",
        "section-links",
        ">Rate<",
        ">Location<",
    ):
        assert absent not in text.partition("<main")[2]


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    (
        ("95.00", "USD", "$95"),
        ("95.50", "USD", "$95.50"),
        ("12000.00", "JPY", "¥12,000"),
        ("250.00", "PLN", "PLN\u00a0250"),
        ("0.01", "GBP", "£0.01"),
    ),
)
def test_rates_are_formatted(client: Client, amount: str, currency: str, shown: str) -> None:
    BuilderProfileFactory.create(slug="olive-owner", hourly_rate=Decimal(amount), currency=currency)
    assert f"<b>{shown}</b> an hour" in read(client)


@pytest.mark.parametrize(
    ("days", "words"), ((0, "today"), (1, "yesterday"), (2, "2\u00a0days\u00a0ago"), (70, "2\u00a0months\u00a0ago"))
)
def test_age_of_the_confirmation_is_formatted(client: Client, days: int, words: str) -> None:
    with time_machine.travel(NOW, tick=False):
        BuilderProfileFactory.create(slug="olive-owner", availability_confirmed_at=NOW - timedelta(days=days, hours=1))
        assert f"Confirmed {words}" in read(client)


@pytest.mark.parametrize("zone", ("Nowhere/Atlantis", "../../etc/passwd", "x" * 64))
def test_unknown_time_zone_shows_no_local_time(client: Client, zone: str) -> None:
    BuilderProfileFactory.create(slug="olive-owner", time_zone=zone)
    assert "local time" not in read(client)


def test_links_have_rel_attributes(client: Client) -> None:
    BuilderProfileFactory.create(slug="olive-owner", links=["https://example.com/" + "x" * 200])
    text = read(client)
    assert f'<a href="https://example.com/{"x" * 200}" rel="me nofollow noopener ugc">' in text
    assert f">{'x' * 20}" not in text


# --- Roles ---


def browsers(profile: BuilderProfile) -> dict[str, Client]:
    return {
        "anonymous": Client(),
        "visitor": signed_in(UserFactory.create(name="Vera Visitor")),
        "owner": signed_in(profile.user),
        "admin": signed_in(UserFactory.create(admin=True)),
    }


#: Page elements and the roles that can see them.
MARKS = {
    "Write a message": {"anonymous", "visitor", "admin"},
    "/edit/": {"owner", "admin"},
    "htmx": {"owner", "admin"},
    "section-visibility": {"owner", "admin"},
    "?as=visitor": {"owner", "admin"},
    "Your page": {"owner"},
    "Admin tools": {"admin"},
    "This is what visitors see.": set(),
    "/sign-in/": {"anonymous"},
}


@pytest.mark.parametrize("mark", MARKS)
def test_each_role_sees_its_own_elements(olive: BuilderProfile, mark: str) -> None:
    found = {who for who, browser in browsers(olive).items() if mark in read(browser)}
    assert found == MARKS[mark]


@pytest.mark.parametrize("private", ("email", "clerk_id", "username"))
def test_private_fields_are_never_shown(olive: BuilderProfile, private: str) -> None:
    User.objects.filter(pk=olive.user.pk).update(username="secretolive")
    olive.user.refresh_from_db()
    for browser in browsers(olive).values():
        assert str(getattr(olive.user, private)) not in read(browser)


@pytest.mark.parametrize("who", ("owner", "admin"))
def test_view_as_visitor_is_identical_to_the_visitor_page(olive: BuilderProfile, who: str) -> None:
    with time_machine.travel(NOW, tick=False):
        clients = browsers(olive)
        as_visitor = read(clients[who], "/builders/olive-owner/?as=visitor")
        visitors = read(clients["visitor"])
    before, found, rest = as_visitor.partition("<aside")
    bar, _, after = rest.partition("</aside>")
    assert found
    assert "This is what visitors see." in bar
    assert 'href="/builders/olive-owner/"' in bar
    own_page = re.compile(r'<li class="site-nav__own">.*?</li>', re.DOTALL)  # In the header of every page.
    styles = '<link rel="stylesheet" href="/static/css/owner.css">'  # The bar's style sheet.
    assert own_page.sub("", before + after).replace(styles, "").split() == visitors.split()


@pytest.mark.parametrize("who", ("anonymous", "visitor"))
def test_view_as_visitor_changes_nothing_for_visitors(olive: BuilderProfile, who: str) -> None:
    with time_machine.travel(NOW, tick=False):
        browser = browsers(olive)[who]
        assert read(browser, "/builders/olive-owner/?as=visitor") == read(browser)


def test_owner_can_preview_an_unpublished_page(olive: BuilderProfile) -> None:
    BuilderProfile.objects.update(unpublished_at=SINCE)
    text = read(signed_in(olive.user), "/builders/olive-owner/?as=visitor")
    assert "Visitors cannot currently see this page." in text
    assert "/edit/" not in text
    assert "Write a message" not in text
    assert '<meta name="robots" content="noindex">' in text


@pytest.mark.parametrize("reason", ("hidden_at", "unpublished_at", "archived_at", "deleted_at"))
def test_hidden_pages_are_not_indexed(olive: BuilderProfile, client: Client, reason: str) -> None:
    BuilderProfile.objects.update(**{reason: SINCE})
    for url in ("/builders/olive-owner/", "/builders/unknown/"):
        response = client.get(url)
        assert (response.status_code, response["X-Robots-Tag"]) == (404, "noindex")
        assert '<meta name="robots" content="noindex">' in response.content.decode()


@pytest.mark.parametrize(
    ("facts", "offered"),
    (
        ({"available_for_hire": False, "availability": "unavailable"}, True),
        ({"user__email": None}, False),
        ({"user__email_verified_at": None}, False),
    ),
)
def test_contact_button_requires_a_verified_email(client: Client, facts: dict[str, Any], *, offered: bool) -> None:
    BuilderProfileFactory.create(slug="olive-owner", **{"reachable": True} | facts)
    assert ("Write a message" in read(client)) is offered


# --- URLs ---


@pytest.mark.parametrize(
    ("slug", "requested"),
    (
        pytest.param("olive-owner", "Olive-OWNER", id="capitals"),
        pytest.param("zofia-was", "Zofia-Wąs", id="accents"),
        pytest.param("zofia-was", "zofia-wa\u0328s", id="decomposed"),
        pytest.param("がく-山田", "か\u3099く-山田", id="decomposed Japanese"),
        pytest.param("strasse", "Straße", id="sharp s"),
    ),
)
def test_other_spellings_redirect_to_the_slug(client: Client, slug: str, requested: str) -> None:
    BuilderProfileFactory.create(slug=slug)
    response = client.get(f"/builders/{quote(requested)}/")
    assert (response.status_code, response["Location"]) == (301, f"/builders/{quote(slug)}/")


def test_exact_slug_comes_before_other_spellings(client: Client) -> None:
    BuilderProfileFactory.create(slug="olive", display_name="Small")
    BuilderProfileFactory.create(slug="Olive", display_name="Capital")
    assert "Capital" in read(client, "/builders/Olive/")
    assert "Small" in read(client, "/builders/olive/")


@pytest.mark.parametrize("path", ("", "contact/"))
def test_former_slugs_redirect_to_the_current_one(olive: BuilderProfile, path: str) -> None:
    FormerSlug.objects.create(slug="olive-before", builder=olive)
    browser = signed_in(UserFactory.create())
    for requested in ("olive-before", "OLIVE-Before"):
        response = browser.get(f"/builders/{requested}/{path}")
        assert (response.status_code, response["Location"]) == (301, f"/builders/olive-owner/{path}")


def test_former_slugs_of_hidden_pages_return_404(olive: BuilderProfile, client: Client) -> None:
    FormerSlug.objects.create(slug="olive-before", builder=olive)
    BuilderProfile.objects.update(hidden_at=SINCE)
    assert client.get("/builders/olive-before/").status_code == 404
    assert signed_in(olive.user).get("/builders/olive-before/").status_code == 301


def test_current_slug_comes_before_former_slug(olive: BuilderProfile, client: Client) -> None:
    FormerSlug.objects.create(slug="vera", builder=olive)
    BuilderProfileFactory.create(slug="vera", display_name="Vera")
    assert "Vera" in read(client, "/builders/vera/")


# --- Query counts ---


@pytest.mark.parametrize("count", (0, 1, 24))
@pytest.mark.parametrize(("who", "queries"), (("anonymous", 3), ("visitor", 4), ("owner", 4), ("admin", 4)))
def test_page_uses_at_most_four_queries(
    olive: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries, count: int, who: str, queries: int
) -> None:
    adam = UserFactory.create(admin=True)
    for kind in [kind for kind in Badge.Kind if kind != "code"][: count and 5]:
        Badge.objects.create(builder=olive, kind=kind, evidence="Seen", awarded_by=adam)
    Project.objects.bulk_create(
        Project(builder=olive, title=f"App {number}", position=number) for number in range(count)
    )
    browser = browsers(olive)[who]
    with django_assert_num_queries(queries):
        read(browser)


def test_portrait_has_high_priority_on_the_page_only(client: Client) -> None:
    profile = BuilderProfileFactory.create(user__image_url="https://img.clerk.com/olive")
    page = client.get(profile.get_absolute_url()).content.decode()
    assert re.search(r'<img class="portrait__picture"[^>]*fetchpriority="high"', page)
    assert "fetchpriority" not in client.get("/builders/").content.decode()
