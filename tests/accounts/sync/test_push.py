"""Pushing roles and metadata to the running Clerk stand-in, including failed and concurrent requests."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import tasks
from accounts.clerk import api
from accounts.clerk.payloads import Rank, parse_user
from accounts.models import MetadataPush, User
from accounts.roles.services import change_roles
from accounts.sessions import services as sessions
from accounts.sync import outbox
from accounts.sync import push as pushes
from accounts.sync.apply import apply_user
from accounts.sync.push import Outcome
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from profiles.editing import services as editing
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.factories import UserFactory
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db

Role = User.Role


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("pushed"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, fake: FakeClerk) -> StandIn:
    """Return a stand-in that drops all webhooks. `fake` records each request to it."""
    calm: dict[str, Any] = NO_FAULTS | {"lose_percent": 100, "api_limit": 100_000, "api_user_limit": 100_000}
    assert shared.call("PATCH", "/local/settings", calm)[0] == 200
    fake.handler = forward(shared)
    return shared


@pytest.fixture
def olive(clerk: StandIn, fake: FakeClerk) -> User:
    """Return a builder who is in sync with Clerk. Other systems also store roles and metadata there."""
    at_clerk = clerk.create(first_name="Olive", public_metadata={"roles": ["BUILDER", "MODERATOR"], "plan": {"a": 1}})
    sessions.fetch_user(at_clerk["id"])
    fake.requests.clear()
    found: User = User.objects.get(clerk_id=at_clerk["id"])
    return found


def metadata(clerk: StandIn, user: User) -> dict[str, Any]:
    public_metadata: dict[str, Any] = clerk.call("GET", f"/local/users/{user.clerk_id}")[1]["public_metadata"]
    return public_metadata


def edit(user: User, **new: Any) -> None:
    editing.save(BuilderProfile.objects.get(user=user), new, actor=Actor(user=user))


def change(user: User, *, add: tuple[Role, ...] = (), remove: tuple[Role, ...] = ()) -> None:
    change_roles(User.objects.get(pk=user.pk), add=add, remove=remove, actor=Actor(user=user))


def deliver_current_event(clerk: StandIn, user: User) -> None:
    """Apply an event with the user's current state in Clerk."""
    data = clerk.call("GET", f"/local/users/{user.clerk_id}")[1]
    apply_user(parse_user(data, rank=Rank.UPDATED, occurred_at=timezone.now()), actor=SYSTEM)


def patches(fake: FakeClerk) -> list[dict[str, Any]]:
    """Return the metadata values sent to Clerk."""
    return [json.loads(r.content)["public_metadata"] for r in fake.requests if r.method == "PATCH"]


def state(user: User) -> str:
    return MetadataPush.objects.get(user=user).state


class TestPushedValues:
    def test_role_change_keeps_other_roles_and_keys(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        assert pushes.push_user(olive.pk) is Outcome.SENT
        assert metadata(clerk, olive) == {"roles": ["CLIENT", "BUILDER", "MODERATOR"], "plan": {"a": 1}}
        assert patches(fake) == [{"roles": ["CLIENT", "BUILDER", "MODERATOR"]}]
        olive.refresh_from_db()
        assert (olive.roles, olive.clerk_roles, olive.roles_added) == (["CLIENT", "BUILDER"], ["CLIENT", "BUILDER"], [])

    def test_builder_and_client_metadata_is_pushed(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        edit(olive, validation_tier=3, available_for_hire=False, hourly_rate=Decimal("85.00"))
        client = ClientProfile.objects.get()
        editing.save(client, {"company_name": "Żubr & Söhne"}, actor=Actor(user=olive))
        assert pushes.push_user(olive.pk) is Outcome.SENT
        public_metadata = metadata(clerk, olive)
        assert {key: public_metadata[key] for key in public_metadata if key not in ("plan", "roles")} == {
            "validationTier": 3,
            "availableForHire": False,
            "hourlyRate": 85,
            "hourlyRateCurrency": "USD",
            "companyName": "Żubr & Söhne",
        }
        assert len(patches(fake)) == 1

    def test_unconfirmed_availability_is_not_pushed(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        set_at_clerk(clerk, olive, availableForHire=True)
        deliver_current_event(clerk, olive)
        assert pushes.push_user(olive.pk) is Outcome.SENT
        assert "availableForHire" not in metadata(clerk, olive)
        edit(olive, availability_confirmed_at=timezone.now())
        assert pushes.push_user(olive.pk) is Outcome.SENT
        assert metadata(clerk, olive)["availableForHire"] is True

    def test_only_differences_are_sent(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        pushes.push_user(olive.pk)
        edit(olive, hourly_rate=Decimal("99.50"), headline="Not for Clerk")
        pushes.push_user(olive.pk)
        assert patches(fake) == [{"validationTier": 2}, {"hourlyRate": 99.5, "hourlyRateCurrency": "USD"}]

    def test_empty_value_removes_the_key(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, hourly_rate=Decimal(50))
        pushes.push_user(olive.pk)
        edit(olive, hourly_rate=None)
        pushes.push_user(olive.pk)
        assert patches(fake)[-1] == {"hourlyRate": None, "hourlyRateCurrency": None}
        assert not {"hourlyRate", "hourlyRateCurrency"} & set(metadata(clerk, olive))

    def test_changed_currency_is_pushed(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, hourly_rate=Decimal(85), currency="EUR")
        pushes.push_user(olive.pk)
        edit(olive, currency="JPY")
        assert pushes.push_user(olive.pk) is Outcome.SENT
        assert patches(fake) == [{"hourlyRate": 85, "hourlyRateCurrency": "EUR"}, {"hourlyRateCurrency": "JPY"}]
        assert metadata(clerk, olive)["hourlyRateCurrency"] == "JPY"

    def test_currency_without_a_rate_is_not_pushed(self, fake: FakeClerk, olive: User) -> None:
        edit(olive, currency="EUR")
        pushes.push_user(olive.pk)
        assert patches(fake) == []

    def test_rate_that_was_pushed_without_its_currency_is_completed(
        self, clerk: StandIn, fake: FakeClerk, olive: User
    ) -> None:
        edit(olive, hourly_rate=Decimal(85))
        pushes.push_user(olive.pk)
        current = metadata(clerk, olive)
        del current["hourlyRateCurrency"]
        clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"public_metadata": current})
        deliver_current_event(clerk, olive)
        pushes.push_user(olive.pk)
        assert patches(fake)[-1] == {"hourlyRateCurrency": "USD"}

    def test_removing_a_role_removes_its_metadata(self, clerk: StandIn, olive: User) -> None:
        edit(olive, validation_tier=3, hourly_rate=Decimal(50))
        pushes.push_user(olive.pk)
        change(olive, remove=(Role.BUILDER,))
        pushes.push_user(olive.pk)
        assert metadata(clerk, olive) == {"roles": ["MODERATOR"], "plan": {"a": 1}}
        change(olive, add=(Role.BUILDER,))
        pushes.push_user(olive.pk)
        assert metadata(clerk, olive)["validationTier"] == 3

    def test_fields_that_are_not_pushed_request_no_push(self, olive: User) -> None:
        edit(olive, headline="Only here", searchable=False)
        assert not MetadataPush.objects.exists()

    def test_new_profile_requests_no_push(self, clerk: StandIn, olive: User) -> None:
        assert not MetadataPush.objects.exists()
        assert not ProcrastinateJob.objects.filter(task_name="accounts.tasks.push_metadata").exists()

    def test_reverted_change_sends_nothing(self, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        edit(olive, validation_tier=1)
        assert pushes.push_user(olive.pk) is Outcome.UP_TO_DATE
        assert (patches(fake), state(olive)) == ([], "done")

    def test_role_already_set_at_clerk_is_not_sent(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"roles": ["CLIENT", "BUILDER"]})
        assert pushes.push_user(olive.pk) is Outcome.UP_TO_DATE
        olive.refresh_from_db()
        assert (patches(fake), olive.roles, olive.roles_added) == ([], ["CLIENT", "BUILDER"], [])

    def test_many_changes_result_in_one_push(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        for tier in (2, 3, 2):
            edit(olive, validation_tier=tier)
        for job in ProcrastinateJob.objects.filter(task_name="accounts.tasks.push_metadata"):
            tasks.push_metadata(**job.args)
        assert patches(fake) == [{"validationTier": 2}]
        assert len(fake.requests) == 2  # One read and one write.

    @pytest.mark.parametrize(("theirs", "agrees"), ((1, True), (1.0, True), (True, False), ("1", False), (None, True)))
    def test_missing_key_means_the_default(self, olive: User, theirs: Any, *, agrees: bool) -> None:
        olive.clerk_metadata = {} if theirs is None else {"validationTier": theirs}
        assert (outbox.compare_metadata(olive, {"validationTier": 1}) == {}) == agrees


class TestConcurrencyAndFailures:
    def test_change_during_a_push_is_also_pushed(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        forward_request, later = forward(clerk), [3]

        def handler(request: httpx.Request) -> httpx.Response:
            answer = forward_request(request)
            if request.method == "PATCH" and later:
                edit(olive, validation_tier=later.pop())
            return answer

        fake.handler = handler
        pushes.push_user(olive.pk)
        assert patches(fake) == [{"validationTier": 2}, {"validationTier": 3}]
        assert (metadata(clerk, olive)["validationTier"], state(olive)) == (3, "done")

    def test_role_change_reverted_during_a_push_is_reverted(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        forward_request, once = forward(clerk), [1]

        def handler(request: httpx.Request) -> httpx.Response:
            if request.method == "PATCH" and once:
                once.pop()
                change(olive, remove=(Role.CLIENT,))
            return forward_request(request)

        fake.handler = handler
        pushes.push_user(olive.pk)
        olive.refresh_from_db()
        assert (metadata(clerk, olive)["roles"], olive.roles) == (["BUILDER", "MODERATOR"], ["BUILDER"])
        assert (olive.roles_added, olive.roles_removed) == ([], [])

    def test_lost_response_does_not_cause_a_second_write(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        clerk.call("PATCH", "/local/settings", {"api_lose_answer_percent": 100})
        # The stand-in drops its responses, so the read before the write uses its local interface.
        fake.handler = lambda r: forward(clerk)(r) if r.method == "PATCH" else fetch_locally(clerk, r)
        assert pushes.push_user(olive.pk) is Outcome.FAILED
        assert metadata(clerk, olive)["validationTier"] == 2
        clerk.call("PATCH", "/local/settings", {"api_lose_answer_percent": 0})
        fake.handler, sent = forward(clerk), len(patches(fake))
        make_pushes_due()
        assert pushes.push_due() == 1
        assert (len(patches(fake)), state(olive)) == (sent, "done")

    def test_role_removed_at_clerk_without_an_event_is_not_restored(self, clerk: StandIn, olive: User) -> None:
        clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"roles": ["ADMIN", "BUILDER"]})
        deliver_current_event(clerk, olive)
        change(olive, add=(Role.CLIENT,))
        clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"roles": ["BUILDER"]})  # No webhook is sent.
        pushes.push_user(olive.pk)
        olive.refresh_from_db()
        assert (metadata(clerk, olive)["roles"], olive.is_staff) == (["CLIENT", "BUILDER"], False)

    def test_user_deleted_at_clerk_is_deleted_here(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        clerk.call("DELETE", f"/local/users/{olive.clerk_id}")
        pushes.push_user(olive.pk)
        olive.refresh_from_db()
        assert olive.deleted_at
        assert (patches(fake), state(olive)) == ([], "done")

    def test_concurrent_push_does_nothing(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        concurrent: list[Outcome] = []
        forward_request = forward(clerk)

        def handler(request: httpx.Request) -> httpx.Response:
            concurrent.append(pushes.push_user(olive.pk))
            return forward_request(request)

        fake.handler = handler
        pushes.push_user(olive.pk)
        assert set(concurrent) == {Outcome.NOTHING}

    def test_claim_of_a_lost_worker_expires(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        edit(olive, validation_tier=2)
        assert pushes._claim(olive.pk)
        assert pushes.push_due() == 0
        make_pushes_due()
        assert pushes.push_due() == 1
        assert metadata(clerk, olive)["validationTier"] == 2

    def test_push_of_an_account_without_identity_is_settled(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        """The identity was moved to another account while the push was pending."""
        shell = UserFactory.create(clerk_id=None, is_active=False)
        outbox.queue_push(shell)
        make_pushes_due()
        edit(olive, validation_tier=2)
        assert pushes.push_due() == 2
        assert (state(shell), state(olive)) == ("done", "done")
        assert {request.url.path.split("/")[3] for request in fake.requests} == {olive.clerk_id}


class TestOutage:
    @pytest.fixture(autouse=True)
    def clerk_unavailable(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        clerk.call("PATCH", "/local/settings", {"api_outage": True})

    def test_changes_during_an_outage_are_pushed_once_afterwards(
        self, clerk: StandIn, fake: FakeClerk, olive: User
    ) -> None:
        change(olive, add=(Role.CLIENT,))
        for tier in (2, 3):
            edit(olive, validation_tier=tier)
            pushes.push_user(olive.pk)
        olive.refresh_from_db()
        assert olive.roles == ["CLIENT", "BUILDER"]
        assert "503" in MetadataPush.objects.get().last_error
        clerk.call("PATCH", "/local/settings", {"api_outage": False})
        make_pushes_due()
        fake.requests.clear()
        pushes.push_due()
        assert patches(fake) == [{"validationTier": 3, "roles": ["CLIENT", "BUILDER", "MODERATOR"]}]
        assert pushes.push_due() == 0

    def test_retry_delay_grows_to_five_minutes(self, olive: User) -> None:
        edit(olive, validation_tier=2)
        waits = []
        for _ in range(4):
            make_pushes_due()
            pushes.push_user(olive.pk)
            waits.append((MetadataPush.objects.get().next_attempt_at - timezone.now()).total_seconds())
        assert waits == pytest.approx([15, 60, 300, 300], abs=3)

    def test_job_stops_after_three_failures(self, fake: FakeClerk, clerk: StandIn) -> None:
        clerk.call("PATCH", "/local/settings", {"api_outage": False})
        for number in range(8):
            person = clerk.create(first_name=f"Builder {number}", roles=["BUILDER"])
            sessions.fetch_user(person["id"])
            edit(User.objects.get(clerk_id=person["id"]), validation_tier=2)
        clerk.call("PATCH", "/local/settings", {"api_outage": True})
        assert pushes.push_due() == 3


class TestRefusal:
    def test_refused_role_change_is_reverted_and_audited(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        clerk.call("PATCH", "/local/settings", {"api_reject_metadata": True})
        assert pushes.push_user(olive.pk) is Outcome.REFUSED
        olive.refresh_from_db()
        assert (olive.roles, olive.roles_added) == (["BUILDER"], [])
        assert ClientProfile.objects.get().archived_at
        row = AuditLog.objects.get(action="PUSH_REFUSED")
        assert row.details is not None
        assert row.details["code"] == "form_param_value_invalid"
        assert row.details["refused"] == {"roles": ["CLIENT", "BUILDER", "MODERATOR"]}
        assert (state(olive), pushes.push_due()) == ("refused", 0)

    def test_refused_metadata_is_kept_here(self, clerk: StandIn, olive: User) -> None:
        edit(olive, hourly_rate=Decimal(70))
        clerk.call("PATCH", "/local/settings", {"api_reject_metadata": True})
        pushes.push_user(olive.pk)
        assert BuilderProfile.objects.get().hourly_rate == 70

    def test_next_change_is_pushed_again(self, clerk: StandIn, olive: User) -> None:
        edit(olive, validation_tier=2)
        clerk.call("PATCH", "/local/settings", {"api_reject_metadata": True})
        pushes.push_user(olive.pk)
        clerk.call("PATCH", "/local/settings", {"api_reject_metadata": False})
        edit(olive, validation_tier=3)
        assert pushes.push_user(olive.pk) is Outcome.SENT

    def test_rejected_secret_key_keeps_the_push_pending(self, clerk: StandIn, settings: Settings, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        settings.CLERK_SECRET_KEY = "sk_test_wrong"
        assert pushes.push_user(olive.pk) is Outcome.FAILED
        olive.refresh_from_db()
        assert (olive.roles, state(olive)) == (["CLIENT", "BUILDER"], "pending")


class TestEcho:
    def test_event_caused_by_our_push_requests_no_push(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        edit(olive, validation_tier=2)
        pushes.push_user(olive.pk)
        fake.requests.clear()
        jobs = ProcrastinateJob.objects.count()
        deliver_current_event(clerk, olive)
        assert (fake.requests, ProcrastinateJob.objects.count(), state(olive)) == ([], jobs, "done")

    def test_event_may_arrive_before_the_response(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        change(olive, add=(Role.CLIENT,))
        forward_request = forward(clerk)

        def handler(request: httpx.Request) -> httpx.Response:
            answer = forward_request(request)
            if request.method == "PATCH":
                deliver_current_event(clerk, olive)
            return answer

        fake.handler = handler
        pushes.push_user(olive.pk)
        olive.refresh_from_db()
        assert (olive.roles, olive.roles_added, state(olive)) == (["CLIENT", "BUILDER"], [], "done")
        assert pushes.push_user(olive.pk) is Outcome.NOTHING

    def test_other_changes_at_clerk_request_no_push(self, clerk: StandIn, olive: User) -> None:
        edit(olive, validation_tier=2)
        pushes.push_user(olive.pk)
        jobs = ProcrastinateJob.objects.count()
        clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"roles": ["CLIENT", "BUILDER"]})
        deliver_current_event(clerk, olive)
        set_at_clerk(clerk, olive, plan="free", validationTier=2)
        deliver_current_event(clerk, olive)
        olive.refresh_from_db()
        assert (olive.roles, olive.clerk_metadata["validationTier"]) == (["CLIENT", "BUILDER"], 2)
        assert (ProcrastinateJob.objects.count(), state(olive)) == (jobs, "done")


class TestDriftAndBounces:
    def test_metadata_changed_at_clerk_is_restored(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        set_at_clerk(clerk, olive, validationTier=3)
        deliver_current_event(clerk, olive)
        assert pushes.push_user(olive.pk) is Outcome.SENT
        assert metadata(clerk, olive)["validationTier"] == 1

    @pytest.mark.parametrize("value", (1, 1.0))
    def test_numbers_equal_to_true_are_corrected(
        self, clerk: StandIn, fake: FakeClerk, olive: User, value: float
    ) -> None:
        BuilderProfile.objects.update(availability_confirmed_at=timezone.now())
        set_at_clerk(clerk, olive, availableForHire=value)
        deliver_current_event(clerk, olive)
        assert pushes.push_user(olive.pk) is Outcome.SENT
        assert metadata(clerk, olive)["availableForHire"] is True
        assert (state(olive), outbox.outdated_metadata(User.objects.get(pk=olive.pk))) == ("done", {})

    def test_metadata_of_a_new_user_is_corrected(self, clerk: StandIn, fake: FakeClerk) -> None:
        person = clerk.create(first_name="Bob", public_metadata={"roles": ["CLIENT"], "hourlyRate": 5})
        sessions.fetch_user(person["id"])
        bob = User.objects.get()
        assert pushes.push_user(bob.pk) is Outcome.SENT
        assert metadata(clerk, bob) == {"roles": ["CLIENT"]}

    @pytest.mark.parametrize("value", ("\x00", "\ud800", {"a": ["b"]}, "x" * 5000, 10**40))
    def test_unexpected_metadata_values_are_stored_and_corrected(
        self, fake: FakeClerk, olive: User, value: Any
    ) -> None:
        data = json.loads(json.dumps(fake.handler(api_request(olive)).json()))
        data["public_metadata"]["validationTier"] = value
        data["updated_at"] += 1000
        apply_user(parse_user(data, rank=Rank.UPDATED, occurred_at=timezone.now()), actor=SYSTEM)
        assert state(olive) == "pending"

    def test_push_stops_when_another_system_keeps_changing_the_values(
        self,
        clerk: StandIn,
        fake: FakeClerk,
        olive: User,
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        for number in range(6):
            set_at_clerk(clerk, olive, validationTier=2 + number % 2)
            with django_capture_on_commit_callbacks(execute=True):
                deliver_current_event(clerk, olive)
            pushes.push_user(olive.pk)
        assert len(patches(fake)) == outbox.MAX_BOUNCES
        assert state(olive) == "stopped"
        assert AuditLog.objects.filter(action="PUSH_STOPPED").count() == 1
        assert "another system keeps changing it" in caplog.text

    def test_stop_in_a_rolled_back_transaction_is_not_logged(
        self,
        olive: User,
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        push = MetadataPush.objects.get_or_create(
            user=olive, defaults={"requested_at": timezone.now(), "next_attempt_at": timezone.now()}
        )[0]
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            outbox.stop_push(push)
            transaction.set_rollback(True)
        assert "Stopped pushing" not in caplog.text

    def test_events_during_a_pending_push_are_not_bounces(self, clerk: StandIn, olive: User) -> None:
        edit(olive, validation_tier=2)
        pushes.push_user(olive.pk)
        edit(olive, validation_tier=3)
        for number in range(6):
            set_at_clerk(clerk, olive, validationTier=1 + number % 2)
            deliver_current_event(clerk, olive)
        assert (state(olive), MetadataPush.objects.get().bounces) == ("pending", 0)

    def test_local_change_restarts_a_stopped_push(self, clerk: StandIn, olive: User) -> None:
        for _ in range(4):
            set_at_clerk(clerk, olive, validationTier=3)
            deliver_current_event(clerk, olive)
            pushes.push_user(olive.pk)
        assert state(olive) == "stopped"
        edit(olive, validation_tier=2)
        assert pushes.push_user(olive.pk) is Outcome.SENT

    def test_old_bounces_do_not_count(self, clerk: StandIn, fake: FakeClerk, olive: User) -> None:
        for _ in range(6):
            set_at_clerk(clerk, olive, validationTier=3)
            deliver_current_event(clerk, olive)
            pushes.push_user(olive.pk)
            MetadataPush.objects.update(done_at="2026-01-01T00:00:00Z")
        assert len(patches(fake)) == 6


def fetch_locally(clerk: StandIn, request: httpx.Request) -> httpx.Response:
    """Respond to a GET request for a user with the stand-in's local interface, which has no fault injection."""
    return httpx.Response(200, json=clerk.call("GET", request.url.path.replace("/v1/", "/local/"))[1])


def set_at_clerk(clerk: StandIn, user: User, **facts: Any) -> None:
    """Change public metadata as an admin would in Clerk's dashboard."""
    current = metadata(clerk, user)
    clerk.call("PATCH", f"/local/users/{user.clerk_id}", {"public_metadata": current | facts})


def api_request(user: User) -> httpx.Request:
    key = {"Authorization": f"Bearer {API_KEY}"}
    return httpx.Request("GET", f"https://api.clerk.com{api._user_path(str(user.clerk_id))}", headers=key)


def make_pushes_due() -> None:
    long_ago = "2026-01-01T00:00:00Z"
    MetadataPush.objects.filter(claimed_until=None).update(next_attempt_at=long_ago)
    MetadataPush.objects.exclude(claimed_until=None).update(claimed_until=long_ago)
