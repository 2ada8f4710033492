"""The directory is narrowed, ordered and paged, costs the same however many there are, and helps when it is empty."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from profiles.directory import facet_counts, indexing
from profiles.directory import results as directory
from profiles.directory.facets import SORTS
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import PAGE_SIZE, find
from profiles.models import BuilderProfile
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db


def page(client: Client, url: str = "/builders/", **headers: str) -> str:
    response = client.get(url, headers=headers)
    assert response.status_code == 200, url
    return response.content.decode()


def shown(text: str) -> list[str]:
    """Return the names on the cards, in order."""
    return [unescape(name) for name in re.findall(r'class="card__name"[^>]*><a href="[^"]*">([^<]*)</a>', text)]


def numbers(text: str) -> dict[str, str]:
    """Return the number beside each choice."""
    found = re.findall(
        r'value="([^"]*)" (?:checked)?>\s*<span dir="auto">[^<]*</span>\s*(?:<span class="choice__count">([^<]*))?',
        text,
    )
    return dict(found)


def chips(text: str) -> dict[str, str]:
    """Return where the chips lead that drop what is chosen."""
    found = re.findall(
        r'class="chip" href="([^"]*)">\s*<span class="visually-hidden">Remove</span>\s*<span dir="auto">([^<]*)', text
    )
    return {unescape(label): unescape(href) for href, label in found}


def following(text: str) -> str | None:
    match = re.search(r'rel="next" href="([^"]*)"', text)
    return unescape(match[1]) if match else None


def walk_through(client: Client, url: str) -> list[str]:
    """Return the names on all pages from `url` on."""
    names: list[str] = []
    following_url: str | None = url
    while following_url:
        text = page(client, following_url)
        names += shown(text)
        following_url = following(text)
    return names


class TestFacets:
    @pytest.fixture(autouse=True)
    def people(self) -> None:
        many: dict[str, dict[str, Any]] = {
            "Ada": {"domains": ["ai", "web"], "skills": ["React", "Python"], "validation_tier": 3, "hourly_rate": 150},
            "Ben": {"domains": ["web"], "skills": ["react"], "validation_tier": 1, "hourly_rate": 30},
            "Cy": {"domains": ["ai"], "skills": ["Swift"], "validation_tier": 2, "availability": "limited"},
            "Di": {"domains": [], "skills": [], "validation_tier": 1, "available_for_hire": False},
        }
        for name, facts in many.items():
            BuilderProfileFactory.create(user__name=name, **facts)

    @pytest.mark.parametrize(
        ("asked", "names"),
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
    def test_they_narrow_the_list(self, client: Client, asked: str, names: set[str]) -> None:
        assert set(shown(page(client, f"/builders/?{asked}"))) == names

    def test_numbers_say_how_many_a_choice_would_leave(self, client: Client) -> None:
        found = numbers(page(client))
        assert found | {
            "ai": "2", "web": "2", "React": "2", "Python": "1", "Swift": "1", "1": "2", "2": "1",
            "available": "2", "limited": "1", "unavailable": "1",
        } == found  # fmt: skip
        assert "health" not in found

    @pytest.mark.parametrize("facts", ({"user__banned": True}, {"hidden": True}, {"unlisted": True}))
    def test_who_is_not_shown_is_not_counted(self, client: Client, facts: dict[str, Any]) -> None:
        BuilderProfileFactory.create(domains=["health", "ai"], **facts)
        text = page(client)
        assert "4 builders" in text
        assert "health" not in numbers(text)
        assert numbers(text)["ai"] == "2"

    def test_one_more_domain_narrows_and_one_more_tier_widens(self, client: Client) -> None:
        found = numbers(page(client, "/builders/?domain=ai&tier=3"))
        assert (found["ai"], found["web"]) == ("1", "1")
        assert (found["3"], found["2"]) == ("1", "1")
        assert set(shown(page(client, "/builders/?domain=ai&tier=3&tier=2"))) == {"Ada", "Cy"}

    def test_each_number_comes_true(self, client: Client) -> None:
        for asked in ("", "domain=web", "tier=1", "q=react", "skill=React&tier=3"):
            query = DirectoryQuery.from_params(QueryDict(asked))
            for offer in facet_counts.facet_choices(query, find(query)):
                for choice in offer.choices:
                    if choice.is_selected:
                        continue
                    alone = query if offer.facet.match_all else query.without(offer.facet.key)
                    chosen = (*alone.filters.get(offer.facet.key, ()), choice.value)
                    would_be = find(replace(alone, filters={**alone.filters, offer.facet.key: chosen}))
                    assert len(would_be.builders) == int(choice.count), (asked, offer.facet.key, choice)

    def test_what_is_chosen_is_a_chip_that_drops_it(self, client: Client) -> None:
        found = chips(page(client, "/builders/?q=re&domain=web&tier=1&sort=newest"))
        assert set(found) == {"“re”", "Web apps", "Entry"}
        assert found["Entry"] == "/builders/?q=re&domain=web&sort=newest"
        assert found["“re”"] == "/builders/?domain=web&tier=1&sort=newest"
        assert set(chips(page(client, found["Entry"]))) == {"“re”", "Web apps"}

    def test_what_is_chosen_stays_ticked_and_typed(self, client: Client) -> None:
        text = page(client, "/builders/?q=re&skill=React&sort=newest")
        assert re.search(r'value="React" checked', text)
        assert re.search(r'name="q" value="re"', text)
        assert re.search(r'value="newest" selected', text)

    def test_many_are_at_least_so_many(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory, "SAMPLE_SIZE", 30)
        BuilderProfileFactory.create_batch(40, domains=["health"])
        text = page(client)
        assert numbers(text)["health"] in ("20+", "30+")
        assert "30+ builders" in text
        # Who stands below the sample is there, and nobody says how many.
        assert numbers(text).get("unavailable", "") in ("", "1+")

    def test_beyond_what_is_walked_it_is_at_least_so_many_and_rare_ones_are_still_found(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(directory, "SCAN_LIMIT", 30)
        BuilderProfileFactory.create_batch(40, domains=["health"], headline="x", bio="y")
        text = page(client)
        assert "30+ builders" in text
        assert shown(page(client, "/builders/?q=swift")) == ["Cy"]
        assert "1 builder<" in page(client, "/builders/?q=swift")

    @pytest.mark.parametrize(
        ("number", "is_complete", "words"),
        ((0, True, "0"), (7, True, "7"), (499, True, "499"), (0, False, ""), (7, False, "7+"), (47, False, "40+"), (500, False, "500+")),
    )  # fmt: skip
    def test_numbers_in_words(self, number: int, words: str, *, is_complete: bool) -> None:
        assert facet_counts.format_count(number, is_complete=is_complete) == words


class TestNothingFound:
    def test_it_says_which_filter_to_drop_and_what_that_would_give(self, client: Client) -> None:
        BuilderProfileFactory.create_batch(3, skills=["React"])
        BuilderProfileFactory.create(domains=["finance"], validation_tier=3)
        text = page(client, "/builders/?q=react&domain=finance")
        assert "No builders found" in text
        found = re.findall(r'href="([^"]*)"><span>Without <bdi>([^<]*)</bdi></span> <b>([^<]*)', text)
        assert found == [("/builders/?q=react", "Finance", "3"), ("/builders/?domain=finance", "“react”", "1")]
        for url, _, number in found:
            assert len(shown(page(client, url))) == int(number)

    def test_where_no_single_one_is_to_blame_it_leads_back_to_everybody(self, client: Client) -> None:
        BuilderProfileFactory.create()
        text = page(client, "/builders/?q=zzz&domain=finance&tier=3")
        assert "Try fewer or different words." in text
        assert 'href="/builders/">Show all builders' in text

    def test_what_was_typed_is_escaped(self, client: Client) -> None:
        BuilderProfileFactory.create()
        assert "<script>alert" not in page(
            client, '/builders/?q="><script>alert(1)</script>&skill=<script>alert(2)</script>'
        )


class TestOrder:
    def test_featured_come_first_everywhere(self, client: Client) -> None:
        BuilderProfileFactory.create(user__name="Full", headline="x", bio="x", skills=["x"], validation_tier=3)
        BuilderProfileFactory.create(user__name="Star", featured_at=SINCE)
        assert shown(page(client)) == shown(page(client, "/")) == ["Star", "Full"]

    @pytest.mark.parametrize(
        ("sort", "names"),
        (
            ("newest", ["None", "Late", "Dear", "Cheap"]),
            ("rate-low", ["Cheap", "Late", "Dear"]),
            ("rate-high", ["Dear", "Late", "Cheap"]),
            ("confirmed", ["Late", "Cheap", "Dear"]),
        ),
    )
    def test_each_is_what_it_says(self, client: Client, sort: str, names: list[str]) -> None:
        now = timezone.now()
        for name, rate, currency, days in (("Cheap", 9000, "JPY", 2), ("Dear", 90, "GBP", 3), ("Late", 90, "USD", 1)):
            confirmed = now - timedelta(days=days)
            BuilderProfileFactory.create(
                user__name=name, hourly_rate=Decimal(rate), currency=currency, availability_confirmed_at=confirmed
            )
        BuilderProfileFactory.create(user__name="None")
        text = page(client, f"/builders/?sort={sort}")
        assert shown(text) == names
        assert str(SORTS[sort].explanation) in unescape(text)


MANY = 2 * PAGE_SIZE + 7


@pytest.fixture
def crowd(db: None) -> list[BuilderProfile]:
    """Return more than two pages of people who are equal in every order but by their ids."""
    users = User.objects.bulk_create(UserFactory.build_batch(MANY, builder=True))
    facts = {"hourly_rate": Decimal(50), "availability_confirmed_at": timezone.now(), "skills": ["React"]}
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
    @pytest.mark.parametrize("narrowed", ("", "q=react&tier=1"), ids=("everybody", "narrowed"))
    def test_everybody_is_on_one_page_once(
        self, client: Client, crowd: list[BuilderProfile], sort: str, narrowed: str
    ) -> None:
        names = [profile.name for profile in crowd]
        ordered = names if sort == "rate-low" else names[::-1]
        assert walk_through(client, f"/builders/?{narrowed}&sort={sort}") == ordered

    @pytest.mark.parametrize("sort", SORTS)
    def test_who_joins_or_leaves_meanwhile_moves_nobody_else(
        self, client: Client, crowd: list[BuilderProfile], sort: str
    ) -> None:
        first = page(client, f"/builders/?sort={sort}")
        second = following(first)
        assert second
        expected = shown(page(client, second))
        newcomer = {"hourly_rate": Decimal(50), "availability_confirmed_at": timezone.now(), "skills": ["x"]}
        if sort != "rate-low":  # the newest is the last there
            BuilderProfileFactory.create(user__name="Newcomer", featured_at=SINCE, **newcomer)
        BuilderProfile.objects.filter(display_name__in=shown(first)).update(unpublished_at=SINCE)
        assert shown(page(client, second)) == expected

    def test_a_page_leads_on_and_back_with_all_that_was_chosen(
        self, client: Client, crowd: list[BuilderProfile]
    ) -> None:
        second = following(page(client, "/builders/?q=react&tier=1&sort=rate-low"))
        assert second
        asked = parse_qs(urlsplit(second).query)
        assert (asked["q"], asked["tier"], asked["sort"]) == (["react"], ["1"], ["rate-low"])
        assert re.fullmatch(r"50\.\d+", asked["after"][0])
        text = page(client, second)
        assert 'href="/builders/?q=react&amp;tier=1&amp;sort=rate-low">' in text
        assert "Back to the first page" in text

    def test_numbers_on_later_pages_are_those_of_the_first(self, client: Client, crowd: list[BuilderProfile]) -> None:
        second = following(page(client))
        assert second
        assert numbers(page(client, second)) == numbers(page(client))

    def test_below_the_last_there_is_nobody(self, client: Client, crowd: list[BuilderProfile]) -> None:
        text = page(client, "/builders/?after=0.1")
        assert "There are no more builders." in text

    @pytest.mark.parametrize("sort", SORTS)
    @pytest.mark.parametrize(
        "after",
        ("x", "", "1", "1.2.3", "-1.5", "1.-5", "1e3.5", "1. 5", "٣.٣", "².1", "1.x", "9" * 25 + ".1", f"1.{2**63}", "." * 5000, "1;DROP"),
    )  # fmt: skip
    def test_a_tampered_place_is_the_first_page(
        self, client: Client, crowd: list[BuilderProfile], sort: str, after: str
    ) -> None:
        if sort == "newest" and after == "1":
            return  # that is a place there
        plain = shown(page(client, f"/builders/?sort={sort}"))
        assert shown(client.get("/builders/", {"sort": sort, "after": after}).content.decode()) == plain

    @pytest.mark.parametrize("sort", SORTS)
    def test_the_largest_and_smallest_places_break_nothing(
        self, client: Client, crowd: list[BuilderProfile], sort: str
    ) -> None:
        for number in (0, 2**31, 2**63 - 1):
            page(client, f"/builders/?sort={sort}&after={number}.{number}")
            page(client, f"/builders/?sort={sort}&after={number}")

    def test_only_the_first_page_of_everybody_is_for_search_engines(
        self, client: Client, crowd: list[BuilderProfile]
    ) -> None:
        canonical = '<link rel="canonical" href="http://testserver/builders/">'
        first = page(client)
        assert canonical in first
        assert "noindex" not in first
        for url in ("/builders/?q=react", "/builders/?domain=ai", "/builders/?sort=newest", following(first) or ""):
            text = page(client, url)
            assert canonical in text
            assert '<meta name="robots" content="noindex, follow">' in text


class TestParts:
    def test_htmx_gets_what_changes_and_others_the_page(self, client: Client) -> None:
        BuilderProfileFactory.create(user__name="Olive", skills=["React"])
        part = page(client, "/builders/?q=olive", **HTMX)
        assert "<html" not in part
        assert shown(part) == ["Olive"]
        assert numbers(part) == numbers(page(client, "/builders/?q=olive"))
        assert 'id="count" hx-swap-oob="innerHTML">1 builder</p>' in part

    def test_caches_keep_the_two_apart(self, client: Client) -> None:
        for headers in ({}, HTMX):
            vary = client.get("/builders/", headers=headers)["Vary"]
            assert {"HX-Request", "HX-History-Restore-Request"} <= {name.strip() for name in vary.split(",")}

    def test_going_back_gets_the_page(self, client: Client) -> None:
        assert "<html" in page(client, "/builders/", **HTMX, **{"hx-history-restore-request": "true"})

    @pytest.mark.parametrize(
        ("before", "asked", "kind"),
        (
            ("", "q=o&sort=best&domain=", "Push"),
            ("?q=o", "q=ol", "Replace"),
            ("?q=ol", "q=", "Push"),
            ("?q=ol", "q=ol&domain=ai", "Push"),
            ("?q=ol&after=1.2", "q=ol&sort=newest", "Push"),
        ),
    )
    def test_the_address_bar_is_kept_in_step(self, client: Client, before: str, asked: str, kind: str) -> None:
        headers = {**HTMX, "hx-current-url": f"http://testserver/builders/{before}"}
        response = client.get(f"/builders/?{asked}", headers=headers)
        parameters = DirectoryQuery.from_params(QueryDict(asked)).parameters()
        assert response[f"HX-{kind}-Url"] == "/builders/" + (f"?{parameters}" if parameters else "")
        assert {"Push": "Replace", "Replace": "Push"}[kind] not in str(response.headers)


class TestNames:
    """Whoever is called what was typed comes before everybody who only mentions it."""

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
    def test_they_come_first_however_it_is_spelt(self, client: Client, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        BuilderProfileFactory.create(user__name="Someone else", featured_at=SINCE, bio=f"I once met {name}, {typed}.")
        assert shown(page(client, f"/builders/?{urlencode({'q': typed})}")) == [name, "Someone else"]

    @pytest.mark.parametrize("typed", ("lo", "a", "lovelace", "da love"))
    def test_but_not_by_a_letter_or_two_or_from_the_middle(self, client: Client, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Ada Lovelace")
        BuilderProfileFactory.create(user__name="Someone else", featured_at=SINCE, bio="Ada Lovelace day, daily.")
        assert shown(page(client, f"/builders/?q={typed}"))[:1] == ["Someone else"]

    def test_whole_names_come_first_and_then_the_best(self, client: Client) -> None:
        for name, facts in (
            ("Maria Nowak", {"validation_tier": 3}),
            ("Maria", {}),
            ("Mariam", {"featured_at": SINCE}),
            ("Someone else", {"featured_at": SINCE, "headline": "Maria’s friend", "validation_tier": 3}),
        ):
            BuilderProfileFactory.create(user__name=name, **facts)
        assert shown(page(client, "/builders/?q=maria")) == ["Maria", "Mariam", "Maria Nowak", "Someone else"]
        assert shown(page(client, "/builders/?q=maria&sort=newest"))[0] == "Someone else"
        assert shown(page(client, "/builders/?q=maria&tier=3")) == ["Maria Nowak", "Someone else"]

    @pytest.mark.parametrize("facts", ({"unlisted": True}, {"user__banned": True}, {"hidden": True}))
    def test_nobody_is_shown_who_is_not_listed(self, client: Client, facts: dict[str, Any]) -> None:
        BuilderProfileFactory.create(user__name="Ada Lovelace", **facts)
        assert shown(page(client, "/builders/?q=ada")) == []

    def test_on_all_pages_together_everybody_stands_once(self, client: Client) -> None:
        """More of them than go first, and many who only mention the name, some of them better."""
        for number in range(20):
            BuilderProfileFactory.create(user__name=f"Ada {number:02}", featured_at=SINCE if number % 3 else None)
        for number in range(40):
            facts = {"featured_at": SINCE} if number % 2 else {}
            BuilderProfileFactory.create(user__name=f"Other {number:02}", headline="As Ada said", **facts)
        first = shown(page(client, "/builders/?q=ada"))
        everybody = walk_through(client, "/builders/?q=ada")
        assert all(name.startswith("Ada") for name in first[: directory.MAX_NAME_MATCHES])
        assert len(first) == PAGE_SIZE
        assert len(everybody) == len(set(everybody)) == 60

    def test_however_many_share_a_beginning_few_are_looked_at(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(directory, "NAME_SCAN_LIMIT", 2)
        for name in ("Adam", "Ada", "Adanna", "Someone with an Ada"):
            BuilderProfileFactory.create(user__name=name)
        found = shown(page(client, "/builders/?q=ada"))
        assert found[:2] == ["Ada", "Adam"]
        assert set(found[2:]) == {"Adanna", "Someone with an Ada"}


class TestCost:
    @pytest.mark.parametrize(
        ("asked", "most"),
        (
            ("", 2),
            ("?q=react", 3),
            ("?q=react&sort=newest", 2),
            ("?q=react&tier=1&availability=available&rate=1", 4),
            ("?q=react&tier=3&domain=finance", 5),
            ("?sort=rate-low", 2),
            ("?after=0.1&tier=1", 3),
        ),
    )
    def test_a_page_takes_few_queries_whatever_there_is(
        self, client: Client, crowd: list[BuilderProfile], asked: str, most: int,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:  # fmt: skip
        with django_assert_num_queries(most):
            client.get(f"/builders/{asked}")
        browser = signed_in(UserFactory.create())
        with django_assert_num_queries(most + 1):
            browser.get(f"/builders/{asked}")

    @pytest.mark.parametrize("after", ("", "&after=1.1"))
    def test_it_is_never_more_than_six(
        self, crowd: list[BuilderProfile], monkeypatch: pytest.MonkeyPatch, after: str,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:  # fmt: skip
        """As in a list so long that walking it was not enough."""
        monkeypatch.setattr(directory, "SCAN_LIMIT", 5)
        browser = signed_in(UserFactory.create())
        asked = "tier=1&tier=2&availability=available&availability=limited&rate=1&rate=2"
        for text in ("react", "zzz"):
            with django_assert_max_num_queries(6):
                browser.get(f"/builders/?q={text}&{asked}{after}")

    def test_home_takes_one(self, client: Client, crowd: list[BuilderProfile], django_assert_num_queries: DjangoAssertNumQueries) -> None:  # fmt: skip
        with django_assert_num_queries(1):
            client.get("/")


class TestHome:
    def test_it_searches_and_offers_every_domain(self, client: Client) -> None:
        text = page(client, "/")
        assert re.search(r'<form[^>]* action="/builders/">', text)
        assert 'name="q"' in text
        assert text.count('href="/builders/?domain=') == 12
        assert 'href="/builders/?domain=ai">AI and machine learning</a>' in text

    def test_six_builders_are_shown_the_best_if_few_are_featured(self, client: Client) -> None:
        for number in range(8):
            BuilderProfileFactory.create(user__name=f"Plain {number}")
        BuilderProfileFactory.create(user__name="Star", featured_at=SINCE)
        assert shown(page(client, "/")) == ["Star", *(f"Plain {number}" for number in range(7, 2, -1))]
