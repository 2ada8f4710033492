"""Events that fail in a running product, for those who look at what operators see of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from accounts.clerk import samples
from local.stack import environment
from local.stack.postgres import EmbeddedPostgres
from tests.helpers.processes import wait_until
from tests.helpers.site import Site
from tests.helpers.webhooks import URL, new_svix_id, person
from webhooks.inbox import signatures

#: Whoever is called so cannot be stored, while things are out of order.
UNLUCKY = "Unlucky"
OUT_OF_ORDER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of order'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON accounts_user FOR EACH ROW WHEN (NEW.name LIKE '%{name}%')
EXECUTE FUNCTION refuse();
"""
IN_ORDER = "DROP TRIGGER refuse ON accounts_user; DROP FUNCTION refuse()"
#: As if no retry were left, so that none comes between.
SPEND_RETRIES = "UPDATE webhooks_webhookevent SET state = 'dead', next_attempt_at = NULL WHERE state = 'failed'"

#: What a day of a small product looks like: more by daylight, mostly changes and sessions.
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
class Trouble:
    """Whoever is at Clerk's end, and at the database's."""

    site: Site

    def deliver(self, envelope: dict[str, Any], secret: str = "", svix_id: str = "") -> httpx.Response:
        """Post an event, signed with the secret of the site or another."""
        body = samples.encode(envelope)
        secret = secret or environment.read(self.site.data / "local.env")["CLERK_WEBHOOK_SECRET"]
        signed = signatures.sign(body, secret, svix_id=svix_id or new_svix_id()) | {"content-type": "application/json"}
        url = f"http://127.0.0.1:{self.site.port}{URL}"
        return httpx.post(url, content=body.encode(), headers=signed, timeout=15, trust_env=False)

    def deliver_dead(self) -> None:
        """Post an event that no retry can cure: it does not say who signed up."""
        answer = self.deliver(samples.user_event("user.created", person()) | {"data": {"id": 7}})
        assert answer.json()["outcome"] == "failed", answer.text

    def have_had_a_day(self) -> None:
        """Store what the day before would have left, without payloads."""
        self.execute(YESTERDAY)

    def execute(self, statement: str) -> list[Any]:
        """Do something as the owner of the database."""
        with psycopg.connect(EmbeddedPostgres(self.site.data).url, autocommit=True) as owner:
            done = owner.execute(statement)
            return done.fetchall() if done.description else []

    @contextmanager
    def out_of_order(self, name: str = UNLUCKY) -> Iterator[None]:
        """Let events fail that tell of somebody with this name; afterwards they would succeed, and nothing tries them by itself."""
        self.execute(OUT_OF_ORDER.replace("{name}", name))
        try:
            yield
            self.execute(SPEND_RETRIES)
        finally:
            self.execute(IN_ORDER)

    def wait_for(self, query: str) -> None:
        """Wait until a query of the database finds something."""
        wait_until(lambda: self.execute(query), f"nothing was found by {query}", 90)
