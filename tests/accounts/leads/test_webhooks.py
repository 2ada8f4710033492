"""Waitlist entries and invitations from webhooks: any order, bad input, export, erasure and retention."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import personal_data, tasks
from accounts.clerk import samples
from accounts.clerk.payloads import parse_event
from accounts.leads import services
from accounts.models import Lead, User
from accounts.privacy import erasure
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from webhooks import personal_data as inbox_data
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

EMAIL, ENTRY, INVITATION = "lena.lead@example.com", "wle_2lena", "inv_2lena"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def lead_event(event_type: str, status: str, *, minute: int, **fields: Any) -> dict[str, Any]:
    """Return an event about Lena's waitlist entry or invitation. The change was at a minute after NOW."""
    is_entry = event_type.startswith("waitlistEntry.")
    at = samples.milliseconds(NOW + timedelta(minutes=minute))
    data: dict[str, Any] = {
        "object": "waitlistEntry" if is_entry else "invitation",
        "id": ENTRY if is_entry else INVITATION,
        "email_address": EMAIL,
        "status": status,
        "created_at": samples.milliseconds(NOW),
        "updated_at": at,
    }
    occurred_at = NOW + timedelta(minutes=minute)
    return samples.event(event_type, data | fields, occurred_at=occurred_at)


def invited(status: str, *, minute: int, invitation: str = "pending") -> dict[str, Any]:
    """Return an update of the waitlist entry that contains its invitation."""
    contained = lead_event("invitation.created", invitation, minute=minute)["data"]
    return lead_event("waitlistEntry.updated", status, minute=minute, invitation=contained)


JOINED = lead_event("waitlistEntry.created", "pending", minute=0, invitation=None)
INVITED = invited("invited", minute=1)
CREATED = lead_event("invitation.created", "pending", minute=1)
ACCEPTED = lead_event("invitation.accepted", "accepted", minute=2)
COMPLETED = invited("completed", minute=2, invitation="accepted")
HISTORY = [JOINED, INVITED, CREATED, ACCEPTED, COMPLETED]


def deliver(webhook: WebhookClient, event: dict[str, Any], **fields: Any) -> str:
    """Deliver the event with some of the lead's fields replaced, and return the outcome."""
    outcome: str = webhook.post(event | {"data": event["data"] | fields}).json()["outcome"]
    return outcome


def states() -> dict[str, str]:
    return dict(Lead.objects.values_list("lead_id", "state"))


@pytest.fixture
def user_of(webhook: WebhookClient) -> Callable[..., User]:
    def sign_up(**fields: Any) -> User:
        someone = person(**{"email": EMAIL, "roles": ["CLIENT"]} | fields)
        assert webhook.created(someone) == "processed"
        found: User = User.objects.get(clerk_id=someone.clerk_id)
        return found

    return sign_up


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(len(HISTORY))), st.lists(st.integers(0, len(HISTORY) - 1), max_size=6))
def test_newest_version_wins_in_every_order(webhook: WebhookClient, order: list[int], repeats: list[int]) -> None:
    Lead.objects.all().delete()
    for index in [*repeats, *order, *repeats]:
        assert deliver(webhook, HISTORY[index]) in ("processed", "stale")
    assert states() == {ENTRY: "completed", INVITATION: "accepted"}
    entry = Lead.objects.get(lead_id=ENTRY)
    assert (entry.kind, entry.email, entry.invitation_id) == ("waitlist", EMAIL, INVITATION)


def test_revocation_with_the_same_time_as_the_creation_wins(webhook: WebhookClient) -> None:
    deliver(webhook, lead_event("invitation.revoked", "revoked", minute=1))
    assert deliver(webhook, CREATED) == "stale"
    assert states() == {INVITATION: "revoked"}


def test_leads_of_a_batch_are_stored_together() -> None:
    parsed = [services_payload(event) for event in (ACCEPTED, JOINED, CREATED, JOINED)]
    assert services.store(parsed) == [True, True, False, True]
    assert states() == {ENTRY: "pending", INVITATION: "accepted"}
    assert services.store(parsed) == [False] * 4


def services_payload(event: dict[str, Any]) -> Any:
    return parse_event(samples.encode(event)).subject


def test_documented_examples_are_stored(webhook: WebhookClient) -> None:
    for kind in ("created", "updated"):
        [event] = samples.examples()[f"waitlistEntry.{kind}"]
        assert webhook.post(event).json()["outcome"] == "processed"
    assert sorted(states().values()) == ["invited", "pending"]
    assert {event.clerk_user_id for event in WebhookEvent.objects.all()} == {None}


def test_undocumented_status_is_stored_as_unknown(webhook: WebhookClient) -> None:
    assert deliver(webhook, JOINED, status="on_hold") == "processed"
    assert states() == {ENTRY: "unknown"}


@pytest.mark.parametrize(
    "fields",
    (
        {"id": None},
        {"id": "user_2abc"},
        {"id": INVITATION},
        {"id": "wle_../../x"},
        {"id": "wle_" + "2" * 60},
        {"email_address": None},
        {"email_address": ""},
        {"email_address": ["a@example.com"]},
        {"email_address": "\u200elena.lead@example.com"},
        {"email_address": "a" * 300 + "@example.com"},
        {"status": None},
        {"status": 7},
        {"created_at": None},
        {"updated_at": None},
        {"updated_at": 10**30},
        {"invitation": "inv_2lena"},
        {"invitation": {}},
    ),
    ids=lambda fields: str(fields)[:40],
)
def test_invalid_entry_is_dead_and_stores_nothing(webhook: WebhookClient, fields: dict[str, Any]) -> None:
    assert deliver(webhook, JOINED, **fields) == "failed"
    assert WebhookEvent.objects.get().state == "dead"
    assert not Lead.objects.exists()


@pytest.mark.parametrize("data", (None, [], "wle_2", 7))
def test_data_that_is_not_an_object_is_dead(webhook: WebhookClient, data: Any) -> None:
    assert webhook.post(JOINED | {"data": data}).json()["outcome"] == "failed"
    assert not Lead.objects.exists()


class TestUsers:
    def test_lead_that_arrives_after_the_user_is_linked(
        self, webhook: WebhookClient, user_of: Callable[..., User]
    ) -> None:
        user = user_of(email="Lena.Lead@Example.com")
        deliver(webhook, COMPLETED)
        assert set(user.leads.values_list("lead_id", flat=True)) == {ENTRY, INVITATION}

    def test_job_links_a_lead_that_arrived_before_the_user(
        self, webhook: WebhookClient, user_of: Callable[..., User]
    ) -> None:
        deliver(webhook, COMPLETED)
        user = user_of()
        tasks.link_leads(0)
        assert user.leads.count() == 2

    @pytest.mark.parametrize("fields", ({"email_verified": False}, {"email": "other@example.com"}))
    def test_other_or_unverified_address_is_not_linked(
        self, webhook: WebhookClient, user_of: Callable[..., User], fields: dict[str, Any]
    ) -> None:
        user = user_of(**fields)
        deliver(webhook, JOINED)
        tasks.link_leads(0)
        assert not user.leads.exists()

    def test_link_to_the_user_stays_when_the_lead_changes(
        self, webhook: WebhookClient, user_of: Callable[..., User]
    ) -> None:
        user = user_of()
        deliver(webhook, JOINED)
        deliver(webhook, COMPLETED)
        assert Lead.objects.get(lead_id=ENTRY).user == user


class TestPersonalData:
    def test_verified_user_exports_own_leads(self, webhook: WebhookClient) -> None:
        deliver(webhook, COMPLETED)
        deliver(webhook, JOINED, id="wle_2other", email_address="other@example.com")
        user = UserFactory.create(email=EMAIL.title(), confirmed=True)
        rows = personal_data.export(user).data["leads"]
        assert {(row["lead_id"], row["email"], row["state"]) for row in rows} == {
            (ENTRY, EMAIL, "completed"),
            (INVITATION, EMAIL, "accepted"),
        }
        assert not {"decided_by_id", "user_id"} & set(rows[0])

    def test_events_of_own_leads_are_exported(self, webhook: WebhookClient) -> None:
        for event in HISTORY:
            deliver(webhook, event)
        deliver(webhook, JOINED, id="wle_2other", email_address="other@example.com")
        user = UserFactory.create(email=EMAIL.title(), confirmed=True)
        events = inbox_data.export(user).data["events"]
        assert [event["event_type"] for event in events] == [event["type"] for event in HISTORY]
        assert inbox_data.export(UserFactory.create(email=EMAIL)).data["events"] == []

    @pytest.mark.parametrize("fields", ({"email": EMAIL}, {"email": None}, {"email": "", "confirmed": True}))
    def test_user_without_a_verified_address_has_no_leads(self, webhook: WebhookClient, fields: dict[str, Any]) -> None:
        deliver(webhook, JOINED)
        user = UserFactory.create(**fields)
        assert personal_data.export(user).data["leads"] == []
        personal_data.erase(user)
        assert Lead.objects.get().email == EMAIL

    def test_erasure_is_final(self, webhook: WebhookClient, user_of: Callable[..., User]) -> None:
        deliver(webhook, JOINED)
        deliver(webhook, CREATED)
        user = user_of()
        User.objects.filter(pk=user.pk).update(deleted_at=NOW, is_active=False)
        erasure.erase_user(user.pk)
        assert list(Lead.objects.values_list("email", "reason", "user")) == [("", "", user.pk)] * 2
        assert deliver(webhook, COMPLETED) == "stale"
        assert set(Lead.objects.values_list("email", flat=True)) == {""}

    def test_erasure_clears_the_payloads_of_the_leads(
        self, webhook: WebhookClient, user_of: Callable[..., User]
    ) -> None:
        for event in (JOINED, CREATED):
            deliver(webhook, event)
        deliver(webhook, JOINED, id="wle_2other", email_address="other@example.com")
        user = user_of()
        personal_data.erase(user)
        inbox_data.erase(user)
        kept = [event for event in WebhookEvent.objects.all() if event.payload is not None]
        assert ["wle_2other" in (event.payload or "") for event in kept] == [True]

    def test_lead_without_a_user_is_erased_after_the_retention_period(self, webhook: WebhookClient) -> None:
        deliver(webhook, JOINED, updated_at=samples.milliseconds(timezone.now()))
        deliver(webhook, ACCEPTED, updated_at=samples.milliseconds(timezone.now()))
        user = UserFactory.create(confirmed=True)
        Lead.objects.filter(lead_id=INVITATION).update(user=user)
        for days, emails in ((-1, {EMAIL}), (1, {"", EMAIL})):
            with time_machine.travel(timezone.now() + services.RETENTION + timedelta(days=days), tick=False):
                tasks.erase_deleted_users(0)
            assert set(Lead.objects.values_list("email", flat=True)) == emails
        assert Lead.objects.get(email="").lead_id == ENTRY
