"""What the operators' pages take with fifty thousand events and with five million, in alternating rounds of one run.

Two databases of one server, each behind a gunicorn of its own. The events lie spread over a month with payloads of 0.3 to
1.5 kB, about what PostgreSQL keeps of Clerk's in the row after compressing them, and their hours are aggregated; some arrive
after the last aggregation. `python -m tests.bench.operators` runs it alone: it needs 12 GB of disk and ten minutes.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg

from local.stack.postgres import EmbeddedPostgres
from tests import settings
from tests.helpers.processes import gunicorn

SMALL, LARGE = 50_000, int(os.environ.get("OPERATOR_EVENTS", "5000000"))
ROUNDS = int(os.environ.get("OPERATOR_ROUNDS", "25"))
#: Bytes a stored event takes at most, with its indices and the log of writing it.
BYTES_AN_EVENT = 2_400
#: Pages to compare; the facts in braces are what `seed` returns.
PAGES = {
    "dashboard": "/admin/webhooks/dashboard/",
    "dashboard, 30 days": "/admin/webhooks/dashboard/?span=30d",
    "timeline of a user": "/admin/accounts/user/{user}/timeline/",
    "timeline of the busiest user": "/admin/accounts/user/{busy}/timeline/",
    "event": "/admin/webhooks/webhookevent/{event}/change/",
    "events": "/admin/webhooks/webhookevent/",
    "failed events": "/admin/webhooks/webhookevent/?state=failed",
    "events by lag": "/admin/webhooks/webhookevent/?sort=-lag",
    "events by attempts": "/admin/webhooks/webhookevent/?sort=-attempts",
    "of one type and state": "/admin/webhooks/webhookevent/?event_type=user.created&state=stale",
    "found by e-mail": "/admin/webhooks/webhookevent/?q=bench7@example.com",
    "events, page 1,000": "/admin/webhooks/webhookevent/?before={place}",
}
AIM = 2.0
WARM_UP = 3

EVENTS = """
INSERT INTO webhooks_webhookevent (svix_id, event_type, payload, state, attempts, deliveries, last_error, error_class,
    occurred_at, received_at, last_delivery_at, processed_at, next_attempt_at, duration, clerk_user_id, instance_id,
    source_address, headers, secret_fingerprint)
SELECT 'msg_' || to_char(number, 'FM0000000000') || left(md5(number::text), 17),
    (ARRAY['user.created', 'user.updated', 'user.updated', 'user.updated', 'session.created', 'session.ended',
        'email.created', 'user.deleted'])[1 + number * 7 %% 8],
    CASE WHEN number * 7 %% 8 <> 6 THEN '{"data": "' || repeat(md5(number::text), 9 + number %% 39) || '"}' END,
    state, 1 + (number %% 50 = 0)::int, 1 + (number %% 20 = 0)::int,
    CASE WHEN state IN ('failed', 'dead') THEN 'OperationalError: the connection was lost' ELSE '' END,
    CASE WHEN state IN ('failed', 'dead') THEN 'transient' ELSE '' END,
    at - number %% 900 * interval '10 ms', at, at,
    CASE WHEN state NOT IN ('failed', 'dead') THEN at + number %% 40 * interval '1 ms' END,
    CASE WHEN state = 'failed' THEN now() + interval '1 hour' END,
    (2 + number %% 38) * interval '1 ms',
    'user_bench' || CASE WHEN number %% 50 = 0 THEN 0 ELSE number %% 2000 END, 'ins_bench', '198.51.100.7',
    '{"User-Agent": "Svix-Webhooks/1.60", "Content-Type": "application/json"}', 'x'
FROM (
    SELECT number, now() - (%(events)s - number) * (interval '30 days' / %(events)s) - interval '2 minutes' AS at,
        CASE WHEN number %% 9 = 0 THEN 'ignored' WHEN number %% 31 = 0 THEN 'stale'
            WHEN %(events)s - number < 40 THEN 'failed' WHEN %(events)s - number < 60 THEN 'dead'
            ELSE 'processed' END AS state
    FROM generate_series(%(first)s, %(last)s) AS number
) AS made
"""
#: So many a statement, so that progress can be seen.
CHUNK = 250_000


def main() -> None:
    if sys.argv[1:2] == ["seed"]:
        print(json.dumps(seed(int(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory(prefix="buildappswith-operators-") as name:
        folder = Path(name)
        free, needed = shutil.disk_usage(folder).free, LARGE * BYTES_AN_EVENT
        if free < needed:
            sys.exit(f"{needed / 1e9:.0f} GB of disk are needed in {folder}, and {free / 1e9:.0f} GB are free.")
        tuned: dict[str, str | int] = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "2GB"}
        with EmbeddedPostgres(
            folder, shared_buffers="1GB", wal_level="minimal", max_wal_senders=0, **tuned
        ) as postgres:
            urls = {SMALL: postgres.url, LARGE: create_database(postgres.url)}
            facts = {events: seeded(url, events) for events, url in urls.items()}
            with (
                gunicorn(urls[SMALL], folder / "small.txt", workers=1, **settings.ENVIRONMENT) as small,
                gunicorn(urls[LARGE], folder / "large.txt", workers=1, **settings.ENVIRONMENT) as large,
            ):
                report(compete({SMALL: small, LARGE: large}, facts))


def create_database(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE large")
    return url.replace("/app?", "/large?")


def seeded(url: str, events: int) -> dict[str, str]:
    """Fill a database in a process of its own, since Django knows one database."""
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, check=True)
    command = [sys.executable, "-m", "tests.bench.operators", "seed", str(events)]
    done = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    facts: dict[str, str] = json.loads(done.stdout)
    return facts


def seed(events: int) -> dict[str, str]:
    """Store events over the last month, count their hours, and let some come after that."""
    import django

    django.setup()
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import connection

    from accounts.models import User
    from config.database import close_pools
    from webhooks.models import WebhookEvent
    from webhooks.monitoring import hourly_counts

    started = time.perf_counter()
    operator = User.objects.create_superuser("bench", "bench")
    people = User.objects.bulk_create(
        User(clerk_id=f"user_bench{number}", clerk_version="0", password="!", email=f"bench{number}@example.com")
        for number in range(2000)
    )
    late = 20  # that come after the last count
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for first in range(1, events - late + 1, CHUNK):
            last = min(first + CHUNK - 1, events - late)
            cursor.execute(EVENTS, {"events": events, "first": first, "last": last})
            print(f"{last:9} of {events} events after {time.perf_counter() - started:.0f} s", file=sys.stderr)
        cursor.execute("VACUUM (ANALYZE) webhooks_webhookevent")
        hours = hourly_counts.aggregate()
        cursor.execute("ANALYZE")
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() + interval '1 day')")
        cursor.execute(EVENTS, {"events": events, "first": events - late + 1, "last": events})
    print(f"{hours} hours counted after {time.perf_counter() - started:.0f} s", file=sys.stderr)
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(operator.pk), operator.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    middle = WebhookEvent.objects.order_by("pk").values_list("pk", flat=True)[events // 2]
    end = WebhookEvent.objects.order_by("-received_at", "-pk").only("received_at")[999 * 50 - 1]
    close_pools()
    return {
        "place": quote(f"{end.received_at.isoformat()}~{end.pk}"),
        "session": str(session.session_key),
        "event": str(middle),
        "user": str(people[7].pk),
        "busy": str(people[0].pk),
    }


def compete(servers: dict[int, str], facts: dict[int, dict[str, str]]) -> dict[str, dict[int, float]]:
    """Ask for each page in turns; return the medians in milliseconds, for pages that there are."""
    medians: dict[str, dict[int, float]] = {}
    with httpx.Client(timeout=60, trust_env=False) as client:

        def ask(events: int, path: str) -> float | None:
            cookie = f"sessionid_8000={facts[events]['session']}"
            started = time.perf_counter()
            answer = client.get(servers[events] + path.format(**facts[events]), headers={"cookie": cookie})
            return 1000 * (time.perf_counter() - started) if answer.status_code == 200 else None

        for name, path in PAGES.items():
            rounds = [{events: ask(events, path) for events in servers} for _ in range(WARM_UP + ROUNDS)]
            if any(took is None for each in rounds for took in each.values()):
                print(f"{name} is not there or not well: {path}")
                continue
            medians[name] = {n: statistics.median(each[n] or 0 for each in rounds[WARM_UP:]) for n in servers}
    return medians


def report(medians: dict[str, dict[int, float]]) -> None:
    print(f"\nThe operators' pages, medians of {ROUNDS} alternating rounds, in ms:\n")
    print(f"{'':24}{SMALL:>12,}{LARGE:>12,}{'ratio':>8}")
    for name, took in medians.items():
        print(f"{name:24}{took[SMALL]:12.1f}{took[LARGE]:12.1f}{took[LARGE] / took[SMALL]:8.2f}")
    worst = max(took[LARGE] / took[SMALL] for took in medians.values())
    print(f"\nThe worst ratio is {worst:.2f}. The aim is {AIM:.2f} at most.")


if __name__ == "__main__":
    main()
