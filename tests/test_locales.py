"""Plurals, dates and numbers follow the language, and stored text does not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import translation
from django.utils.formats import date_format, number_format

from audit import log
from audit.models import AuditLog
from profiles.directory import indexing
from profiles.localization import languages
from profiles.templatetags.profile_filters import days_ago, money
from tests.helpers.factories import BuilderProfileFactory
from webhooks.models import Alert

AT = datetime(2026, 11, 24, 13, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "days", "text"),
    (
        ("en", 2, "2 days ago"),
        ("de", 2, "vor 2 Tagen"),
        ("de", 70, "vor 2 Monaten"),
        ("de", 800, "vor 2 Jahren"),
        ("ar", 2, "قبل يومين"),
        ("ar", 3, "قبل 3 أيام"),
        ("ar", 21, "قبل 3 أسابيع"),
        ("ar", 4018, "قبل 11 سنة"),
    ),
)
def test_relative_times_use_the_plural_forms_of_the_language(language: str, days: int, text: str) -> None:
    with time_machine.travel(AT, tick=False), translation.override(language):
        assert days_ago(AT - timedelta(days=days)).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("language", "counts"),
    (("en", {1: 0, 0: 1, 2: 1}), ("de", {1: 0, 0: 1, 2: 1}), ("ar", {0: 0, 1: 1, 2: 2, 3: 3, 11: 4, 100: 5})),
)
def test_each_count_has_its_plural_form(language: str, counts: dict[int, int]) -> None:
    with translation.override(language):
        texts = {count: translation.ngettext("%(num)d year ago", "%(num)d years ago", count) for count in counts}
    if language == "ar":  # The word for a year is the same for 0, 11 and 100.
        assert len({texts[count] for count in (0, 1, 2, 3)}) == 4
    else:
        assert [texts[count] == texts[1] for count in counts] == [form == 0 for form in counts.values()]


@pytest.mark.parametrize(
    ("language", "name", "text"),
    (
        ("en", "DATETIME_FORMAT", "24 Nov 2026 13:05"),
        ("en", "SHORT_DATETIME_FORMAT", "24 Nov 2026 13:05:09"),
        ("de", "DATETIME_FORMAT", "24. Nov 2026 13:05"),
        ("de", "SHORT_DATETIME_FORMAT", "24. Nov 2026 13:05:09"),
        ("de", "DATE_FORMAT", "24. November 2026"),
        ("ar", "DATETIME_FORMAT", "24 نوفمبر 2026 13:05"),
        ("ar", "DATE_FORMAT", "24 نوفمبر 2026"),
        ("ar", "TIME_FORMAT", "13:05"),
    ),
)
def test_dates_follow_the_language(language: str, name: str, text: str) -> None:
    with translation.override(language):
        assert date_format(AT, name) == text


@pytest.mark.parametrize(
    ("language", "euros", "zlotys", "number"),
    (
        ("en", "€1,250.50", "PLN 320", "1,234,567.5"),
        ("de", "1.250,50 €", "320 PLN", "1.234.567,5"),
        ("ar", "€1,250.50", "320 PLN", "1,234,567.5"),
    ),
)
def test_numbers_follow_the_language(language: str, euros: str, zlotys: str, number: str) -> None:
    with translation.override(language):
        amounts = (money(Decimal("1250.50"), "EUR"), money(Decimal(320), "PLN"))
        assert tuple(amount.replace("\u00a0", " ") for amount in amounts) == (euros, zlotys)
        assert number_format(Decimal("1234567.5"), 1, force_grouping=True) == number


@pytest.mark.parametrize(("language", "name"), (("en", "Welsh"), ("de", "Walisisch"), ("ar", "الويلزية")))
def test_every_language_name_is_translated(language: str, name: str) -> None:
    with translation.override(language):
        assert languages.name("cy") == name


def test_labels_of_models_columns_and_choices_are_translated() -> None:
    with translation.override("de"):
        meta = AuditLog._meta
        assert (str(meta.verbose_name), str(meta.verbose_name_plural)) == ("Prüfprotokoll", "Prüfprotokoll")
        assert str(meta.get_field("changed_fields").verbose_name) == "geänderte Felder"
        assert AuditLog(action="USER_CREATED").get_action_display() == "Benutzer angelegt"
        assert AuditLog.Action.USER_CREATED.label == "Benutzer angelegt"
    assert AuditLog.Action.USER_CREATED.label == "User Created"


@pytest.mark.django_db
@pytest.mark.parametrize("language", ("de", "ar"))
def test_audit_labels_are_stored_in_english(language: str) -> None:
    alert = Alert(rule=Alert.Rule.DRIFT)
    with translation.override(language):
        assert str(alert) != "Users differ from Clerk"
        log.record(AuditLog.Action.ALERT_RESOLVED, actor=log.SYSTEM, target=alert, rule=Alert.Rule.DRIFT.label)
    row = AuditLog.objects.latest("pk")
    assert (row.target_label, row.details) == ("Users differ from Clerk", {"rule": "Users differ from Clerk"})


@pytest.mark.django_db
def test_search_words_do_not_depend_on_the_language() -> None:
    profile = BuilderProfileFactory.create(domains=["finance"], headline="Ledgers")
    words = indexing.vector(profile)
    with translation.override("de"):
        assert indexing.vector(profile) == words
