"""The product works with PgBouncer in transaction mode, in which each transaction can use a different session."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection

from accounts import signals
from accounts.clerk import samples
from accounts.models import User
from tests.helpers.factories import BuilderProfileFactory
from tests.helpers.servers.pgbouncer import pgbouncer
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn, process, wait_until
from tests.helpers.tokens import mint
from tests.helpers.webhooks import Svix, WebhookClient, new_svix_id, person
from webhooks.models import WebhookEvent

#: Number of sessions. There are more clients than sessions, so clients share sessions.
SESSIONS = 3
#: By default, psycopg prepares a statement when it runs for the sixth time on a connection.
MANY = 12
#: Seconds. More than the lock timeout of 3 s, and less than Svix's timeout of 15 s.
MAX_WAIT_S = 6.0

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def pooled_url(database_url: str) -> Iterator[str]:
    with pgbouncer(database_url, pool_size=SESSIONS) as url:
        yield url


@pytest.fixture(scope="module")
def site(pooled_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a web server that connects to the database through PgBouncer."""
    log = tmp_path_factory.mktemp("pooled") / "log.txt"
    server = gunicorn(pooled_url, log, configuration=WITHOUT_ALERT_THREAD, DATABASE_POOLER="transaction")
    with server as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


def test_webhooks_are_applied(site: httpx.Client) -> None:
    people = [person() for _ in range(MANY)]
    created = [(samples.user_event("user.created", user), new_svix_id()) for user in people]
    updated = [
        (samples.user_event("user.updated", user.with_changes(first_name="Zosia")), new_svix_id()) for user in people
    ]
    assert _outcomes(site, [*created, *updated]) <= {"processed", "stale"}
    assert _outcomes(site, created) == {"duplicate"}
    assert User.objects.filter(name__startswith="Zosia").count() == MANY


def test_webhook_does_not_wait_longer_than_the_lock_timeout(site: httpx.Client, database_url: str) -> None:
    zofia = person()
    assert WebhookClient().created(zofia) == "processed"
    update = samples.user_event("user.updated", zofia.with_changes(first_name="Zosia"))
    with psycopg.connect(database_url) as rival:
        rival.execute("SELECT FROM accounts_user FOR UPDATE")
        started = time.monotonic()
        response = Svix(site).deliver(update, "msg_late")
        waited_s = time.monotonic() - started
    assert (response.status_code, response.json()) == (503, {"error": "unavailable"})
    assert waited_s < MAX_WAIT_S
    assert Svix(site).deliver(update, "msg_late").json() == {"outcome": "processed"}


def test_webhook_does_not_wait_longer_for_a_session_of_the_pooler(site: httpx.Client, pooled_url: str) -> None:
    """PgBouncer closes connections that have waited for `query_wait_timeout`."""
    with contextlib.ExitStack() as others:
        for _ in range(SESSIONS):
            others.enter_context(psycopg.connect(pooled_url)).execute("SELECT 1")  # and keep the transaction open
        started = time.monotonic()
        response = Svix(site).deliver(samples.user_event("user.created", person()), "msg_crowded")
        waited_s = time.monotonic() - started
    assert (response.status_code, response.json()) == (503, {"error": "unavailable"})
    assert waited_s < 2 * MAX_WAIT_S


def test_pages_are_shown_to_visitors_and_to_their_owner(site: httpx.Client) -> None:
    page = BuilderProfileFactory.create()
    token = mint(page.user.clerk_id or "")
    cookies = {"Cookie": f"__session={token}; __client_uat=1; __clerk_db_jwt=dvb_any"}
    for _ in range(MANY):
        assert site.get("/builders/").status_code == 200
        assert site.get(page.get_absolute_url()).status_code == 200
        assert "owner-bar" in site.get(page.get_absolute_url(), headers=cookies).text


def test_worker_retries_failed_events(pooled_url: str, tmp_path: Path) -> None:
    def fail(**kwargs: object) -> None:
        raise TimeoutError("not now")

    signals.users_synced.connect(fail)
    try:
        assert {WebhookClient().created(person()) for _ in range(MANY)} == {"failed"}
    finally:
        signals.users_synced.disconnect(fail)
    WebhookEvent.objects.update(next_attempt_at="2026-01-01T00:00:00Z")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")

    log = tmp_path / "worker.txt"
    with process(["manage.py", "procrastinate", "worker"], pooled_url, log, DATABASE_POOLER="transaction") as worker:
        wait_until(
            lambda: WebhookEvent.objects.filter(state="processed").count() == MANY, "no worker retried the events"
        )
        assert worker.poll() is None
    assert User.objects.count() == MANY
    assert "prepared statement" not in log.read_text()


def _outcomes(site: httpx.Client, messages: list[tuple[dict[str, object], str]]) -> set[str]:
    responses = Svix(site).deliver_all(messages, threads=MANY)
    return {response.json().get("outcome", response.text) for response in responses}
