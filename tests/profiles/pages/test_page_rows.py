"""Compiled statements return the same rows as the querysets they replace."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.db import connection, models
from django.db.models.sql.compiler import SQLCompiler
from django.test import Client
from django.utils import translation
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from accounts.models import User
from core.db.compiled import compile_query
from profiles.cards import find_listed, with_cards
from profiles.models import Badge, BuilderProfile, Project
from profiles.models.versions import PAGE_VERSION, SHOWN_ORGANIZATIONS
from profiles.pages.page_rows import find_public, load_content
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, ProjectFactory, ProjectImageFactory, UserFactory

pytestmark = pytest.mark.django_db

SLUG, URL = "olive-owner", "/builders/olive-owner/"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
HIDDEN_BY: list[dict[str, Any]] = [*({name: NOW} for name in BuilderProfile.HIDDEN_BY_FIELDS), {"slug": None}]


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug=SLUG, reachable=True, headline="Maps", availability_confirmed_at=SINCE, hourly_rate="77.50"
    )
    for position, title in ((2, "Second"), (1, "First")):
        project = ProjectFactory.create(builder=profile, title=title, position=position)
        for place in (3, 2, 1):
            ProjectImageFactory.create(project=project, position=place)
    ProjectFactory.create(builder=profile, title="Without images", position=3)
    admin = UserFactory.create(admin=True)
    for kind in ("mentor", "code"):
        Badge.objects.create(builder=profile, kind=kind, evidence="Read", awarded_by=admin)
    other = BuilderProfileFactory.create(slug="other")
    ProjectFactory.create(builder=other, title="Another builder's")
    return profile


def queryset(slug: str) -> models.QuerySet[BuilderProfile]:
    profiles = BuilderProfile.objects.visible_to(AnonymousUser())
    profiles = profiles.annotate(page_version=PAGE_VERSION, shown_organizations=SHOWN_ORGANIZATIONS)
    return profiles.filter(slug=slug).prefetch_related("projects__images", "badges")


def values_of(row: models.Model) -> dict[str, Any]:
    """Return the values of all columns. Only compiled projects have `shown_rows`, the version of their fragment."""
    return {name: value for name, value in vars(row).items() if not name.startswith("_") and name != "shown_rows"}


def compiled(slug: str) -> BuilderProfile | None:
    profile = find_public(slug)
    if profile:
        load_content(profile)
    return profile


def assert_equal(profile: BuilderProfile | None, expected: BuilderProfile) -> None:
    assert profile is not None
    assert values_of(profile) == values_of(expected)
    assert values_of(profile.user) == values_of(expected.user)
    assert profile.get_deferred_fields() == expected.get_deferred_fields()
    assert (profile._state.db, profile._state.adding) == (expected._state.db, expected._state.adding)
    assert [values_of(one) for one in profile.projects.all()] == [values_of(one) for one in expected.projects.all()]
    galleries = [
        [values_of(image) for one in each.projects.all() for image in one.images.all()] for each in (profile, expected)
    ]
    assert galleries[0] == galleries[1]
    assert [values_of(one) for one in profile.badges.all()] == [values_of(one) for one in expected.badges.all()]


@pytest.mark.usefixtures("olive")
@pytest.mark.parametrize("language", ("en-us", "de", "ar"))
def test_public_page_has_the_same_rows_as_the_queryset(language: str) -> None:
    with translation.override(language):
        assert_equal(compiled(SLUG), queryset(SLUG).get())


def test_page_without_content_has_the_same_rows_as_the_queryset() -> None:
    BuilderProfileFactory.create(slug=SLUG)
    assert_equal(compiled(SLUG), queryset(SLUG).get())


@pytest.mark.usefixtures("olive")
def test_changes_are_visible_in_the_next_request() -> None:
    before = compiled(SLUG)
    BuilderProfile.objects.filter(slug=SLUG).update(headline="Edited", domains=["web"])
    Project.objects.filter(title="First").delete()
    after = compiled(SLUG)
    assert before
    assert after
    assert cast("Any", before).page_version != cast("Any", after).page_version
    assert_equal(after, queryset(SLUG).get())


@pytest.mark.parametrize("changes", HIDDEN_BY, ids=lambda changes: next(iter(changes)))
def test_hidden_pages_are_not_found(olive: BuilderProfile, changes: dict[str, Any]) -> None:
    BuilderProfile.objects.filter(pk=olive.pk).update(**changes)
    assert (find_public(SLUG), queryset(SLUG).first()) == (None, None)


def test_page_of_an_inactive_user_is_not_found(olive: BuilderProfile) -> None:
    User.objects.filter(pk=olive.user_id).update(is_active=False)
    assert (find_public(SLUG), queryset(SLUG).first()) == (None, None)


@pytest.mark.usefixtures("olive")
@pytest.mark.parametrize("slug", ("", "Olive-Owner", "%", "olive%", "olive\x00owner", "'; --", "\ud800", "ż" * 300))
def test_other_slugs_are_not_found(slug: str) -> None:
    assert find_public(slug) is None


def test_owner_and_admin_see_a_hidden_page(olive: BuilderProfile) -> None:
    BuilderProfile.objects.filter(pk=olive.pk).update(hidden_at=NOW)
    admin = UserFactory.create(admin=True, name="Adam")
    statuses = [signed_in(user).get(URL).status_code for user in (olive.user, admin, UserFactory.create(name="Vera"))]
    assert statuses == [200, 200, 404]


def test_loaded_content_belongs_to_its_profile(olive: BuilderProfile) -> None:
    load_content(olive)
    assert olive.projects.count() == 3
    assert list(olive.projects.filter(title="Another builder's")) == []
    Project.objects.all().delete()
    load_content(olive)  # keeps the loaded rows
    assert len(olive.projects.all()) == 3


@pytest.mark.usefixtures("olive")
def test_public_page_does_not_compile_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Client()
    browser.cookies["__clerk_db_jwt"] = "dvb_any"
    expected = browser.get(URL).content
    caches["fragments"].clear()

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("SQL was compiled.")

    monkeypatch.setattr(SQLCompiler, "as_sql", refuse)
    assert browser.get(URL).content == expected


def test_cards_equal_the_queryset(olive: BuilderProfile) -> None:
    expected = with_cards(BuilderProfile.objects.listed()).in_bulk()
    found = find_listed([*expected, olive.pk + 1000])
    assert olive.pk in found
    assert found.keys() == expected.keys()
    for pk, profile in found.items():
        assert_equal(profile, expected[pk])
        assert profile.user.get_deferred_fields() == expected[pk].user.get_deferred_fields()


def test_unlisted_builders_have_no_cards(olive: BuilderProfile) -> None:
    reasons = [*HIDDEN_BY, {"searchable": False}, {"headline": ""}]
    for changes in reasons:
        before = {name: getattr(olive, name) for name in changes}
        BuilderProfile.objects.filter(pk=olive.pk).update(**changes)
        assert olive.pk not in find_listed([olive.pk]), changes
        BuilderProfile.objects.filter(pk=olive.pk).update(**before)
    User.objects.filter(pk=olive.user_id).update(is_active=False)
    assert find_listed([olive.pk]) == {}


@pytest.mark.usefixtures("olive")
def test_compiled_query_keeps_constant_parameters() -> None:
    find = compile_query(lambda slug: BuilderProfile.objects.filter(slug=slug, headline="Maps").values_list("pk"), "x")
    assert len(find(SLUG)) == 1
    BuilderProfile.objects.update(headline="Games")
    assert find(SLUG) == []


def test_compiled_query_rejects_ambiguous_placeholders() -> None:
    find = compile_query(lambda slug: BuilderProfile.objects.filter(slug=slug, headline="x").values_list("pk"), "x")
    with pytest.raises(ValueError, match="one of its parameters"):
        find(SLUG)


@pytest.mark.usefixtures("olive")
def test_statements_are_parsed_once() -> None:
    statements: list[str] = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        statements.append(sql)
        return execute(sql, *arguments)

    with connection.execute_wrapper(note):
        compiled(SLUG)
    assert len(statements) == 3
    assert max(map(len, statements)) <= MAX_CACHED_STATEMENT_LENGTH


@pytest.mark.usefixtures("olive")
def test_loaded_rows_can_be_saved_and_refreshed() -> None:
    profile = compiled(SLUG)
    assert profile
    assert profile.search is not None or "search" not in vars(profile)  # deferred fields are loaded on access
    profile.headline = "Saved"
    profile.save(update_fields=["headline"])
    profile.refresh_from_db()
    assert profile.headline == "Saved"
    project = profile.projects.all()[0]
    project.builder = profile
    project.save()
    assert project.builder_id == profile.pk


def test_unknown_choices_are_shown_unchanged() -> None:
    assert Project(status="retired").status_label == "retired"
    assert str(Badge(kind="retired")) == "retired"
    for value, label in Project.Status.choices:
        assert Project(status=value).status_label == str(label)
