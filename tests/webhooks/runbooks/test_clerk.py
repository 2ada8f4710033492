"""Follow the runbooks about the connection to Clerk, and about users who differ from Clerk."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import tasks
from accounts.clerk import api, samples
from accounts.models import ClerkRateLimit, IdentityConflict, MetadataPush, Reconciliation, User
from accounts.roles.services import change_roles
from accounts.sync import outbox, push, reconciliation, requested_runs
from accounts.sync.apply import apply_user
from audit.log import SYSTEM, Actor
from profiles.editing import services as editing
from profiles.models import BuilderProfile
from tests.accounts.clerk.test_outage import FrontendApi
from tests.helpers.clerk import API_KEY
from tests.helpers.webhooks import WebhookClient, person
from tests.local.clerk.standin import INSTANCE_ID, StandIn
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.runbooks.steps import ReadStep, page, state_of
from webhooks.doctor import jobs, runner
from webhooks.inbox import service as inbox
from webhooks.models import Alert, WebhookEvent

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
PUSHES = "/admin/accounts/metadatapush/"
REASON = "Following the runbook"
LONG_AGO = "2026-01-01T00:00:00Z"


@pytest.fixture
def olive(clerk: StandIn) -> User:
    """Return a user who is in sync with Clerk."""
    at_clerk = clerk.create(first_name="Olive")
    reconciliation.reconcile(full=True)
    user: User = User.objects.get(clerk_id=at_clerk["id"])
    return user


def add_builder_role(user: User) -> None:
    change_roles(User.objects.get(pk=user.pk), add=[User.Role.BUILDER], actor=Actor(user=user))


def set_fault(clerk: StandIn, **faults: bool) -> None:
    assert clerk.call("PATCH", "/local/settings", faults)[0] == 200


def probe(times: int) -> None:
    """Probe both of Clerk's APIs like a worker."""
    cache.clear()
    for _ in range(times):
        tasks.probe_clerk(0)


def push_as_worker() -> None:
    """Run the job that pushes due changes, after the next attempts have become due."""
    ClerkRateLimit.objects.update(suspended_until=LONG_AGO)
    MetadataPush.objects.update(next_attempt_at=LONG_AGO)
    tasks.push_due_metadata(0)


def run_reconciliations(times: int) -> None:
    """Compare recent users like a worker. Webhooks arrive again, so there is nothing to repair."""
    for _ in range(times):
        assert reconciliation.reconcile(full=False).repaired == 0


class TestClerkOutage:
    @pytest.fixture(autouse=True)
    def frontend(self, monkeypatch: pytest.MonkeyPatch, olive: User) -> Iterator[FrontendApi]:
        frontend = FrontendApi()
        monkeypatch.setattr(httpx, "get", frontend.get)
        yield frontend
        cache.clear()

    def test_backend_is_down(self, step: ReadStep, admin: Client, clerk: StandIn, olive: User) -> None:
        set_fault(clerk, api_outage=True)
        probe(3)
        add_builder_role(olive)
        assert state_of(Rule.CLERK) == "broken"
        assert step("clerk_outage", 1).links == {"https://status.clerk.com": "https://status.clerk.com"}
        set_fault(clerk, api_outage=False)
        ClerkRateLimit.objects.update(suspended_until=LONG_AGO)
        probe(1)
        assert state_of(Rule.CLERK) == "well"
        pending = step("clerk_outage", 4)
        assert "Olive" in pending.open("list of pushes")
        fields = {"action": "push_again", "_selected_action": MetadataPush.objects.get().pk}
        assert "1 push queued again." in admin.post(pending.url("list of pushes"), fields, follow=True).text
        push_as_worker()
        assert MetadataPush.objects.get().state == "done"
        compare = step("clerk_outage", 5).url("compare all users with Clerk")
        fields = {"scope": "all", "reason": REASON, "action": "run"}
        admin.post(compare, fields)
        run = Reconciliation.objects.latest("pk")
        requested_runs.compare(run.pk)
        run.refresh_from_db()
        assert run.state == "finished"

    def test_server_cannot_reach_the_frontend_api(
        self, step: ReadStep, frontend: FrontendApi, settings: Settings
    ) -> None:
        frontend.down()
        probe(1)
        assert state_of(Rule.CLERK) == "broken"
        assert "Address of the Frontend API" in step("clerk_outage", 2).open("Diagnostics")
        frontend.up()  # the firewall allows the requests
        probe(1)
        assert state_of(Rule.CLERK) == "well"

    def test_key_was_rotated(self, step: ReadStep, admin: Client, settings: Settings) -> None:
        settings.CLERK_SECRET_KEY = "sk_test_rotated"
        probe(1)
        assert state_of(Rule.CLERK) == "broken"
        checks = step("clerk_outage", 3)
        assert "Run now" in checks.open("Diagnostics")
        settings.CLERK_SECRET_KEY = API_KEY
        assert admin.post(checks.url("Diagnostics")).status_code == 302
        assert jobs.is_run_requested()
        probe(1)
        runner.run(["breaker"])
        assert "Requests are sent." in checks.open("Diagnostics")
        assert state_of(Rule.CLERK) == "well"


class TestPendingPushes:
    @pytest.fixture(autouse=True)
    def after(self) -> Iterator[None]:
        yield
        assert state_of(Rule.PUSHES, timedelta(minutes=20)) == "well"

    def wait(self) -> None:
        """Let the push wait for 20 minutes."""
        MetadataPush.objects.update(requested_at=timezone.now() - timedelta(minutes=20))
        assert state_of(Rule.PUSHES) == "broken"

    def test_clerk_is_down(self, step: ReadStep, clerk: StandIn, olive: User) -> None:
        set_fault(clerk, api_outage=True)
        add_builder_role(olive)
        push.push_user(olive.pk)
        self.wait()
        assert "https://status.clerk.com" in step("pending_pushes", 1).open("Clerk does not respond as expected")
        set_fault(clerk, api_outage=False)
        push_as_worker()

    def test_no_worker_is_running(self, step: ReadStep, olive: User) -> None:
        add_builder_role(olive)
        self.wait()
        assert "python manage.py procrastinate worker" in step("pending_pushes", 2).open("Start a worker")
        push_as_worker()

    def test_key_is_wrong(self, step: ReadStep, settings: Settings, olive: User) -> None:
        add_builder_role(olive)
        settings.CLERK_SECRET_KEY = "sk_test_wrong"
        push.push_user(olive.pk)
        self.wait()
        runner.run(["breaker"])
        assert "Clerk has refused CLERK_SECRET_KEY since" in step("pending_pushes", 3).open("Diagnostics")
        settings.CLERK_SECRET_KEY = API_KEY
        push_as_worker()

    def retry(self, admin: Client, url: str, state: str) -> None:
        """Retry a push that was given up, on its page."""
        found = MetadataPush.objects.get()
        assert state in page(admin, url)
        change = f"{PUSHES}{found.pk}/change/"
        assert change in page(admin, url)
        assert "Retry" in page(admin, change)
        admin.post(f"{PUSHES}{found.pk}/retry/")
        push_as_worker()

    def test_clerk_refuses_the_values(
        self,
        step: ReadStep,
        admin: Client,
        clerk: StandIn,
        olive: User,
    ) -> None:
        set_fault(clerk, api_reject_metadata=True)
        add_builder_role(olive)
        push.push_user(olive.pk)
        assert state_of(Rule.PUSHES) == "broken"
        set_fault(clerk, api_reject_metadata=False)
        self.retry(admin, step("pending_pushes", 4).url("refused push"), "Refused by Clerk")

    def test_another_system_writes_the_same_keys(
        self,
        step: ReadStep,
        admin: Client,
        clerk: StandIn,
        olive: User,
    ) -> None:
        for _ in range(outbox.MAX_BOUNCES + 2):
            clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"public_metadata": {"validationTier": 4}})
            apply_user(api.get_user(str(olive.clerk_id)), actor=SYSTEM)
            push.push_user(olive.pk)
        assert state_of(Rule.PUSHES) == "broken"
        stopped = step("pending_pushes", 5).url("stopped push")
        self.retry(admin, stopped, "Stopped: another system keeps changing the values")


class TestDrift:
    def compare(self, admin: Client, url: str, **fields: str) -> Reconciliation:
        """Compare users as a dry run, and repair the differences from the report."""
        admin.post(url, {"scope": "all", "reason": REASON, "action": "dry_run"} | fields)
        requested_runs.compare(Reconciliation.objects.latest("pk").pk)
        report = f"/admin/accounts/reconciliation/{Reconciliation.objects.latest('pk').pk}/"
        assert "Repair these differences" in page(admin, f"{report}change/")
        admin.post(f"{report}repair/")
        run = Reconciliation.objects.latest("pk")
        requested_runs.compare(run.pk)
        run.refresh_from_db()
        return run

    def test_webhooks_were_lost(
        self,
        step: ReadStep,
        admin: Client,
        clerk: StandIn,
        olive: User,
    ) -> None:
        for number in range(2):
            clerk.create(first_name=f"Lost {number}")
            reconciliation.reconcile(full=False)
        assert state_of(Rule.DRIFT) == "broken"
        lost = step("drift", 1)
        assert "Send a test delivery" in lost.open("No events are arriving")
        assert "Recover missed deliveries" in lost.open("recover missed deliveries")
        clerk.create(first_name="Lost too")
        run = self.compare(admin, step("drift", 2).url("Compare with Clerk"))
        assert (run.reason, run.repaired, User.objects.filter(name="Lost too").count()) == (REASON, 1, 1)
        run_reconciliations(8)
        assert state_of(Rule.DRIFT) == "well"

    def test_events_arrived_and_failed(
        self,
        step: ReadStep,
        webhook: WebhookClient,
        clerk: StandIn,
        olive: User,
    ) -> None:
        zofia = person(updated_at=timezone.now(), clerk_id=clerk.create(first_name="Zofia")["id"])
        event = samples.user_event("user.created", zofia) | {"instance_id": INSTANCE_ID}
        with failing_handlers():
            assert webhook.post(event).json() == {"outcome": "failed"}
        reconciliation.reconcile(full=False)
        assert state_of(Rule.DRIFT) == "degraded"
        repair = step("drift", 3)
        assert "user.created" in repair.open("failed events")
        assert "Replay all matching events…" in repair.open("Many events are failing")
        inbox.retry_event(WebhookEvent.objects.get().pk)
        run_reconciliations(8)
        assert state_of(Rule.DRIFT) == "well"

    def test_pushes_were_given_up(
        self,
        step: ReadStep,
        admin: Client,
        clerk: StandIn,
    ) -> None:
        clerk.create(first_name="Olive", public_metadata={"roles": ["BUILDER"]})
        reconciliation.reconcile(full=True)
        profile = BuilderProfile.objects.get()
        editing.save(profile, {"validation_tier": 2}, actor=Actor(user=profile.user))
        set_fault(clerk, api_reject_metadata=True)
        assert reconciliation.reconcile(full=True).unpushed == 1
        assert state_of(Rule.DRIFT) == "broken"
        given_up = step("drift", 4)
        assert "Refused by Clerk" in given_up.open("pushes that were given up")
        assert "Clerk's response in the error" in given_up.open("Changes are not reaching Clerk")
        set_fault(clerk, api_reject_metadata=False)
        fields = {"scope": "all", "reason": REASON, "action": "run"}
        admin.post("/admin/accounts/reconciliation/compare/", fields)
        requested_runs.compare(Reconciliation.objects.latest("pk").pk)
        assert MetadataPush.objects.get().state == "done"
        assert state_of(Rule.DRIFT) == "well"

    def test_deletions_wait_for_an_approval(
        self,
        step: ReadStep,
        admin: Client,
        clerk: StandIn,
    ) -> None:
        people = [clerk.create(first_name=f"Person {number}")["id"] for number in range(14)]
        reconciliation.reconcile(full=True)
        for clerk_id in people[:12]:
            clerk.call("DELETE", f"/local/users/{clerk_id}")
        run = reconciliation.reconcile(full=True)
        assert state_of(Rule.DRIFT) == "broken"
        report = f"/admin/accounts/reconciliation/{run.pk}/"
        assert f"{report}change/" in step("drift", 5).open("report")
        assert "Approve deletions" in page(admin, f"{report}change/")
        admin.post(f"{report}approve/", {"count": 12, "reason": "The trial has ended"})
        tasks.delete_approved(run_id=run.pk)
        assert User.objects.live().filter(clerk_id__in=people).count() == 2
        run_reconciliations(8)
        assert state_of(Rule.DRIFT) == "well"

    def test_users_are_not_compared(
        self,
        step: ReadStep,
        settings: Settings,
        clerk: StandIn,
        olive: User,
    ) -> None:
        settings.CLERK_SECRET_KEY = "sk_test_other"
        tasks.reconcile_recent(0)
        assert state_of(Rule.DRIFT, timedelta(hours=3)) == "broken"
        runner.run(["clerk_api"])
        check = step("drift", 6)
        shown = check.open("Diagnostics").partition("Reading Clerk’s users")[2]
        assert "Failed" in shown[:100]
        assert "python manage.py procrastinate worker" in check.open("start one")
        settings.CLERK_SECRET_KEY = API_KEY
        Reconciliation.objects.filter(state="finished").update(finished_at=LONG_AGO)
        tasks.reconcile_recent(0)
        assert state_of(Rule.DRIFT) == "well"


class TestIdentityConflict:
    def test_accounts_are_linked_and_separated_again(
        self, step: ReadStep, admin: Client, webhook: WebhookClient
    ) -> None:
        first, second = person(email="olive@example.com"), person(email="olive@example.com")
        webhook.created(first)
        webhook.created(second)
        IdentityConflict.objects.update(opened_at=timezone.now() - timedelta(days=2))
        assert state_of(Rule.CONFLICTS) == "broken"
        conflict = IdentityConflict.objects.get()
        change, resolve = (f"/admin/accounts/identityconflict/{conflict.pk}/{view}/" for view in ("change", "resolve"))
        assert change in step("identity_conflict", 1).open("conflict")
        compared = page(admin, change)
        assert first.clerk_id in compared
        assert second.clerk_id in compared
        assert change in step("identity_conflict", 2).open("conflict's page")
        assert change in step("identity_conflict", 3).open("conflict's page")
        admin.post(resolve, {"resolution": "moved", "note": "Olive confirmed it"}, follow=True)
        conflict.refresh_from_db()
        assert (conflict.state, state_of(Rule.CONFLICTS)) == ("moved", "well")
        assert change in step("identity_conflict", 4).open("list")
        assert "Undo" in page(admin, change)
        admin.post(resolve, {"resolution": "undo", "note": "They are two people"}, follow=True)
        assert User.objects.filter(clerk_id__in=[first.clerk_id, second.clerk_id], is_active=True).count() == 2

    @pytest.mark.parametrize("resolution", ("kept", "dismissed"))
    def test_accounts_stay_separate(self, admin: Client, webhook: WebhookClient, resolution: str) -> None:
        webhook.created(person(email="olive@example.com"))
        webhook.created(person(email="olive@example.com"))
        conflict = IdentityConflict.objects.get()
        url = f"/admin/accounts/identityconflict/{conflict.pk}/resolve/"
        admin.post(url, {"resolution": resolution, "note": "Two people"})
        conflict.refresh_from_db()
        assert (conflict.state, state_of(Rule.CONFLICTS)) == (resolution, "well")
