"""Cached page fragments are never stale, contain no personal content, and are fast to revalidate."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
import time_machine
from django.core.cache import caches
from django.db import connection
from django.db.models import F
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from profiles.flags import DIRECTORY_FACETS
from profiles.models import Badge, BuilderProfile, Project
from profiles.models.versions import CARD_VERSION, PAGE_VERSION
from profiles.pages.share_metadata import build_sharing
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, ProjectFactory, ProjectImageFactory, UserFactory
from tests.helpers.flags import set_flag

pytestmark = pytest.mark.django_db

URL, DIRECTORY = "/builders/olive-owner/", "/builders/"
#: A value for every column that is shown on a page or card. Each value differs from the factory's.
PROFILE_CHANGES: dict[str, Any] = {
    "display_name": "Olivia",
    "headline": "Another headline",
    "tagline": "Another tagline",
    "image": "portraits/other.webp",
    "bio": "Another bio",
    "location": "Lisbon",
    "time_zone": "Europe/Lisbon",
    "domains": ["web"],
    "skills": ["Rust"],
    "expertise": ["Payments"],
    "links": ["https://example.com/other"],
    "validation_tier": 3,
    "available_for_hire": False,
    "hourly_rate": Decimal(77),
    "availability": "limited",
    "availability_confirmed_at": datetime(2026, 11, 1, tzinfo=UTC),
    "adhd_friendly": True,
    "completed_projects": 5,
    "searchable": False,
}
USER_CHANGES: dict[str, Any] = {"name": "Olivia Other", "image_url": "https://img.clerk.com/other"}


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    caches["fragments"].clear()
    yield
    caches["fragments"].clear()


def visitor(**options: Any) -> Client:
    """Return a signed-out browser that has already completed a handshake. Development instances redirect other browsers to Clerk."""
    browser = Client(**options)
    browser.cookies["__clerk_db_jwt"] = "dvb_any"
    return browser


@pytest.fixture
def client() -> Client:
    return visitor()


@pytest.fixture
def olive() -> BuilderProfile:
    """Return the profile of a reachable builder with a project and a badge."""
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", reachable=True, headline="Maps", availability_confirmed_at=SINCE
    )
    ProjectFactory.create(builder=profile, title="A map")
    Badge.objects.create(builder=profile, kind="code", evidence="Read", awarded_by=UserFactory.create(admin=True))
    return profile


def read(browser: Client, url: str = URL, **headers: str) -> Any:
    return browser.get(url, headers=headers)


def text_of(browser: Client, url: str = URL) -> str:
    response = read(browser, url)
    assert response.status_code == 200
    return re.sub(r'nonce="[^"]+"', "", response.content.decode())


def versions() -> tuple[str, str]:
    card, page = BuilderProfile.objects.annotate(card=CARD_VERSION, page=PAGE_VERSION).values_list("card", "page").get()
    return card, page


# --- Versions ---


@pytest.mark.parametrize("column", PROFILE_CHANGES)
def test_page_changes_with_every_column_of_the_profile(olive: BuilderProfile, client: Client, column: str) -> None:
    before, etag = text_of(client), read(client)["ETag"]
    BuilderProfile.objects.update(**{column: PROFILE_CHANGES[column]})
    assert text_of(client) != before or column == "searchable"
    assert read(client, if_none_match=etag).status_code == 200


@pytest.mark.parametrize("column", USER_CHANGES)
def test_page_changes_with_its_user(olive: BuilderProfile, client: Client, column: str) -> None:
    before = text_of(client)
    User.objects.filter(pk=olive.user_id).update(**{column: USER_CHANGES[column]})
    assert text_of(client) != before


RELATED_CHANGES: dict[str, Callable[[BuilderProfile], object]] = {
    "a new project": lambda profile: ProjectFactory.create(builder=profile, title="Another map"),
    "a changed project": lambda _: Project.objects.update(title="Another map"),
    "a deleted project": lambda _: Project.objects.all().delete(),
    "a project's image": lambda profile: ProjectImageFactory.create(project=profile.projects.get()),
    "a new badge": lambda profile: Badge.objects.create(
        builder=profile, kind="mentor", evidence="Seen", awarded_by=profile.user
    ),
    "a changed badge": lambda _: Badge.objects.update(evidence="Read twice"),
    "a withdrawn badge": lambda _: Badge.objects.all().delete(),
    "a statement of psql": lambda _: connection.cursor().execute("UPDATE profiles_project SET title = 'Raw'"),
}


@pytest.mark.parametrize("change", RELATED_CHANGES)
def test_page_changes_with_its_portfolio_and_badges(olive: BuilderProfile, client: Client, change: str) -> None:
    before = text_of(client)
    RELATED_CHANGES[change](olive)
    after = read(client, if_none_match=read(client)["ETag"] + "x")
    assert after.content.decode() != before
    assert text_of(client) != before


def test_project_is_rendered_only_after_its_own_changes(olive: BuilderProfile, client: Client) -> None:
    """Most edits of a builder concern other sections than the portfolio, which is the longest one."""
    ProjectFactory.create(builder=olive, title="Another map")

    def rendered_projects() -> int:
        return [template.name for template in read(client).templates].count("profiles/_project.html")

    assert rendered_projects() == 2
    BuilderProfile.objects.update(headline="Another headline")
    assert rendered_projects() == 0
    Project.objects.filter(title="A map").update(status="paused")
    assert rendered_projects() == 1
    ProjectImageFactory.create(project=olive.projects.get(title="A map"))
    assert rendered_projects() == 1
    olive.projects.get(title="A map").images.update(alt="Another text")
    assert rendered_projects() == 1


@pytest.mark.parametrize("change", ({"slug": "olive-other"}, {"page_language": "de"}))
def test_project_changes_with_the_profile_values_that_it_shows(
    olive: BuilderProfile, client: Client, change: dict[str, str]
) -> None:
    text_of(client)
    BuilderProfile.objects.update(**change)
    url = f"/builders/{change.get('slug', olive.slug)}/"
    changed = text_of(client, url)
    caches["fragments"].clear()
    assert text_of(client, url) == changed


def test_version_of_a_card_does_not_depend_on_the_portfolio(olive: BuilderProfile) -> None:
    before = versions()
    Project.objects.update(title="Another map")
    after = versions()
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_version_changes_with_every_write_of_a_transaction(olive: BuilderProfile) -> None:
    seen = []
    for _ in range(5):
        BuilderProfile.objects.update(headline="The same headline")
        seen.append(versions())
    assert len(set(seen)) == 5
    assert versions() == versions()


@pytest.mark.parametrize("column", [name for name in PROFILE_CHANGES if name not in ("searchable", "bio")])
def test_cards_are_never_stale(olive: BuilderProfile, client: Client, column: str) -> None:
    text_of(client, DIRECTORY)
    BuilderProfile.objects.update(**{column: PROFILE_CHANGES[column]})
    warm = text_of(client, DIRECTORY)
    caches["fragments"].clear()
    assert warm == text_of(client, DIRECTORY)


def test_cards_show_a_new_name_at_clerk(olive: BuilderProfile, client: Client) -> None:
    text_of(client, DIRECTORY)
    User.objects.filter(pk=olive.user_id).update(name="Olivia Other")
    assert "Olivia Other" in text_of(client, DIRECTORY)


def test_change_while_a_page_is_rendered_is_not_stored(
    olive: BuilderProfile, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page may mix old and new content once. The next request shows the new content."""

    def edit_meanwhile(*arguments: Any) -> Any:
        BuilderProfile.objects.update(headline="Edited meanwhile")
        Project.objects.update(title="Also edited")
        return build_sharing(*arguments)

    monkeypatch.setattr("profiles.pages.views.build_sharing", edit_meanwhile)
    first = read(client)
    assert "Maps" in first.content.decode()
    monkeypatch.undo()
    second = read(client, if_none_match=first["ETag"])
    assert second.status_code == 200
    assert "Edited meanwhile" in second.content.decode()
    assert "Also edited" in second.content.decode()


# --- Time ---


def test_page_shows_the_current_time(olive: BuilderProfile, client: Client) -> None:
    BuilderProfile.objects.update(time_zone="Europe/Warsaw")
    moment = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    with time_machine.travel(moment, tick=False):
        assert "2:05 p.m." in text_of(client)
    with time_machine.travel(moment + timedelta(minutes=1), tick=False):
        assert "2:06 p.m." in text_of(client)


def test_page_counts_the_days_since_a_confirmation(olive: BuilderProfile, client: Client) -> None:
    confirmed = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    BuilderProfile.objects.update(availability_confirmed_at=confirmed)
    with time_machine.travel(confirmed + timedelta(hours=23, minutes=59), tick=False):
        assert "Confirmed today" in text_of(client)
    with time_machine.travel(confirmed + timedelta(days=1), tick=False):
        assert "Confirmed yesterday" in text_of(client)


# --- Languages and roles ---


def test_page_is_cached_for_each_language(olive: BuilderProfile, client: Client) -> None:
    BuilderProfile.objects.update(hourly_rate=Decimal(1250))
    english, etag = text_of(client), read(client)["ETag"]
    german = visitor(headers={"accept-language": "de"})
    assert "1.250" in text_of(german)
    assert read(german, if_none_match=etag).status_code == 200
    assert "1.250" in text_of(german, DIRECTORY)
    assert text_of(client) == english
    assert "1,250" in text_of(client, DIRECTORY)


@pytest.mark.usefixtures("olive")
@pytest.mark.parametrize("first", ("visitor", "owner"))
def test_fragments_that_differ_by_role_are_not_shared(client: Client, first: str) -> None:
    owner = signed_in(User.objects.get(builderprofile__slug="olive-owner"))
    for _ in range(2):
        for who in (first, "owner", "visitor"):
            text = text_of(owner if who == "owner" else client)
            assert ("owner-bar" in text) == ("/edit/introduction/" in text) == (who == "owner")
            assert ("Write a message" in text) == (who == "visitor")


@pytest.mark.usefixtures("olive")
def test_signed_in_visitors_share_fragments_with_visitors(client: Client) -> None:
    vera = signed_in(UserFactory.create(name="Vera"))
    body = [text_of(browser).partition('<article class="person"')[2] for browser in (client, vera)]
    assert body[0].partition("</article>")[0] == body[1].partition("</article>")[0]


# --- HTTP ---


@pytest.mark.usefixtures("olive")
def test_unchanged_page_is_revalidated_with_one_query(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    page = read(client)
    with django_assert_num_queries(1):
        response = read(client, if_none_match=page["ETag"])
    assert (response.status_code, response.content) == (304, b"")
    for header in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy"):
        assert response[header] == page[header]


@pytest.mark.usefixtures("olive")
def test_cached_page_takes_one_query(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(3):  # the profile, its projects and its badges
        first = text_of(client)
    with django_assert_num_queries(1):
        assert text_of(client) == first


@pytest.mark.usefixtures("olive")
def test_shared_caches_revalidate_pages_after_seconds(client: Client) -> None:
    response = read(client)
    directives = set(response["Cache-Control"].split(", "))
    assert directives == {"public", "max-age=0", "s-maxage=5", "must-revalidate"}
    assert "Cookie" in response["Vary"]
    assert not response.cookies


@pytest.mark.usefixtures("olive")
def test_shared_page_contains_no_nonce_or_token(client: Client) -> None:
    response = read(client)
    assert "nonce" not in response.content.decode() + response["Content-Security-Policy"]
    assert "csrf" not in response.content.decode()


@pytest.mark.usefixtures("olive")
@pytest.mark.parametrize("who", ("owner", "member", "expired", "message"))
def test_personal_pages_are_not_shared(who: str) -> None:
    owner = User.objects.get(builderprofile__slug="olive-owner")
    browser = visitor()
    etag = read(browser)["ETag"]
    if who == "message":
        browser.cookies["messages"] = "anything"
    else:
        user = owner if who == "owner" else UserFactory.create()
        browser = signed_in(user, expired=who == "expired", headers={"sec-fetch-dest": "empty"})
    response = read(browser, if_none_match=etag)
    assert response.status_code == 200
    assert "public" not in response.get("Cache-Control", "")
    assert "ETag" not in response


@pytest.mark.usefixtures("olive")
def test_hidden_page_is_not_revalidated(client: Client) -> None:
    etag = read(client)["ETag"]
    BuilderProfile.objects.update(unpublished_at=datetime.now(UTC))
    assert read(client, if_none_match=etag).status_code == 404


@pytest.mark.usefixtures("olive")
def test_etag_changes_with_the_deployed_code(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import public_pages

    etag = read(client)["ETag"]
    monkeypatch.setattr(public_pages, "_build", lambda: "the next release")
    assert read(client, if_none_match=etag).status_code == 200


@pytest.mark.usefixtures("olive")
@pytest.mark.parametrize("url", ("/", DIRECTORY, f"{DIRECTORY}?q=maps"))
def test_lists_are_shared_with_every_visitor(client: Client, url: str) -> None:
    response = read(client, url)
    assert "s-maxage=5" in response["Cache-Control"]
    assert "nonce" not in response.content.decode() + response["Content-Security-Policy"]
    assert read(client, url, if_none_match=response["ETag"]).status_code == 304
    BuilderProfile.objects.update(headline="Another headline")
    assert read(client, url, if_none_match=response["ETag"]).status_code == 200


@pytest.mark.usefixtures("olive")
@pytest.mark.parametrize("url", ("/", DIRECTORY))
def test_lists_for_members_are_not_shared(url: str) -> None:
    response = read(signed_in(UserFactory.create()), url)
    assert "public" not in response.get("Cache-Control", "")
    assert "ETag" not in response


@pytest.mark.usefixtures("olive")
def test_results_for_htmx_are_not_shared(client: Client) -> None:
    response = read(client, DIRECTORY, hx_request="true")
    assert "public" not in response.get("Cache-Control", "")
    assert "HX-Request" in read(client, DIRECTORY)["Vary"]


@pytest.mark.usefixtures("olive")
def test_response_that_sets_a_flag_cookie_is_not_shared(client: Client) -> None:
    set_flag(DIRECTORY_FACETS, percent=50)
    response = read(client, DIRECTORY)
    assert response.cookies
    assert response["Cache-Control"] == "private, no-cache"
    assert "ETag" not in response


@pytest.mark.usefixtures("olive")
def test_cards_fit_their_position_and_page(client: Client) -> None:
    """Portraits outside the first screen load later, and the home page has other headings."""
    for number in range(6):
        BuilderProfileFactory.create(user__image_url=f"https://img.clerk.com/{number}", headline="Maps")
    urls = (DIRECTORY, "/", f"{DIRECTORY}?sort=newest")
    BuilderProfile.objects.update(score=F("id") * -1)  # so that the orders differ
    warm = [text_of(client, url) for url in urls]
    for url, text in zip(urls, warm, strict=True):
        caches["fragments"].clear()
        assert text_of(client, url) == text


@pytest.mark.usefixtures("olive")
def test_crawler_cannot_fill_the_cache(client: Client) -> None:
    stored = cast(Any, caches["fragments"])._cache  # of Django's LocMemCache
    text_of(client)
    text_of(client, DIRECTORY)  # stores the fragments that all searches share
    before = len(stored)
    for number in range(20):
        text_of(client, f"{URL}?page={number}")
        text_of(client, f"{DIRECTORY}?q=nothing{number}")
        assert read(client, f"/builders/nobody-{number}/").status_code == 404
    assert len(stored) == before


@pytest.mark.usefixtures("olive")
def test_addresses_on_a_page_have_its_own_host(client: Client) -> None:
    for host in ("a.localhost", "b.localhost"):
        text = read(client, host=host).content.decode()
        assert f'<link rel="canonical" href="http://{host}/builders/olive-owner/">' in text
