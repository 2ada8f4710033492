"""Whatever people are found by is found, however it is spelt, and whoever changed it by whichever way."""

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

from audit.log import SYSTEM
from profiles import personal_data, tasks
from profiles.directory import indexing, terms
from profiles.directory.exchange_rates import to_usd
from profiles.directory.query import DirectoryQuery
from profiles.directory.results import find
from profiles.editing import services as editing
from profiles.models import BuilderProfile, Currency
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db


def names(text: str, **chosen: tuple[str, ...]) -> list[str]:
    """Return who is found by what is typed."""
    return [profile.name for profile in find(DirectoryQuery(text, chosen)).builders]


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
    def test_no_match_depends_on_accents_or_case(self, name: str, typed: str) -> None:
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
    def test_scripts_without_spaces_are_found_by_any_part(self, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        assert names(typed) == [name]

    @pytest.mark.parametrize("typed", ("高美", "美橋", "咲高"))
    def test_but_not_by_letters_that_do_not_stand_together(self, typed: str) -> None:
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
    def test_arabic_and_its_neighbours_are_found_as_people_type_them(self, name: str, typed: str) -> None:
        BuilderProfileFactory.create(user__name=name)
        assert names(typed) == [name]

    @pytest.mark.parametrize("typed", ("mar", "mari nov", "NOV mar", "m", "marie novak"))
    def test_the_beginning_of_every_word_is_enough(self, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Marie Nováková")
        assert is_found(typed)

    @pytest.mark.parametrize("typed", ("arie", "marie x", "novakovaa", "zzz"))
    def test_everything_typed_must_be_there(self, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Marie Nováková")
        assert not is_found(typed)

    @pytest.mark.parametrize(
        ("typed", "found"), (("c", ["C", "C++", "C#"]), ("c++", ["C++"]), ("c#", ["C#"]), ("nodejs", ["Node.js"]))
    )
    def test_signs_belong_to_the_names_of_languages(self, typed: str, found: list[str]) -> None:
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
    def test_nothing_that_is_typed_breaks_it(self, client: Client, typed: str) -> None:
        BuilderProfileFactory.create(user__name="Marie Novák", skills=["React"])
        for parameter in ("q", "skill", "domain", "tier", "rate", "availability", "sort", "after"):
            assert client.get("/builders/", {parameter: typed}).status_code == 200

    @pytest.mark.parametrize("typed", HOSTILE)
    def test_nothing_that_is_stored_breaks_it(self, typed: str) -> None:
        text = typed.replace("\x00", "")
        profile = BuilderProfileFactory.create(headline=text[:160], skills=[text[:40]], bio=text, expertise=[text[:80]])
        assert find(DirectoryQuery()).builders == [profile]

    def test_no_word_can_leave_its_quotes(self) -> None:
        assert indexing.quoted("it's \\") == "'it''s \\\\'"

    def test_filters_cannot_be_typed(self) -> None:
        BuilderProfileFactory.create(validation_tier=3)
        assert not is_found("/tier/3")

    def test_a_skill_with_quotes_can_be_chosen(self) -> None:
        BuilderProfileFactory.create(user__name="Olive", skills=["Rock'n'\\Roll"])
        assert names("", skill=("Rock'n'\\Roll",)) == ["Olive"]


def edit(**facts: Any) -> None:
    profile = BuilderProfile.objects.get()
    editing.save(profile, facts, actor=profile.user, origin=SYSTEM)


class TestKeepingUp:
    """Each fact is changed by the way people change it, and is found."""

    def test_a_webhook_makes_somebody_who_is_found(self, webhook: WebhookClient) -> None:
        webhook.created(person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"]))
        assert names("was") == ["Zofia Wąs"]

    def test_a_new_name_from_clerk_is_found_and_the_old_one_is_not(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
        webhook.created(zofia)
        webhook.updated(zofia.later(last_name="Nowak"))
        assert names("nowak") == ["Zofia Nowak"]
        assert not is_found("was")

    def test_a_first_name_is_found(self, webhook: WebhookClient) -> None:
        nobody = person(first_name=None, last_name=None, username=None, roles=["BUILDER"])
        webhook.created(nobody)
        webhook.updated(nobody.later(first_name="Nora"))
        assert names("nora") == ["Nora"]

    def test_a_name_that_changed_while_the_role_was_gone_is_found(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
        webhook.created(zofia)
        gone = zofia.later(timedelta(seconds=1), roles=[])
        webhook.updated(gone)
        webhook.updated(gone.later(timedelta(seconds=2), last_name="Nowak"))
        webhook.updated(gone.later(timedelta(seconds=3), last_name="Nowak", roles=["BUILDER"]))
        assert names("nowak") == ["Zofia Nowak"]

    def test_a_picture_at_clerk_counts(self, webhook: WebhookClient) -> None:
        zofia = person(first_name="Zofia", roles=["BUILDER"])
        webhook.created(zofia)
        before = BuilderProfile.objects.get().score
        webhook.updated(zofia.later(has_image=True))
        assert BuilderProfile.objects.get().score == before + indexing.COMPLETENESS_SCORES["picture"]

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
    def test_what_is_edited_is_found(self, field: str, value: Any, typed: str) -> None:
        BuilderProfileFactory.create()
        assert not is_found(typed)
        edit(**{field: value})
        assert is_found(typed)
        edit(**{field: type(value)()})
        assert not is_found(typed)

    def test_what_is_edited_on_the_page_is_found(self) -> None:
        profile = BuilderProfileFactory.create()
        browser = signed_in(profile.user)
        browser.post(f"{profile.get_absolute_url()}edit/introduction/", {"headline": "Apps for beekeepers"})
        assert is_found("beekeepers")

    @pytest.mark.parametrize(
        ("field", "value", "chosen"),
        (
            ("domains", ["health"], {"domain": ("health",)}),
            ("skills", ["Node.js"], {"skill": ("node JS",)}),
            ("validation_tier", 3, {"tier": ("3",)}),
            ("availability", "limited", {"availability": ("limited",)}),
            ("available_for_hire", False, {"availability": ("unavailable",)}),
            ("hourly_rate", Decimal(300), {"rate": ("4",)}),
        ),
    )
    def test_what_is_edited_can_be_filtered_by(
        self, field: str, value: Any, chosen: dict[str, tuple[str, ...]]
    ) -> None:
        BuilderProfileFactory.create()
        assert not names("", **chosen)
        edit(**{field: value})
        assert names("", **chosen)

    def test_a_name_in_clerk_that_its_owner_hides_is_not_found(self) -> None:
        BuilderProfileFactory.create(user__name="Olive Owner", display_name="Otto")
        assert not is_found("owner")
        assert is_found("otto")

    def test_erasing_somebody_empties_what_was_known(self) -> None:
        profile = BuilderProfileFactory.create(user__name="Olive Owner")
        personal_data.erase(profile.user)
        assert BuilderProfile.objects.values_list("search", "name_key").get() == (None, "")
        assert "search" not in personal_data.export(profile.user).data["builder_profile"][0]

    def test_a_change_costs_no_statement_more(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        profile = BuilderProfileFactory.create(user=UserFactory.create(roles=[]))
        # Savepoint, the locked row, its new values, the audit row, and the savepoint's end.
        with django_assert_num_queries(5):
            editing.save(profile, {"headline": "New"}, actor=profile.user, origin=SYSTEM)


class TestTheScore:
    def test_each_thing_a_builder_can_do_raises_it(self) -> None:
        profile = BuilderProfileFactory.create(availability="unavailable")
        for facts in (
            {"headline": "x"},
            {"bio": "x"},
            {"skills": ["x"]},
            {"domains": ["web"]},
            {"hourly_rate": Decimal(50)},
            {"availability": "limited"},
            {"availability": "available"},
            {"availability_confirmed_at": timezone.now()},
            {"validation_tier": 2},
            {"validation_tier": 3},
        ):
            before = BuilderProfile.objects.get().score
            edit(**facts)
            assert BuilderProfile.objects.get().score > before, facts
        assert profile.score == 0

    def test_being_featured_beats_everything_else(self) -> None:
        best = (
            indexing.TIER_SCORES[3]
            + sum(indexing.COMPLETENESS_SCORES.values())
            + indexing.AVAILABILITY_SCORES["available"]
            + 100
        )
        assert best < indexing.FEATURED_SCORE

    def test_time_lowers_it_and_the_job_notices(self) -> None:
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

    def test_rates_compare_roughly_in_dollars(self) -> None:
        assert to_usd(Decimal(85), Currency.USD) == 85
        assert 80 < to_usd(Decimal(75), Currency.EUR) < 90
        assert to_usd(Decimal("0.01"), Currency.JPY) == 1
        for currency in Currency:
            assert to_usd(Decimal(99999), currency) > 0


class TestIndexingAgain:
    def test_what_old_code_wrote_is_indexed_by_the_job(self) -> None:
        profile = BuilderProfileFactory.create(user__name="Olive")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE profiles_builderprofile SET search = NULL, score = 0, index_due_at = DEFAULT")
        assert not is_found("olive")
        tasks.index_due_profiles(0)
        assert is_found("olive")
        profile.refresh_from_db()
        assert profile.index_due_at is None

    def test_the_command_indexes_everybody_in_batches_and_goes_on_where_it_was_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(indexing, "BATCH_SIZE", 2)
        profiles = BuilderProfileFactory.create_batch(5, headline="beekeepers")
        BuilderProfile.objects.update(search=None)
        output = StringIO()
        call_command("index_profiles", after=profiles[1].pk, stdout=output)
        assert output.getvalue() == "Indexed 3 profiles.\n"
        assert len(names("beekeepers")) == 3
        call_command("index_profiles", stdout=output)
        assert len(names("beekeepers")) == 5

    def test_indexing_again_changes_nothing(self) -> None:
        BuilderProfileFactory.create(headline="Größe", skills=["C++", "Rock'n'\\Roll"], featured_at=SINCE)
        before = BuilderProfile.objects.values().get()
        indexing.index_profiles([before["id"]])
        assert BuilderProfile.objects.values().get() == before


def test_words_are_bounded() -> None:
    assert max(map(len, terms.index_words("x" * 5000))) == terms.MAX_WORD_LENGTH
    assert len(list(terms.index_words("ab " * 100_000))) <= terms.MAX_TEXT_LENGTH
