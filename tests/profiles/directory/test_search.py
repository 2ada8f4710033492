"""Search words, spelling variants and updates of the search columns."""

import logging
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from audit.log import Actor
from profiles import personal_data, tasks
from profiles.directory import indexing, terms
from profiles.directory.exchange_rates import to_usd
from profiles.directory.query import DirectoryQuery
from profiles.directory.search import find
from profiles.directory.tsqueries import quoted
from profiles.editing import services as editing
from profiles.models import BuilderProfile, Currency
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db


def names(text: str, **filters: tuple[str, ...]) -> list[str]:
    """Return the names of matching builders."""
    return [profile.name for profile in find(DirectoryQuery(text, filters)).builders]


def is_found(text: str) -> bool:
    return bool(names(text))


class TestSpelling:
    @pytest.mark.parametrize(
        ("name", "typed"),
        (
            ("Zofia Wąsowska-Łęcka", "zofia wasowska lecka"),
            ("Zofia Wąsowska-Łęcka", "ŁĘCKA"),
            ("Zofia Wąsowska-Łęcka", "wasowskalecka"),
            ("Jürgen Groß", "jurgen gross"),
            ("Jürgen Gross", "JÜRGEN GROẞ"),
            ("Søren Ødegård", "soren odegard"),
            ("Œuvre Æther", "oeuvre aether"),
            ("İpek Işık", "ipek isik"),
            ("Đorđe Þór", "dorde thor"),
            ("Ngozi Adébáyọ̀", "adebayo"),
            ("Grace O’Sullivan", "osullivan"),
            ("Grace O’Sullivan", "o'sullivan"),
            ("Grace O’Sullivan", "sullivan"),
            ("ﬁona", "fiona"),
            ("Ｚｏｆｉａ", "zofia"),
            ("Αλέξανδρος", "ΑΛΕΞΑΝΔΡΟΣ"),
            ("Алёна", "алена"),
        ),
    )
    def test_search_ignores_accents_and_case(self, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        assert names(typed) == [name]

    @pytest.mark.parametrize(
        ("name", "typed"),
        (
            ("高橋 美咲", "高橋"),
            ("高橋美咲", "美咲"),
            ("高橋美咲", "咲"),
            ("高橋美咲", "橋美咲"),
            ("プログラミング", "グラミ"),
            ("ﾌﾟﾛｸﾞﾗﾐﾝｸﾞ", "プログラミング"),
            ("佐々木", "々木"),
            ("李小龙", "小龙"),
            ("김철수", "철수"),
            ("สมชาย ใจดี", "ชาย"),
            ("React開発者", "開発"),
            ("React開発者", "react"),
        ),
    )
    def test_scripts_without_spaces_match_any_part(self, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        assert names(typed) == [name]

    @pytest.mark.parametrize("typed", ("高美", "美橋", "咲高"))
    def test_letters_that_are_not_adjacent_do_not_match(self, typed: str) -> None:
        BuilderProfileFactory.create(user__name="高橋美咲")
        assert not is_found(typed)

    @pytest.mark.parametrize(
        ("name", "typed"),
        (
            ("أحمد", "احمد"),
            ("احمد", "أَحْمَد"),
            ("إبراهيم", "ابراهيم"),
            ("ٱلآن", "الان"),
            ("ليلى منصور", "ليلي"),
            ("فاطمة", "فاطمه"),
            ("محـــمد", "محمد"),
            ("کریم", "كريم"),
            ("شماره ٣", "3"),
            ("मीनाक्षी", "मीना"),
            ("שָׁלוֹם", "שלום"),
        ),
    )
    def test_spelling_variants_of_other_scripts_match(self, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        assert names(typed) == [name]

    @pytest.mark.parametrize("typed", ("mar", "mari nov", "NOV mar", "m", "marie novak"))
    def test_prefixes_match(self, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Marie Nováková")
        assert is_found(typed)

    @pytest.mark.parametrize("typed", ("arie", "novakovaa", "zzz"))
    def test_search_word_matches_only_prefixes(self, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Marie Nováková")
        assert not is_found(typed)

    @pytest.mark.parametrize(
        ("typed", "found"), (("c", ["C", "C++", "C#"]), ("c++", ["C++"]), ("c#", ["C#"]), ("nodejs", ["Node.js"]))
    )
    def test_plus_and_hash_are_kept_in_language_names(self, typed: str, found: list[str]) -> None:
        for skill in ("C", "C++", "C#", "Node.js"):
            BuilderProfileFactory.create(user__name=f"Knows {skill}", skills=[skill])
        assert {f"Knows {skill}" for skill in found} == set(names(typed))


HOSTILE = (
    "' OR 1=1 --",
    "a & b | !c",
    "react:*",
    "foo <-> bar",
    "\\",
    "'",
    "''':*",
    '"unclosed',
    "\x00",
    "a\x00b",
    "/tier/3",
    "!!!",
    "()",
    "x" * 10_000,
    "a " * 5_000,
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "\u202e\u200b\ufeff",
    "👩🏽‍💻",
    "ﷺ" * 200,
    "%s %(x)s {0}",
    "Z̷̢̧̛̰̲͓a̸l̵g̶o̷",
)


class TestBadInput:
    @pytest.mark.parametrize("typed", HOSTILE)
    def test_hostile_search_text_is_handled(self, client: Client, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Marie Novák", skills=["React"])
        for parameter in ("q", "skill", "domain", "tier", "rate", "availability", "sort", "after"):
            assert client.get("/builders/", {parameter: typed}).status_code == 200

    @pytest.mark.parametrize("typed", HOSTILE)
    def test_hostile_profile_text_is_indexed(self, typed: str) -> None:
        text = typed.replace("\x00", "")
        headline = text[:160] or "x"
        profile = BuilderProfileFactory.create(headline=headline, skills=[text[:40]], bio=text, expertise=[text[:80]])
        assert find(DirectoryQuery()).builders == [profile]

    def test_quotes_are_escaped(self) -> None:
        assert quoted("it's \\") == "'it''s \\\\'"

    def test_search_text_does_not_match_filter_terms(self) -> None:
        BuilderProfileFactory.create(validation_tier=3)
        assert not is_found("/tier/3")

    def test_skill_with_quotes_can_be_filtered(self) -> None:
        BuilderProfileFactory.create(user__name="Olive", skills=["Rock'n'\\Roll"])
        assert names("", skill=("Rock'n'\\Roll",)) == ["Olive"]


def edit(**facts: Any) -> None:
    profile = BuilderProfile.objects.get()
    editing.save(profile, facts, actor=Actor(user=profile.user))


def introduce() -> None:
    """Add a headline, because the directory does not list pages without one."""
    BuilderProfile.objects.update(headline="Works well")


class TestIndexUpdates:
    """The search columns are updated whichever way a profile is changed."""

    def test_builder_created_by_webhook_is_found(self, webhook: WebhookClient) -> None:
        webhook.created(person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"]))
        introduce()
        assert names("was") == ["Zofia Wąs"]

    def test_name_change_in_clerk_updates_the_index(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
        webhook.created(zofia)
        introduce()
        webhook.updated(zofia.with_changes(last_name="Nowak"))
        assert names("nowak") == ["Zofia Nowak"]
        assert not is_found("was")

    def test_first_name_set_later_is_found(self, webhook: WebhookClient) -> None:
        unnamed = person(first_name=None, last_name=None, username=None, roles=["BUILDER"])
        webhook.created(unnamed)
        introduce()
        webhook.updated(unnamed.with_changes(first_name="Nora"))
        assert names("nora") == ["Nora"]

    def test_name_changed_while_archived_is_found(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
        webhook.created(zofia)
        introduce()
        gone = zofia.with_changes(timedelta(seconds=1), roles=[])
        webhook.updated(gone)
        webhook.updated(gone.with_changes(timedelta(seconds=2), last_name="Nowak"))
        webhook.updated(gone.with_changes(timedelta(seconds=3), last_name="Nowak", roles=["BUILDER"]))
        assert names("nowak") == ["Zofia Nowak"]

    def test_clerk_picture_raises_the_score(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", roles=["BUILDER"])
        webhook.created(zofia)
        before = BuilderProfile.objects.get().score
        webhook.updated(zofia.with_changes(has_image=True))
        assert BuilderProfile.objects.get().score == before + indexing.COMPLETENESS_SCORES["portrait"]

    @pytest.mark.parametrize(
        ("field", "value", "typed"),
        (
            ("display_name", "Olive Otherwise", "otherwise"),
            ("headline", "Apps for beekeepers", "beekeepers"),
            ("tagline", "Slow is smooth", "smooth"),
            ("skills", ["Elixir"], "elixir"),
            ("expertise", ["Offline sync"], "offline"),
            ("domains", ["health"], "health"),
            ("bio", "I once sailed to Svalbard.", "svalbard"),
            ("location", "Kraków", "krakow"),
        ),
    )
    def test_edited_fields_are_found(self, field: str, value: Any, typed: str) -> None:
        BuilderProfileFactory.create()
        assert not is_found(typed)
        edit(**{field: value})
        assert is_found(typed)
        edit(**{field: type(value)()})
        assert not is_found(typed)

    def test_edits_through_the_page_are_found(self) -> None:
        profile = BuilderProfileFactory.create()
        browser = signed_in(profile.user)
        browser.post(f"{profile.get_absolute_url()}edit/introduction/", {"headline": "Apps for beekeepers"})
        assert is_found("beekeepers")

    @pytest.mark.parametrize(
        ("field", "value", "filters"),
        (
            ("domains", ["health"], {"domain": ("health",)}),
            ("skills", ["Node.js"], {"skill": ("node JS",)}),
            ("validation_tier", 3, {"tier": ("3",)}),
            ("availability", "limited", {"availability": ("limited",)}),
            ("available_for_hire", False, {"availability": ("unavailable",)}),
            ("hourly_rate", Decimal(300), {"rate": ("4",)}),
        ),
    )
    def test_edited_fields_can_be_filtered(self, field: str, value: Any, filters: dict[str, tuple[str, ...]]) -> None:
        BuilderProfileFactory.create(availability_confirmed_at=timezone.now())
        assert not names("", **filters)
        edit(**{field: value})
        assert names("", **filters)

    def test_clerk_name_replaced_by_display_name_is_not_found(self) -> None:
        BuilderProfileFactory.create(user__name="Olive Owner", display_name="Otto")
        assert not is_found("owner")
        assert is_found("otto")

    def test_erasure_empties_the_search_columns(self) -> None:
        profile = BuilderProfileFactory.create(user__name="Olive Owner")
        personal_data.erase(profile.user)
        assert BuilderProfile.objects.values_list("search", "name_key").get() == (None, "")
        assert "search" not in personal_data.export(profile.user).data["builder_profile"][0]

    def test_indexing_adds_no_statement_to_a_change(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        profile = BuilderProfileFactory.create(user=UserFactory.create(roles=[]))
        # The savepoint, the locked row, its old values, the limit of their number, the new values, the audit row, and
        # the release of the savepoint.
        with django_assert_num_queries(7):
            editing.save(profile, {"headline": "New"}, actor=Actor(user=profile.user))


class TestScore:
    def test_each_completed_field_raises_the_score(self) -> None:
        profile = BuilderProfileFactory.create(headline="", availability="unavailable")
        for facts in (
            {"headline": "x"},
            {"bio": "x"},
            {"skills": ["x"]},
            {"domains": ["web"]},
            {"hourly_rate": Decimal(50)},
            {"availability": "limited", "availability_confirmed_at": timezone.now()},
            {"availability": "available"},
            {"validation_tier": 2},
            {"validation_tier": 3},
        ):
            before = BuilderProfile.objects.get().score
            edit(**facts)
            assert BuilderProfile.objects.get().score > before, facts
        assert profile.score == indexing.AVAILABILITY_SCORES["not_stated"]

    def test_featured_score_exceeds_all_others(self) -> None:
        best = (
            indexing.TIER_SCORES[3]
            + sum(indexing.COMPLETENESS_SCORES.values())
            + indexing.AVAILABILITY_SCORES["available"]
            + 100
        )
        assert best < indexing.FEATURED_SCORE

    def test_job_lowers_the_score_over_time(self) -> None:
        now = timezone.now()
        old = BuilderProfileFactory.create(availability_confirmed_at=now)
        fresh = BuilderProfileFactory.create(availability_confirmed_at=now)
        BuilderProfile.objects.filter(pk=old.pk).update(
            availability_confirmed_at=now - timedelta(days=8), index_due_at=now - timedelta(days=1)
        )
        tasks.index_due_profiles(0)
        after, unchanged = BuilderProfile.objects.order_by("pk")
        assert after.score == old.score - 40
        assert after.index_due_at == now + timedelta(days=30 - 8)
        assert unchanged.score == fresh.score

    def test_rates_are_converted_to_us_dollars(self) -> None:
        assert to_usd(Decimal(85), Currency.USD) == 85
        assert 80 < to_usd(Decimal(75), Currency.EUR) < 90
        assert to_usd(Decimal("0.01"), Currency.JPY) == 1
        for currency in Currency:
            assert to_usd(Decimal(99999), currency) > 0


class TestReindexing:
    def test_job_indexes_rows_of_older_code(self) -> None:
        profile = BuilderProfileFactory.create(user__name="Olive")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE profiles_builderprofile SET search = NULL, score = 0, index_due_at = DEFAULT")
        assert not is_found("olive")
        tasks.index_due_profiles(0)
        assert is_found("olive")
        profile.refresh_from_db()
        assert profile.index_due_at is None

    def test_command_indexes_in_batches_and_continues_after_an_id(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(indexing, "BATCH_SIZE", 2)
        profiles = BuilderProfileFactory.create_batch(5, headline="beekeepers")
        BuilderProfile.objects.update(search=None)
        output = StringIO()
        call_command("index_profiles", after=profiles[1].pk, stdout=output)
        assert output.getvalue() == "Indexed 3 profiles. Outdated: 3.\n"
        assert len(names("beekeepers")) == 3
        call_command("index_profiles", stdout=output)
        assert len(names("beekeepers")) == 5

    @pytest.mark.parametrize(
        "drift",
        (
            {"search": None},
            {"search": "'other':1A"},
            {"name_key": "other"},
            {"score": 1},
            {"rate_usd": 1},
            {"index_due_at": None},
        ),
        ids=lambda drift: next(iter(drift)),
    )
    def test_nightly_job_finds_and_repairs_outdated_columns(
        self, drift: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        now = timezone.now()
        kept = BuilderProfileFactory.create(headline="Größe", skills=["C++", "Rock'n'\\Roll"], hourly_rate=90)
        profile = BuilderProfileFactory.create(headline="beekeepers", hourly_rate=50, availability_confirmed_at=now)
        columns = ("id", *indexing.COLUMNS)
        before = list(BuilderProfile.objects.order_by("id").values(*columns))
        BuilderProfile.objects.filter(pk=profile.pk).update(**drift)
        with caplog.at_level(logging.WARNING):
            tasks.repair_search_index(0)
        assert "Repaired the search columns of 1 outdated builder profile." in caplog.text
        assert list(BuilderProfile.objects.order_by("id").values(*columns)) == before
        assert indexing.repair_index([kept.pk, profile.pk]) == 0

    def test_reindexing_is_idempotent(self) -> None:
        BuilderProfileFactory.create(headline="Größe", skills=["C++", "Rock'n'\\Roll"], featured_at=SINCE)
        before = BuilderProfile.objects.values().get()
        indexing.index_profiles([before["id"]])
        assert BuilderProfile.objects.values().get() == before


def test_words_and_texts_are_limited() -> None:
    assert max(map(len, terms.index_words("x" * 5000))) == terms.MAX_WORD_LENGTH
    assert len(list(terms.index_words("ab " * 100_000))) <= terms.MAX_TEXT_LENGTH
