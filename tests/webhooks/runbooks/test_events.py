"""Follow the runbooks about events that fail, are dead, or are not settled."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.models import Reconciliation, User
from accounts.sync import on_demand_fetch, requested_runs
from tests.helpers.clerk import FakeClerk
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.replay.test_bulk import run_jobs
from tests.webhooks.runbooks.steps import ReadStep, page, state_of
from webhooks.inbox import service as inbox
from webhooks.models import Alert, Replay, WebhookEvent

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
EVENTS = "/admin/webhooks/webhookevent/"
REASON = "Following the runbook"


def repair(admin: Client, event: WebhookEvent, action: str) -> str:
    response = admin.post(f"{EVENTS}{event.pk}/repair/", {"action": action, "reason": REASON}, follow=True)
    return response.text


def replay_all(admin: Client, url: str) -> None:
    """Replay the events of a filtered list: a dry run first, then for real."""
    assert "Replay all matching events…" in page(admin, url)
    query = url.partition("?")[2]
    newest = WebhookEvent.objects.latest("pk").pk
    for action in ("dry_run", "replay"):
        fields = {"action": action, "reason": REASON, "rate_limit": "0", "newest": newest}
        admin.post(f"{EVENTS}repair/?{query}", fields)
        for replay in Replay.objects.all():
            run_jobs(replay)


def fetch_user() -> None:
    """Run the job that fetches a user, like a worker."""
    job = ProcrastinateJob.objects.get(task_name=on_demand_fetch.reconcile_user.name)
    on_demand_fetch.reconcile_user(**job.args)


class TestFailureRate:
    @pytest.fixture
    def fail(self, webhook: WebhookClient, step: ReadStep, admin: Client) -> Iterator[Any]:
        """Return a function that makes events fail. Afterwards, all failed events are replayed."""

        def fail(error: Exception) -> None:
            with failing_handlers(error):
                assert {webhook.created(person()) for _ in range(5)} == {"failed"}
            assert state_of(Rule.FAILURE_RATE) == "broken"

        yield fail
        replay_all(admin, step("failure_rate", 4).url("failed events"))
        assert User.objects.filter(clerk_id__isnull=False).count() == 5
        assert state_of(Rule.FAILURE_RATE) == "well"

    def test_database_was_slow(self, step: ReadStep, fail: Any) -> None:
        fail(OperationalError("canceling statement due to lock timeout"))
        assert "Many events are failing" in step("failure_rate", 1).open("dashboard")

    def test_setting_is_wrong(self, step: ReadStep, fail: Any) -> None:
        fail(ImproperlyConfigured("SITE_URL is not set."))
        assert "SITE_URL is not set." in step("failure_rate", 2).open("failed events")

    def test_deployment_contains_a_bug(self, step: ReadStep, fail: Any, admin: Client) -> None:
        fail(KeyError("company"))
        assert "KeyError" in step("failure_rate", 3).open("error")
        group = WebhookEvent.objects.latest("pk").error_group_id
        assert "Failures by hour" in page(admin, f"/admin/webhooks/errorgroup/{group}/change/")


class TestDeadEvents:
    def dead_event(self, webhook: WebhookClient, user: SampleUser) -> WebhookEvent:
        body = samples.user_event("user.created", user)
        body["data"] |= {"first_name": 7}
        assert webhook.post(body).status_code == 200
        assert state_of(Rule.DEAD_EVENTS) == "broken"
        return WebhookEvent.objects.get()

    def test_payload_is_invalid(
        self, step: ReadStep, admin: Client, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = self.dead_event(webhook, person())
        assert "first_name" in step("dead_events", 1).open("dead event")
        shown = page(admin, f"{EVENTS}{event.pk}/change/")
        assert "the payload is invalid" in shown
        assert "Repair…" in shown
        # The new version of the parser accepts the field.
        monkeypatch.setattr("accounts.clerk.user_fields.check_types", lambda data: None)
        monkeypatch.setattr("accounts.clerk.user_fields.read_text", lambda data, key, **_: str(data[key] or ""))
        assert "Nothing was changed" in repair(admin, event, "dry_run")
        repair(admin, event, "replay")
        assert state_of(Rule.DEAD_EVENTS) == "well"

    def test_all_retries_failed(self, step: ReadStep, admin: Client, webhook: WebhookClient) -> None:
        with failing_handlers(OperationalError("the database was away")):
            webhook.created(person())
        WebhookEvent.objects.update(state="dead", attempts=10, next_attempt_at=None)
        assert state_of(Rule.DEAD_EVENTS) == "broken"
        assert "all retries failed" in page(admin, f"{EVENTS}{WebhookEvent.objects.get().pk}/change/")
        replay_all(admin, step("dead_events", 2).url("dead event"))
        assert state_of(Rule.DEAD_EVENTS) == "well"

    def test_user_is_fetched_and_event_resolved(
        self, step: ReadStep, admin: Client, webhook: WebhookClient, fake: FakeClerk
    ) -> None:
        zofia = person()
        event = self.dead_event(webhook, zofia)
        fake.respond_with(httpx.Response(200, json=zofia.data()))
        assert "Clerk ID or email" in step("dead_events", 3).open("compare the user with Clerk")
        repair(admin, event, "fetch")
        fetch_user()
        assert User.objects.filter(clerk_id=zofia.clerk_id).exists()
        assert "first_name" in step("dead_events", 4).open("dead event")
        repair(admin, event, "resolve")
        assert state_of(Rule.DEAD_EVENTS) == "well"


class TestOldestUnsettled:
    @pytest.fixture(autouse=True)
    def old_event(self, webhook: WebhookClient, fake: FakeClerk) -> Iterator[WebhookEvent]:
        """Deliver an event that fails, and wait for half an hour."""
        self.zofia = person()
        fake.respond_with(httpx.Response(200, json=self.zofia.data()))
        with time_machine.travel(timezone.now() - timedelta(minutes=31), tick=False), failing_handlers():
            assert webhook.created(self.zofia) == "failed"
        assert state_of(Rule.OLDEST_UNSETTLED) == "broken"
        yield WebhookEvent.objects.get()
        assert state_of(Rule.OLDEST_UNSETTLED) == "well"

    def test_no_worker_runs_the_retry(self, step: ReadStep, admin: Client, old_event: WebhookEvent) -> None:
        assert "The next attempt is due and starts when a worker is free." in page(
            admin, f"{EVENTS}{old_event.pk}/change/"
        )
        assert "No queue worker has sent a heartbeat" in step("oldest_unsettled", 1).open("a worker is running")
        inbox.retry_event(old_event.pk)  # the new worker runs the retry

    def test_error_has_to_be_fixed(self, step: ReadStep, admin: Client) -> None:
        assert "Replay all matching events…" in step("oldest_unsettled", 2).open("Many events are failing")
        replay_all(admin, f"{EVENTS}?state=failed")

    def test_event_is_dead(self, step: ReadStep, admin: Client, old_event: WebhookEvent) -> None:
        WebhookEvent.objects.update(state="dead", next_attempt_at=None)
        assert "Mark as resolved" in step("oldest_unsettled", 3).open("Dead events need attention")
        repair(admin, old_event, "resolve")

    def test_user_needs_the_change_now(self, step: ReadStep, admin: Client, old_event: WebhookEvent) -> None:
        url = step("oldest_unsettled", 4).url("compare the user with Clerk")
        fields = {"scope": "person", "person": self.zofia.clerk_id, "reason": REASON, "action": "run"}
        admin.post(url, fields)
        requested_runs.compare(Reconciliation.objects.get().pk)
        assert User.objects.filter(clerk_id=self.zofia.clerk_id).exists()
        repair(admin, old_event, "resolve")
