"""Profiles, roles and pushes are derived from a user's state, so any drift is found and repaired."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import tasks
from accounts.clerk.payloads import Rank, parse_user
from accounts.clerk.samples import SampleUser
from accounts.extensions import extensions
from accounts.identity import conflicts
from accounts.models import IdentityConflict, MetadataPush, Reconciliation, User
from accounts.roles.services import change_roles
from accounts.sync import derived_state, differences, reconciliation, repairs
from audit.log import Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

State = IdentityConflict.State
BUILDER, CLIENT = User.Role.BUILDER, User.Role.CLIENT


def builder_without_profile(webhook: WebhookClient) -> SampleUser:
    """Return a builder whose profile is missing."""
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    webhook.created(zofia)
    BuilderProfile.objects.all().delete()
    return zofia


def create_known_user(sample: SampleUser) -> User:
    user: User = User.objects.get(clerk_id=sample.clerk_id)
    return user


def fake_get_user(sample: SampleUser) -> Callable[[str], object]:
    """Return a stand-in for `api.get_user` that returns one user."""
    payload = parse_user(sample.data(), rank=Rank.FETCHED, occurred_at=timezone.now())
    return lambda clerk_id: payload


# --- Profiles ---


@pytest.mark.parametrize("event", ("newer", "same", "older", "created"))
def test_any_event_of_a_user_repairs_a_missing_profile(webhook: WebhookClient, event: str) -> None:
    zofia = builder_without_profile(webhook)
    match event:
        case "newer":
            webhook.updated(zofia.with_changes())
        case "same":
            webhook.updated(zofia)
        case "older":
            webhook.updated(zofia.with_changes(timedelta(hours=-1)))
        case _:
            webhook.created(zofia)
    assert BuilderProfile.objects.get().slug == "zofia-was"
    assert AuditLog.objects.filter(action="PROFILE_CREATED").count() == 2


def test_event_repairs_an_archived_profile(webhook: WebhookClient) -> None:
    zofia = builder_without_profile(webhook)
    BuilderProfileFactory.create(user=create_known_user(zofia), archived=True)
    webhook.updated(zofia.with_changes())
    assert BuilderProfile.objects.get().archived_at is None


def test_event_archives_a_profile_without_its_role(webhook: WebhookClient) -> None:
    zofia = person(roles=["CLIENT"])
    webhook.created(zofia)
    BuilderProfileFactory.create(user=create_known_user(zofia))
    webhook.updated(zofia.with_changes())
    assert BuilderProfile.objects.get().archived_at is not None
    assert ClientProfile.objects.get().archived_at is None


def test_event_repairs_a_missing_slug(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER"])
    webhook.created(zofia)
    BuilderProfile.objects.update(slug=None)
    webhook.updated(zofia.with_changes())
    assert BuilderProfile.objects.get().slug == "zofia-was"


def test_event_of_a_deleted_user_creates_no_profile(webhook: WebhookClient) -> None:
    zofia = builder_without_profile(webhook)
    webhook.deleted(zofia)
    webhook.updated(zofia.with_changes())
    assert not BuilderProfile.objects.exists()


def test_linked_account_gets_the_profiles_of_its_roles(webhook: WebhookClient) -> None:
    account = UserFactory.create(clerk_id=None, login="olive", email="olive@example.com", name="Olive", builder=True)
    webhook.created(person(email="olive@example.com", first_name="Olive", last_name=None))
    assert BuilderProfile.objects.get().user == account
    assert ClientProfile.objects.get().user == account


def test_resolution_of_a_conflict_ensures_profiles(webhook: WebhookClient) -> None:
    account = UserFactory.create(clerk_id=None, login="olive", email="olive@example.com", name="Olive", builder=True)
    webhook.created(person(email="olive@example.com", email_verified=False))
    admin = UserFactory.create(admin=True)
    conflicts.resolve(IdentityConflict.objects.get(), State.LINKED, actor=Actor(user=admin))
    assert BuilderProfile.objects.get().user == account


@pytest.mark.parametrize("added", ([CLIENT], [BUILDER], []), ids=str)
def test_role_change_ensures_profiles(webhook: WebhookClient, added: list[User.Role]) -> None:
    zofia = builder_without_profile(webhook)
    change_roles(create_known_user(zofia), add=added, actor=Actor(user=UserFactory.create(admin=True)))
    assert BuilderProfile.objects.get().user == create_known_user(zofia)


def test_nightly_job_repairs_profiles(webhook: WebhookClient) -> None:
    zofia = builder_without_profile(webhook)
    local = UserFactory.create(clerk_id=None, login="olive", builder=True)
    tasks.repair_derived_state(0)
    assert [profile.user for profile in BuilderProfile.objects.all()] == [create_known_user(zofia)]
    assert not BuilderProfile.objects.filter(user=local).exists()  # This user is not in Clerk yet.
    assert derived_state.repair_all() == 0


def test_user_that_cannot_be_repaired_does_not_stop_the_others(
    webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = builder_without_profile(webhook), builder_without_profile(webhook)
    ensure = extensions.ensure_derived_state

    def fail(users: Sequence[tuple[User, Actor]]) -> None:
        if first.clerk_id in [user.clerk_id for user, _ in users]:
            raise ValueError("a bug")
        ensure(users)

    monkeypatch.setattr(extensions, "ensure_derived_state", fail)
    assert derived_state.repair_all() == 1
    assert BuilderProfile.objects.get().user == create_known_user(second)


def test_reconciliation_reports_and_repairs_a_missing_profile(
    webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    zofia = builder_without_profile(webhook)
    monkeypatch.setattr("accounts.clerk.api.get_user", fake_get_user(zofia))
    dry_run = reconciliation.reconcile_user(zofia.clerk_id, dry_run=True)
    assert (dry_run.stale, dry_run.fields) == (1, {"profiles": 1})
    assert not BuilderProfile.objects.exists()
    run = reconciliation.reconcile_user(zofia.clerk_id)
    assert (run.stale, run.repaired, run.fields) == (1, 1, {"profiles": 1})
    assert BuilderProfile.objects.get().user == create_known_user(zofia)
    assert reconciliation.reconcile_user(zofia.clerk_id).differed == 0


# --- Columns that are derived from others ---


def test_reconciliation_repairs_roles_that_do_not_follow_from_clerks(
    webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.created(zofia)
    User.objects.update(roles=["CLIENT"])
    monkeypatch.setattr("accounts.clerk.api.get_user", fake_get_user(zofia))
    assert reconciliation.reconcile_user(zofia.clerk_id).fields["roles"] == 1
    assert create_known_user(zofia).roles == ["BUILDER"]
    assert reconciliation.reconcile_user(zofia.clerk_id).differed == 0


def test_reconciliation_repairs_a_user_who_is_inactive_without_a_ban(
    webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    zofia = person()
    webhook.created(zofia)
    User.objects.update(is_active=False)
    monkeypatch.setattr("accounts.clerk.api.get_user", fake_get_user(zofia))
    assert reconciliation.reconcile_user(zofia.clerk_id).fields == {"is_active": 1}
    assert create_known_user(zofia).is_active


def test_reconciliation_queues_pending_roles_that_have_no_push(webhook: WebhookClient) -> None:
    zofia = person(roles=["CLIENT"])
    webhook.created(zofia)
    change_roles(create_known_user(zofia), add=[BUILDER], actor=Actor(user=UserFactory.create(admin=True)))
    MetadataPush.objects.all().delete()
    payload = parse_user(zofia.data(), rank=Rank.FETCHED, occurred_at=timezone.now())
    found, _ = differences.compare([payload])
    assert [(one.kind, one.fields) for one in found] == [(Reconciliation.DifferenceKind.UNPUSHED, ("roles",))]
    repairs.repair(Reconciliation(kind=Reconciliation.Kind.USER), found)
    assert MetadataPush.objects.get().user == create_known_user(zofia)


# --- Cost ---


def statements(send: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        send()
    return len(queries)


@pytest.mark.django_db(transaction=True)
def test_check_needs_no_additional_statement(webhook: WebhookClient) -> None:
    """The statement that locks a user also compares roles with profiles."""
    zofia = person(first_name="Zofia", roles=["BUILDER"])
    webhook.created(zofia)
    counts = {
        "name": statements(lambda: webhook.updated(zofia.with_changes(first_name="Zosia"))),
        "nothing": statements(lambda: webhook.updated(zofia.with_changes(timedelta(seconds=2), first_name="Zosia"))),
        "stale": statements(lambda: webhook.updated(zofia.with_changes(timedelta(hours=-1)))),
    }
    assert counts == {"name": 6, "nothing": 5, "stale": 5}
