"""Events become users. Whatever the order, the end is that of the newest payload, and a deletion wins for ever."""

import logging
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.models import User
from audit.models import AuditLog
from tests.helpers.factories import UserFactory
from tests.helpers.model import expected
from tests.helpers.webhooks import WebhookClient, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

SYNCED = ("name", "username", "email", "email_verified_at", "image_url", "banned", "is_active", "deleted_at")
HOUR = timedelta(hours=1)
ADMIN, BUILDER, CLIENT = User.Role.ADMIN, User.Role.BUILDER, User.Role.CLIENT


def known(somebody: SampleUser) -> User:
    user: User = User.objects.get(clerk_id=somebody.clerk_id)
    return user


def snapshot() -> list[dict[str, Any]]:
    """Return all that is known of everybody."""
    return list(User.objects.order_by("pk").values())


# --- Created, updated, deleted ---


def test_a_created_user_has_what_clerk_says(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", username="zofia", email="Zofia@Example.com", has_image=True)
    assert webhook.created(zofia) == "processed"
    user = known(zofia)
    assert [getattr(user, field) for field in SYNCED] == [
        "Zofia Wąs",
        "zofia",
        "zofia@example.com",
        zofia.created_at,
        f"https://img.clerk.com/{zofia.clerk_id[5:]}",
        False,
        True,
        None,
    ]
    assert user.clerk_updated_at == zofia.updated_at
    assert user.login is None
    assert not user.has_usable_password()
    assert not user.is_staff


def test_an_update_replaces_what_changed_and_nothing_else(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", username="zofia", email="zofia@example.com", roles=["BUILDER"])
    webhook.created(zofia)
    [before] = snapshot()
    assert webhook.updated(zofia.later(last_name="Nowak", email="nowak@example.com")) == "processed"
    [after] = snapshot()
    changed = {field for field in before if before[field] != after[field]}
    assert changed == {"name", "email", "clerk_version", "clerk_updated_at", "clerk_roles_version"}
    assert (after["name"], after["email"]) == ("Zofia Nowak", "nowak@example.com")


def test_what_clerk_takes_back_is_taken_back(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", username="zofia", has_image=True)
    webhook.created(zofia)
    webhook.updated(zofia.later(first_name=None, last_name=None, username=None, email=None, has_image=False))
    user = known(zofia)
    nothing = ("", "", None, None, "")
    assert (user.name, user.username, user.email, user.email_verified_at, user.image_url) == nothing
    assert str(user.display_name) == "New member"


def test_a_deleted_user_stays_as_a_tombstone(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    webhook.created(zofia)
    [before] = snapshot()
    assert webhook.deleted(zofia.later(HOUR)) == "processed"
    [after] = snapshot()
    changed = {field: after[field] for field in before if before[field] != after[field]}
    assert changed == {"deleted_at": zofia.updated_at + HOUR, "is_active": False}
    assert not User.objects.live().exists()
    assert AuditLog.objects.about(after["id"]).filter(action="USER_CREATED").exists()


def test_an_update_of_somebody_unknown_creates_them(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    assert webhook.updated(zofia.later(last_name="Nowak")) == "processed"
    assert known(zofia).name == "Zofia Nowak"
    assert webhook.created(zofia) == "stale"
    assert known(zofia).name == "Zofia Nowak"
    assert User.objects.count() == 1


def test_somebody_without_a_name_has_a_word_to_be_called(webhook: WebhookClient) -> None:
    nobody = person(first_name=None, last_name=None)
    webhook.created(nobody)
    assert (known(nobody).name, known(nobody).display_name) == ("", "New member")
    webhook.updated(nobody.later(username="shadow"))
    assert known(nobody).display_name == "shadow"


# --- Versions ---


@pytest.mark.parametrize(
    "by",
    (pytest.param(-HOUR, id="an hour older"), pytest.param(timedelta(milliseconds=-1), id="a millisecond older")),
)
def test_a_stale_update_is_ignored(webhook: WebhookClient, by: timedelta) -> None:
    zofia = person(first_name="Zofia", email="new@example.com", roles=["BUILDER"])
    webhook.updated(zofia)
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.updated(zofia.later(by, first_name="Old", email="old@example.com", roles=["ADMIN"])) == "stale"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)


def test_an_update_one_millisecond_newer_counts(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name=None)
    webhook.created(zofia)
    assert webhook.updated(zofia.later(timedelta(milliseconds=1), first_name="Zosia")) == "processed"
    assert known(zofia).name == "Zosia"


def test_the_same_version_under_another_id_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.updated(zofia)
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.updated(zofia) == "processed"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)
    assert WebhookEvent.objects.count() == 2


def test_the_same_delivery_again_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.created(zofia, svix_id="msg_1")
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.created(zofia, svix_id="msg_1") == "duplicate"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)


@pytest.mark.parametrize("types", (["created", "updated"], ["updated", "created"]), ids=" ".join)
def test_of_equal_times_the_update_is_newer_than_the_creation(webhook: WebhookClient, types: list[str]) -> None:
    zofia = person(last_name=None)
    for event_type in types:
        webhook.send(f"user.{event_type}", zofia.later(first_name=event_type))
    assert known(zofia).name == "updated"


@pytest.mark.parametrize("order", ((1, 2), (2, 1)), ids=str)
def test_of_equal_times_the_later_event_is_newer(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    zofia = person(last_name=None)
    for number in order:
        event = samples.user_event("user.updated", zofia.later(first_name=f"Number {number}"))
        webhook.post(event | {"timestamp": event["timestamp"] + number})
    assert known(zofia).name == "Number 2"


# --- Every order ---

START = person(first_name="Olive", last_name="Owner", email="olive@example.com", roles=["BUILDER"])
SECOND = START.later(last_name="Ownerson", email="Moved@example.com", roles=["CLIENT", "ADMIN"])
THIRD = SECOND.later(first_name="Oliwia", username="oliwia", banned=True)
CREATED, UPDATED, UPDATED_AGAIN, DELETED = LIFE = [
    samples.user_event("user.created", START),
    samples.user_event("user.updated", SECOND),
    samples.user_event("user.updated", THIRD),
    samples.user_event("user.deleted", THIRD.later()),
]
NAMES = "CUVD"


def deliver(webhook: WebhookClient, order: tuple[int, ...], *, same_id: bool) -> list[str]:
    """Deliver the events of Olive's life in `order`, repeats under their first id or each under its own."""
    outcomes = []
    for position, index in enumerate(order):
        response = webhook.post(LIFE[index], svix_id=f"msg_{index if same_id else position}")
        assert response.status_code == 200
        outcomes.append(response.json()["outcome"])
    return outcomes


def assert_state(events: list[dict[str, Any]]) -> None:
    user, goal = User.objects.get(), expected(events)
    assert bool(user.deleted_at) == goal.deleted
    if goal.deleted:
        assert user.deleted_at == THIRD.later().updated_at
        assert not user.is_active
        return
    seen = (user.name, user.username, user.email, user.is_active, tuple(sorted(user.roles)))
    assert seen == (goal.name, goal.username, goal.email, goal.active, goal.roles)


def name_order(order: tuple[int, ...]) -> str:
    return "".join(NAMES[index] for index in order)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=name_order)
def test_every_order_of_a_life_ends_in_the_same_tombstone(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    outcomes = deliver(webhook, order, same_id=True)
    assert set(outcomes) <= {"processed", "stale"}
    assert outcomes[order.index(3)] == "processed"
    assert set(outcomes[order.index(3) + 1 :]) <= {"stale"}
    assert_state(LIFE)
    assert AuditLog.objects.filter(action="USER_DELETED").count() == 1


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=name_order)
def test_every_order_of_changes_ends_in_the_same_user(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    outcomes = deliver(webhook, order, same_id=True)
    newest_so_far = [max(order[: position + 1]) == index for position, index in enumerate(order)]
    assert outcomes == ["processed" if newest else "stale" for newest in newest_so_far]
    assert_state(LIFE[:3])


@pytest.mark.parametrize("same_id", (True, False), ids=("same delivery", "another delivery"))
@pytest.mark.parametrize("order", sorted({*permutations((0, 1, 2, 2, 0)), *permutations((0, 1, 3, 3))}), ids=name_order)
def test_repeats_change_no_end(webhook: WebhookClient, order: tuple[int, ...], *, same_id: bool) -> None:
    deliver(webhook, order, same_id=same_id)
    assert_state([LIFE[index] for index in order])
    actions = list(AuditLog.objects.values_list("action", flat=True))
    assert actions.count("USER_CREATED") <= 1
    assert actions.count("USER_DELETED") == (3 in order)
    assert WebhookEvent.objects.count() == len(set(order) if same_id else order)


# --- Deletion ---


def test_a_deletion_of_somebody_unknown_is_remembered(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER", "ADMIN"])
    assert webhook.deleted(zofia) == "processed"
    user = known(zofia)
    assert (user.deleted_at, user.is_active, user.roles) == (zofia.updated_at, False, [])
    [before] = snapshot()
    for tell in (webhook.created, webhook.updated):
        assert tell(zofia.later(HOUR)) == "stale"
    assert snapshot() == [before]
    assert not hasattr(known(zofia), "builderprofile")
    assert not AuditLog.objects.exclude(action="USER_DELETED").exists()


def test_nothing_resurrects_the_deleted(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.created(zofia)
    webhook.deleted(zofia.later())
    before = snapshot()
    for event_type in ("user.created", "user.updated"):
        late = zofia.later(HOUR * 24, first_name="Zombie", banned=False, roles=["ADMIN"])
        assert webhook.send(event_type, late) == "stale"
    assert snapshot() == before


def test_a_second_deletion_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.created(zofia)
    webhook.deleted(zofia.later())
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.deleted(zofia.later(HOUR)) == "stale"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)


def test_a_deletion_counts_however_old_it_is(webhook: WebhookClient) -> None:
    """Clerk ids are never given twice, so there is nothing a newer payload could mean."""
    zofia = person()
    webhook.updated(zofia.later(HOUR))
    assert webhook.deleted(zofia) == "processed"
    assert known(zofia).deleted_at == zofia.updated_at


@pytest.mark.parametrize("data", ({"deleted": True}, {"id": None, "deleted": True}), ids=("no id", "null"))
def test_a_deletion_that_names_nobody_deletes_nobody(webhook: WebhookClient, data: dict[str, Any]) -> None:
    zofia = person()
    webhook.created(zofia)
    before = snapshot()
    response = webhook.post(samples.event("user.deleted", data, occurred_at=zofia.updated_at + HOUR))
    assert response.json() == {"outcome": "ignored"}
    assert snapshot() == before


def test_the_banned_can_be_deleted(webhook: WebhookClient) -> None:
    zofia = person(banned=True)
    webhook.created(zofia)
    assert webhook.deleted(zofia.later()) == "processed"
    assert (known(zofia).banned, known(zofia).is_active) == (True, False)


# --- Roles ---

UNSAID = object()

ROLES_OF_NEW = (
    pytest.param(UNSAID, [CLIENT], id="no key"),
    pytest.param(None, [CLIENT], id="null"),
    pytest.param("BUILDER", [CLIENT], id="string"),
    pytest.param(7, [CLIENT], id="number"),
    pytest.param({"BUILDER": True}, [CLIENT], id="object"),
    pytest.param([], [], id="empty list"),
    pytest.param(["CLIENT"], [CLIENT], id="client"),
    pytest.param(["BUILDER"], [BUILDER], id="builder"),
    pytest.param(["ADMIN"], [ADMIN], id="admin"),
    pytest.param(["ADMIN", "BUILDER", "CLIENT"], [CLIENT, BUILDER, ADMIN], id="all"),
    pytest.param(["builder", "Client", "aDMIN"], [CLIENT, BUILDER, ADMIN], id="any case"),
    pytest.param([" builder "], [BUILDER], id="spaces"),
    pytest.param(["BUILDER", "BUILDER", "builder"], [BUILDER], id="repeated"),
    pytest.param(["BUILDER", "WIZARD"], [BUILDER], id="unknown beside known"),
    pytest.param(["WIZARD"], [], id="unknown only"),
    pytest.param(["BUILDER", 7, None, {"ADMIN": 1}, ["ADMIN"]], [BUILDER], id="nested and others"),
    pytest.param(["BUILDER\x00"], [], id="NUL"),
)


def with_roles(somebody: SampleUser, roles: Any) -> SampleUser:
    return somebody.later(public_metadata={} if roles is UNSAID else {"roles": roles})


@pytest.mark.parametrize(("said", "roles"), ROLES_OF_NEW)
def test_a_new_user_has_the_known_roles_clerk_names_or_is_a_client(
    webhook: WebhookClient, said: Any, roles: list[str]
) -> None:
    zofia = with_roles(person(), said)
    assert webhook.created(zofia) == "processed"
    assert known(zofia).roles == roles


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        pytest.param(said, [BUILDER, ADMIN] if roles == [CLIENT] and not isinstance(said, list) else roles, id=id_)
        for param in ROLES_OF_NEW
        for (said, roles), id_ in [(param.values, param.id)]
    ],
)
def test_a_known_user_keeps_the_roles_unless_clerk_names_others(
    webhook: WebhookClient, said: Any, roles: list[str]
) -> None:
    zofia = person(roles=["BUILDER", "ADMIN"])
    webhook.created(zofia)
    assert webhook.updated(with_roles(zofia, said)) == "processed"
    assert known(zofia).roles == roles


def test_unknown_roles_are_logged(webhook: WebhookClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "accounts.clerk.payloads"):
        webhook.created(person(roles=["BUILDER", "WIZARD"]))
    assert "unknown or repeated values in public_metadata.roles" in caplog.text


@pytest.mark.parametrize("key", ("unsafe_metadata", "private_metadata"))
def test_only_public_metadata_gives_roles(webhook: WebhookClient, key: str) -> None:
    """`unsafe_metadata` is written by the user."""
    mallory = person()
    event = samples.user_event("user.created", mallory)
    event["data"][key] = {"roles": ["ADMIN"]}
    webhook.post(event)
    assert known(mallory).roles == [CLIENT]


def test_the_role_admin_lets_into_the_django_admin_without_making_a_superuser(webhook: WebhookClient) -> None:
    adam = person(roles=["ADMIN"])
    webhook.created(adam)
    assert known(adam).has_role(ADMIN)
    assert known(adam).is_staff
    assert not known(adam).is_superuser


SILENT = person(first_name="Olive", last_name="Owner")
TOLD = [SILENT, SILENT.later(roles=["BUILDER"]), SILENT.later(timedelta(seconds=2), first_name="Oliwia")]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_roles_are_those_of_the_newest_payload_that_names_any(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    """The newest payload of all says nothing of roles, so an older one that arrives later still counts for them."""
    for index in order:
        webhook.send("user.updated" if index else "user.created", TOLD[index])
    assert (known(SILENT).name, known(SILENT).roles) == ("Oliwia Owner", [BUILDER])


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_of_several_payloads_that_name_roles_the_newest_counts(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    versions = [person(roles=["ADMIN"])]
    versions.append(versions[0].later(roles=["BUILDER"]))
    versions.append(versions[1].later(roles=[]))
    versions.append(versions[2].later(first_name="Newest", public_metadata={}))
    for index in order:
        webhook.updated(versions[index])
    assert known(versions[0]).roles == []
    assert known(versions[0]).name.startswith("Newest")


# --- Identity ---


def test_two_people_with_one_address_are_two_users(webhook: WebhookClient) -> None:
    """Addresses move between people while events are under way."""
    olive, vera = person(email="shared@example.com"), person(email="Shared@Example.com")
    assert (webhook.created(olive), webhook.created(vera)) == ("processed", "processed")
    assert User.objects.filter(email="shared@example.com").count() == 2
    assert known(olive).pk != known(vera).pk


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_an_address_that_moves_ends_with_its_new_owner(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    olive, vera = person(email="desk@example.com"), person(email="vera@example.com")
    webhook.created(olive)
    moves = [olive.later(email="olive@example.com"), vera, vera.later(email="desk@example.com")]
    for index in order:
        webhook.updated(moves[index])
    assert (known(olive).email, known(vera).email) == ("olive@example.com", "desk@example.com")


@pytest.mark.parametrize("event_type", ("user.created", "user.updated"))
@pytest.mark.parametrize("verified", (True, False), ids=("verified", "unverified"))
@pytest.mark.parametrize(
    "traits",
    ({"superuser": True}, {"clerk_id": None, "login": "olive", "admin": True}),
    ids=("superuser", "local admin"),
)
def test_an_address_never_links_to_an_account_with_power(
    webhook: WebhookClient, event_type: str, traits: dict[str, Any], *, verified: bool
) -> None:
    local = UserFactory.create(email="boss@example.com", **traits)
    [before] = snapshot()
    mallory = person(email="boss@example.com", email_verified=verified, username=local.login, roles=["ADMIN"])
    assert webhook.send(event_type, mallory) == "processed"
    assert User.objects.count() == 2
    assert snapshot()[0] == before
    assert not known(mallory).is_superuser
    webhook.deleted(mallory.later())
    assert snapshot()[0] == before


def test_an_address_that_becomes_verified_links_nothing_and_tells_when(webhook: WebhookClient) -> None:
    vera = person(email="vera@example.com", email_verified=False)
    webhook.created(vera)
    assert known(vera).email_verified_at is None
    webhook.updated(vera.later(email_verified=True))
    assert known(vera).email_verified_at is not None


def test_people_with_a_phone_only_have_no_address(webhook: WebhookClient) -> None:
    people = [person(email=None, phone=f"+4860010020{number}") for number in range(3)]
    for somebody in people:
        assert webhook.created(somebody) == "processed"
        assert (known(somebody).email, known(somebody).is_active) == (None, True)


def test_namesakes_may_share_a_username(webhook: WebhookClient) -> None:
    for somebody in (person(username="olive"), person(username="olive")):
        assert webhook.created(somebody) == "processed"
    assert User.objects.filter(username="olive").count() == 2


# --- Banned and locked ---


def test_a_ban_takes_effect_and_its_end_too(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    states = []
    webhook.created(zofia)
    for banned in (True, False, True):
        zofia = zofia.later(banned=banned)
        webhook.updated(zofia)
        states.append((known(zofia).banned, known(zofia).is_active, known(zofia).has_role(BUILDER)))
    assert states == [(True, False, False), (False, True, True), (True, False, False)]
    assert known(zofia).roles == [BUILDER]


def test_somebody_may_arrive_banned(webhook: WebhookClient) -> None:
    zofia = person(banned=True)
    webhook.created(zofia)
    assert (known(zofia).banned, known(zofia).is_active) == (True, False)


def test_a_late_ban_that_ended_meanwhile_is_stale(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.updated(zofia.later(timedelta(seconds=2), banned=False))
    assert webhook.updated(zofia.later(banned=True)) == "stale"
    assert known(zofia).is_active


def test_locked_is_clerks_own_business(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.created(zofia)
    rows = AuditLog.objects.count()
    assert webhook.updated(zofia.later(locked=True)) == "processed"
    assert (known(zofia).banned, known(zofia).is_active) == (False, True)
    assert AuditLog.objects.count() == rows


# --- Hostile and odd content ---


@pytest.mark.parametrize(
    ("first_name", "name"),
    (
        pytest.param("Zo\x00fia", "Zo fia", id="NUL"),
        pytest.param("\u202eaifoZ\u202c", "aifoZ", id="right-to-left marks"),
        pytest.param("Zofia\r\nSet-Cookie: x", "Zofia Set-Cookie: x", id="line break"),
        pytest.param("Z" * 10_000, "Z" * 100, id="10,000 characters"),
        pytest.param("👩‍💻", "👩‍💻", id="emoji"),
        pytest.param("<script>alert(1)</script>", "<script>alert(1)</script>", id="markup"),
    ),
)
def test_hostile_names_are_cleaned_and_processed(webhook: WebhookClient, first_name: str, name: str) -> None:
    zofia = person(first_name=first_name, last_name=None, roles=["BUILDER"])
    assert webhook.created(zofia) == "processed"
    assert known(zofia).name == name
