"""Every change writes an audit row with its values and actor."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine
from django.db import connection, transaction
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.clerk import samples
from accounts.clerk.samples import BROWSER, SampleUser
from accounts.models import User
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from audit.sealing import digests
from core.db.joined_writes import joined
from profiles.models import BuilderProfile
from tests.audit.rows import PERSONAL, create_row, execute_as_owner
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

Action = AuditLog.Action
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def olive(**facts: Any) -> SampleUser:
    return person(
        **{"first_name": "Olive", "last_name": "Owner", "email": "olive@example.com", "roles": ["BUILDER"]} | facts
    )


def written_rows(*, since: int = 0) -> list[tuple[str, str, Any]]:
    """Return the action, target model and details of each row with an id above `since`, oldest first."""
    rows = AuditLog.objects.filter(pk__gt=since).order_by("pk")
    return [(row.action, row.target.partition(":")[0], row.details) for row in rows]


def newest_id() -> int:
    newest = AuditLog.objects.first()
    return newest.pk if newest else 0


# --- Rows written by webhooks ---

CREATED_FACTS = {
    "name": [None, "Olive Owner"],
    "email": [None, "olive@example.com"],
    "email_verified_at": [None, "2026-11-01T12:00:00Z"],
}


def test_new_user_is_logged_with_initial_values(webhook: WebhookClient) -> None:
    webhook.created(olive(roles=["BUILDER", "CLIENT"]))
    assert written_rows() == [
        ("USER_CREATED", "accounts.user", CREATED_FACTS),
        ("ROLE_ADDED", "accounts.user", {"role": "CLIENT"}),
        ("ROLE_ADDED", "accounts.user", {"role": "BUILDER"}),
        ("PROFILE_CREATED", "profiles.builderprofile", {}),
        ("PROFILE_CREATED", "profiles.clientprofile", {}),
    ]


CHANGES: tuple[Any, ...] = (
    pytest.param(
        {"first_name": "Oliwia"},
        [("USER_UPDATED", "accounts.user", {"name": ["Olive Owner", "Oliwia Owner"]})],
        id="name",
    ),
    pytest.param(
        {"email": "New@Example.com", "username": "olive"},
        [
            (
                "USER_UPDATED",
                "accounts.user",
                {"email": ["olive@example.com", "new@example.com"], "username": ["", "olive"]},
            )
        ],
        id="several fields",
    ),
    pytest.param(
        {"email": None},
        [
            (
                "USER_UPDATED",
                "accounts.user",
                {"email": ["olive@example.com", None], "email_verified_at": ["2026-11-01T12:00:00Z", None]},
            )
        ],
        id="email removed",
    ),
    pytest.param({"banned": True}, [("USER_UPDATED", "accounts.user", {"banned": [False, True]})], id="ban"),
    pytest.param({"locked": True}, [("USER_UPDATED", "accounts.user", {"locked": [False, True]})], id="lock"),
    pytest.param(
        {"roles": []},
        [
            ("ROLE_REMOVED", "accounts.user", {"role": "BUILDER"}),
            ("PROFILE_UPDATED", "profiles.builderprofile", {"archived_at": [None, "2026-11-02T09:30:00Z"]}),
        ],
        id="role removed",
    ),
    pytest.param(
        {"roles": ["BUILDER", "ADMIN"]}, [("ROLE_ADDED", "accounts.user", {"role": "ADMIN"})], id="role without profile"
    ),
    pytest.param(
        {"first_name": "Oliwia", "roles": ["CLIENT"]},
        [
            ("USER_UPDATED", "accounts.user", {"name": ["Olive Owner", "Oliwia Owner"]}),
            ("ROLE_ADDED", "accounts.user", {"role": "CLIENT"}),
            ("ROLE_REMOVED", "accounts.user", {"role": "BUILDER"}),
            ("PROFILE_CREATED", "profiles.clientprofile", {}),
            ("PROFILE_UPDATED", "profiles.builderprofile", {"archived_at": [None, "2026-11-02T09:30:00Z"]}),
        ],
        id="several kinds",
    ),
)


@pytest.mark.parametrize(("facts", "rows"), CHANGES)
def test_update_is_logged_with_old_and_new_values(
    webhook: WebhookClient, facts: dict[str, Any], rows: list[tuple[str, str, Any]]
) -> None:
    user = olive()
    webhook.created(user)
    since = newest_id()
    with time_machine.travel(NOW, tick=False):
        webhook.updated(user.with_changes(**facts))
    assert written_rows(since=since) == rows
    for row in AuditLog.objects.filter(pk__gt=since):
        is_change = row.action in {"USER_UPDATED", "PROFILE_UPDATED"}
        assert row.changed_fields == (sorted(row.details or {}) if is_change else [])


def test_restored_role_is_logged(webhook: WebhookClient) -> None:
    user = olive()
    webhook.created(user)
    with time_machine.travel(NOW, tick=False):
        webhook.updated(user.with_changes(timedelta(seconds=1), roles=[]))
    since = newest_id()
    webhook.updated(user.with_changes(timedelta(seconds=2)))
    assert written_rows(since=since) == [
        ("ROLE_ADDED", "accounts.user", {"role": "BUILDER"}),
        ("PROFILE_UPDATED", "profiles.builderprofile", {"archived_at": ["2026-11-02T09:30:00Z", None]}),
    ]


def test_first_slug_is_logged(webhook: WebhookClient) -> None:
    user = olive(first_name=None, last_name=None)
    webhook.created(user)
    since = newest_id()
    webhook.updated(user.with_changes(first_name="Olive"))
    assert written_rows(since=since) == [
        ("USER_UPDATED", "accounts.user", {"name": ["", "Olive"]}),
        ("PROFILE_UPDATED", "profiles.builderprofile", {"slug": [None, "olive"]}),
    ]


def test_deletion_is_logged(webhook: WebhookClient) -> None:
    user = olive()
    webhook.created(user)
    since = newest_id()
    webhook.deleted(user.with_changes())
    assert written_rows(since=since) == [
        ("USER_DELETED", "accounts.user", {"deleted_at": [None, "2026-11-01T12:00:01Z"]})
    ]


def test_deletion_of_unknown_user_is_logged(webhook: WebhookClient) -> None:
    user = olive()
    webhook.deleted(user)
    assert written_rows() == [("USER_DELETED", "accounts.user", {"deleted_at": [None, "2026-11-01T12:00:00Z"]})]
    assert AuditLog.objects.get().target_label == user.clerk_id


def test_every_row_of_an_event_has_its_origin(webhook: WebhookClient) -> None:
    sample = olive(updated_at=START)
    event = samples.event(
        "user.created", sample.data(), occurred_at=START, client_ip="2001:DB8::7", user_agent="Firefox/140"
    )
    with time_machine.travel(NOW, tick=False):
        webhook.post(event, svix_id="msg_42", REMOTE_ADDR="44.228.126.217")
    user, profile = User.objects.get(), BuilderProfile.objects.get()
    rows = list(AuditLog.objects.order_by("pk"))
    assert len(rows) == 3
    for row in rows:
        assert (row.source, row.delivery, row.timestamp) == ("webhook", "msg_42", NOW)
        # This is the user's value, not Svix's.
        assert (row.ip_address, row.user_agent) == ("2001:db8::7", "Firefox/140")
        assert (row.actor_id, row.actor_label) == (None, None)
        assert (row.subject_id, row.target_label) == (user.pk, "Olive Owner")
    targets = [f"accounts.user:{user.pk}"] * 2 + [f"profiles.builderprofile:{profile.pk}"]
    assert [row.target for row in rows] == targets
    assert list(AuditLog.objects.about(user.pk)) == rows[::-1]


def test_event_without_request_attributes_has_no_ip_address_or_user_agent(webhook: WebhookClient) -> None:
    event = samples.user_event("user.created", olive())
    del event["event_attributes"]
    webhook.post(event, REMOTE_ADDR="44.228.126.217")
    assert set(AuditLog.objects.values_list("ip_address", "user_agent")) == {(None, None)}


def test_row_has_user_agent_and_ip_address_of_its_event(webhook: WebhookClient) -> None:
    user = olive()
    webhook.created(user)
    assert AuditLog.objects.latest("pk").user_agent == BROWSER
    event = samples.user_event("user.updated", user.with_changes(banned=True))
    event["event_attributes"]["http_request"] = {"client_ip": "198.51.100.1", "user_agent": "Admin's"}
    webhook.post(event, svix_id="msg_ban")
    newest = AuditLog.objects.latest("pk")
    assert (newest.delivery, newest.ip_address, newest.user_agent) == ("msg_ban", "198.51.100.1", "Admin's")


UNCHANGED: dict[str, Callable[[WebhookClient, SampleUser], Any]] = {
    "duplicate": lambda webhook, user: webhook.created(user, svix_id="msg_1"),
    "same version": lambda webhook, user: webhook.created(user),
    "stale": lambda webhook, user: webhook.updated(user.with_changes(-timedelta(hours=1), first_name="Old")),
    "newer and the same": lambda webhook, user: webhook.updated(user.with_changes()),
    "same role in another spelling": lambda webhook, user: webhook.updated(
        user.with_changes(roles=["builder", "WIZARD"])
    ),
    "other metadata": lambda webhook, user: webhook.updated(user.with_changes(public_metadata={"theme": "dark"})),
    "phone": lambda webhook, user: webhook.updated(user.with_changes(phone="+48600100200")),
    "another type": lambda webhook, user: webhook.send("session.pending", user),
}


@pytest.mark.parametrize("send", UNCHANGED.values(), ids=UNCHANGED)
def test_event_without_changes_writes_no_row(
    webhook: WebhookClient, send: Callable[[WebhookClient, SampleUser], Any]
) -> None:
    user = olive()
    webhook.created(user, svix_id="msg_1")
    since = newest_id()
    send(webhook, user)
    assert written_rows(since=since) == []


# --- The writer ---


def test_row_keeps_labels_and_values_from_the_time_of_the_change() -> None:
    request = RequestFactory().get("/", headers={"user-agent": "Firefox"}, REMOTE_ADDR="203.0.113.9")
    adam, profile = UserFactory.create(name="Adam Admin"), BuilderProfileFactory.create(user__name="Olive Owner")
    request.user = adam
    log.record(
        Action.PROFILE_UPDATED,
        actor=Actor.from_request(request),
        target=profile,
        subject=profile.user,
        changes={"hidden_at": (None, NOW)},
        reason="spam",
    )
    User.objects.update(name="Other Name")
    row = AuditLog.objects.get()
    assert (row.actor_id, row.actor_label, row.subject_id) == (adam.pk, "Adam Admin", profile.user_id)
    assert (row.target, row.target_label) == (f"profiles.builderprofile:{profile.pk}", "Olive Owner")
    assert (row.source, row.delivery) == ("request", None)
    assert (row.ip_address, row.user_agent) == ("203.0.113.9", "Firefox")
    assert (row.changed_fields, row.details) == (
        ["hidden_at"],
        {"hidden_at": [None, "2026-11-02T09:30:00Z"], "reason": "spam"},
    )
    assert str(row) == f"PROFILE_UPDATED profiles.builderprofile:{profile.pk}"


def test_default_actor_is_the_system() -> None:
    log.record(Action.USER_UPDATED, actor=SYSTEM, target=UserFactory.create())
    row = AuditLog.objects.get()
    assert (row.source, row.actor, row.delivery, row.ip_address, row.user_agent) == ("system", None, None, None, None)
    assert (row.changed_fields, row.details) == ([], {})


@pytest.mark.parametrize(
    ("sent", "kept"),
    (
        pytest.param({"user-agent": "Fire\x00fox"}, "Firefox", id="NUL"),
        pytest.param({"user-agent": "x" * 5000}, "x" * 500, id="long"),
        pytest.param({"user-agent": ""}, None, id="blank"),
        pytest.param({}, None, id="none"),
    ),
)
def test_user_agent_is_truncated_and_cleaned(sent: dict[str, str], kept: str | None) -> None:
    actor = Actor.from_request(RequestFactory().get("/", headers=sent))
    log.record(Action.USER_UPDATED, actor=actor, target=UserFactory.create())
    assert AuditLog.objects.get().user_agent == kept


def test_request_ip_address_is_the_address_seen_by_the_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    request = RequestFactory().get("/", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.9"}, REMOTE_ADDR="10.0.0.1")
    assert Actor.from_request(request).ip_address == "203.0.113.9"


@pytest.mark.parametrize(
    "name",
    (
        "password",
        "new_password",
        "PASSWORD",
        "clerk_secret",
        "SecretKey",
        "token",
        "session_token",
        "tokens",
        "csrfToken",
    ),
)
@pytest.mark.parametrize("kind", ("changes", "facts"))
def test_names_of_secrets_are_rejected(name: str, kind: str) -> None:
    content: dict[str, Any] = {"changes": {name: ("old", "new")}} if kind == "changes" else {name: "hunter2"}
    with pytest.raises(ValueError, match=name) as caught:
        log.record(Action.USER_UPDATED, actor=SYSTEM, target=UserFactory.create(), **content)
    assert "hunter2" not in str(caught.value)
    assert not AuditLog.objects.exists()


def test_row_is_rolled_back_with_its_change() -> None:
    user = UserFactory.create(name="Olive")
    with suppress(RuntimeError), transaction.atomic():
        User.objects.update(name="Oliwia")
        log.record(Action.USER_UPDATED, actor=SYSTEM, target=user, changes={"name": ("Olive", "Oliwia")})
        assert AuditLog.objects.exists()
        raise RuntimeError
    assert not AuditLog.objects.exists()
    assert User.objects.get().name == "Olive"


@pytest.mark.django_db(transaction=True)
def test_row_is_committed_with_its_change(database_url: str) -> None:
    def seen() -> list[Any]:
        statement = "SELECT name, (SELECT count(*) FROM audit_auditlog) FROM accounts_user"
        with psycopg.connect(database_url) as other:
            return other.execute(statement).fetchall()

    user = UserFactory.create(name="Olive")
    with transaction.atomic():
        User.objects.update(name="Oliwia")
        log.record(Action.USER_UPDATED, actor=SYSTEM, target=user, changes={"name": ("Olive", "Oliwia")})
        assert seen() == [("Olive", 0)]
    assert seen() == [("Oliwia", 1)]


def test_batch_inserts_rows_with_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    user = UserFactory.create()
    with django_assert_num_queries(1), joined():
        for role in User.Role:
            log.record(Action.ROLE_ADDED, actor=SYSTEM, target=user, role=role)
    assert [details["role"] for _, _, details in written_rows()] == list(User.Role)


def test_failed_batch_writes_nothing_and_ends() -> None:
    user = UserFactory.create()
    with suppress(RuntimeError), joined():
        log.record(Action.ROLE_ADDED, actor=SYSTEM, target=user)
        raise RuntimeError
    assert written_rows() == []
    log.record(Action.ROLE_REMOVED, actor=SYSTEM, target=user)
    assert [action for action, _, _ in written_rows()] == ["ROLE_REMOVED"]


def test_empty_batch_needs_no_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0), joined():
        pass


def test_row_stores_its_transaction_id() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        [current] = cursor.fetchone()
    assert create_row().transaction == current


# --- The digest ---


def is_digest_valid(row: AuditLog) -> bool:
    return digests.personal_digest(digests.column_digests(row)) == bytes(row.personal_digest)


VALUES = (
    pytest.param("Zofia Wąsowska-Łęcka", id="Polish"),
    pytest.param("ليلى 美咲 👩‍💻 \u202e", id="scripts"),
    pytest.param("e\u0301 \u00e9", id="not normalised"),
    pytest.param('"quotes" \\ / \t\n <&>', id="escapes"),
    pytest.param(datetime(2026, 11, 2, 9, 30, 1, 234_567, tzinfo=UTC), id="time"),
    pytest.param(date(2026, 11, 2), id="date"),
    pytest.param(timedelta(hours=25), id="duration"),
    pytest.param(Decimal("10.50"), id="decimal"),
    pytest.param(UUID(int=1), id="uuid"),
    pytest.param({"b": 1, "a": {"c": [None, True, False]}}, id="nested"),
    pytest.param([1, -1, 0.1, 1.0, 10**25], id="numbers"),
    pytest.param(["", None, [], {}], id="empty"),
    pytest.param(User.Role.ADMIN, id="choice"),
)


@pytest.mark.parametrize("value", VALUES)
def test_digest_is_valid_after_reading_from_the_database(value: Any) -> None:
    row = create_row(fact=value)
    assert is_digest_valid(row)
    assert len(row.personal_digest) == 32


@pytest.mark.parametrize("column", PERSONAL)
def test_digest_covers_every_personal_column(column: str) -> None:
    row = create_row()
    setattr(row, column, {"name": ["Old", "Newer"]} if column == "details" else "2001:db8::1")
    assert not is_digest_valid(row)


def test_equal_rows_have_different_digests() -> None:
    """The salt prevents a brute-force search for IP addresses."""
    user = UserFactory.create()
    for _ in range(2):
        log.record(Action.USER_UPDATED, actor=SYSTEM, target=user)
    first, second = AuditLog.objects.all()
    assert first.personal_salt
    assert second.personal_salt
    assert bytes(first.personal_salt) != bytes(second.personal_salt)
    assert bytes(first.personal_digest) != bytes(second.personal_digest)
    assert len(first.personal_salt) == 16


def test_erased_row_verifies_against_its_original_values() -> None:
    before = create_row()
    execute_as_owner(f"UPDATE audit_auditlog SET {', '.join(f'{column} = NULL' for column in PERSONAL)}")
    row = AuditLog.objects.get()
    assert not is_digest_valid(row)
    for column in PERSONAL:
        setattr(row, column, getattr(before, column))
    assert is_digest_valid(row)


def test_digests_of_rows_written_by_webhooks_are_valid(webhook: WebhookClient) -> None:
    user = olive(first_name="ليلى", has_image=True)
    webhook.created(user)
    webhook.updated(user.with_changes(timedelta(seconds=1), roles=[], email=None, banned=True))
    webhook.deleted(user.with_changes(timedelta(seconds=2)))
    rows = list(AuditLog.objects.all())
    assert len(rows) == 7
    assert all(is_digest_valid(row) for row in rows)
