"""Cause failing events in a running product, for tests of the operators' pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from accounts.clerk import samples
from local.stack import environment
from local.stack.postgres import EmbeddedPostgres
from tests.helpers.servers.processes import wait_until
from tests.helpers.servers.site import Site
from tests.helpers.webhooks import URL, new_svix_id, person
from webhooks.inbox import signatures

#: Users with this name cannot be stored inside `failing_updates`.
FAILING_NAME = "Unlucky"
ADD_FAILING_TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON accounts_user FOR EACH ROW WHEN (NEW.name LIKE '%{name}%')
EXECUTE FUNCTION refuse();
"""
DROP_FAILING_TRIGGER = "DROP TRIGGER refuse ON accounts_user; DROP FUNCTION refuse()"
#: Marks failed events as dead, so that retries do not interfere.
EXHAUST_RETRIES = "UPDATE webhooks_webhookevent SET state = 'dead', next_attempt_at = NULL WHERE state = 'failed'"

#: The events of a typical day: mostly changes and sessions, and more events during the day than at night.
YESTERDAY = """
INSERT INTO webhooks_webhookevent (svix_id, event_type, payload, state, attempts, deliveries, last_error, error_class,
    occurred_at, received_at, last_delivery_at, processed_at, duration, clerk_user_id, instance_id, headers, secret_fingerprint)
SELECT 'msg_' || left(md5(number::text), 27),
    (ARRAY['user.updated', 'session.created', 'session.ended', 'user.updated', 'session.created', 'user.created',
        'email.created'])[1 + number * 5 % 7],
    NULL, CASE WHEN number % 17 = 0 THEN 'stale' WHEN number * 5 % 7 = 6 THEN 'ignored' ELSE 'processed' END,
    1 + (number % 90 = 0)::int, 1 + (number % 40 = 0)::int, '', '',
    at - number % 23 * interval '70 ms', at, at, at + number % 19 * interval '4 ms', (5 + number % 19 * 3) * interval '1 ms',
    person, 'ins_local', '{}', 'x'
FROM (
    SELECT number, at, (SELECT clerk_id FROM accounts_user WHERE clerk_id IS NOT NULL ORDER BY id OFFSET number % 8 LIMIT 1) AS person
    FROM (SELECT number, now() - interval '25 hours' + number * interval '50 seconds' AS at FROM generate_series(1, 1700) AS number) AS even
    WHERE (number * 7919 % 100) < 20 + 60 * (1 - cos(2 * pi() * (extract(hour FROM at) - 3) / 24)) / 2
) AS made ORDER BY at
"""


@dataclass(frozen=True)
class FaultySite:
    """Sends events to a running site, and manipulates its database."""

    site: Site

    def deliver(self, envelope: dict[str, Any], secret: str = "", svix_id: str = "") -> httpx.Response:
        """Post an event, signed with `secret` or the site's secret."""
        body = samples.encode(envelope)
        secret = secret or environment.read(self.site.data / "local.env")["CLERK_WEBHOOK_SECRET"]
        signed = signatures.sign(body, secret, svix_id=svix_id or new_svix_id()) | {"content-type": "application/json"}
        url = f"http://127.0.0.1:{self.site.port}{URL}"
        return httpx.post(url, content=body.encode(), headers=signed, timeout=15, trust_env=False)

    def deliver_dead(self) -> None:
        """Post an event that always fails, because its user id is invalid."""
        response = self.deliver(samples.user_event("user.created", person()) | {"data": {"id": 7}})
        assert response.json()["outcome"] == "failed", response.text

    def add_day_of_events(self) -> None:
        """Store the events of the last day, without payloads."""
        self.execute(YESTERDAY)

    def execute(self, statement: str) -> list[Any]:
        """Run a statement as the database owner, and return its rows."""
        with psycopg.connect(EmbeddedPostgres(self.site.data).url, autocommit=True) as owner:
            cursor = owner.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def failing_updates(self, name: str = FAILING_NAME) -> Iterator[None]:
        """Make events about users with this name fail inside the block. They are not retried automatically."""
        self.execute(ADD_FAILING_TRIGGER.replace("{name}", name))
        try:
            yield
            self.execute(EXHAUST_RETRIES)
        finally:
            self.execute(DROP_FAILING_TRIGGER)

    def wait_for(self, query: str) -> None:
        """Wait until a query returns rows."""
        wait_until(lambda: self.execute(query), f"no rows were returned by {query}", 90)
