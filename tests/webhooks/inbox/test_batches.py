"""Deliveries that are committed together end like deliveries that are processed one by one."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import signals
from accounts.clerk import samples
from accounts.models import IdentityConflict, User
from accounts.sync import apply
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, new_svix_id, person
from tests.journeys.test_histories import assert_converged, build_events, histories
from webhooks.inbox import service as inbox
from webhooks.inbox.deliveries import Received, Sender, parse
from webhooks.inbox.signatures import Delivery
from webhooks.models import Attempt, WebhookEvent

pytestmark = pytest.mark.django_db

type Message = tuple[dict[str, Any], str]
PROCESSED, STALE = "processed", "stale"


def received(event: dict[str, Any] | str, svix_id: str = "") -> Received:
    body = event if isinstance(event, str) else samples.encode(event)
    return Received(Delivery(svix_id or new_svix_id(), body, "x"), Sender("192.0.2.1", {}), parse(body))


def receive_batch(messages: Iterable[Received]) -> list[str | None]:
    return inbox.receive_group(list(messages))


def receive_all(messages: Iterable[Received]) -> list[str]:
    """Receive deliveries together as far as possible, and the others alone, as the threads of the web server do."""
    group = list(messages)
    outcomes = inbox.receive_group(group)
    return [outcome or inbox._receive_alone(item) for item, outcome in zip(group, outcomes, strict=True)]


def created(**facts: Any) -> Received:
    return received(samples.user_event("user.created", person(**facts)))


# --- One statement per table ---


@pytest.mark.django_db(transaction=True)
def test_batch_of_sixteen_takes_at_most_one_and_a_half_statements_per_event() -> None:
    known = [person(roles=["BUILDER"]) for _ in range(6)]
    receive_all(received(samples.user_event("user.created", user)) for user in known)
    updates = [
        samples.user_event("user.updated", user.with_changes(first_name="Zofia", roles=["CLIENT"]))
        for user in known[:3]
    ]
    updates += [samples.user_event("user.updated", user.with_changes(first_name="Zosia")) for user in known[3:5]]
    deletion = samples.user_event("user.deleted", known[5].with_changes())
    new = [created(roles=[role]) for role in ("BUILDER", "CLIENT") for _ in range(5)]
    with CaptureQueriesContext(connection) as queries:
        assert receive_batch([*map(received, (*updates, deletion)), *new]) == [PROCESSED] * 16
    assert len(queries) <= 24, [query["sql"][:80] for query in queries.captured_queries]


# --- Same result as one event at a time ---


def test_each_event_has_its_own_outcome_row_and_audit_trail(webhook: WebhookClient) -> None:
    zofia, olive, gone = person(roles=["BUILDER"]), person(roles=["CLIENT"]), person()
    webhook.created(zofia)
    webhook.created(zofia.with_changes(first_name="Later"), svix_id="msg_repeat")
    messages = {
        "msg_new": samples.user_event("user.created", olive),
        "msg_update": samples.user_event("user.updated", zofia.with_changes(first_name="Zosia")),
        "msg_gone": samples.user_event("user.deleted", gone),
        "msg_repeat": samples.user_event("user.created", zofia.with_changes(first_name="Later")),
        "msg_unknown": samples.event("organizationDomain.created", {}, occurred_at=zofia.updated_at),
    }
    outcomes = receive_all(received(event, svix_id) for svix_id, event in messages.items())
    assert outcomes == [PROCESSED, PROCESSED, PROCESSED, "duplicate", "ignored"]
    stored = dict(WebhookEvent.objects.filter(svix_id__in=messages).values_list("svix_id", "state"))
    assert stored == dict.fromkeys(messages, "processed") | {"msg_unknown": "ignored"}
    assert WebhookEvent.objects.get(svix_id="msg_repeat").deliveries == 2
    trails: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for svix_id, action in AuditLog.objects.filter(delivery__in=messages).values_list("delivery", "action"):
        trails[svix_id][action] += 1
    assert trails["msg_new"] == Counter(["USER_CREATED", "ROLE_ADDED", "PROFILE_CREATED"])
    assert trails["msg_update"] == Counter(["USER_UPDATED"])
    assert trails["msg_gone"] == Counter(["USER_DELETED"])
    assert not Attempt.objects.exists()


def test_new_users_are_inserted_in_id_order() -> None:
    """Two processes that insert the same users in different orders would deadlock."""
    people = sorted((person() for _ in range(4)), key=lambda one: one.clerk_id, reverse=True)
    assert receive_batch(received(samples.user_event("user.created", one)) for one in people) == [PROCESSED] * 4
    inserted = list(User.objects.order_by("pk").values_list("clerk_id", flat=True))
    assert inserted == [one.clerk_id for one in reversed(people)]


def test_user_inserted_by_the_batch_is_not_inserted_again() -> None:
    zofia = person(first_name="Zofia")
    events = [
        samples.user_event("user.created", zofia),
        samples.user_event("user.updated", zofia.with_changes(banned=True)),
    ]
    with CaptureQueriesContext(connection) as queries:
        assert receive_batch(map(received, events)) == [PROCESSED] * 2
    assert sum('INSERT INTO "accounts_user"' in query["sql"] for query in queries) == 1


def test_one_user_several_times_ends_with_the_newest_payload() -> None:
    zofia = person(first_name="Zofia", last_name=None, roles=["CLIENT"])
    later = zofia.with_changes(first_name="Zosia", roles=["BUILDER"])
    events = [samples.user_event("user.updated", later), samples.user_event("user.created", zofia)]
    assert receive_batch(map(received, (*events, events[0]))) == [PROCESSED, STALE, PROCESSED]
    user = User.objects.get()
    assert (user.name, user.roles) == ("Zosia", ["BUILDER"])
    assert BuilderProfile.objects.get().slug == "zosia"
    assert not ClientProfile.objects.exists()


@pytest.mark.parametrize("deleted_first", (True, False))
def test_creation_and_deletion_of_one_user_leave_a_tombstone(*, deleted_first: bool) -> None:
    zofia = person(roles=["BUILDER"])
    events = [samples.user_event("user.created", zofia), samples.user_event("user.deleted", zofia.with_changes())]
    outcomes = receive_batch(map(received, events[::-1] if deleted_first else events))
    assert outcomes == [PROCESSED, STALE if deleted_first else PROCESSED]
    assert User.objects.get().deleted_at == zofia.with_changes().updated_at
    assert BuilderProfile.objects.count() == (0 if deleted_first else 1)


@pytest.mark.parametrize("is_known", (True, False))
@pytest.mark.parametrize("is_batch", (True, False))
def test_second_deletion_of_one_user_is_stale(*, is_known: bool, is_batch: bool) -> None:
    """The first deletion to arrive is final, even if the second one is older."""
    zofia = person(roles=["BUILDER"])
    if is_known:
        receive_batch([received(samples.user_event("user.created", zofia))])
    first, second = (zofia.with_changes(timedelta(hours=hours)) for hours in (2, 1))
    messages = [received(samples.user_event("user.deleted", each)) for each in (first, second)]
    if is_batch:
        outcomes = receive_batch(messages)
    else:
        outcomes = [outcome for message in messages for outcome in receive_batch([message])]
    assert outcomes == [PROCESSED, STALE]
    states = dict(WebhookEvent.objects.values_list("svix_id", "state"))
    assert [states[message.delivery.svix_id] for message in messages] == [PROCESSED, STALE]
    assert User.objects.get().deleted_at == first.updated_at
    assert AuditLog.objects.filter(action="USER_DELETED").count() == 1


def test_two_new_users_with_one_email_have_a_conflict() -> None:
    assert receive_batch([created(email="Ann@example.com"), created(email="ann@example.com")]) == [PROCESSED] * 2
    first, second = User.objects.order_by("pk")
    conflict = IdentityConflict.objects.get()
    assert (conflict.user, conflict.other, conflict.kind) == (second, first, "other_id")


def test_email_that_moves_between_two_users_opens_no_conflict(webhook: WebhookClient) -> None:
    zofia = person(email="zofia@example.com")
    webhook.created(zofia)
    moved = received(samples.user_event("user.updated", zofia.with_changes(email="new@example.com")))
    assert receive_batch([moved, created(email="zofia@example.com")]) == [PROCESSED] * 2
    assert not IdentityConflict.objects.exists()
    assert receive_batch([created(email="New@example.com"), created(email="other@example.com")]) == [PROCESSED] * 2
    assert IdentityConflict.objects.count() == 1


def test_namesakes_get_different_slugs() -> None:
    namesakes = [created(first_name="Olive", last_name="Owner", roles=["BUILDER"]) for _ in range(4)]
    assert receive_batch(namesakes) == [PROCESSED] * 4
    slugs = BuilderProfile.objects.order_by("pk").values_list("slug", flat=True)
    assert len(set(slugs)) == 4
    assert "olive-owner" in slugs
    assert None not in slugs


def test_account_from_before_clerk_is_linked_alone() -> None:
    account = UserFactory.create(clerk_id=None, clerk_version="", email="ann@example.com", roles=["BUILDER"])
    linked, other = created(email="ann@example.com"), created()
    assert receive_batch([linked, other]) == [None, PROCESSED]
    assert receive_all([linked, other]) == [PROCESSED, "duplicate"]
    account.refresh_from_db()
    assert account.clerk_id
    assert User.objects.count() == 2


def test_repeat_of_a_failed_event_is_applied() -> None:
    zofia = samples.user_event("user.created", person())
    with failing_on("Nobody", everything=True):
        assert receive_all([received(zofia, "msg_1")]) == ["failed"]
    assert receive_batch([received(zofia, "msg_1"), created()]) == [PROCESSED] * 2
    event = WebhookEvent.objects.get(svix_id="msg_1")
    assert (event.attempts, event.deliveries, event.state) == (2, 2, "processed")
    assert Attempt.objects.filter(event=event, number=2, outcome="processed").exists()


@given(
    histories=histories,
    duplicates=st.lists(st.integers(0, 30), max_size=4),
    sizes=st.lists(st.integers(1, 16), min_size=1, max_size=8),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=25, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_batching_of_histories_ends_in_the_state_of_the_model(
    db: None, histories: list[tuple[list[dict[str, Any]], bool]], duplicates: list[int], sizes: list[int], seed: int
) -> None:
    event_lists = [build_events(history, deleted=deleted) for history, deleted in histories]
    messages: list[Message] = [(event, new_svix_id()) for events in event_lists for event in events]
    deliveries = messages + [messages[index % len(messages)] for index in duplicates]
    random.Random(seed).shuffle(deliveries)
    rest = [received(*message) for message in deliveries]
    while rest:
        size = sizes[len(rest) % len(sizes)]
        group, rest = rest[:size], rest[size:]
        assert set(receive_all(group)) <= {PROCESSED, STALE, "duplicate"}
    for events in event_lists:
        assert_converged(events)
    counted = Counter(svix_id for _, svix_id in deliveries)
    rows = dict(WebhookEvent.objects.filter(svix_id__in=counted).values_list("svix_id", "deliveries"))
    assert rows == dict(counted)


# --- Isolation ---


class failing_on:  # noqa: N801  # a context manager
    """Raise while users with a name are being synced."""

    def __init__(self, name: str, *, everything: bool = False) -> None:
        self.name, self.everything = name, everything

    def __enter__(self) -> None:
        signals.users_synced.connect(self.fail)

    def __exit__(self, *error: object) -> None:
        signals.users_synced.disconnect(self.fail)

    def fail(self, *, syncs: list[Any], **kwargs: object) -> None:
        if self.everything or any(sync.user.name == self.name for sync in syncs):
            raise ValueError("a bug")


def test_failing_event_does_not_fail_its_neighbours() -> None:
    bad = created(first_name="Bad", last_name=None)
    with failing_on("Bad"):
        assert receive_batch([created(), bad, created()]) == [None] * 3
        assert not WebhookEvent.objects.exists()
        assert not AuditLog.objects.exists()
        assert receive_all([created(), bad, created()]) == [PROCESSED, "failed", PROCESSED]
    assert User.objects.count() == 2
    assert WebhookEvent.objects.get(state="failed").svix_id == bad.delivery.svix_id


@pytest.mark.parametrize("body", ("{", samples.encode(samples.user_event("user.created", person()) | {"data": 7})))
def test_unreadable_event_is_received_alone(body: str) -> None:
    assert receive_batch([created(), received(body), created()]) == [PROCESSED, None, PROCESSED]


def test_repeat_within_a_group_is_received_alone() -> None:
    event = samples.user_event("user.created", person())
    group = [received(event, "msg_1"), created(), received(event, "msg_1")]
    assert receive_batch(group) == [PROCESSED, PROCESSED, None]
    assert inbox._receive_alone(group[2]) == "duplicate"
    assert WebhookEvent.objects.get(svix_id="msg_1").deliveries == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", (1, 3))
def test_locked_user_is_left_out_without_waiting(database_url: str, size: int) -> None:
    zofia = person(roles=["BUILDER"])
    receive_all([received(samples.user_event("user.created", zofia))])
    event = received(samples.user_event("user.updated", zofia.with_changes(first_name="Zosia")))
    repeat = received(samples.user_event("user.created", zofia.with_changes(first_name="Zosia")))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM accounts_user FOR UPDATE")
        group = [event, *(created() for _ in range(size - 1))]
        assert receive_batch(group) == [None] + [PROCESSED] * (size - 1)
        assert receive_batch([repeat, created()]) == [None, PROCESSED]
    assert inbox._receive_alone(event) == PROCESSED
    assert User.objects.filter(name__startswith="Zosia").count() == 1


@pytest.mark.django_db(transaction=True)
def test_delivery_stored_by_another_process_makes_the_group_start_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, other = created(), created()
    claim = inbox._claim

    def claim_too_early(group: list[Received]) -> Any:
        work = claim(group)
        monkeypatch.undo()
        with psycopg.connect(database_url, autocommit=True) as rival:
            rival.execute(
                "INSERT INTO webhooks_webhookevent (svix_id, event_type, state, attempts, deliveries, last_error, error_class,"
                " received_at, last_delivery_at, processed_at, duration, instance_id, headers, secret_fingerprint)"
                " VALUES (%s, '', 'processed', 1, 1, '', '', now(), now(), now(), '0', '', '{}', '')",
                [event.delivery.svix_id],
            )
        return work

    monkeypatch.setattr(inbox, "_claim", claim_too_early)
    assert receive_batch([event, other]) == [None, None]
    assert not User.objects.exists()
    assert [inbox._receive_alone(event), inbox._receive_alone(other)] == ["duplicate", PROCESSED]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("event_type", ("user.created", "user.updated", "user.deleted"))
def test_user_locked_during_insert_is_skipped(
    database_url: str, monkeypatch: pytest.MonkeyPatch, event_type: str
) -> None:
    """Another transaction inserts and locks the user after the batch has looked it up."""
    zofia = person()
    lock = apply._lock

    def miss_the_first_time(clerk_ids: list[str], *, skip_locked: bool = False) -> dict[str, User]:
        monkeypatch.setattr(apply, "_lock", lock)
        return {}

    receive_all([received(samples.user_event("user.created", zofia))])
    event = received(samples.user_event(event_type, zofia.with_changes()))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM accounts_user FOR UPDATE")
        monkeypatch.setattr(apply, "_lock", miss_the_first_time)
        assert receive_batch([event, created()]) == [None, PROCESSED]
    assert inbox._receive_alone(event) == PROCESSED
    assert bool(User.objects.get(clerk_id=zofia.clerk_id).deleted_at) == (event_type == "user.deleted")
