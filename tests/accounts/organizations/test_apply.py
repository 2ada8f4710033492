"""Organizations and memberships reach the same state for any order and number of events."""

import random
from datetime import timedelta
from itertools import permutations
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import personal_data
from accounts.clerk import samples
from accounts.models import Organization, OrganizationInvitation, OrganizationMembership, User
from accounts.privacy import erasure
from audit.models import AuditLog
from tests.helpers.factories import UserFactory
from tests.helpers.organizations import SampleInvitation, SampleMembership, SampleOrganization
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_batches import receive_all, receive_batch, received
from webhooks import personal_data as inbox_data
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

PROCESSED, STALE = "processed", "stale"


def receive(*events: dict[str, Any]) -> list[str]:
    return [outcome for event in events for outcome in receive_all([received(event)])]


def live_members() -> set[tuple[str, str | None, str]]:
    rows = OrganizationMembership.objects.live()
    return set(rows.values_list("organization__name", "user__clerk_id", "role"))


def actions(**conditions: Any) -> list[str]:
    rows = AuditLog.objects.filter(**conditions).filter(action__regex="^(ORGANIZATION|MEMBERSHIP)_")
    return list(rows.order_by("pk").values_list("action", flat=True))


# --- One event ---


def test_organization_is_created_renamed_and_deleted(webhook: WebhookClient) -> None:
    harbor = SampleOrganization()
    renamed = harbor.with_changes(name="Harbour Studio", slug=None)
    assert receive(harbor.event("created"), renamed.event("updated")) == [PROCESSED] * 2
    row = Organization.objects.get()
    assert (row.name, row.slug, row.clerk_updated_at) == ("Harbour Studio", "", renamed.updated_at)
    assert receive(renamed.event("deleted"), harbor.event("created"), renamed.event("deleted")) == [
        PROCESSED,
        STALE,
        STALE,
    ]
    row.refresh_from_db()
    assert row.deleted_at == renamed.updated_at
    assert actions() == ["ORGANIZATION_CREATED", "ORGANIZATION_UPDATED", "ORGANIZATION_DELETED"]


def test_repeated_event_changes_nothing() -> None:
    member = SampleMembership(SampleOrganization(), person().clerk_id)
    events = [member.organization.event("created"), member.event("created")]
    receive(*events, *events)
    assert actions() == ["ORGANIZATION_CREATED", "MEMBERSHIP_ADDED"]


def test_membership_belongs_to_the_member_in_the_event_list_and_the_audit_log() -> None:
    user = UserFactory.create()
    member = SampleMembership(SampleOrganization(), str(user.clerk_id))
    receive(member.event("created"), member.with_changes(role="org:admin").event("updated"))
    assert set(WebhookEvent.objects.values_list("clerk_user_id", flat=True)) == {user.clerk_id}
    assert actions(subject_id=user.pk) == ["MEMBERSHIP_ADDED", "MEMBERSHIP_CHANGED"]
    changed = AuditLog.objects.get(action="MEMBERSHIP_CHANGED")
    assert changed.target == f"accounts.organization:{Organization.objects.get().pk}"
    assert (changed.details or {})["role"] == ["org:member", "org:admin"]


# --- Missing organizations and users ---


def test_membership_that_arrives_first_creates_its_organization_and_a_provisional_user() -> None:
    zofia, member = person(), SampleMembership(SampleOrganization(), "")
    member = SampleMembership(member.organization, zofia.clerk_id)
    assert receive(member.event("created")) == [PROCESSED]
    assert live_members() == {("Harbor Studio", zofia.clerk_id, "org:member")}
    assert User.objects.get().is_provisional
    receive(member.organization.event("created"), samples.user_event("user.created", zofia))
    assert User.objects.get().name == f"{zofia.first_name} {zofia.last_name}"
    assert actions() == ["ORGANIZATION_CREATED", "MEMBERSHIP_ADDED"]


def test_older_organization_in_a_membership_does_not_undo_a_new_name() -> None:
    harbor = SampleOrganization()
    receive(harbor.with_changes(name="New name").event("updated"))
    receive(SampleMembership(harbor, person().clerk_id).event("created"))
    assert Organization.objects.get().name == "New name"


def test_members_who_arrive_after_the_deletion_of_their_organization_have_no_membership() -> None:
    harbor = SampleOrganization()
    zofia = UserFactory.create()
    member = SampleMembership(harbor.with_changes(), str(zofia.clerk_id))
    assert receive(harbor.event("deleted"), member.event("created")) == [PROCESSED] * 2
    assert live_members() == set()
    assert Organization.objects.get().deleted_at


def test_deleted_user_gets_no_membership() -> None:
    gone = UserFactory.create(deleted=True)
    member = SampleMembership(SampleOrganization(), str(gone.clerk_id))
    assert receive(member.event("created"), member.event("deleted")) == [STALE] * 2
    assert not OrganizationMembership.objects.exists()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_removed_member_is_never_added_again(order: tuple[int, ...]) -> None:
    user = UserFactory.create()
    member = SampleMembership(SampleOrganization(), str(user.clerk_id))
    later = member.with_changes(role="org:admin")
    events = [member.event("created"), later.event("updated"), later.with_changes().event("deleted")]
    receive(*(events[index] for index in order))
    assert live_members() == set()
    assert actions().count("MEMBERSHIP_REMOVED") == 1


# --- Invitations ---


@pytest.mark.parametrize("verb", ("accepted", "revoked"))
def test_finished_invitation_is_not_pending_again(verb: str) -> None:
    invitation = SampleInvitation(SampleOrganization(), user_id=person().clerk_id)
    assert receive(invitation.event(verb), invitation.event("created")) == [PROCESSED, STALE]
    row = OrganizationInvitation.objects.get()
    assert (row.state, row.email) == (verb, "invited@example.com")
    assert row.organization.clerk_id == invitation.organization.clerk_id


def test_old_invitations_are_deleted_every_night() -> None:
    receive(SampleInvitation(SampleOrganization(), updated_at=timezone.now() - timedelta(days=38)).event("revoked"))
    kept = SampleInvitation(SampleOrganization(), updated_at=timezone.now() - timedelta(days=36))
    receive(kept.event("created"))
    personal_data.delete_expired()
    assert OrganizationInvitation.objects.get().clerk_id == kept.clerk_id


# --- Bad input ---


@pytest.mark.parametrize(
    ("verb", "path", "value", "message"),
    (
        ("created", ("id",), "org_2/../x", "data.id is not an ID"),
        ("created", ("id",), None, "data.id is not an ID"),
        ("updated", ("role",), 7, "data.role is not a string"),
        ("updated", ("role",), "a b", "data.role is not the key of a role"),
        ("created", ("organization",), None, "data.organization is not an object"),
        ("created", ("organization", "name"), None, "data.organization.name is missing"),
        ("created", ("organization", "updated_at"), "x", "data.organization.updated_at is not a number"),
        ("deleted", ("organization",), [], "data.organization is not an object"),
        ("created", ("public_user_data",), {}, "no id that starts with user_"),
        ("deleted", ("public_user_data",), "x", "data.public_user_data is not an object"),
    ),
)
def test_malformed_membership_is_stored_as_dead(verb: str, path: tuple[str, ...], value: Any, message: str) -> None:
    event = SampleMembership(SampleOrganization(), person().clerk_id).event(verb)
    data = event["data"]
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value
    assert receive(event) == ["dead"]
    assert message in WebhookEvent.objects.get().last_error
    assert not Organization.objects.exists()


def test_deletion_without_an_id_is_ignored() -> None:
    assert receive(SampleOrganization().event("deleted") | {"data": {"deleted": True}}) == ["ignored"]


@pytest.mark.parametrize("slug", ("../admin", "Ünïcode", "a b", "-x", "x" * 200, ""))
def test_slug_that_is_not_safe_in_a_url_is_not_used(slug: str) -> None:
    receive(SampleOrganization(slug=slug).event("created"))
    row = Organization.objects.get()
    assert (row.slug, row.url_name) == ("", row.clerk_id)


def test_hostile_name_is_cleaned() -> None:
    receive(SampleOrganization(name="Har\u202ebor\x00\n <b>" + "x" * 500).event("created"))
    name = Organization.objects.get().name
    assert name.startswith("Har bor <b>x")
    assert len(name) <= 200


# --- Batches ---


def test_batch_has_the_same_result_as_single_events() -> None:
    people = [person() for _ in range(4)]
    harbor = SampleOrganization()
    members = [SampleMembership(harbor, each.clerk_id) for each in people]
    events = [
        *(samples.user_event("user.created", each) for each in people),
        *(member.event("created") for member in members),
        harbor.event("created"),
        members[0].with_changes().event("deleted"),
        members[1].with_changes(role="org:admin").event("updated"),
    ]
    random.Random(3).shuffle(events)
    assert set(receive_batch(map(received, events))) <= {PROCESSED, STALE}
    roles = {people[1].clerk_id: "org:admin", people[2].clerk_id: "org:member", people[3].clerk_id: "org:member"}
    assert live_members() == {("Harbor Studio", user, role) for user, role in roles.items()}


@pytest.mark.django_db(transaction=True)
def test_single_event_executes_at_most_nine_statements() -> None:
    user = UserFactory.create()
    member = SampleMembership(SampleOrganization(), str(user.clerk_id))
    for event, most in (
        (member.organization.event("created"), 8),
        (member.event("created"), 8),
        (member.with_changes(role="org:admin").event("updated"), 7),
        (member.with_changes(timedelta(seconds=2)).event("deleted"), 7),
        (member.organization.with_changes(name="New").event("updated"), 6),
        (SampleInvitation(member.organization).event("created"), 7),
    ):
        with CaptureQueriesContext(connection) as queries:
            assert receive_batch([received(event)]) == [PROCESSED]
        statements = [query["sql"][:80] for query in queries.captured_queries]
        assert len(statements) <= most, "\n".join(statements)


@pytest.mark.django_db(transaction=True)
def test_locked_membership_is_left_out_without_waiting(database_url: str) -> None:
    user = UserFactory.create()
    member = SampleMembership(SampleOrganization(), str(user.clerk_id))
    receive(member.event("created"))
    update = received(member.with_changes(role="org:admin").event("updated"))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM accounts_organizationmembership FOR UPDATE")
        assert receive_batch([update, received(SampleOrganization().event("created"))]) == [None, PROCESSED]
    assert receive_all([update]) == [PROCESSED]


# --- Privacy ---


def test_memberships_and_invitations_are_exported_and_erased() -> None:
    zofia = UserFactory.create(email="zofia@example.com", confirmed=True)
    harbor = SampleOrganization()
    receive(SampleMembership(harbor, str(zofia.clerk_id), role="org:admin").event("created"))
    receive(SampleMembership(harbor, str(UserFactory.create().clerk_id)).event("created"))
    receive(SampleInvitation(harbor, email="zofia@example.com").event("created"))
    shown_at = timezone.now()
    OrganizationMembership.objects.update(shown_at=shown_at)
    data = personal_data.export(zofia).data
    [membership], [invitation] = data["organizations"], data["organization_invitations"]
    assert (membership["organization_name"], membership["role"]) == ("Harbor Studio", "org:admin")
    assert membership["shown_at"] == shown_at
    assert (invitation["organization_name"], invitation["email"]) == ("Harbor Studio", "zofia@example.com")
    User.objects.filter(pk=zofia.pk).update(deleted_at=timezone.now(), is_active=False)
    erasure.erase_user(zofia.pk)
    assert OrganizationMembership.objects.count() == 1
    assert OrganizationInvitation.objects.get().email == ""


def erase(user: User) -> None:
    User.objects.filter(pk=user.pk).update(deleted_at=timezone.now(), is_active=False)
    erasure.erase_user(user.pk)


def test_late_event_does_not_restore_an_erased_invitation() -> None:
    zofia = UserFactory.create(email="zofia@example.com", confirmed=True)
    invitation = SampleInvitation(SampleOrganization(), email="zofia@example.com")
    receive(invitation.event("created"))
    erase(zofia)
    OrganizationInvitation.objects.update(expires_at=timezone.now() - timedelta(days=100))
    personal_data.delete_expired()
    assert receive(invitation.event("revoked")) == [STALE]
    row = OrganizationInvitation.objects.get()
    assert (row.email, row.state, row.erased_at is None) == ("", "pending", False)


@pytest.mark.parametrize("is_deleted", (False, True), ids=("stored", "deleted after its expiry"))
def test_payloads_with_the_address_are_erased_with_the_user(*, is_deleted: bool) -> None:
    zofia = UserFactory.create(email="zofia@example.com", confirmed=True)
    harbor = SampleOrganization()
    other = SampleInvitation(harbor, email="not-zofia@example.com")
    for invitation in (SampleInvitation(harbor, email="Zofia@example.com"), other):
        receive(invitation.event("created"), invitation.event("revoked"))
    if is_deleted:
        OrganizationInvitation.objects.all().delete()
    erase(zofia)
    kept = WebhookEvent.objects.filter(payload__contains="@example.com").values_list("payload", flat=True)
    assert [other.clerk_id in str(payload) for payload in kept] == [True, True]


def test_payloads_of_accepted_invitations_to_another_address_are_erased() -> None:
    zofia = UserFactory.create()
    invitation = SampleInvitation(SampleOrganization(), email="at-work@example.com", user_id=str(zofia.clerk_id))
    receive(invitation.event("created"), invitation.event("accepted"))
    erase(zofia)
    assert not WebhookEvent.objects.filter(payload__contains="at-work@example.com").exists()


def test_events_about_invitations_are_exported() -> None:
    zofia = UserFactory.create(email="zofia@example.com", confirmed=True)
    harbor = SampleOrganization()
    receive(SampleInvitation(harbor, email="zofia@example.com").event("created"))
    at_work = SampleInvitation(harbor, email="at-work@example.com", user_id=str(zofia.clerk_id))
    receive(at_work.event("created"), at_work.event("accepted"))
    receive(SampleInvitation(harbor, email="other@example.com").event("created"))
    events = inbox_data.export(zofia).data["events"]
    types = [event["event_type"].partition(".")[2] for event in events]
    assert types == ["created", "created", "accepted"]
    # The payloads also contain data about the person who sent the invitation.
    assert {event["payload"] for event in events} == {None}


def test_events_about_invitations_to_an_unverified_address_are_not_exported() -> None:
    receive(SampleInvitation(SampleOrganization(), email="zofia@example.com").event("created"))
    assert inbox_data.export(UserFactory.create(email="zofia@example.com")).data["events"] == []


def test_invitation_to_an_unverified_address_is_not_exported() -> None:
    """Anyone could otherwise read another person's invitations by entering their address."""
    receive(SampleInvitation(SampleOrganization(), email="zofia@example.com").event("created"))
    zofia = UserFactory.create(email="zofia@example.com")
    assert personal_data.export(zofia).data["organization_invitations"] == []


# --- Any order ---

USERS, ORGANIZATIONS = 2, 2
member_histories = st.tuples(
    st.integers(0, USERS - 1),
    st.integers(0, ORGANIZATIONS - 1),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["org:admin", "org:member"])), min_size=1, max_size=3),
    st.booleans(),
)
organization_histories = st.tuples(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["Ann", "Bee", "Cee"])), min_size=1, max_size=3),
    st.booleans(),
)


def versions(history: list[tuple[int, Any]], first: Any, field: str) -> list[Any]:
    result: list[Any] = []
    for number, (delay, value) in enumerate(history):
        change = {field: value}
        result.append(
            result[-1].with_changes(timedelta(seconds=delay + 1), **change)
            if number
            else first.with_changes(timedelta(0), **change)
        )
    return result


@given(
    members=st.lists(member_histories, max_size=4),
    organizations=st.lists(organization_histories, min_size=ORGANIZATIONS, max_size=ORGANIZATIONS),
    deleted_users=st.lists(st.booleans(), min_size=USERS, max_size=USERS),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_final_state_does_not_depend_on_the_order(
    db: None, *, members: Any, organizations: Any, deleted_users: list[bool], sizes: list[int], seed: int
) -> None:
    people = [person() for _ in range(USERS)]
    events = [samples.user_event("user.created", each) for each in people]
    events += [
        samples.user_event("user.deleted", each.with_changes())
        for each, deleted in zip(people, deleted_users, strict=True)
        if deleted
    ]
    groups: list[list[SampleOrganization]] = []
    for history, deleted in organizations:
        group = versions(history, SampleOrganization(slug=None), "name")
        events += [each.event("updated" if number else "created") for number, each in enumerate(group)]
        events += [group[-1].with_changes().event("deleted")] if deleted else []
        groups.append(group)
    expected = set()
    for user, organization, history, removed in members:
        group = groups[organization]
        rows = versions(history, SampleMembership(group[0], people[user].clerk_id), "role")
        events += [row.event("updated" if number else "created") for number, row in enumerate(rows)]
        events += [rows[-1].with_changes().event("deleted")] if removed else []
        if not (removed or organizations[organization][1] or deleted_users[user]):
            expected.add((group[-1].name, people[user].clerk_id, rows[-1].role, rows[-1].clerk_id))
    events += random.Random(seed).sample(events, min(4, len(events)))
    random.Random(seed).shuffle(events)
    while events:
        size = sizes[len(events) % len(sizes)]
        batch, events = events[:size], events[size:]
        assert set(receive_all(map(received, batch))) <= {PROCESSED, STALE, "duplicate"}
    ids = [each.clerk_id for each in people]
    found = OrganizationMembership.objects.live().filter(user__clerk_id__in=ids)
    assert set(found.values_list("organization__name", "user__clerk_id", "role", "clerk_id")) == expected
    for group, (_, deleted) in zip(groups, organizations, strict=True):
        row = Organization.objects.get(clerk_id=group[0].clerk_id)
        assert (row.deleted_at is not None) == deleted
        assert deleted or row.name == group[-1].name
