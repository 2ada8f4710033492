"""Profiles follow roles, and each reason for hiding a profile is independent of the others."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
import time_machine
from django.db.models import ProtectedError
from django.test import Client

from accounts.clerk.samples import SampleUser
from accounts.sync.changes import RoleChange
from audit.log import SYSTEM
from profiles import lifecycle
from profiles.directory import indexing
from profiles.models import BuilderProfile, ClientProfile, Profile
from profiles.slugs.reserved import reserved_slugs
from profiles.slugs.text import MAX_LENGTH, fold, slug_candidates
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def builder(**facts: Any) -> SampleUser:
    """Return Clerk's data for Olive, a builder."""
    return person(**{"first_name": "Olive", "last_name": "Owner", "roles": ["BUILDER"]} | facts)


def profile_of(user: SampleUser) -> BuilderProfile:
    profile: BuilderProfile = BuilderProfile.objects.get(user__clerk_id=user.clerk_id)
    return profile


def slug_of(user: SampleUser) -> str | None:
    return profile_of(user).slug


def is_public(user: SampleUser) -> bool:
    return BuilderProfile.objects.published().filter(user__clerk_id=user.clerk_id).exists()


# --- Roles ---

WITH_ROLES = (
    pytest.param(None, {ClientProfile}, id="none named"),
    pytest.param([], set(), id="none"),
    pytest.param(["ADMIN"], set(), id="admin"),
    pytest.param(["CLIENT"], {ClientProfile}, id="client"),
    pytest.param(["BUILDER"], {BuilderProfile}, id="builder"),
    pytest.param(["CLIENT", "BUILDER", "ADMIN"], {BuilderProfile, ClientProfile}, id="all"),
)


def active_profiles() -> set[type[Profile]]:
    """Return the models that have a profile that is not archived."""
    kinds: list[type[Profile]] = [BuilderProfile, ClientProfile]
    return {kind for kind in kinds if kind._default_manager.filter(archived_at=None).exists()}


@pytest.mark.parametrize(("roles", "kinds"), WITH_ROLES)
def test_new_user_gets_the_profiles_of_the_roles(
    webhook: WebhookClient, roles: list[str] | None, kinds: set[type[Profile]]
) -> None:
    webhook.created(person(roles=roles))
    assert active_profiles() == kinds


@pytest.mark.parametrize(("before", "_"), WITH_ROLES[1:])
@pytest.mark.parametrize(("after", "kinds"), WITH_ROLES[1:])
def test_profiles_follow_every_change_of_roles(
    webhook: WebhookClient, before: list[str], after: list[str], kinds: set[type[Profile]], _: object
) -> None:
    olive = builder(roles=before)
    webhook.created(olive)
    webhook.updated(olive.with_changes(roles=after))
    assert active_profiles() == kinds


def test_new_builder_has_tier_one_and_is_available_for_hire(webhook: WebhookClient) -> None:
    olive = builder()
    webhook.created(olive)
    profile = profile_of(olive)
    assert (profile.validation_tier, profile.get_validation_tier_display()) == (1, "New here")
    assert profile.available_for_hire
    assert profile.searchable
    assert (profile.slug, profile.name, profile.headline) == ("olive-owner", "Olive Owner", "")
    assert is_public(olive)


def test_lost_role_archives_its_profile(webhook: WebhookClient) -> None:
    olive = builder(roles=["BUILDER", "CLIENT"])
    webhook.created(olive)
    with time_machine.travel(NOW, tick=False):
        webhook.updated(olive.with_changes(roles=["CLIENT"]))
    assert profile_of(olive).archived_at == NOW
    assert not is_public(olive)
    assert ClientProfile.objects.get().archived_at is None


def test_regained_role_restores_the_profile_with_its_content(webhook: WebhookClient) -> None:
    olive = builder()
    webhook.created(olive)
    values = {"headline": "Apps that work offline", "validation_tier": 3, "available_for_hire": False}
    BuilderProfile.objects.update(**values, display_name="Olive O.", searchable=False)
    indexing.index_profiles([profile_of(olive).pk])
    [before] = BuilderProfile.objects.values()
    webhook.updated(olive.with_changes(timedelta(seconds=1), roles=[]))
    webhook.updated(olive.with_changes(timedelta(seconds=2), roles=["BUILDER"]))
    assert list(BuilderProfile.objects.values()) == [before]
    assert is_public(olive)


def test_repeated_role_changes_nothing(webhook: WebhookClient) -> None:
    olive = builder()
    webhook.created(olive)
    [before] = BuilderProfile.objects.values()
    webhook.updated(olive.with_changes(roles=["builder"]))
    assert list(BuilderProfile.objects.values()) == [before]


def test_replayed_role_change_creates_one_profile() -> None:
    """A replay can send the signal again."""
    olive = UserFactory.create(builder=True, client=True)
    for _ in range(2):
        lifecycle.follow_roles([RoleChange(olive, ["BUILDER", "CLIENT"], [], SYSTEM)])
    assert (BuilderProfile.objects.count(), ClientProfile.objects.count()) == (1, 1)
    for _ in range(2):
        lifecycle.follow_roles([RoleChange(olive, [], ["BUILDER", "CLIENT"], SYSTEM)])
    assert active_profiles() == set()


def test_losing_a_role_without_a_profile_is_not_an_error() -> None:
    lifecycle.follow_roles([RoleChange(UserFactory.create(), [], ["BUILDER", "CLIENT"], SYSTEM)])
    assert not BuilderProfile.objects.exists()


def test_role_change_affects_only_its_user(webhook: WebhookClient) -> None:
    olive, vera = builder(), builder(first_name="Vera")
    webhook.created(olive)
    webhook.created(vera)
    webhook.updated(olive.with_changes(roles=[]))
    assert (is_public(olive), is_public(vera)) == (False, True)


# --- Reasons for not being public ---

OWN_REASONS = [reason for reason in Profile.HIDDEN_BY_FIELDS if reason != "archived_at"]


@pytest.mark.parametrize("reason", OWN_REASONS)
def test_other_reasons_are_kept_when_the_role_is_lost_and_regained(webhook: WebhookClient, reason: str) -> None:
    olive = builder()
    webhook.created(olive)
    BuilderProfile.objects.update(**{reason: NOW})
    webhook.updated(olive.with_changes(timedelta(seconds=1), roles=[]))
    assert getattr(profile_of(olive), reason) == NOW
    assert profile_of(olive).archived_at
    webhook.updated(olive.with_changes(timedelta(seconds=2), roles=["BUILDER"]))
    assert getattr(profile_of(olive), reason) == NOW
    assert not profile_of(olive).archived_at
    assert not is_public(olive)
    BuilderProfile.objects.update(**{reason: None})
    assert is_public(olive)


@pytest.mark.parametrize("order", list(permutations(["ban", "archive", "hide"])), ids="-".join)
def test_page_is_public_after_the_last_reason_is_removed(webhook: WebhookClient, order: tuple[str, ...]) -> None:
    olive = builder()
    webhook.created(olive)
    state: dict[str, Any] = {"banned": False, "roles": ["BUILDER"]}

    def set_reason(reason: str, *, active: bool) -> None:
        nonlocal olive, state
        if reason == "hide":
            BuilderProfile.objects.update(hidden_at=NOW if active else None)
            return
        state |= {"banned": active} if reason == "ban" else {"roles": [] if active else ["BUILDER"]}
        olive = olive.with_changes(**state)
        assert webhook.updated(olive) == "processed"

    for reason in order:
        set_reason(reason, active=True)
        assert not is_public(olive)
    for reason in order[:-1]:
        set_reason(reason, active=False)
        assert not is_public(olive)
    set_reason(order[-1], active=False)
    assert is_public(olive)


@pytest.mark.parametrize("reason", (*Profile.HIDDEN_BY_FIELDS, "banned", "deleted", "nameless"))
def test_each_reason_alone_makes_a_profile_private(reason: str) -> None:
    facts: dict[str, Any] = {
        "banned": {"user__banned": True},
        "deleted": {"user__deleted": True},
        "nameless": {"user__nameless": True},
    }.get(reason, {reason: NOW})
    BuilderProfileFactory.create(**facts)
    assert not BuilderProfile.objects.published().exists()
    assert not BuilderProfile.objects.listed().exists()


def test_unlisted_profile_is_public_but_not_in_the_directory() -> None:
    profile = BuilderProfileFactory.create(unlisted=True)
    assert list(BuilderProfile.objects.published()) == [profile]
    assert not BuilderProfile.objects.listed().exists()


def test_ban_hides_the_page_until_it_ends(webhook: WebhookClient) -> None:
    olive = builder()
    webhook.created(olive)
    [before] = BuilderProfile.objects.values()
    webhook.updated(olive.with_changes(timedelta(seconds=1), banned=True))
    assert not is_public(olive)
    webhook.updated(olive.with_changes(timedelta(seconds=2)))
    assert is_public(olive)
    assert list(BuilderProfile.objects.values()) == [before]


def test_user_deletion_hides_the_page_and_keeps_the_row(webhook: WebhookClient) -> None:
    olive = builder()
    webhook.created(olive)
    [before] = BuilderProfile.objects.values()
    webhook.deleted(olive.with_changes())
    assert not is_public(olive)
    assert list(BuilderProfile.objects.values()) == [before]


def test_locked_user_has_a_public_page(webhook: WebhookClient) -> None:
    olive = builder(locked=True)
    webhook.created(olive)
    assert is_public(olive)


def test_roles_can_change_during_a_ban(webhook: WebhookClient) -> None:
    olive = builder(banned=True, roles=[])
    webhook.created(olive)
    webhook.updated(olive.with_changes(roles=["BUILDER"]))
    assert profile_of(olive).slug == "olive-owner"
    assert not is_public(olive)
    webhook.updated(olive.with_changes(timedelta(seconds=2), roles=["BUILDER"], banned=False))
    assert is_public(olive)


# --- Slugs ---

SLUGS = (
    pytest.param("Zofia", "Wąsowska-Łęcka", "zofia-wasowska-lecka", id="Polish"),
    pytest.param("Søren", "Kjær", "soren-kjaer", id="Danish"),
    pytest.param("Jürgen", "Groß", "jurgen-gross", id="German"),
    pytest.param("Đặng", "Nguyễn", "dang-nguyen", id="Vietnamese"),
    pytest.param("İbrahim", "Şahin", "ibrahim-sahin", id="Turkish"),
    pytest.param("Þór", "Æsir", "thor-aesir", id="Icelandic"),
    pytest.param("美咲", "高橋", "美咲-高橋", id="Japanese"),
    pytest.param("ليلى", "منصور", "ليلى-منصور", id="Arabic"),
    pytest.param("Иван", "Петров", "иван-петров", id="Russian"),
    pytest.param("कविता", "हिन्दी", "कविता-हिन्दी", id="Devanagari"),
    pytest.param("প্রিয়া", None, "প্রিয়া", id="Bengali"),
    pytest.param("தமிழ்ச்செல்வி", None, "தமிழ்ச்செல்வி", id="Tamil"),
    pytest.param("สุดา", "น้ำ", "สุดา-น้ำ", id="Thai"),
    pytest.param("Андрей", "Їжак", "андрей-їжак", id="Cyrillic letters with marks"),
    pytest.param("ガンダム", "が", "ガンダム-が", id="voiced kana"),
    pytest.param("أحمد", "آدم", "أحمد-آدم", id="Arabic hamza"),
    pytest.param("מֹשֶׁה", None, "משה", id="Hebrew points"),
    pytest.param("김", "민준", "김-민준", id="Korean"),
    pytest.param("\u3164-", "\u3164", "builder", id="filler and punctuation"),
    pytest.param("\u0301Anna", None, "anna", id="leading mark"),
    pytest.param("Grace", "O’Sullivan", "grace-osullivan", id="apostrophe"),
    pytest.param("<script>", "&", "script", id="markup"),
    pytest.param("../../olive", None, "olive", id="path"),
    pytest.param("👩‍💻", None, "builder", id="emoji only"),
    pytest.param("___", "---", "builder", id="punctuation only"),
)


@pytest.mark.parametrize(("first_name", "last_name", "slug"), SLUGS)
def test_name_in_any_script_produces_a_working_slug(
    webhook: WebhookClient, client: Client, first_name: str, last_name: str | None, slug: str
) -> None:
    olive = builder(first_name=first_name, last_name=last_name)
    webhook.created(olive)
    assert slug_of(olive) == slug
    response = client.get(profile_of(olive).get_absolute_url())
    assert response.status_code == 200
    assert response.context["profile"] == profile_of(olive)


@pytest.mark.parametrize(
    "name", ("Admin", "../../admin", "ÁPI", "New", "edit", "Card.png", "sign-in", "Support", "Builders", "Healthz")
)
def test_reserved_name_gets_a_suffix(webhook: WebhookClient, client: Client, name: str) -> None:
    olive = builder(first_name=name, last_name=None)
    webhook.created(olive)
    slug = slug_of(olive) or ""
    assert slug not in reserved_slugs()
    assert client.get(f"/builders/{slug}/").status_code == 200


def test_fixed_parts_of_all_urls_are_reserved() -> None:
    below_builders = {
        "publish",
        "delete",
        "verify",
        "badges",
        "edit",
        "contact",
        "picture",
        "portfolio",
        "new",
        "order",
    }
    assert reserved_slugs() >= below_builders | {"admin", "api", "account", "builders", "welcome", "media", "static"}
    assert "" not in reserved_slugs()


@pytest.mark.parametrize(
    "name", ("\u200b", "\u3164", "\u3164\u0301", "\U000e0100", "\ue000", "\u2800\u034f", "\u206a", "\u00ad \u115f")
)
def test_name_without_visible_characters_counts_as_missing(webhook: WebhookClient, name: str) -> None:
    olive = builder(first_name=name, last_name=name, username=name)
    webhook.created(olive)
    assert slug_of(olive) is None
    assert not is_public(olive)
    assert profile_of(olive).name == "New member"


def test_slug_of_very_long_name_is_truncated(webhook: WebhookClient) -> None:
    names = {"first_name": "Anna-Maria " * 20, "last_name": "ﷺ" * 100}
    users = [builder(**names) for _ in range(2)]
    for user in users:
        webhook.created(user)
    slugs = [slug_of(user) or "" for user in users]
    assert len(set(slugs)) == 2
    assert all(0 < len(slug) <= MAX_LENGTH for slug in slugs)


def test_namesakes_get_different_slugs(webhook: WebhookClient) -> None:
    users = [builder() for _ in range(3)]
    for user in users:
        webhook.created(user)
    slugs = [slug_of(user) or "" for user in users]
    assert slugs[0] == "olive-owner"
    assert len(set(slugs)) == 3
    assert all(slug.startswith("olive-owner-") and len(slug) == len("olive-owner-123abc") for slug in slugs[1:])
    assert all(is_public(user) for user in users)


def test_long_suffix_is_used_if_the_short_one_is_taken(webhook: WebhookClient) -> None:
    olive = builder()
    plain, short, long = slug_candidates(UserFactory.build(clerk_id=olive.clerk_id, name="Olive Owner"))
    for slug in (plain, short):
        BuilderProfileFactory.create(slug=slug)
    webhook.created(olive)
    assert slug_of(olive) == long


def test_renamed_user_keeps_the_slug(webhook: WebhookClient) -> None:
    olive = builder()
    webhook.created(olive)
    webhook.updated(olive.with_changes(timedelta(seconds=1), first_name="Oliwia", username="oliwia"))
    assert (slug_of(olive), profile_of(olive).name) == ("olive-owner", "Oliwia Owner")
    webhook.updated(olive.with_changes(timedelta(seconds=2), first_name=None, last_name=None))
    webhook.updated(olive.with_changes(timedelta(seconds=3), first_name="Third"))
    assert slug_of(olive) == "olive-owner"


def test_slug_of_archived_profile_is_not_reused(webhook: WebhookClient) -> None:
    olive, namesake = builder(), builder()
    webhook.created(olive)
    webhook.updated(olive.with_changes(timedelta(seconds=1), roles=[]))
    webhook.created(namesake)
    webhook.updated(olive.with_changes(timedelta(seconds=2), roles=["BUILDER"]))
    assert slug_of(olive) == "olive-owner"
    assert slug_of(namesake) != "olive-owner"


@pytest.mark.parametrize(
    ("facts", "slug"),
    (
        pytest.param({"first_name": "Olive"}, "olive", id="first name"),
        pytest.param({"last_name": "Owner"}, "owner", id="last name"),
        pytest.param({"username": "olive_o"}, "olive_o", id="username"),
        pytest.param({"first_name": "Olive", "username": "oo"}, "olive", id="both"),
    ),
)
def test_unnamed_builder_becomes_public_once_a_name_is_known(
    webhook: WebhookClient, facts: dict[str, Any], slug: str
) -> None:
    unnamed = builder(first_name=None, last_name=None)
    webhook.created(unnamed)
    assert slug_of(unnamed) is None
    assert not is_public(unnamed)
    webhook.updated(unnamed.with_changes(**facts))
    assert slug_of(unnamed) == slug
    assert is_public(unnamed)


def test_name_that_arrives_with_the_role_creates_a_slug(webhook: WebhookClient) -> None:
    unnamed = builder(first_name=None, last_name=None, roles=[])
    webhook.created(unnamed)
    webhook.updated(unnamed.with_changes(first_name="Olive", roles=["BUILDER"]))
    assert slug_of(unnamed) == "olive"
    assert is_public(unnamed)


def test_name_that_arrives_while_archived_creates_a_slug(webhook: WebhookClient) -> None:
    unnamed = builder(first_name=None, last_name=None)
    webhook.created(unnamed)
    webhook.updated(unnamed.with_changes(timedelta(seconds=1), roles=[]))
    webhook.updated(unnamed.with_changes(timedelta(seconds=2), first_name="Olive", roles=[]))
    webhook.updated(unnamed.with_changes(timedelta(seconds=3), first_name="Olive", roles=["BUILDER"]))
    assert slug_of(unnamed) == "olive"
    assert is_public(unnamed)


def test_name_known_before_the_role_creates_a_slug(webhook: WebhookClient) -> None:
    olive = builder(roles=["CLIENT"])
    webhook.created(olive)
    webhook.updated(olive.with_changes(roles=["CLIENT", "BUILDER"]))
    assert slug_of(olive) == "olive-owner"


def test_late_name_does_not_reuse_a_namesakes_slug(webhook: WebhookClient) -> None:
    olive, unnamed = builder(), builder(first_name=None, last_name=None)
    webhook.created(olive)
    webhook.created(unnamed)
    webhook.updated(unnamed.with_changes(first_name="Olive", last_name="Owner"))
    assert (slug_of(unnamed) or "").startswith("olive-owner-")
    assert is_public(unnamed)


def test_stale_name_does_not_create_a_slug(webhook: WebhookClient) -> None:
    unnamed = builder(first_name=None, last_name=None)
    webhook.updated(unnamed.with_changes())
    assert webhook.created(builder(clerk_id=unnamed.clerk_id)) == "stale"
    assert slug_of(unnamed) is None


@pytest.mark.parametrize(
    ("text", "folded"),
    (
        pytest.param("Łukasz", "lukasz", id="stroke"),
        pytest.param("MÜLLER", "muller", id="umlaut"),
        pytest.param("Straße", "strasse", id="sharp s"),
        pytest.param("e\u0301", "e", id="decomposed"),
        pytest.param("ﬁ", "fi", id="ligature"),
        pytest.param("Ａｂｃ", "abc", id="full width"),
        pytest.param("高橋", "高橋", id="Han"),
        pytest.param("", "", id="empty"),
    ),
)
def test_folding_removes_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


# --- Displayed names ---


@pytest.mark.parametrize(
    ("name", "initials"),
    (
        pytest.param("Zofia Wąsowska-Łęcka", "ZW", id="two"),
        pytest.param("Anna Maria de la Cruz", "AC", id="many"),
        pytest.param("olive", "O", id="one"),
        pytest.param("高橋 美咲", "高美", id="Han"),
        pytest.param("ليلى منصور", "لم", id="Arabic"),
        pytest.param("E\u0301mile Zola", "E\u0301Z", id="decomposed"),
        pytest.param("(Olive) 42 Owner", "OO", id="punctuation and numbers"),
        pytest.param("zofia wąs", "ZW", id="lower case"),
        pytest.param("कविता हिन्दी", "कहि", id="Devanagari"),
        pytest.param("সুমন প্রিয়া", "সুপ", id="Bengali"),
        pytest.param("42 !", "", id="none"),
    ),
)
def test_initials_come_from_the_first_and_last_word(name: str, initials: str) -> None:
    assert BuilderProfileFactory.build(user__name=name).initials == initials


def test_display_name_replaces_the_name_from_clerk() -> None:
    profile = BuilderProfileFactory.build(user__name="Olive Owner", display_name="The Olive")
    assert (profile.name, str(profile)) == ("The Olive", "The Olive")
    assert BuilderProfileFactory.build(user__name="Olive Owner").name == "Olive Owner"


def test_user_row_with_a_profile_cannot_be_deleted() -> None:
    """Deleted users are kept as tombstones. Deleting the row would lose the profile's history."""
    profile = BuilderProfileFactory.create()
    with pytest.raises(ProtectedError):
        profile.user.delete()
