"""Cause each kind of problem in a running system, and wait for its notification: `make alarms`.

gunicorn and a queue worker run as in production, and ALERT_URLS points to a local receiver. The tests wait for the
notifications, which the worker sends once a minute, or the web processes after the worker has stopped. They take two
minutes, so they are not part of `make test`.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen
from threading import Thread
from typing import Any

import httpx
import psycopg
import pytest
from django.utils import timezone

from accounts.clerk import samples
from audit.log import SYSTEM, record
from audit.models import AuditLog, AuditSeal
from tests.helpers.factories import UserFactory
from tests.helpers.processes import gunicorn, process, wait_until
from tests.helpers.receiver import Receiver, running_receiver
from tests.helpers.webhooks import Svix, new_svix_id, person
from tests.webhooks.monitoring.test_hourly_counts import event
from tests.webhooks.monitoring.test_silence import busy, seed
from webhooks.inbox.signatures import sign
from webhooks.models import Alert, WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)

#: Seconds to wait for a notification. Rules are evaluated once a minute, and a missing worker is detected after 30 s.
PATIENCE_S = 150
METRICS_TOKEN = "token-of-the-metrics-with-thirty-two-characters"
#: The value of a broken signal in the metrics.
BROKEN = 3
WRONG_SECRET = "whsec_" + "bm9ib2R5IGhhcyBhZ3JlZWQgdXBvbiB0aGlz"
FAILING_HANDLER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON accounts_user EXECUTE FUNCTION refuse();
"""
WORKING_AGAIN = "DROP TRIGGER refuse ON accounts_user; DROP FUNCTION refuse()"


@dataclass
class System:
    """The running processes and the receiver of their notifications."""

    svix: Svix
    worker: Popen[bytes]
    receiver: Receiver
    database_url: str

    def wait_for_notification(self, rule: Alert.Rule) -> dict[str, Any]:
        """Wait until the receiver has the "opened" notification of a rule, and return it."""
        title = f"[Opened] {rule.label}"
        wait_until(
            lambda: title in self.receiver.titles, f"{title!r} was not received: {self.receiver.titles}", PATIENCE_S
        )
        [message] = [message for message in self.receiver.messages if message["title"] == title]
        return message

    def signal(self, rule: Alert.Rule) -> float:
        """Return the state of a signal in the metrics, and check that the alert's metric agrees with it."""
        text = self.svix.http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
        pattern = rf'buildappswith_(\w+)\{{rule="{rule}"\}} ([\d.]+)'
        found = dict(re.findall(pattern, text))
        assert (float(found["signal"]) == BROKEN) == (float(found["alert_open"]) == 1), found
        return float(found["signal"])

    def execute(self, statements: str) -> None:
        """Execute statements as the database owner."""
        with psycopg.connect(self.database_url, autocommit=True) as owner:
            owner.execute(statements)

    def deliver(self, envelope: dict[str, Any]) -> str:
        response = self.svix.deliver(envelope, new_svix_id())
        assert response.status_code == 200, response.content
        outcome: str = response.json()["outcome"]
        return outcome


@contextmanager
def refusing_clerk() -> Iterator[str]:
    """Run a Backend API that refuses every secret key, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    with ExitStack() as stack:
        receiver = stack.enter_context(running_receiver())
        environ = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ALERT_URLS": receiver.url,
            "CLERK_INSTANCE_ID": samples.INSTANCE_ID,
            "AUDIT_SEAL_KEY": "as long as a key of thirty-two characters has to be",
            "METRICS_TOKEN": METRICS_TOKEN,
            "CLERK_SECRET_KEY": "sk_test_refused",
            "CLERK_API_URL": stack.enter_context(refusing_clerk()),
            "AUDIT_SEAL_CRON": "* * * * * */5",
            "AUDIT_VERIFY_CRON": "* * * * * */5",
        }
        url = stack.enter_context(gunicorn(database_url, tmp_path / "web.txt", workers=2, **environ))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=15, trust_env=False))
        worker = stack.enter_context(
            process(["manage.py", "procrastinate", "worker"], database_url, tmp_path / "worker.txt", **environ)
        )
        yield System(Svix(http), worker, receiver, database_url)


def test_each_problem_sends_a_notification(system: System) -> None:
    # Events arrived all month and then stopped.
    seed(busy, timezone.now() - timedelta(hours=1))
    assert "No events have arrived for" in system.wait_for_notification(Alert.Rule.SILENCE)["message"]

    # Change a sealed row while the triggers are disabled.
    record(AuditLog.Action.USER_UPDATED, actor=SYSTEM, target=UserFactory.create(), reason="none")
    row = AuditLog.objects.latest("pk")
    wait_until(AuditSeal.objects.filter(max_id__gte=row.pk).exists, "the row was not sealed")
    system.execute(f"""
        SET session_replication_role = replica;
        UPDATE audit_auditlog SET action = 'USER_DELETED' WHERE id = {row.pk}
    """)

    # If the handler fails, events are stored but cannot be applied.
    system.execute(FAILING_HANDLER)
    assert {system.deliver(samples.user_event("user.created", person())) for _ in range(8)} == {"failed"}

    # Post an event with an invalid payload, and an event from another instance.
    assert system.deliver(samples.user_event("user.created", person()) | {"data": {"id": 7}}) == "failed"
    assert system.deliver(samples.user_event("user.created", person()) | {"instance_id": "ins_strange"}) == "ignored"

    # With a wrong secret, requests are rejected and not stored.
    stored = WebhookEvent.objects.count()
    for _ in range(25):
        assert post_with_wrong_secret(system) == 400
    assert WebhookEvent.objects.count() == stored

    assert "bad_signature 25" in system.wait_for_notification(Alert.Rule.REJECTED)["message"]
    assert "events failed" in system.wait_for_notification(Alert.Rule.FAILURE_RATE)["message"]
    assert "will not be retried" in system.wait_for_notification(Alert.Rule.DEAD_EVENTS)["message"]
    assert samples.INSTANCE_ID in system.wait_for_notification(Alert.Rule.OTHER_INSTANCE)["message"]
    assert str(row.pk) in system.wait_for_notification(Alert.Rule.AUDIT_CHAIN)["message"]

    # The handler works again, so retries apply the failed events.
    system.execute(WORKING_AGAIN)
    wait_until(
        lambda: not WebhookEvent.objects.filter(state=WebhookEvent.State.FAILED).exists(),
        "the retries did not apply the events",
        PATIENCE_S,
    )

    # After the worker has stopped, the web processes send one notification.
    system.worker.kill()
    message = system.wait_for_notification(Alert.Rule.WORKER_GONE)
    assert "/admin/webhooks/alert/" in message["message"]
    assert len(system.receiver.titles) == len(set(system.receiver.titles)), system.receiver.titles


def test_outage_of_a_quiet_site_sends_a_notification(system: System) -> None:
    event(timezone.now() - timedelta(days=3))
    with psycopg.connect(system.database_url) as session:
        session.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            response = system.svix.deliver(samples.user_event("user.created", person()), new_svix_id())
            assert response.status_code == 503
    for _ in range(2):
        assert post_with_wrong_secret(system) == 400
    system.execute("INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('mail', 'send', 'failed')")

    assert "locked_row 3" in system.wait_for_notification(Alert.Rule.UNAVAILABLE)["message"]
    assert "No delivery has been accepted since." in system.wait_for_notification(Alert.Rule.REJECTED)["message"]
    assert "failed and will not be retried" in system.wait_for_notification(Alert.Rule.JOBS)["message"]
    # The probe of the Frontend API, which nobody serves here, can be the first to fail.
    assert "Clerk" in system.wait_for_notification(Alert.Rule.CLERK)["message"]
    refused = Alert.objects.filter(rule=Alert.Rule.CLERK, summary__startswith="Clerk refuses CLERK_SECRET_KEY")
    wait_until(refused.exists, "the refused key was not reported", PATIENCE_S)
    rules = (Alert.Rule.UNAVAILABLE, Alert.Rule.REJECTED, Alert.Rule.JOBS, Alert.Rule.CLERK)
    assert {system.signal(rule) for rule in rules} == {BROKEN}


def post_with_wrong_secret(system: System) -> int:
    body = samples.encode(samples.user_event("user.created", person()))
    headers = sign(body, WRONG_SECRET, svix_id=new_svix_id()) | {"content-type": "application/json"}
    return system.svix.http.post("/api/webhooks/clerk", content=body.encode(), headers=headers).status_code
