"""Follow the runbooks about deliveries that do not arrive, are rejected, or are answered with 503."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import httpx
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from psycopg_pool import PoolTimeout
from pytest_django import Settings

from accounts.clerk import samples
from accounts.clerk.diagnostics import Finding
from accounts.models import Reconciliation
from accounts.sync import requested_runs
from tests.helpers.locks import short_lock_timeout
from tests.helpers.webhooks import URL, WebhookClient, person
from tests.local.clerk.standin import INSTANCE_ID, StandIn
from tests.settings import NEXT_SECRET, SECRET
from tests.webhooks.monitoring.test_silence import busy, seed
from tests.webhooks.runbooks.steps import ReadStep, page, state_of
from webhooks.doctor import jobs, runner
from webhooks.inbox import unavailable
from webhooks.inbox.rejections import RejectionCounter
from webhooks.models import Alert, WebhookEvent
from webhooks.models.events import WebhookEventQuerySet
from webhooks.monitoring import alerts

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
#: Long enough after the last rejected request.
LATER = timedelta(seconds=40)


def created() -> dict[str, Any]:
    return samples.user_event("user.created", person())


class TestRejectedRequests:
    def test_secret_of_the_endpoint_was_changed(
        self, step: ReadStep, settings: Settings, rejections: RejectionCounter
    ) -> None:
        settings.CLERK_WEBHOOK_SECRETS = [SECRET]
        clerk = WebhookClient(NEXT_SECRET)
        assert {clerk.post(created()).status_code for _ in range(3)} == {400}
        rejections.flush()
        assert state_of(Rule.REJECTED) == "broken"
        settings.CLERK_WEBHOOK_SECRETS = [NEXT_SECRET]
        assert "Recover missed deliveries" in step("rejected_requests", 1).open("Recover")
        assert clerk.created(person()) == "processed"
        assert "user.created" in step("rejected_requests", 5).open("event list")
        assert state_of(Rule.REJECTED, LATER) == "well"

    def test_second_endpoint_has_another_secret(
        self, step: ReadStep, settings: Settings, rejections: RejectionCounter, secret_counts: Any
    ) -> None:
        settings.CLERK_WEBHOOK_SECRETS = [SECRET]
        first, second = WebhookClient(SECRET), WebhookClient(NEXT_SECRET)
        for _ in range(20):
            assert second.post(created()).status_code == 400
        rejections.flush()
        assert state_of(Rule.REJECTED) == "broken"
        settings.CLERK_WEBHOOK_SECRETS = [SECRET, NEXT_SECRET]
        assert [client.created(person()) for client in (first, second)] == ["processed"] * 2
        secret_counts.flush()
        link = step("rejected_requests", 2).open("Rotate the webhook secret")
        assert "Several secrets receive deliveries. Keep all of them." in link
        assert state_of(Rule.REJECTED, LATER) == "well"

    def test_proxy_hides_the_address_of_svix(
        self, step: ReadStep, webhook: WebhookClient, settings: Settings, rejections: RejectionCounter
    ) -> None:
        settings.CLERK_WEBHOOK_ALLOWED_IPS = ["198.51.100.0/24"]
        for _ in range(20):
            assert webhook.post(created(), REMOTE_ADDR="203.0.113.7").status_code == 403
        rejections.flush()
        assert state_of(Rule.REJECTED) == "broken"
        shown = step("rejected_requests", 3).open("Rejected requests")
        assert "203.0.113.7" in shown
        assert "bad_signature" not in shown
        settings.CLERK_WEBHOOK_ALLOWED_IPS = []
        assert webhook.created(person()) == "processed"
        assert state_of(Rule.REJECTED, LATER) == "well"


@pytest.mark.django_db(transaction=True)
def test_proxy_is_compared_with_the_web_server(
    step: ReadStep, admin: Client, server: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The web server accepts deliveries, and the proxy in front of it answers with a page of its own."""
    output = StringIO()
    call_command("clerk_event", "user.created", url=server + URL, stdout=output)
    assert '200 {"outcome": "processed"}' in output.getvalue()
    with pytest.raises(CommandError, match="1 of 1 event was not accepted"):
        call_command("clerk_event", "user.created", url=f"{server}/elsewhere", stdout=output)
    send = step("rejected_requests", 4).url("send a test delivery")
    settings.SITE_URL = server
    fields = {"position": "1", "reason": "Following the runbook"}
    assert "The delivery was accepted." in admin.post(send, fields).text
    with monkeypatch.context() as patch:
        patch.setattr(httpx, "post", lambda url, **options: httpx.Response(403, text="<html>Blocked"))
        assert "The delivery was not accepted." in admin.post(send, fields).text
    assert step("silence", 2).url("Send a test delivery") == send
    assert step("unreachable", 4).url("Send a test delivery") == send
    assert step("unavailable_requests", 5).url("test delivery") == send
    assert step("diagnostics", 7).url("Send a test delivery") == send


class TestClock:
    def test_clock_of_a_web_server_is_behind(
        self, step: ReadStep, admin: Client, webhook: WebhookClient, rejections: RejectionCounter
    ) -> None:
        assert webhook.post(created(), at=timezone.now() + timedelta(minutes=10)).status_code == 400
        rejections.flush()
        assert state_of(Rule.CLOCK) == "broken"
        assert step("clock", 1).links == {"https://time.is/UTC": "https://time.is/UTC"}
        check = step("clock", 2)
        assert "Run now" in check.open("Diagnostics")
        assert admin.post(check.url("Diagnostics")).status_code == 302
        assert jobs.is_run_requested()
        assert webhook.created(person()) == "processed"
        runner.run(["delivery_clock"])
        assert "deliver" in check.open("Diagnostics").partition('id="check-delivery_clock"')[2][:600]
        assert "Recover missed deliveries" in check.open("recover missed deliveries")
        assert state_of(Rule.CLOCK, LATER) == "well"

    def test_recorded_deliveries_are_replayed(
        self, step: ReadStep, webhook: WebhookClient, rejections: RejectionCounter
    ) -> None:
        webhook.created(person())
        for _ in range(3):
            webhook.post(created(), at=timezone.now() - timedelta(hours=2), REMOTE_ADDR="203.0.113.66")
        rejections.flush()
        assert state_of(Rule.CLOCK) == "broken"
        assert "203.0.113.66" in step("clock", 3).open("Rejected requests")  # blocked by the firewall
        webhook.created(person())
        assert state_of(Rule.CLOCK, LATER) == "well"


class TestUnavailable:
    @pytest.mark.django_db(transaction=True)
    def test_locked_table(
        self, step: ReadStep, webhook: WebhookClient, rejections: RejectionCounter, database_url: str
    ) -> None:
        webhook.created(person())
        unlocked = step("unavailable_requests", 1)
        unlocked.open("dashboard")
        forgotten = psycopg.connect(database_url)
        with short_lock_timeout(), connection.cursor() as cursor:
            forgotten.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
            assert {webhook.post(created()).status_code for _ in range(3)} == {503}
            rejections.flush()
            assert state_of(Rule.UNAVAILABLE) == "broken"
            shown = unlocked.open("dashboard")
            assert "The table accounts_user is locked" in shown
            [(pid,)] = forgotten.execute("SELECT pg_backend_pid()").fetchall()
            assert f"The database process {pid} has held the lock" in shown
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        forgotten.close()
        webhook.created(person())
        assert state_of(Rule.UNAVAILABLE, LATER) == "well"
        assert "Compare with Clerk" in step("unavailable_requests", 6).open("compare all users with Clerk")

    @pytest.fixture
    def fail(
        self, webhook: WebhookClient, rejections: RejectionCounter, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[Exception], None]]:
        """Return a function that rejects deliveries because of an error. Afterwards, deliveries are accepted again."""

        class Pool:
            max_size = 16

            def get_stats(self) -> dict[str, int]:
                return {"pool_size": 16}

        def fail(error: Exception) -> None:
            def count_repeats(*args: Any) -> None:
                raise OperationalError("unavailable") from error

            with monkeypatch.context() as patch:
                patch.setattr(WebhookEventQuerySet, "count_repeats", count_repeats)
                patch.setattr(unavailable, "_pool", Pool)
                assert {webhook.post(created()).status_code for _ in range(3)} == {503}
            rejections.flush()
            assert state_of(Rule.UNAVAILABLE) == "broken"

        yield fail
        webhook.created(person())
        assert state_of(Rule.UNAVAILABLE, LATER) == "well"

    def test_connections_are_exhausted(self, step: ReadStep, fail: Callable[[Exception], None]) -> None:
        fail(PoolTimeout("no connection after 3 s"))
        assert "pool_exhausted 3" in step("unavailable_requests", 2).open("dashboard")

    def test_disk_of_the_database_is_full(self, step: ReadStep, fail: Callable[[Exception], None]) -> None:
        fail(psycopg.errors.DiskFull("could not extend file"))
        assert "disk_full 3" in step("unavailable_requests", 3).open("dashboard")

    def test_database_closes_connections(self, step: ReadStep, fail: Callable[[Exception], None]) -> None:
        fail(psycopg.OperationalError("server closed the connection"))
        runbook = step("unavailable_requests", 4).open("The site or its metrics are unreachable")
        assert "database_unreachable" in runbook


class TestSilence:
    @pytest.fixture(autouse=True)
    def silent(self) -> Iterator[None]:
        seed(busy, timezone.now() - timedelta(hours=1))
        assert state_of(Rule.SILENCE) == "broken"
        yield
        assert state_of(Rule.SILENCE) == "well"

    def test_endpoint_has_another_address(self, step: ReadStep, webhook: WebhookClient) -> None:
        assert step("silence", 1).links["Clerk's dashboard"].startswith("https://dashboard.clerk.com/")
        webhook.created(person())

    def test_endpoint_was_disabled(self, step: ReadStep, webhook: WebhookClient) -> None:
        assert "Svix disables an endpoint" in step("silence", 3).open("recover the missed deliveries")
        webhook.created(person())

    def test_there_was_no_activity(self, step: ReadStep, webhook: WebhookClient) -> None:
        webhook.created(person())
        assert "user.created" in step("silence", 4).open("event list")


class TestOtherInstance:
    def test_instance_is_not_configured(
        self, step: ReadStep, admin: Client, webhook: WebhookClient, settings: Settings, clerk: StandIn
    ) -> None:
        settings.CLERK_INSTANCE_ID = ""
        runner.run(["clerk_api"], {"clerk_api": lambda: Finding(note="", facts={"instance_ids": [INSTANCE_ID]})})
        clerk.create(first_name="Ours")
        foreign = person()
        assert webhook.created(foreign) == "processed"
        alerts.check()
        alert = Alert.objects.get(rule=Rule.OTHER_INSTANCE)
        assert "CLERK_INSTANCE_ID is not set." in alert.summary
        assert INSTANCE_ID in alert.summary
        settings.CLERK_INSTANCE_ID = INSTANCE_ID
        compare = step("other_instance", 1).url("compare all users with Clerk")
        admin.post(compare, {"scope": "all", "reason": "Following the runbook", "action": "run"})
        requested_runs.compare(Reconciliation.objects.get().pk)
        report = page(admin, f"/admin/accounts/reconciliation/{Reconciliation.objects.get().pk}/change/")
        assert "deleted in Clerk" in report
        assert state_of(Rule.OTHER_INSTANCE, timedelta(hours=1)) == "well"

    @pytest.fixture
    def foreign(self, webhook: WebhookClient, settings: Settings) -> WebhookEvent:
        settings.CLERK_INSTANCE_ID = "ins_ours"
        assert webhook.created(person()) == "ignored"
        assert state_of(Rule.OTHER_INSTANCE) == "broken"
        return WebhookEvent.objects.get()

    @pytest.mark.usefixtures("foreign", "secret_counts")
    def test_endpoint_of_another_instance_is_deleted(self, step: ReadStep, settings: Settings) -> None:
        assert step("other_instance", 2).links["Clerk's dashboard"].startswith("https://dashboard.clerk.com/")
        assert "Rotate the webhook secret" in step("other_instance", 3).open("secret rotation")
        settings.CLERK_WEBHOOK_SECRETS = [NEXT_SECRET]
        assert WebhookClient(SECRET).post(created()).status_code == 400
        assert WebhookEvent.objects.count() == 1
        assert state_of(Rule.OTHER_INSTANCE, timedelta(hours=1)) == "well"

    def test_site_has_moved(self, step: ReadStep, admin: Client, settings: Settings, foreign: WebhookEvent) -> None:
        moved = step("other_instance", 4)
        assert "Clerk instance" in moved.open("Diagnostics")
        settings.CLERK_INSTANCE_ID = foreign.instance_id
        assert foreign.event_type in moved.open("ignored events")
        query = moved.url("ignored events").partition("?")[2]
        fields = {"action": "replay", "reason": "The site has moved", "newest": str(foreign.pk)}
        admin.post(f"/admin/webhooks/webhookevent/repair/?{query}", fields)
        foreign.refresh_from_db()
        assert foreign.state == "processed"
        assert state_of(Rule.OTHER_INSTANCE) == "well"
