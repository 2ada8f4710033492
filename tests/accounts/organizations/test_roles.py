"""Roles from memberships, in addition to Clerk's list and pending changes."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts import tasks
from accounts.clerk import samples
from accounts.clerk.organization_payloads import ORGANIZATION_PARSERS, OrganizationPayload
from accounts.identity import joins
from accounts.models import MetadataPush, User
from accounts.organizations import roles
from accounts.organizations.apply import apply_payload
from accounts.roles.permissions import RoleChangeError
from accounts.roles.services import change_roles
from accounts.sync.effective_roles import roles_for_clerk
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.accounts.organizations.test_apply import receive
from tests.helpers.factories import UserFactory
from tests.helpers.locks import hold_lock
from tests.helpers.organizations import SampleMembership, SampleOrganization
from tests.helpers.servers.processes import wait_until
from tests.helpers.webhooks import person
from tests.webhooks.inbox.test_batches import receive_all, received

pytestmark = pytest.mark.django_db

BUILDER, CLIENT = User.Role.BUILDER, User.Role.CLIENT
MAPPING = {"org:builder": "BUILDER", "org:client": "CLIENT"}


@pytest.fixture(autouse=True)
def mapping(settings: Settings) -> None:
    settings.CLERK_ORGANIZATION_ROLES = dict(MAPPING)


def member_of(user_id: str, role: str = "org:builder") -> SampleMembership:
    return SampleMembership(SampleOrganization(slug=None), user_id, role=role)


def roles_of(user_id: str) -> list[str]:
    return list(User.objects.get(clerk_id=user_id).roles)


def test_membership_gives_a_role_and_a_profile_and_takes_the_role_away() -> None:
    zofia = person(roles=["CLIENT"])
    member = member_of(zofia.clerk_id)
    receive(samples.user_event("user.created", zofia), member.event("created"))
    assert roles_of(zofia.clerk_id) == ["CLIENT", "BUILDER"]
    assert BuilderProfile.objects.get().archived_at is None
    receive(member.with_changes().event("deleted"))
    assert roles_of(zofia.clerk_id) == ["CLIENT"]
    assert BuilderProfile.objects.get().archived_at
    changes = AuditLog.objects.filter(action__in=["ROLE_ADDED", "ROLE_REMOVED"], details__role="BUILDER")
    assert list(changes.order_by("pk").values_list("action", flat=True)) == ["ROLE_ADDED", "ROLE_REMOVED"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_role_does_not_depend_on_the_order_of_events(order: tuple[int, ...]) -> None:
    zofia = person(roles=["CLIENT"])
    member = member_of(zofia.clerk_id)
    events = [
        samples.user_event("user.created", zofia),
        member.event("created"),
        samples.user_event("user.updated", zofia.with_changes(first_name="Zosia")),
    ]
    receive(*(events[index] for index in order))
    assert roles_of(zofia.clerk_id) == ["CLIENT", "BUILDER"]
    assert BuilderProfile.objects.filter(archived_at=None).count() == 1


def test_provisional_member_gets_the_role_with_clerks_data() -> None:
    zofia = person(roles=["CLIENT"])
    receive(member_of(zofia.clerk_id).event("created"))
    user = User.objects.get()
    assert (user.roles, user.organization_roles) == ([], ["BUILDER"])
    assert not BuilderProfile.objects.exists()


def test_role_that_clerks_list_also_contains_is_kept() -> None:
    zofia = person(roles=["BUILDER"])
    member = member_of(zofia.clerk_id)
    receive(samples.user_event("user.created", zofia), member.event("created"), member.with_changes().event("deleted"))
    assert roles_of(zofia.clerk_id) == ["BUILDER"]


def test_role_that_another_organization_gives_is_kept() -> None:
    zofia = person(roles=[])
    first, second = member_of(zofia.clerk_id), member_of(zofia.clerk_id)
    receive(samples.user_event("user.created", zofia), first.event("created"), second.event("created"))
    receive(first.with_changes().event("deleted"))
    assert roles_of(zofia.clerk_id) == ["BUILDER"]
    receive(second.organization.with_changes().event("deleted"))
    assert roles_of(zofia.clerk_id) == []


def test_changed_role_in_the_organization_changes_the_role_here() -> None:
    zofia = person(roles=[])
    member = member_of(zofia.clerk_id)
    receive(samples.user_event("user.created", zofia), member.event("created"))
    receive(member.with_changes(role="org:client").event("updated"), member.event("created"))
    assert roles_of(zofia.clerk_id) == ["CLIENT"]


def test_role_from_an_organization_is_not_pushed_to_clerk() -> None:
    """Otherwise, it would become part of Clerk's list, and the user would keep it after leaving."""
    zofia = person(roles=["CLIENT"])
    receive(samples.user_event("user.created", zofia), member_of(zofia.clerk_id).event("created"))
    user = User.objects.get()
    assert roles_for_clerk(user) == ["CLIENT"]
    assert not user.has_pending_roles
    assert not MetadataPush.objects.filter(state="pending", user=user).exists()


def test_role_from_an_organization_cannot_be_removed_here() -> None:
    zofia = person(roles=["CLIENT"])
    receive(samples.user_event("user.created", zofia), member_of(zofia.clerk_id).event("created"))
    user = User.objects.get()
    with pytest.raises(RoleChangeError, match="The role Builder comes from an organization membership"):
        change_roles(user, remove=[BUILDER], actor=Actor(user=user))
    assert roles_of(zofia.clerk_id) == ["CLIENT", "BUILDER"]


def test_deleted_user_gets_no_role() -> None:
    gone = UserFactory.create(deleted=True)
    receive(member_of(str(gone.clerk_id)).event("created"))
    gone.refresh_from_db()
    assert gone.organization_roles == []


def test_account_from_before_clerk_gets_the_role_when_it_is_linked() -> None:
    account = UserFactory.create(clerk_id=None, clerk_version="", email="ann@example.com", roles=["CLIENT"])
    ann = person(email="ann@example.com", roles=["CLIENT"])
    receive(member_of(ann.clerk_id).event("created"), samples.user_event("user.created", ann))
    account.refresh_from_db()
    assert (account.clerk_id, account.roles) == (ann.clerk_id, ["CLIENT", "BUILDER"])


def test_role_follows_the_identity_to_another_account() -> None:
    zofia, olive = (UserFactory.create(client=True) for _ in range(2))
    receive(member_of(str(zofia.clerk_id)).event("created"))
    zofia.refresh_from_db()
    joins.join(zofia, olive, actor=SYSTEM, note="same person")
    zofia.refresh_from_db()
    olive.refresh_from_db()
    assert (zofia.organization_roles, olive.organization_roles) == ([], ["BUILDER"])
    assert BUILDER in olive.roles


def test_changed_setting_takes_effect_with_the_next_job(settings: Settings) -> None:
    settings.CLERK_ORGANIZATION_ROLES = {}
    zofia = UserFactory.create(client=True)
    receive(member_of(str(zofia.clerk_id)).event("created"))
    assert roles_of(str(zofia.clerk_id)) == ["CLIENT"]
    settings.CLERK_ORGANIZATION_ROLES = dict(MAPPING)
    tasks.reconcile_organizations(0)
    assert roles_of(str(zofia.clerk_id)) == ["CLIENT", "BUILDER"]
    assert roles.refresh() == 0
    settings.CLERK_ORGANIZATION_ROLES = {}
    tasks.reconcile_organizations(0)
    assert roles_of(str(zofia.clerk_id)) == ["CLIENT"]


def test_members_of_a_large_organization_are_updated_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "MAX_USERS", 1)
    harbor = SampleOrganization()
    users = [UserFactory.create(client=True) for _ in range(3)]
    members = [SampleMembership(harbor, str(user.clerk_id), role="org:builder") for user in users]
    receive(*(member.event("created") for member in members))
    deferred: list[list[str]] = []
    monkeypatch.setattr(roles.update_organization_roles, "defer", lambda **job: deferred.append(job["clerk_ids"]))
    receive(harbor.with_changes().event("deleted"))
    [later] = deferred
    assert len(later) == 2
    monkeypatch.setattr(roles, "MAX_USERS", 100)
    roles.update_organization_roles(clerk_ids=later)
    assert [roles_of(str(user.clerk_id)) for user in users] == [["CLIENT"]] * 3


def test_role_changes_of_a_batch_name_the_delivery_of_each_user() -> None:
    harbor, users = SampleOrganization(), [UserFactory.create(client=True) for _ in range(3)]
    members = [SampleMembership(harbor, str(user.clerk_id), role="org:builder") for user in users]
    events = [received(member.event("created")) for member in members]
    receive_all(events)
    assert deliveries("ROLE_ADDED") == {
        user.pk: event.delivery.svix_id for user, event in zip(users, events, strict=True)
    }
    left, deleted = (
        received(members[0].with_changes().event("deleted")),
        received(harbor.with_changes().event("deleted")),
    )
    receive_all([left, deleted])
    assert deliveries("ROLE_REMOVED") == {
        users[0].pk: left.delivery.svix_id,
        users[1].pk: deleted.delivery.svix_id,
        users[2].pk: deleted.delivery.svix_id,
    }


def deliveries(action: str) -> dict[int | None, str | None]:
    return dict(AuditLog.objects.filter(action=action).values_list("subject_id", "delivery"))


@pytest.mark.django_db(transaction=True)
def test_organization_deleted_while_a_member_joins_gives_no_role() -> None:
    zofia = UserFactory.create(client=True)
    member = member_of(str(zofia.clerk_id))
    receive(member.organization.event("created"))
    with ThreadPoolExecutor(1) as executor:
        with transaction.atomic():
            apply_payload(parsed(member.event("created")), actor=SYSTEM)
            deletion = executor.submit(apply_alone, member.organization.with_changes().event("deleted"))
            wait_until(lambda: deletion.done() or is_waiting_for_a_lock(), "the deletion did not start")
        deletion.result()
    assert roles_of(str(zofia.clerk_id)) == ["CLIENT"]


def parsed(event: dict[str, Any]) -> OrganizationPayload:
    return ORGANIZATION_PARSERS[event["type"]](event["data"], timezone.now())


def apply_alone(event: dict[str, Any]) -> None:
    try:
        with transaction.atomic():
            apply_payload(parsed(event), actor=SYSTEM)
    finally:
        connection.close()


def is_waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("skip_locked", (False, True))
def test_deleted_membership_of_an_unknown_user_queues_no_job(
    monkeypatch: pytest.MonkeyPatch,
    skip_locked: bool,  # noqa: FBT001
) -> None:
    """The job would queue itself again, because it never finds the user."""
    deferred: list[list[str]] = []
    monkeypatch.setattr(roles.update_organization_roles, "defer", lambda **job: deferred.append(job["clerk_ids"]))
    receive(member_of(person().clerk_id).event("deleted"))
    roles.update_roles({person().clerk_id: SYSTEM}, skip_locked=skip_locked)
    roles.update_organization_roles(clerk_ids=[person().clerk_id])
    assert deferred == []


@pytest.mark.django_db(transaction=True)
def test_user_locked_by_another_transaction_is_updated_by_a_job(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    zofia = UserFactory.create(client=True)
    deferred: list[list[str]] = []
    monkeypatch.setattr(roles.update_organization_roles, "defer", lambda **job: deferred.append(job["clerk_ids"]))
    query = f"SELECT id FROM accounts_user WHERE id = {zofia.pk} FOR UPDATE"
    with hold_lock(database_url, query), transaction.atomic():
        roles.update_roles(dict.fromkeys([str(zofia.clerk_id), person().clerk_id], SYSTEM), skip_locked=True)
    assert deferred == [[zofia.clerk_id]]


def test_events_about_users_execute_no_additional_statement() -> None:
    zofia = person(roles=["CLIENT"])
    receive(samples.user_event("user.created", zofia), member_of(zofia.clerk_id).event("created"))
    update = received(samples.user_event("user.updated", zofia.with_changes(first_name="Zosia")))
    with CaptureQueriesContext(connection) as queries:
        receive_all([update])
    assert not [query for query in queries.captured_queries if "organization" in query["sql"].partition(" FROM ")[2]]


@given(
    own=st.lists(st.sampled_from(["CLIENT", "BUILDER"]), unique=True),
    history=st.lists(
        st.tuples(st.sampled_from(["org:builder", "org:client", "org:member"]), st.booleans(), st.booleans()),
        max_size=4,
    ),
    seed=st.integers(0, 2**32),
)
@hypothesis_settings(
    max_examples=30, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_roles_are_the_union_of_all_sources_in_any_order(
    db: None, own: list[str], history: list[tuple[str, bool, bool]], seed: int
) -> None:
    """Each entry is a membership, with whether it and its organization are deleted."""
    zofia = person(roles=own)
    events: list[dict[str, Any]] = [samples.user_event("user.created", zofia)]
    expected = set(own)
    for role, left, deleted in history:
        member = member_of(zofia.clerk_id, role)
        events += [member.organization.event("created"), member.event("created")]
        events += [member.with_changes().event("deleted")] if left else []
        events += [member.organization.with_changes().event("deleted")] if deleted else []
        expected |= {MAPPING[role]} if role in MAPPING and not (left or deleted) else set()
    random.Random(seed).shuffle(events)
    for index in range(0, len(events), 3):
        receive_all(map(received, events[index : index + 3]))
    assert set(roles_of(zofia.clerk_id)) == expected
    archived = BuilderProfile.objects.filter(user__clerk_id=zofia.clerk_id, archived_at=None)
    assert archived.exists() == ("BUILDER" in expected)
