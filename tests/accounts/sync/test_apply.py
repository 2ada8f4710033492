"""Applying events: in any order, the latest payload wins and a deletion is final."""

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

SYNCED = (
    *("name", "username", "email", "email_verified_at", "image_url", "banned", "locked", "is_active", "deleted_at"),
)
HOUR = timedelta(hours=1)
ADMIN, BUILDER, CLIENT = User.Role.ADMIN, User.Role.BUILDER, User.Role.CLIENT


def create_known_user(sample: SampleUser) -> User:
    user: User = User.objects.get(clerk_id=sample.clerk_id)
    return user


def snapshot() -> list[dict[str, Any]]:
    """Return all columns of all users."""
    return [dict(row) for row in User.objects.order_by("pk").values()]


# --- Created, updated, deleted ---


def test_created_user_has_the_values_from_clerk(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", username="zofia", email="Zofia@Example.com", has_image=True)
    assert webhook.created(zofia) == "processed"
    user = create_known_user(zofia)
    assert [getattr(user, field) for field in SYNCED] == [
        "Zofia Wąs",
        "zofia",
        "zofia@example.com",
        zofia.created_at,
        f"https://img.clerk.com/{zofia.clerk_id[5:]}",
        False,
        False,
        True,
        None,
    ]
    assert user.clerk_updated_at == zofia.updated_at
    assert user.login is None
    assert not user.has_usable_password()
    assert not user.is_staff


def test_update_writes_only_changed_fields(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", username="zofia", email="zofia@example.com", roles=["BUILDER"])
    webhook.created(zofia)
    [before] = snapshot()
    assert webhook.updated(zofia.with_changes(last_name="Nowak", email="nowak@example.com")) == "processed"
    [after] = snapshot()
    changed = {field for field in before if before[field] != after[field]}
    assert changed == {"name", "email", "clerk_version", "clerk_updated_at"}
    assert (after["name"], after["email"]) == ("Zofia Nowak", "nowak@example.com")


def test_values_removed_at_clerk_are_removed(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", username="zofia", has_image=True)
    webhook.created(zofia)
    webhook.updated(zofia.with_changes(first_name=None, last_name=None, username=None, email=None, has_image=False))
    user = create_known_user(zofia)
    nothing = ("", "", None, None, "")
    assert (user.name, user.username, user.email, user.email_verified_at, user.image_url) == nothing
    assert str(user.display_name) == "New member"


def test_deleted_user_remains_as_a_tombstone(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    webhook.created(zofia)
    [before] = snapshot()
    assert webhook.deleted(zofia.with_changes(HOUR)) == "processed"
    [after] = snapshot()
    changed = {field: after[field] for field in before if before[field] != after[field]}
    assert changed == {"deleted_at": zofia.updated_at + HOUR, "is_active": False}
    assert not User.objects.live().exists()
    assert AuditLog.objects.about(after["id"]).filter(action="USER_CREATED").exists()


def test_update_of_an_unknown_user_creates_it(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    assert webhook.updated(zofia.with_changes(last_name="Nowak")) == "processed"
    assert create_known_user(zofia).name == "Zofia Nowak"
    assert webhook.created(zofia) == "stale"
    assert create_known_user(zofia).name == "Zofia Nowak"
    assert User.objects.count() == 1


def test_user_without_a_name_has_a_display_name(webhook: WebhookClient) -> None:
    nameless = person(first_name=None, last_name=None)
    webhook.created(nameless)
    assert (create_known_user(nameless).name, create_known_user(nameless).display_name) == ("", "New member")
    webhook.updated(nameless.with_changes(username="shadow"))
    assert create_known_user(nameless).display_name == "shadow"


# --- Versions ---


@pytest.mark.parametrize(
    "by",
    (pytest.param(-HOUR, id="an hour older"), pytest.param(timedelta(milliseconds=-1), id="a millisecond older")),
)
def test_stale_update_is_ignored(webhook: WebhookClient, by: timedelta) -> None:
    zofia = person(first_name="Zofia", email="new@example.com", roles=["BUILDER"])
    webhook.updated(zofia)
    before, rows = snapshot(), AuditLog.objects.count()
    assert (
        webhook.updated(zofia.with_changes(by, first_name="Old", email="old@example.com", roles=["ADMIN"])) == "stale"
    )
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)


def test_update_one_millisecond_newer_is_applied(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name=None)
    webhook.created(zofia)
    assert webhook.updated(zofia.with_changes(timedelta(milliseconds=1), first_name="Zosia")) == "processed"
    assert create_known_user(zofia).name == "Zosia"


def test_same_version_in_another_delivery_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.updated(zofia)
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.updated(zofia) == "processed"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)
    assert WebhookEvent.objects.count() == 2


def test_repeated_delivery_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.created(zofia, svix_id="msg_1")
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.created(zofia, svix_id="msg_1") == "duplicate"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)


@pytest.mark.parametrize("types", (["created", "updated"], ["updated", "created"]), ids=" ".join)
def test_update_wins_over_creation_at_the_same_time(webhook: WebhookClient, types: list[str]) -> None:
    zofia = person(last_name=None)
    for event_type in types:
        webhook.send(f"user.{event_type}", zofia.with_changes(first_name=event_type))
    assert create_known_user(zofia).name == "updated"


@pytest.mark.parametrize("order", ((1, 2), (2, 1)), ids=str)
def test_later_event_wins_at_the_same_update_time(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    zofia = person(last_name=None)
    for number in order:
        event = samples.user_event("user.updated", zofia.with_changes(first_name=f"Number {number}"))
        webhook.post(event | {"timestamp": event["timestamp"] + number})
    assert create_known_user(zofia).name == "Number 2"


# --- Every order ---

START = person(first_name="Olive", last_name="Owner", email="olive@example.com", roles=["BUILDER"])
SECOND = START.with_changes(last_name="Ownerson", email="Moved@example.com", roles=["CLIENT", "ADMIN"])
THIRD = SECOND.with_changes(first_name="Oliwia", username="oliwia", banned=True)
CREATED, UPDATED, UPDATED_AGAIN, DELETED = EVENTS = [
    samples.user_event("user.created", START),
    samples.user_event("user.updated", SECOND),
    samples.user_event("user.updated", THIRD),
    samples.user_event("user.deleted", THIRD.with_changes()),
]
NAMES = "CUVD"


def deliver(webhook: WebhookClient, order: tuple[int, ...], *, same_id: bool) -> list[str]:
    """Deliver the events in `order`. Repeated deliveries have either the first delivery's ID or a new ID."""
    outcomes = []
    for position, index in enumerate(order):
        response = webhook.post(EVENTS[index], svix_id=f"msg_{index if same_id else position}")
        assert response.status_code == 200
        outcomes.append(response.json()["outcome"])
    return outcomes


def assert_state(events: list[dict[str, Any]]) -> None:
    user, goal = User.objects.get(), expected(events)
    assert bool(user.deleted_at) == goal.deleted
    if goal.deleted:
        assert user.deleted_at == THIRD.with_changes().updated_at
        assert not user.is_active
        return
    seen = (user.name, user.username, user.email, user.is_active, tuple(sorted(user.roles)))
    assert seen == (goal.name, goal.username, goal.email, goal.active, goal.roles)


def name_order(order: tuple[int, ...]) -> str:
    return "".join(NAMES[index] for index in order)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=name_order)
def test_every_order_with_a_deletion_ends_in_the_same_tombstone(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    outcomes = deliver(webhook, order, same_id=True)
    assert set(outcomes) <= {"processed", "stale"}
    assert outcomes[order.index(3)] == "processed"
    assert set(outcomes[order.index(3) + 1 :]) <= {"stale"}
    assert_state(EVENTS)
    assert AuditLog.objects.filter(action="USER_DELETED").count() == 1


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=name_order)
def test_every_order_of_changes_ends_in_the_same_user(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    outcomes = deliver(webhook, order, same_id=True)
    newest_so_far = [max(order[: position + 1]) == index for position, index in enumerate(order)]
    assert outcomes == ["processed" if newest else "stale" for newest in newest_so_far]
    assert_state(EVENTS[:3])


@pytest.mark.parametrize("same_id", (True, False), ids=("same delivery", "another delivery"))
@pytest.mark.parametrize("order", sorted({*permutations((0, 1, 2, 2, 0)), *permutations((0, 1, 3, 3))}), ids=name_order)
def test_repeats_do_not_change_the_result(webhook: WebhookClient, order: tuple[int, ...], *, same_id: bool) -> None:
    deliver(webhook, order, same_id=same_id)
    assert_state([EVENTS[index] for index in order])
    actions = list(AuditLog.objects.values_list("action", flat=True))
    assert actions.count("USER_CREATED") <= 1
    assert actions.count("USER_DELETED") == (3 in order)
    assert WebhookEvent.objects.count() == len(set(order) if same_id else order)


# --- Deletion ---


def test_deletion_of_an_unknown_user_is_stored(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER", "ADMIN"])
    assert webhook.deleted(zofia) == "processed"
    user = create_known_user(zofia)
    assert (user.deleted_at, user.is_active, user.roles) == (zofia.updated_at, False, [])
    [before] = snapshot()
    for send in (webhook.created, webhook.updated):
        assert send(zofia.with_changes(HOUR)) == "stale"
    assert snapshot() == [before]
    assert not hasattr(create_known_user(zofia), "builderprofile")
    assert not AuditLog.objects.exclude(action="USER_DELETED").exists()


def test_later_events_do_not_restore_a_deleted_user(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.created(zofia)
    webhook.deleted(zofia.with_changes())
    before = snapshot()
    for event_type in ("user.created", "user.updated"):
        late = zofia.with_changes(HOUR * 24, first_name="Zombie", banned=False, roles=["ADMIN"])
        assert webhook.send(event_type, late) == "stale"
    assert snapshot() == before


def test_second_deletion_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.created(zofia)
    webhook.deleted(zofia.with_changes())
    before, rows = snapshot(), AuditLog.objects.count()
    assert webhook.deleted(zofia.with_changes(HOUR)) == "stale"
    assert (snapshot(), AuditLog.objects.count()) == (before, rows)


def test_older_deletion_is_applied(webhook: WebhookClient) -> None:
    """Clerk never reuses IDs, so a newer payload cannot belong to a new user."""
    zofia = person()
    webhook.updated(zofia.with_changes(HOUR))
    assert webhook.deleted(zofia) == "processed"
    assert create_known_user(zofia).deleted_at == zofia.updated_at


@pytest.mark.parametrize("data", ({"deleted": True}, {"id": None, "deleted": True}), ids=("no id", "null"))
def test_deletion_without_an_id_is_ignored(webhook: WebhookClient, data: dict[str, Any]) -> None:
    zofia = person()
    webhook.created(zofia)
    before = snapshot()
    response = webhook.post(samples.event("user.deleted", data, occurred_at=zofia.updated_at + HOUR))
    assert response.json() == {"outcome": "ignored"}
    assert snapshot() == before


def test_banned_user_can_be_deleted(webhook: WebhookClient) -> None:
    zofia = person(banned=True)
    webhook.created(zofia)
    assert webhook.deleted(zofia.with_changes()) == "processed"
    assert (create_known_user(zofia).banned, create_known_user(zofia).is_active) == (True, False)


# --- Roles ---

MISSING = object()

ROLES_OF_NEW = (
    pytest.param(MISSING, [CLIENT], id="no key"),
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
    pytest.param(["BUILDER", "WIZARD"], [BUILDER], id="unknown and known"),
    pytest.param(["WIZARD"], [], id="unknown only"),
    pytest.param(["BUILDER", 7, None, {"ADMIN": 1}, ["ADMIN"]], [BUILDER], id="nested and others"),
    pytest.param(["BUILDER\x00"], [], id="NUL"),
)


def with_roles(sample: SampleUser, roles: Any) -> SampleUser:
    return sample.with_changes(public_metadata={} if roles is MISSING else {"roles": roles})


@pytest.mark.parametrize(("value", "roles"), ROLES_OF_NEW)
def test_new_user_has_the_known_roles_or_is_a_client(webhook: WebhookClient, value: Any, roles: list[str]) -> None:
    zofia = with_roles(person(), value)
    assert webhook.created(zofia) == "processed"
    assert create_known_user(zofia).roles == roles


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        pytest.param(value, [BUILDER, ADMIN] if roles == [CLIENT] and not isinstance(value, list) else roles, id=id_)
        for param in ROLES_OF_NEW
        for (value, roles), id_ in [(param.values, param.id)]
    ],
)
def test_known_user_keeps_roles_unless_clerk_lists_others(webhook: WebhookClient, value: Any, roles: list[str]) -> None:
    zofia = person(roles=["BUILDER", "ADMIN"])
    webhook.created(zofia)
    assert webhook.updated(with_roles(zofia, value)) == "processed"
    assert create_known_user(zofia).roles == roles


def test_unknown_roles_are_logged(webhook: WebhookClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "accounts.clerk.payloads"):
        webhook.created(person(roles=["BUILDER", "WIZARD"]))
    assert "unknown or repeated values in public_metadata.roles" in caplog.text


@pytest.mark.parametrize("key", ("unsafe_metadata", "private_metadata"))
def test_only_public_metadata_grants_roles(webhook: WebhookClient, key: str) -> None:
    """Users can write to `unsafe_metadata`."""
    mallory = person()
    event = samples.user_event("user.created", mallory)
    event["data"][key] = {"roles": ["ADMIN"]}
    webhook.post(event)
    assert create_known_user(mallory).roles == [CLIENT]


def test_admin_role_grants_admin_access_but_not_superuser(webhook: WebhookClient) -> None:
    adam = person(roles=["ADMIN"])
    webhook.created(adam)
    assert create_known_user(adam).has_role(ADMIN)
    assert create_known_user(adam).is_staff
    assert not create_known_user(adam).is_superuser


WITHOUT_ROLES = person(first_name="Olive", last_name="Owner")
VERSIONS = [
    WITHOUT_ROLES,
    WITHOUT_ROLES.with_changes(roles=["BUILDER"]),
    WITHOUT_ROLES.with_changes(timedelta(seconds=2), first_name="Oliwia"),
]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_roles_come_from_the_latest_payload_that_has_any(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    """The latest payload contains no roles, so an older payload's roles are applied even if it arrives later."""
    for index in order:
        webhook.send("user.updated" if index else "user.created", VERSIONS[index])
    assert (create_known_user(WITHOUT_ROLES).name, create_known_user(WITHOUT_ROLES).roles) == (
        "Oliwia Owner",
        [BUILDER],
    )


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_latest_of_several_role_lists_wins(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    versions = [person(roles=["ADMIN"])]
    versions.append(versions[0].with_changes(roles=["BUILDER"]))
    versions.append(versions[1].with_changes(roles=[]))
    versions.append(versions[2].with_changes(first_name="Newest", public_metadata={}))
    for index in order:
        webhook.updated(versions[index])
    assert create_known_user(versions[0]).roles == []
    assert create_known_user(versions[0]).name.startswith("Newest")


# --- Identity ---


def test_two_users_can_have_the_same_email(webhook: WebhookClient) -> None:
    """An email can move to another user while events are still in flight."""
    olive, vera = person(email="shared@example.com"), person(email="Shared@Example.com")
    assert (webhook.created(olive), webhook.created(vera)) == ("processed", "processed")
    assert User.objects.filter(email="shared@example.com").count() == 2
    assert create_known_user(olive).pk != create_known_user(vera).pk


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_moved_email_belongs_to_its_new_owner(webhook: WebhookClient, order: tuple[int, ...]) -> None:
    olive, vera = person(email="desk@example.com"), person(email="vera@example.com")
    webhook.created(olive)
    moves = [olive.with_changes(email="olive@example.com"), vera, vera.with_changes(email="desk@example.com")]
    for index in order:
        webhook.updated(moves[index])
    assert (create_known_user(olive).email, create_known_user(vera).email) == ("olive@example.com", "desk@example.com")


@pytest.mark.parametrize("event_type", ("user.created", "user.updated"))
@pytest.mark.parametrize("verified", (True, False), ids=("verified", "unverified"))
@pytest.mark.parametrize(
    "traits",
    ({"superuser": True}, {"clerk_id": None, "login": "olive", "admin": True}),
    ids=("superuser", "local admin"),
)
def test_email_never_links_to_an_account_with_admin_access(
    webhook: WebhookClient, event_type: str, traits: dict[str, Any], *, verified: bool
) -> None:
    local = UserFactory.create(email="boss@example.com", **traits)
    [before] = snapshot()
    mallory = person(email="boss@example.com", email_verified=verified, username=local.login, roles=["ADMIN"])
    assert webhook.send(event_type, mallory) == "processed"
    assert User.objects.count() == 2
    assert snapshot()[0] == before
    assert not create_known_user(mallory).is_superuser
    webhook.deleted(mallory.with_changes())
    assert snapshot()[0] == before


def test_later_verification_sets_the_time_and_does_not_link_accounts(webhook: WebhookClient) -> None:
    vera = person(email="vera@example.com", email_verified=False)
    webhook.created(vera)
    assert create_known_user(vera).email_verified_at is None
    webhook.updated(vera.with_changes(email_verified=True))
    assert create_known_user(vera).email_verified_at is not None


def test_users_with_only_a_phone_have_no_email(webhook: WebhookClient) -> None:
    people = [person(email=None, phone=f"+4860010020{number}") for number in range(3)]
    for sample in people:
        assert webhook.created(sample) == "processed"
        assert (create_known_user(sample).email, create_known_user(sample).is_active) == (None, True)


def test_two_users_can_have_the_same_username(webhook: WebhookClient) -> None:
    for sample in (person(username="olive"), person(username="olive")):
        assert webhook.created(sample) == "processed"
    assert User.objects.filter(username="olive").count() == 2


# --- Banned and locked ---


def test_ban_and_unban_take_effect(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    states = []
    webhook.created(zofia)
    for banned in (True, False, True):
        zofia = zofia.with_changes(banned=banned)
        webhook.updated(zofia)
        states.append(
            (
                create_known_user(zofia).banned,
                create_known_user(zofia).is_active,
                create_known_user(zofia).has_role(BUILDER),
            )
        )
    assert states == [(True, False, False), (False, True, True), (True, False, False)]
    assert create_known_user(zofia).roles == [BUILDER]


def test_lock_and_its_removal_are_audited_and_leave_the_user_active(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.created(zofia)
    for locked in (True, False, True):
        zofia = zofia.with_changes(locked=locked)
        webhook.updated(zofia)
        assert (create_known_user(zofia).locked, create_known_user(zofia).is_active) == (locked, True)
    rows = AuditLog.objects.filter(action="USER_UPDATED").order_by("pk")
    assert [row.details for row in rows] == [{"locked": [not locked, locked]} for locked in (True, False, True)]


def test_new_user_can_be_banned(webhook: WebhookClient) -> None:
    zofia = person(banned=True)
    webhook.created(zofia)
    assert (create_known_user(zofia).banned, create_known_user(zofia).is_active) == (True, False)


def test_late_event_of_an_ended_ban_is_stale(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.updated(zofia.with_changes(timedelta(seconds=2), banned=False))
    assert webhook.updated(zofia.with_changes(banned=True)) == "stale"
    assert create_known_user(zofia).is_active


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
def test_hostile_names_are_cleaned(webhook: WebhookClient, first_name: str, name: str) -> None:
    zofia = person(first_name=first_name, last_name=None, roles=["BUILDER"])
    assert webhook.created(zofia) == "processed"
    assert create_known_user(zofia).name == name
