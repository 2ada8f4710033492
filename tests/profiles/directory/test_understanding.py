"""Searches in clients' wording: ignored words, plurals, spellings, synonyms, misspelled words and partial matches."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from profiles import tasks
from profiles.directory import spelling, synonyms, vocabulary
from profiles.directory.query import DirectoryQuery
from profiles.directory.search import Match, Page, find
from profiles.directory.understanding import MAX_WORDS, understand
from profiles.models import BuilderProfile, SearchSynonym, SearchWord
from tests.helpers.factories import SINCE, BuilderProfileFactory

pytestmark = pytest.mark.django_db


def search(text: str, **filters: tuple[str, ...]) -> Page:
    return find(DirectoryQuery(text, filters))


def names(text: str, **filters: tuple[str, ...]) -> list[str]:
    return [builder.name for builder in search(text, **filters).builders]


def concepts(text: str) -> list[str]:
    return [concept.text for concept in understand(text, synonyms.load(None)).concepts]


def html(client: Client, text: str, **params: str) -> str:
    response = client.get("/builders/", {"q": text, **params})
    assert response.status_code == 200
    return unescape(response.content.decode())


class TestWords:
    @pytest.mark.parametrize(
        ("text", "found"),
        (
            ("django developer", ["django"]),
            ("I need a mobile app for my bakery", ["mobile app", "bakery"]),
            ("Ruby on Rails", ["Ruby on Rails"]),
            ("someone who speaks Polish", ["Polish"]),
            ("data visualization", ["data visualization"]),
            ("off-line e-commerce", ["off-line", "e-commerce"]),
            ("developer", ["developer"]),
            ("the who", ["the", "who"]),
            ("cheap wordpress", ["wordpress"]),
            ("cheap", ["cheap"]),
            ("!!! ---", []),
            ("", []),
            ("kotlin kotlin Kotlin", ["kotlin"]),
        ),
    )
    def test_text_is_split_into_concepts(self, text: str, found: list[str]) -> None:
        assert concepts(text) == found

    @pytest.mark.parametrize(
        ("headline", "typed"),
        (
            ("Apps for a bakery", "bakeries"),
            ("Apps for bakeries", "bakery"),
            ("A museum guide", "museums"),
            ("Colour systems", "color"),
            ("Organisation of archives", "organization"),
            ("Organizations", "organisation"),
            ("A theatre", "theaters"),
            ("Offline maps", "off-line"),
            ("E-commerce", "ecommerce"),
            ("Ecommerce", "e-commerce"),
            ("Next.js", "next.js"),
        ),
    )
    def test_plurals_hyphens_and_spellings_match(self, headline: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Olive", headline=headline)
        page = search(typed)
        assert ([builder.name for builder in page.builders], page.match) == (["Olive"], Match.ALL_WORDS)

    def test_general_words_alone_show_every_builder(self, client: Client) -> None:
        BuilderProfileFactory.create(user__name="Olive", domains=["web"])
        assert search("developer").match == Match.EVERYONE
        assert names("developer", domain=("web",)) == ["Olive"]
        assert names("developer", domain=("health",)) == []
        assert "These words describe every builder." in html(client, "developer")

    def test_general_word_finds_builders_who_use_it(self) -> None:
        BuilderProfileFactory.create(user__name="Olive", headline="Game developer")
        BuilderProfileFactory.create(user__name="Otto")
        assert names("developer") == ["Olive"]


@pytest.mark.usefixtures("shipped_synonyms")
class TestSynonyms:
    def test_builders_with_the_original_word_are_listed_first(self) -> None:
        BuilderProfileFactory.create(user__name="Shop", domains=["commerce"], featured_at=SINCE)
        BuilderProfileFactory.create(user__name="Exact", headline="Shopify themes")
        page = search("shopify")
        assert ([builder.name for builder in page.builders], page.match) == (["Exact", "Shop"], Match.SYNONYMS)

    def test_synonyms_are_not_used_if_a_full_page_matches(self) -> None:
        BuilderProfileFactory.create(user__name="Shop", domains=["commerce"], featured_at=SINCE)
        BuilderProfileFactory.create_batch(24, headline="Shopify themes")
        page = search("shopify")
        assert (page.match, len(page.builders), page.next_query) == (Match.ALL_WORDS, 24, None)

    def test_each_builder_appears_on_one_page(self, client: Client) -> None:
        for number in range(20):
            BuilderProfileFactory.create(user__name=f"Exact {number}", headline="Shopify themes")
        for number in range(40):
            BuilderProfileFactory.create(user__name=f"Shop {number}", domains=["commerce"], featured_at=SINCE)
        query: DirectoryQuery | None = DirectoryQuery("shopify")
        pages: list[list[str]] = []
        while query:
            page = find(query)
            pages.append([builder.name for builder in page.builders])
            query = page.next_query
        found = [name for page_names in pages for name in page_names]
        assert len(found) == len(set(found)) == 60
        assert all(name.startswith("Exact") for name in pages[0][:20])

    def test_skill_synonym_ranks_above_domain_synonym(self) -> None:
        BuilderProfileFactory.create(user__name="Shop", domains=["commerce"], featured_at=SINCE)
        BuilderProfileFactory.create(user__name="Skilled", skills=["saleor"])
        assert names("shopify") == ["Skilled", "Shop"]

    def test_synonyms_do_not_match_the_bio(self) -> None:
        BuilderProfileFactory.create(bio="I once worked in a shop.")
        assert names("woocommerce") == []

    def test_page_lists_the_included_synonyms(self, client: Client) -> None:
        BuilderProfileFactory.create(domains=["commerce"])
        assert "Also searching for: Saleor, Online shops." in html(client, "woocommerce")

    @pytest.mark.parametrize("typed", ("shopi", "woocomm", "a shopif"))
    def test_incomplete_word_is_completed(self, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Shop", domains=["commerce"])
        assert names(typed) == ["Shop"]

    def test_circular_synonyms_are_handled(self) -> None:
        for searches, finds in ((["aaaa"], ["bbbb"]), (["bbbb"], ["cccc"]), (["cccc"], ["aaaa", "cccc"])):
            SearchSynonym.objects.create(searches=searches, finds=finds)
        table = synonyms.load(None)
        meaning = table.find(["aaaa"])
        assert meaning
        assert meaning.tsqueries == ("'bbbb':*ABC",)

    @pytest.mark.parametrize("phrase", ("", " ", "!!!", "' & |", "x" * 40, "\\", "a b c d e f"))
    def test_unusual_phrases_are_handled(self, phrase: str, monkeypatch: pytest.MonkeyPatch) -> None:
        SearchSynonym.objects.create(searches=[phrase, "woods"], finds=[phrase], domains=["removed"])
        monkeypatch.setattr(synonyms._Cache, "synonyms", synonyms.load(None))
        names("woods")
        names(phrase)

    def test_number_of_rows_is_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(synonyms, "MAX_SYNONYMS", 1)
        assert len(synonyms.load(None).meanings) <= 20

    def test_changes_are_loaded_after_the_cache_expires(
        self, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        monkeypatch.setattr(synonyms, "MAX_AGE_S", 10.0)
        synonyms.forget()
        for queries in (2, 0):  # the version and the rows
            with django_assert_num_queries(queries):
                synonyms.current()
        synonyms.forget()
        with django_assert_num_queries(1):  # only the version
            synonyms.current()
        SearchSynonym.objects.create(searches=["woods"], finds=["forest"])
        synonyms.forget()
        assert synonyms.current().find(["woods"])


class TestSpelling:
    @pytest.mark.parametrize(
        ("one", "other", "steps"),
        (
            ("django", "djnago", 1),
            ("django", "django", 0),
            ("kotlin", "kotln", 1),
            ("phyton", "python", 2),
            ("", "ab", 2),
        ),
    )
    def test_edit_distance_is_symmetric(self, one: str, other: str, steps: int) -> None:
        assert spelling.distance(one, other) == spelling.distance(other, one) == steps

    @given(st.text("abc", min_size=4, max_size=12), st.data())
    def test_words_with_one_typo_share_a_key(self, word: str, data: Any) -> None:
        position = data.draw(st.integers(0, len(word) - 1))
        for other in (word[:position] + word[position + 1 :], word[:position] + "x" + word[position + 1 :]):
            if len(other) >= spelling.MIN_LENGTH:
                assert spelling.keys(word) & spelling.keys(other)

    @pytest.fixture
    def django_builder(self) -> BuilderProfile:
        builder = BuilderProfileFactory.create(user__name="Olive Owner", skills=["Django"], domains=["web"])
        tasks.rebuild_vocabulary(0)
        return builder

    @pytest.mark.parametrize("typed", ("djnago", "DJANGOO", "djago developer", "need djamgo", "Olvie"))
    def test_misspelled_word_is_corrected_if_nothing_matches(
        self, typed: str, django_builder: BuilderProfile, client: Client
    ) -> None:
        page = search(typed)
        assert page.builders == [django_builder]
        assert page.corrected_text in ("django", "olive")
        assert f"No builders match “<bdi>{typed}</bdi>”." in html(client, typed)

    def test_correction_without_results_is_only_suggested(self, django_builder: BuilderProfile, client: Client) -> None:
        text = html(client, "djnago", domain="health")
        assert re.search(r'Did you mean <a href="/builders/\?q=django&domain=health"><bdi>django</bdi></a>\?', text)

    def test_known_word_is_not_corrected(self, django_builder: BuilderProfile) -> None:
        page = search("django", domain=("health",))
        assert (page.builders, page.corrected_text, page.suggested_text) == ([], "", "")

    def test_correction_must_match_all_words_if_some_words_match(
        self, django_builder: BuilderProfile, client: Client
    ) -> None:
        BuilderProfileFactory.create(user__name="Otto", skills=["Elixir"], featured_at=SINCE)
        tasks.rebuild_vocabulary(0)
        assert names("djnago elixir") == ["Otto"]
        assert search("djnago elixir").match == Match.ANY_WORD
        text = html(client, "djnago elixir")
        assert re.search(r'Did you mean <a href="/builders/\?q=django\+elixir"><bdi>django elixir</bdi></a>\?', text)
        BuilderProfileFactory.create(user__name="Both", skills=["Elixir", "Django"])
        assert names("djnago elixir") == ["Both"]

    def test_vocabulary_contains_words_of_listed_pages(self, django_builder: BuilderProfile) -> None:
        row = SearchWord.objects.get(word="django")
        assert (row.builders, "jango" in row.keys) == (1, True)
        assert not SearchWord.objects.filter(word__startswith="/").exists()
        BuilderProfile.objects.update(hidden_at=SINCE)
        assert vocabulary.rebuild() > 0
        assert not SearchWord.objects.exists()
        assert vocabulary.rebuild() == 0


class TestPartialMatches:
    @pytest.fixture(autouse=True)
    def builders(self) -> None:
        BuilderProfileFactory.create(user__name="Star", headline="Kotlin", featured_at=SINCE)
        BuilderProfileFactory.create(user__name="Two", headline="Kotlin and Elixir")
        BuilderProfileFactory.create(user__name="One", headline="Elixir")

    def test_builders_matching_the_most_words_are_listed_first(self) -> None:
        page = search("kotlin elixir harpsichord")
        assert page.match == Match.ANY_WORD
        assert [builder.name for builder in page.builders] == ["Two", "Star", "One"]
        assert names("kotlin elixir") == ["Two"]

    def test_other_sort_orders_list_all_partial_matches(self) -> None:
        page = find(DirectoryQuery("kotlin elixir harpsichord", sort="newest"))
        assert [builder.name for builder in page.builders] == ["One", "Two", "Star"]

    def test_rare_words_are_found_beyond_the_scan_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("profiles.directory.results.SCAN_LIMIT", 1)
        assert names("kotlin elixir harpsichord") == ["Two", "Star", "One"]

    def test_each_partial_match_appears_on_one_page(self, client: Client) -> None:
        BuilderProfileFactory.create_batch(30, headline="Kotlin")
        BuilderProfileFactory.create_batch(30, headline="Elixir")
        query: DirectoryQuery | None = DirectoryQuery("kotlin elixir harpsichord")
        found: list[str] = []
        while query:
            page = find(query)
            found += [builder.name for builder in page.builders]
            query = page.next_query
        assert len(found) == len(set(found)) == 63

    def test_page_explains_partial_matches(self, client: Client) -> None:
        text = html(client, "kotlin harpsichord")
        assert "No builders match every word." in text
        assert "harpsichord" in text

    def test_filters_apply_to_partial_matches(self) -> None:
        assert names("kotlin harpsichord", tier=("3",)) == []


class TestChips:
    def test_each_concept_has_a_chip_that_removes_it(self, client: Client) -> None:
        BuilderProfileFactory.create(headline="Kotlin for bakeries")
        text = html(client, "I need Kotlin for my bakery", domain="web")
        chips = re.findall(
            r'href="([^"]*)">\s*<span class="visually-hidden">Remove</span>\s*<span dir="auto">([^<]*)', text
        )
        assert chips == [
            ("/builders/?q=bakery&domain=web", "“Kotlin”"),
            ("/builders/?q=Kotlin&domain=web", "“bakery”"),
            ("/builders/?q=I+need+Kotlin+for+my+bakery", "Web apps"),
        ]

    @pytest.mark.parametrize(
        ("typed", "label", "url"),
        (
            ("cheap kotlin", "Sort by lowest rate", "/builders/?q=kotlin&sort=rate-low"),
            ("kotlin available now", "Only available builders", "/builders/?q=kotlin&availability=available"),
            ("senior kotlin", "Only experts", "/builders/?q=kotlin&tier=3"),
        ),
    )
    def test_page_suggests_filters_and_sort_orders(self, typed: str, label: str, url: str, client: Client) -> None:
        BuilderProfileFactory.create(headline="Kotlin")
        assert f'href="{url}">{label}</a>' in html(client, typed)


class TestLimits:
    @pytest.mark.parametrize(
        "text", ("word " * 100_000, "x" * 100_000, "a " * 100_000, "kotln " * 1000, "and " * 1000, "ﷺ" * 1000)
    )
    def test_long_searches_are_truncated(self, text: str, client: Client) -> None:
        BuilderProfileFactory.create()
        html(client, text)
        query = DirectoryQuery.from_params(client.get("/builders/", {"q": text}).wsgi_request.GET)
        assert len(understand(query.text).concepts) <= MAX_WORDS

    def test_many_different_words_use_few_queries(
        self, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        BuilderProfileFactory.create(headline="Kotlin")
        text = " ".join(f"w{number}ord" for number in range(100_000))
        with django_assert_max_num_queries(7):
            html(client, text)

    @pytest.mark.usefixtures("shipped_synonyms")
    @pytest.mark.parametrize(("typed", "max_queries"), (("kotlin", 4), ("android developer", 4), ("mobile", 4)))
    def test_common_searches_use_at_most_four_queries(
        self, typed: str, max_queries: int, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        BuilderProfileFactory.create_batch(30, headline="Kotlin", domains=["mobile"])
        with django_assert_max_num_queries(max_queries):
            html(client, typed)


class TestRanking:
    def test_early_skills_come_before_late_ones(self) -> None:
        BuilderProfileFactory.create(
            user__name="Late", headline="x", skills=["SQL", "HTML", "CSS", "Django"], featured_at=SINCE
        )
        BuilderProfileFactory.create(user__name="First", headline="x", skills=["Django"])
        BuilderProfileFactory.create(user__name="Third", headline="x", skills=["SQL", "HTML", "Django"])
        assert names("django") == ["First", "Third", "Late"]

    def test_available_builders_come_first_if_the_skills_match_equally(self) -> None:
        BuilderProfileFactory.create(
            user__name="Busy", headline="x", skills=["Django"], availability="unavailable", featured_at=SINCE
        )
        BuilderProfileFactory.create(user__name="Free", headline="x", skills=["Django"], availability="available")
        assert names("django") == ["Free", "Busy"]

    def test_cheap_builders_come_first_if_the_text_asks_for_them(self) -> None:
        BuilderProfileFactory.create(
            user__name="Dear", headline="x", skills=["Django"], hourly_rate=90, featured_at=SINCE
        )
        BuilderProfileFactory.create(user__name="Cheap", headline="x", skills=["Django"], hourly_rate=30)
        assert names("cheap django") == ["Cheap", "Dear"]
        assert names("django") == ["Dear", "Cheap"]
