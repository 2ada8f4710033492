"""The directory's filters, sort orders, pagination and query counts."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from html import unescape
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from profiles.directory import facet_counts, indexing, search
from profiles.directory import results as directory
from profiles.directory.facets import SORTS
from profiles.directory.query import MAX_PAGES, DirectoryQuery
from profiles.directory.results import PAGE_SIZE
from profiles.directory.search import find
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db


def page(client: Client, url: str = "/builders/", **headers: str) -> str:
    response = client.get(url, headers=headers)
    assert response.status_code == 200, url
    return response.content.decode()


def names_on(text: str) -> list[str]:
    """Return the names on the cards in order."""
    return [unescape(name) for name in re.findall(r'class="card__name"[^>]*><a href="[^"]*">([^<]*)</a>', text)]


def counts(text: str) -> dict[str, str]:
    """Return the count for each filter value."""
    found = re.findall(
        r'value="([^"]*)" (?:checked)?>\s*<span dir="auto">[^<]*(?:<small>[^<]*</small>)?</span>\s*(?:<span class="choice__count">([^<]*))?',
        text,
    )
    return dict(found)


def active_filters(text: str) -> dict[str, str]:
    """Return the URL that removes each active filter."""
    found = re.findall(
        r'class="chip" href="([^"]*)">\s*<span class="visually-hidden">Remove</span>\s*<span dir="auto">([^<]*)', text
    )
    return {unescape(label): unescape(href) for href, label in found}


def next_url(text: str) -> str | None:
    match = re.search(r'rel="next" href="([^"]*)"', text)
    return unescape(match[1]) if match else None


def names_on_all_pages(client: Client, url: str) -> list[str]:
    """Return the names on the page at `url` and all following pages."""
    names: list[str] = []
    url_of_next: str | None = url
    while url_of_next:
        text = page(client, url_of_next)
        names += names_on(text)
        url_of_next = next_url(text)
    return names


class TestFacets:
    @pytest.fixture(autouse=True)
    def builders_in_directory(self) -> None:
        limited = {"availability": "limited", "availability_confirmed_at": SINCE}
        builders: dict[str, dict[str, Any]] = {
            "Ada": {"domains": ["ai", "web"], "skills": ["React", "Python"], "validation_tier": 3, "hourly_rate": 150},
            "Ben": {"domains": ["web"], "skills": ["react"], "validation_tier": 1, "hourly_rate": 30},
            "Cy": {"domains": ["ai"], "skills": ["Swift"], "validation_tier": 2, **limited},
            "Di": {"domains": [], "skills": [], "validation_tier": 1, "available_for_hire": False},
        }
        for name, facts in builders.items():
            BuilderProfileFactory.create(user__name=name, **facts)

    @pytest.mark.parametrize(
        ("params", "names"),
        (
            ("domain=ai", {"Ada", "Cy"}),
            ("domain=ai&domain=web", {"Ada"}),
            ("skill=React", {"Ada", "Ben"}),
            ("skill=REACT&skill=python", {"Ada"}),
            ("tier=3", {"Ada"}),
            ("tier=3&tier=2", {"Ada", "Cy"}),
            ("availability=limited", {"Cy"}),
            ("availability=unavailable", {"Di"}),
            ("rate=0", {"Ben"}),
            ("rate=0&rate=3", {"Ada", "Ben"}),
            ("domain=web&tier=1&q=react", {"Ben"}),
            ("domain=nonsense&tier=9&rate=x&availability=&skill=!!!&sort=up&colour=red", {"Ada", "Ben", "Cy", "Di"}),
            ("q=!!!", {"Ada", "Ben", "Cy", "Di"}),
        ),
    )
    def test_filters_narrow_the_list(self, client: Client, params: str, names: set[str]) -> None:
        assert set(names_on(page(client, f"/builders/?{params}"))) == names

    def test_counts_match_the_builders_of_each_choice(self, client: Client) -> None:
        found = counts(page(client))
        assert found | {
            "ai": "2", "web": "2", "React": "2", "Python": "1", "Swift": "1", "1": "2", "2": "1",
            "not_stated": "2", "limited": "1", "unavailable": "1",
        } == found  # fmt: skip
        assert "health" not in found

    @pytest.mark.parametrize("facts", ({"user__banned": True}, {"hidden": True}, {"unlisted": True}))
    def test_hidden_builders_are_not_counted(self, client: Client, facts: dict[str, Any]) -> None:
        BuilderProfileFactory.create(domains=["health", "ai"], **facts)
        text = page(client)
        assert "4 builders" in text
        assert "health" not in counts(text)
        assert counts(text)["ai"] == "2"

    def test_second_domain_narrows_results_and_second_tier_widens_results(self, client: Client) -> None:
        found = counts(page(client, "/builders/?domain=ai&tier=3"))
        assert (found["ai"], found["web"]) == ("1", "1")
        assert (found["3"], found["2"]) == ("1", "1")
        assert set(names_on(page(client, "/builders/?domain=ai&tier=3&tier=2"))) == {"Ada", "Cy"}

    def test_each_count_equals_the_results_of_its_choice(self, client: Client) -> None:
        for params in ("", "domain=web", "tier=1", "q=react", "skill=React&tier=3"):
            query = DirectoryQuery.from_params(QueryDict(params))
            for group in facet_counts.facet_choices(find(query)):
                for choice in group.choices:
                    if choice.is_selected or group.facet.key == "near":  # time zones have no counts
                        continue
                    base = query if group.facet.match_all else query.without_filter(group.facet.key)
                    selected = (*base.filters.get(group.facet.key, ()), choice.value)
                    results = find(replace(base, filters={**base.filters, group.facet.key: selected}))
                    assert len(results.builders) == int(choice.count), (params, group.facet.key, choice)

    def test_active_filters_link_to_their_removal(self, client: Client) -> None:
        found = active_filters(page(client, "/builders/?q=re&domain=web&tier=1&sort=newest"))
        assert set(found) == {"“re”", "Web apps", "New here"}
        assert found["New here"] == "/builders/?q=re&domain=web&sort=newest"
        assert found["“re”"] == "/builders/?domain=web&tier=1&sort=newest"
        assert set(active_filters(page(client, found["New here"]))) == {"“re”", "Web apps"}

    def test_form_keeps_selected_filters_and_search_text(self, client: Client) -> None:
        text = page(client, "/builders/?q=re&skill=React&sort=newest")
        assert re.search(r'value="React" checked', text)
        assert re.search(r'name="q" value="re"', text)
        assert re.search(r'value="newest" selected', text)

    def test_counts_above_the_sample_size_are_lower_bounds(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(directory, "SAMPLE_SIZE", 30)
        BuilderProfileFactory.create_batch(40, domains=["health"])
        text = page(client)
        assert counts(text)["health"] in ("20+", "30+")
        assert "30+ builders" in text
        # Counts for values outside the sample are unknown.
        assert counts(text).get("unavailable", "") in ("", "1+")

    def test_matches_beyond_the_scan_limit_are_found(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory, "SCAN_LIMIT", 30)
        BuilderProfileFactory.create_batch(40, domains=["health"], headline="x", bio="y")
        text = page(client)
        assert "30+ builders" in text
        assert names_on(page(client, "/builders/?q=swift")) == ["Cy"]
        assert "1 builder<" in page(client, "/builders/?q=swift")

    @pytest.mark.parametrize(
        ("number", "is_complete", "words"),
        ((0, True, "0"), (7, True, "7"), (499, True, "499"), (0, False, ""), (7, False, "7+"), (47, False, "40+"), (500, False, "500+")),
    )  # fmt: skip
    def test_format_count(self, number: int, words: str, *, is_complete: bool) -> None:
        assert facet_counts.format_count(number, is_complete=is_complete) == words


class TestCards:
    @pytest.mark.parametrize(
        ("params", "expected"),
        (
            ("", ["Go", "Kafka", "gRPC"]),
            ("q=postgres", ["PostgreSQL", "Go", "Kafka"]),
            ("q=postgresql+developer", ["PostgreSQL", "Go", "Kafka"]),
            ("skill=grpc", ["gRPC", "Go", "Kafka"]),
            ("skill=PostgreSQL&q=kafka", ["Kafka", "PostgreSQL", "Go"]),
        ),
    )
    def test_skills_that_the_visitor_looks_for_come_first(
        self, client: Client, params: str, expected: list[str]
    ) -> None:
        BuilderProfileFactory.create(headline="x", skills=["Go", "Kafka", "gRPC", "PostgreSQL"])
        for _ in range(2):  # the second response is from the cache
            text = page(client, f"/builders/?{params}")
            assert re.findall(r'<li dir="auto">([^<]+)</li>', text) == expected


class TestNoResults:
    def test_page_suggests_filters_to_remove_with_counts(self, client: Client) -> None:
        BuilderProfileFactory.create_batch(3, skills=["React"])
        BuilderProfileFactory.create(domains=["finance"], validation_tier=3)
        text = page(client, "/builders/?q=react&domain=finance")
        assert "No builders found" in text
        found = re.findall(r'href="([^"]*)"><span>Without <bdi>([^<]*)</bdi></span> <b>([^<]*)', text)
        assert found == [("/builders/?q=react", "Finance", "3"), ("/builders/?domain=finance", "“react”", "1")]
        for url, _, number in found:
            assert len(names_on(page(client, url))) == int(number)

    def test_page_links_to_all_builders_if_no_single_filter_helps(self, client: Client) -> None:
        BuilderProfileFactory.create()
        text = page(client, "/builders/?q=zzz&domain=finance&tier=3")
        assert "Try fewer or different words." in text
        assert 'href="/builders/">Show all builders' in text

    def test_search_text_is_escaped(self, client: Client) -> None:
        BuilderProfileFactory.create()
        assert "<script>alert" not in page(
            client, '/builders/?q="><script>alert(1)</script>&skill=<script>alert(2)</script>'
        )


class TestOrder:
    def test_featured_builders_come_first(self, client: Client) -> None:
        BuilderProfileFactory.create(user__name="Full", headline="x", bio="x", skills=["x"], validation_tier=3)
        BuilderProfileFactory.create(user__name="Star", featured_at=SINCE)
        assert names_on(page(client)) == names_on(page(client, "/")) == ["Star", "Full"]

    @pytest.mark.parametrize(
        ("sort", "names"),
        (
            ("newest", ["None", "Late", "Dear", "Cheap"]),
            ("rate-low", ["Cheap", "Late", "Dear"]),
            ("rate-high", ["Dear", "Late", "Cheap"]),
            ("confirmed", ["Late", "Cheap", "Dear"]),
        ),
    )
    def test_sort_orders(self, client: Client, sort: str, names: list[str]) -> None:
        now = timezone.now()
        for name, rate, currency, days in (("Cheap", 9000, "JPY", 2), ("Dear", 90, "GBP", 3), ("Late", 90, "USD", 1)):
            confirmed = now - timedelta(days=days)
            BuilderProfileFactory.create(
                user__name=name, hourly_rate=Decimal(rate), currency=currency, availability_confirmed_at=confirmed
            )
        BuilderProfileFactory.create(user__name="None")
        text = page(client, f"/builders/?sort={sort}")
        assert names_on(text) == names
        assert str(SORTS[sort].explanation) in unescape(text)


MANY = 2 * PAGE_SIZE + 7


@pytest.fixture
def many_builders(db: None) -> list[BuilderProfile]:
    """Return more than two pages of builders who differ only in their ids."""
    users = User.objects.bulk_create(UserFactory.build_batch(MANY, builder=True))
    facts = {"hourly_rate": Decimal(50), "availability_confirmed_at": timezone.now(), "skills": ["React"]}
    facts |= {"headline": "x", "availability": "available"}
    profiles = [
        BuilderProfile(user=user, display_name=f"Builder {number:02}", slug=f"builder-{number}", **facts)
        for number, user in enumerate(users)
    ]
    for profile in profiles:
        indexing.index(profile)
    created: list[BuilderProfile] = BuilderProfile.objects.bulk_create(profiles)
    return created


class TestPages:
    @pytest.mark.parametrize("sort", SORTS)
    @pytest.mark.parametrize("narrowed", ("", "q=react&tier=1"), ids=("all", "filtered"))
    def test_each_builder_appears_once(
        self, client: Client, many_builders: list[BuilderProfile], sort: str, narrowed: str
    ) -> None:
        names = [profile.name for profile in many_builders]
        ordered = names if sort == "rate-low" else names[::-1]
        assert names_on_all_pages(client, f"/builders/?{narrowed}&sort={sort}") == ordered

    @pytest.mark.parametrize("sort", SORTS)
    def test_new_and_hidden_builders_do_not_shift_later_pages(
        self, client: Client, many_builders: list[BuilderProfile], sort: str
    ) -> None:
        first = page(client, f"/builders/?sort={sort}")
        second = next_url(first)
        assert second
        expected = names_on(page(client, second))
        newcomer = {
            "availability": "available",
            "hourly_rate": Decimal(50),
            "availability_confirmed_at": timezone.now(),
            "skills": ["x"],
        }
        if sort != "rate-low":  # The newest builder comes last in this order.
            BuilderProfileFactory.create(user__name="Newcomer", featured_at=SINCE, **newcomer)
        BuilderProfile.objects.filter(display_name__in=names_on(first)).update(unpublished_at=SINCE)
        assert names_on(page(client, second)) == expected

    def test_pagination_keeps_filters_and_sort_order(self, client: Client, many_builders: list[BuilderProfile]) -> None:
        second = next_url(page(client, "/builders/?q=react&tier=1&sort=rate-low"))
        assert second
        params = parse_qs(urlsplit(second).query)
        assert (params["q"], params["tier"], params["sort"]) == (["react"], ["1"], ["rate-low"])
        assert re.fullmatch(r"50\.\d+", params["after"][0])
        text = page(client, second)
        assert 'href="/builders/?q=react&amp;tier=1&amp;sort=rate-low">' in text
        assert "Back to the first page" in text

    def test_later_pages_have_the_same_counts_as_the_first(
        self, client: Client, many_builders: list[BuilderProfile]
    ) -> None:
        second = next_url(page(client))
        assert second
        assert counts(page(client, second)) == counts(page(client))

    def test_page_after_the_last_builder_is_empty(self, client: Client, many_builders: list[BuilderProfile]) -> None:
        text = page(client, "/builders/?after=0.1")
        assert "There are no more builders." in text

    @pytest.mark.parametrize("sort", SORTS)
    @pytest.mark.parametrize(
        "after",
        ("x", "", "1", "1.2.3", "-1.5", "1.-5", "1e3.5", "1. 5", "٣.٣", "².1", "1.x", "9" * 25 + ".1", f"1.{2**63}", "." * 5000, "1;DROP"),
    )  # fmt: skip
    def test_invalid_cursor_returns_the_first_page(
        self, client: Client, many_builders: list[BuilderProfile], sort: str, after: str
    ) -> None:
        if sort == "newest" and after == "1":
            return  # This cursor is valid for this order.
        plain = names_on(page(client, f"/builders/?sort={sort}"))
        assert names_on(client.get("/builders/", {"sort": sort, "after": after}).content.decode()) == plain

    @pytest.mark.parametrize("sort", SORTS)
    def test_extreme_cursors_are_accepted(self, client: Client, many_builders: list[BuilderProfile], sort: str) -> None:
        for number in (0, 2**31, 2**63 - 1):
            page(client, f"/builders/?sort={sort}&after={number}.{number}")
            page(client, f"/builders/?sort={sort}&after={number}")

    def test_only_the_unfiltered_first_page_is_indexed(
        self, client: Client, many_builders: list[BuilderProfile]
    ) -> None:
        canonical = '<link rel="canonical" href="http://testserver/builders/">'
        first = page(client)
        assert canonical in first
        assert "noindex" not in first
        for url in ("/builders/?q=react", "/builders/?domain=ai", "/builders/?sort=newest", next_url(first) or ""):
            text = page(client, url)
            assert canonical in text
            assert '<meta name="robots" content="noindex, follow">' in text


class TestHtmx:
    def test_htmx_request_returns_results_only(self, client: Client) -> None:
        BuilderProfileFactory.create(user__name="Olive", skills=["React"])
        part = page(client, "/builders/?q=olive", **HTMX)
        assert "<html" not in part
        assert names_on(part) == ["Olive"]
        assert counts(part) == counts(page(client, "/builders/?q=olive"))
        assert 'id="count" hx-swap-oob="innerHTML">1 builder</p>' in part

    def test_vary_header_names_htmx_headers(self, client: Client) -> None:
        for headers in ({}, HTMX):
            vary = client.get("/builders/", headers=headers)["Vary"]
            assert {"HX-Request", "HX-History-Restore-Request"} <= {name.strip() for name in vary.split(",")}

    def test_history_restore_returns_the_whole_page(self, client: Client) -> None:
        assert "<html" in page(client, "/builders/", **HTMX, **{"hx-history-restore-request": "true"})

    @pytest.mark.parametrize(
        ("before", "params", "kind"),
        (
            ("", "q=o&sort=best&domain=", "Push"),
            ("?q=o", "q=ol", "Replace"),
            ("?q=ol", "q=", "Push"),
            ("?q=ol", "q=ol&domain=ai", "Push"),
            ("?q=ol&after=1.2", "q=ol&sort=newest", "Push"),
        ),
    )
    def test_browser_url_is_pushed_or_replaced(self, client: Client, before: str, params: str, kind: str) -> None:
        headers = {**HTMX, "hx-current-url": f"http://testserver/builders/{before}"}
        response = client.get(f"/builders/?{params}", headers=headers)
        parameters = DirectoryQuery.from_params(QueryDict(params)).parameters()
        assert response[f"HX-{kind}-Url"] == "/builders/" + (f"?{parameters}" if parameters else "")
        assert {"Push": "Replace", "Replace": "Push"}[kind] not in str(response.headers)


class TestLongerLists:
    """ "Show more builders" appends a page. The URL of the longer list shows the same builders."""

    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "find", partial(find, size=5))

    def append(self, client: Client, url: str, current: str) -> Any:
        headers = {**HTMX, "hx-target": "more", "hx-current-url": f"http://testserver{current}"}
        return client.get(url, headers=headers)

    @pytest.mark.parametrize("narrowed", ("", "q=react&tier=1&sort=newest"), ids=("all", "filtered"))
    def test_appended_pages_have_a_url(
        self, client: Client, many_builders: list[BuilderProfile], narrowed: str
    ) -> None:
        address = f"/builders/?{narrowed}"
        text = page(client, address)
        names = names_on(text)
        for pages in range(2, MAX_PAGES + 1):
            response = self.append(client, next_url(text) or "", address)
            text, address = response.content.decode(), response["HX-Replace-Url"]
            assert "<html" not in text
            assert f"autofocus>Page {pages}</p>" in text
            names += names_on(text)
            assert f"pages={pages}" in address
            assert names_on(page(client, address)) == names
            assert next_url(page(client, address)) == next_url(text)
        assert len(set(names)) == 5 * MAX_PAGES
        # The longest list continues with a new list.
        assert 'hx-target="#more"' not in text
        assert "noindex" in page(client, address)

    @pytest.mark.parametrize("pages", ("0", "-1", "6", "1e1", "9" * 5000, "٢", "2 ", "x", "\x00"))
    def test_invalid_number_of_pages_shows_one_page(
        self, client: Client, many_builders: list[BuilderProfile], pages: str
    ) -> None:
        assert len(names_on(client.get("/builders/", {"pages": pages}).content.decode())) == 5

    def test_filters_and_searches_start_a_new_list(self, client: Client, many_builders: list[BuilderProfile]) -> None:
        text = page(client, "/builders/?q=react&tier=1&pages=3")
        assert set(active_filters(text).values()) == {"/builders/?tier=1", "/builders/?q=react"}

    @pytest.mark.parametrize("current", ("", "http://[", "https://other.example/builders/?pages=4&q=x", "\x00"))
    def test_any_directory_url_is_accepted(
        self, client: Client, many_builders: list[BuilderProfile], current: str
    ) -> None:
        headers = {**HTMX, "hx-target": "more", "hx-current-url": current}
        response = client.get(next_url(page(client)) or "", headers=headers)
        assert response.status_code == 200
        assert response["HX-Replace-Url"].startswith("/builders/")

    def test_empty_last_page_reports_no_more_builders(
        self, client: Client, many_builders: list[BuilderProfile]
    ) -> None:
        response = self.append(client, "/builders/?after=0.1", "/builders/")
        assert "There are no more builders." in response.content.decode()


class TestNameMatches:
    """Builders whose name matches the search text come before builders whose page only mentions it."""

    @pytest.mark.parametrize(
        ("name", "typed"),
        (
            ("Ada Lovelace", "Ada Lovelace"),
            ("Ada Lovelace", "ada lo"),
            ("Ada Lovelace", "ADA"),
            ("Zoë Łuczak", "zoe luczak"),
            ("Zoe Luczak", "Zoë Łu"),
            ("Ana O’Neil", "ana oneil"),
            ("高橋 美咲", "高橋"),
            ("高橋 美咲", "高橋美咲"),
            ("أحمد منصور", "احمد منص"),
            ("احمد منصور", "أَحْمَد"),
            ("김철수", "김철"),
            ("Bo", "bo"),
        ),
    )
    def test_name_matches_ignore_spelling_variants(self, client: Client, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        BuilderProfileFactory.create(user__name="Someone else", featured_at=SINCE, bio=f"I once met {name}, {typed}.")
        assert names_on(page(client, f"/builders/?{urlencode({'q': typed})}")) == [name, "Someone else"]

    @pytest.mark.parametrize("typed", ("lo", "a", "lovelace", "da love"))
    def test_short_prefixes_and_inner_words_are_not_name_matches(self, client: Client, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Ada Lovelace")
        BuilderProfileFactory.create(user__name="Someone else", featured_at=SINCE, bio="Ada Lovelace day, daily.")
        assert names_on(page(client, f"/builders/?q={typed}"))[:1] == ["Someone else"]

    def test_exact_names_come_before_longer_ones(self, client: Client) -> None:
        for name, facts in (
            ("Maria Nowak", {"validation_tier": 3}),
            ("Maria", {}),
            ("Mariam", {"featured_at": SINCE}),
            ("Someone else", {"featured_at": SINCE, "headline": "Maria’s friend", "validation_tier": 3}),
        ):
            BuilderProfileFactory.create(user__name=name, **facts)
        assert names_on(page(client, "/builders/?q=maria")) == ["Maria", "Mariam", "Maria Nowak", "Someone else"]
        assert names_on(page(client, "/builders/?q=maria&sort=newest"))[0] == "Someone else"
        assert names_on(page(client, "/builders/?q=maria&tier=3")) == ["Maria Nowak", "Someone else"]

    @pytest.mark.parametrize("facts", ({"unlisted": True}, {"user__banned": True}, {"hidden": True}))
    def test_unlisted_builders_are_not_found_by_name(self, client: Client, facts: dict[str, Any]) -> None:
        BuilderProfileFactory.create(user__name="Ada Lovelace", **facts)
        assert names_on(page(client, "/builders/?q=ada")) == []

    def test_name_matches_appear_once_across_pages(self, client: Client) -> None:
        """There are more name matches than the limit, and featured builders whose pages only mention the name."""
        for number in range(20):
            BuilderProfileFactory.create(user__name=f"Ada {number:02}", featured_at=SINCE if number % 3 else None)
        for number in range(40):
            facts = {"featured_at": SINCE} if number % 2 else {}
            BuilderProfileFactory.create(user__name=f"Other {number:02}", headline="As Ada said", **facts)
        first = names_on(page(client, "/builders/?q=ada"))
        all_names = names_on_all_pages(client, "/builders/?q=ada")
        assert all(name.startswith("Ada") for name in first[: directory.MAX_NAME_MATCHES])
        assert len(first) == PAGE_SIZE
        assert len(all_names) == len(set(all_names)) == 60

    def test_only_the_first_names_with_a_prefix_are_read(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory, "NAME_SCAN_LIMIT", 2)
        for name in ("Adam", "Ada", "Adanna", "Someone with an Ada"):
            BuilderProfileFactory.create(user__name=name)
        found = names_on(page(client, "/builders/?q=ada"))
        assert found[:2] == ["Ada", "Adam"]
        assert set(found[2:]) == {"Adanna", "Someone with an Ada"}


class TestCost:
    @pytest.mark.parametrize(
        ("params", "max_queries"),
        (
            ("", 2),
            ("?q=react", 3),
            ("?q=react&sort=newest", 2),
            ("?q=react&tier=1&availability=available&rate=1", 4),
            # No builder matches, so similar words are looked up.
            ("?q=react&tier=3&domain=finance", 6),
            ("?sort=rate-low", 2),
            ("?after=0.1&tier=1", 3),
        ),
    )
    def test_page_uses_few_queries(
        self, client: Client, many_builders: list[BuilderProfile], params: str, max_queries: int,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:  # fmt: skip
        with django_assert_num_queries(max_queries):
            client.get(f"/builders/{params}")
        browser = signed_in(UserFactory.create())
        with django_assert_num_queries(max_queries + 1):
            browser.get(f"/builders/{params}")

    @pytest.mark.parametrize("after", ("", "&after=1.1"))
    def test_page_uses_at_most_six_queries(
        self, many_builders: list[BuilderProfile], monkeypatch: pytest.MonkeyPatch, after: str,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:  # fmt: skip
        """The scan limit is so low that the search must use the index."""
        monkeypatch.setattr(directory, "SCAN_LIMIT", 5)
        browser = signed_in(UserFactory.create())
        params = "tier=1&tier=2&availability=available&availability=limited&rate=1&rate=2"
        for text in ("react", "zzz"):
            with django_assert_max_num_queries(6):
                browser.get(f"/builders/?q={text}&{params}{after}")

    def test_unchanged_list_is_counted_once(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        builder = BuilderProfileFactory.create(headline="Maps", skills=["Rust"])
        count = Mock(side_effect=facet_counts.FacetCounts.from_sample)
        monkeypatch.setattr(facet_counts.FacetCounts, "from_sample", count)
        assert [counts(page(client))["Rust"] for _ in range(3)] == ["1", "1", "1"]
        assert count.call_count == 1
        BuilderProfile.objects.filter(pk=builder.pk).update(skills=["Rust", "Go"])
        assert counts(page(client))["Go"] == "1"
        assert count.call_count == 2

    def test_home_page_uses_one_query(
        self, client: Client, many_builders: list[BuilderProfile], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(1):
            client.get("/")


class TestHome:
    def test_home_page_has_search_field_and_domains(self, client: Client) -> None:
        text = page(client, "/")
        assert re.search(r'<form[^>]* action="/builders/">', text)
        assert 'name="q"' in text
        assert text.count('href="/builders/?domain=') == 12
        assert 'href="/builders/?domain=ai">AI and machine learning</a>' in text

    def test_home_page_links_builders_to_onboarding(self, client: Client) -> None:
        """The link opens the sign-up form, and then the first step for builders."""
        text = page(client, "/")
        target = "/sign-up/?next=/welcome/%3Fgoal%3Dbuilder"
        assert f'<a href="{target}">For builders</a>' in text
        assert f'<a class="button" href="{target}">Create your page</a>' in text
        assert 'data-target="/welcome/?goal=builder"' in page(client, target)
        signed_in_page = page(signed_in(UserFactory.create()), "/")
        assert '<a class="button" href="/welcome/?goal=builder">Create your page</a>' in signed_in_page
        assert "sign-up" not in signed_in_page

    def test_home_page_shows_the_six_best_builders(self, client: Client) -> None:
        for number in range(8):
            BuilderProfileFactory.create(user__name=f"Plain {number}")
        BuilderProfileFactory.create(user__name="Star", featured_at=SINCE)
        assert names_on(page(client, "/")) == ["Star", *(f"Plain {number}" for number in range(7, 2, -1))]
