"""Compare the operators' pages with fifty thousand and with five million events, in alternating rounds.

The databases also have ten thousand and one million jobs.

One PostgreSQL has two databases, each served by its own gunicorn. The events are spread over a month, with payloads of 0.3
to 1.5 kB, which is about the size of Clerk's payloads after compression by PostgreSQL. Hourly counts include all
events except the latest.

`python -m tests.bench.operators` runs only this benchmark. It needs 12 GB of disk space and ten minutes.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg

from local.stack.postgres import EmbeddedPostgres
from tests import settings
from tests.helpers.servers.processes import gunicorn

SMALL, LARGE = 50_000, int(os.environ.get("OPERATOR_EVENTS", "5000000"))
JOBS = {SMALL: 10_000, LARGE: int(os.environ.get("OPERATOR_JOBS", "1000000"))}
ROUNDS = int(os.environ.get("OPERATOR_ROUNDS", "25"))
#: Maximum disk usage per event, with its indexes and write-ahead log.
BYTES_PER_EVENT = 2_400
#: Pages to compare. `seed` returns the values in braces.
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
    "search by email": "/admin/webhooks/webhookevent/?q=bench7@example.com",
    "jobs": "/admin/webhooks/job/",
    "failed jobs": "/admin/webhooks/job/?state=failed",
    "running jobs": "/admin/webhooks/job/?state=running",
    "jobs of one kind": "/admin/webhooks/job/?task=accounts.tasks.reconcile_all",
    "jobs of a user": "/admin/webhooks/job/?user={user}",
    "jobs of two weeks ago": "/admin/webhooks/job/?queued_at__lt={two_weeks_ago}",
    "job": "/admin/webhooks/job/{job}/change/",
    "error groups": "/admin/webhooks/errorgroup/",
    "error group": "/admin/webhooks/errorgroup/{group}/change/",
    "events of an error group": "/admin/webhooks/webhookevent/?error_group={group}",
    "news, none": "/admin/webhooks/webhookevent/news/?seen={seen}",
    "news, first page": "/admin/webhooks/webhookevent/news/?seen=1.{event}",
    "news, dead events": "/admin/webhooks/webhookevent/news/?state=dead&seen=1.{event}",
    "runs in progress": "/admin/webhooks/running/",
    "people": "/admin/accounts/user/",
    "audit log": "/admin/audit/auditlog/",
    "events, page 1,000": "/admin/webhooks/webhookevent/?before={place}",
}
MAX_RATIO = 2.0
WARM_UP_ROUNDS = 3

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
#: Every fiftieth event has one failed attempt, with the same error.
ATTEMPTS = """
INSERT INTO webhooks_attempt (event_id, number, started_at, duration, outcome, error_class, error, traceback, trigger,
    error_group_id)
SELECT id, 1, received_at, '1 ms', 'failed', 'transient', 'OperationalError: the connection was lost', '', 'delivery', %s
FROM webhooks_webhookevent WHERE id %% 50 = 0
"""
#: One in 100 jobs failed, and one in 100 is of a rare kind, so that both databases have full pages. Triggers are off, so the queueing times are inserted.
NEW_JOBS = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args)
SELECT 'upkeep', CASE WHEN number %% 100 = 1 THEN 'accounts.tasks.reconcile_all' WHEN number %% 2 = 0
        THEN 'accounts.tasks.push_metadata' ELSE 'webhooks.tasks.check_alerts' END,
    (CASE WHEN number %% 100 = 0 THEN 'failed' WHEN number > %(jobs)s - 3 THEN 'doing' ELSE 'succeeded' END
        )::procrastinate_job_status, 1, jsonb_build_object('user_id', %(first_user)s + number %% 2000)
FROM generate_series(1, %(jobs)s) AS number
"""
QUEUED = """
INSERT INTO procrastinate_events (job_id, type, at)
SELECT id, 'deferred', now() - (%(jobs)s - id) * (interval '30 days' / %(jobs)s) FROM procrastinate_jobs
"""
#: Number of events that one statement stores. Progress is printed after each statement.
BATCH_SIZE = 250_000


def main() -> None:
    if sys.argv[1:2] == ["seed"]:
        print(json.dumps(seed(int(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory(prefix="buildappswith-operators-") as name:
        folder = Path(name)
        free, needed = shutil.disk_usage(folder).free, LARGE * BYTES_PER_EVENT
        if free < needed:
            sys.exit(f"{folder} needs {needed / 1e9:.0f} GB of free space, but {free / 1e9:.0f} GB are free.")
        options: dict[str, str | int] = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "2GB"}
        with EmbeddedPostgres(
            folder, shared_buffers="1GB", wal_level="minimal", max_wal_senders=0, **options
        ) as postgres:
            urls = {SMALL: postgres.url, LARGE: create_database(postgres.url)}
            facts = {events: seed_in_process(url, events) for events, url in urls.items()}
            with (
                gunicorn(urls[SMALL], folder / "small.txt", workers=1, **settings.ENVIRONMENT) as small,
                gunicorn(urls[LARGE], folder / "large.txt", workers=1, **settings.ENVIRONMENT) as large,
            ):
                report(compare({SMALL: small, LARGE: large}, facts))


def create_database(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE large")
    return url.replace("/app?", "/large?")


def seed_in_process(url: str, events: int) -> dict[str, str]:
    """Fill a database in a separate process, because Django is configured for one database."""
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, check=True)
    command = [sys.executable, "-m", "tests.bench.operators", "seed", str(events)]
    completed = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    facts: dict[str, str] = json.loads(completed.stdout)
    return facts


def seed(events: int) -> dict[str, str]:
    """Store events from the last month, create their hourly counts, then store a few more."""
    import django

    django.setup()
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import connection
    from django.utils import timezone

    from accounts.models import User
    from config.database import close_pools
    from core.db.cursors import format_cursor
    from core.errors import ErrorKind
    from webhooks import errors
    from webhooks.admin.events.news import current_position
    from webhooks.models import WebhookEvent
    from webhooks.monitoring import hourly_counts

    started = time.perf_counter()
    operator = User.objects.create_superuser("bench", "bench")
    users = User.objects.bulk_create(
        User(clerk_id=f"user_bench{number}", clerk_version="0", password="!", email=f"bench{number}@example.com")
        for number in range(2000)
    )
    late = 20  # stored after the last count
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for first in range(1, events - late + 1, BATCH_SIZE):
            last = min(first + BATCH_SIZE - 1, events - late)
            cursor.execute(EVENTS, {"events": events, "first": first, "last": last})
            print(f"{last:9} of {events} events after {time.perf_counter() - started:.0f} s", file=sys.stderr)
        cursor.execute("VACUUM (ANALYZE) webhooks_webhookevent")
        hours = hourly_counts.aggregate()
        group = errors.group_of_kind(ErrorKind("OperationalError", "accounts.sync.apply.apply_users", ""))
        cursor.execute(ATTEMPTS, [group])
        cursor.execute("UPDATE webhooks_webhookevent SET error_group_id = %s WHERE error_class <> ''", [group])
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(NEW_JOBS, {"jobs": JOBS[events], "first_user": users[0].pk})
        cursor.execute(QUEUED, {"jobs": JOBS[events]})
        cursor.execute("SET session_replication_role = DEFAULT")
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
    seen = str(current_position())
    close_pools()
    return {
        "seen": seen,
        "place": format_cursor([end.received_at, end.pk]),
        "session": str(session.session_key),
        "event": str(middle),
        "user": str(users[7].pk),
        "busy": str(users[0].pk),
        "job": str(JOBS[events] // 2),
        "group": str(group),
        "two_weeks_ago": (timezone.now() - timedelta(days=14)).strftime("%Y-%m-%dT%H:%M"),
    }


def compare(servers: dict[int, str], facts: dict[int, dict[str, str]]) -> dict[str, dict[int, float]]:
    """Request each page in alternating rounds, and return the medians in milliseconds. Failing pages are skipped."""
    medians: dict[str, dict[int, float]] = {}
    with httpx.Client(timeout=60, trust_env=False) as client:

        def request(events: int, path: str) -> float | None:
            cookie = f"sessionid_8000={facts[events]['session']}"
            started = time.perf_counter()
            response = client.get(servers[events] + path.format(**facts[events]), headers={"cookie": cookie})
            return 1000 * (time.perf_counter() - started) if response.status_code in (200, 204) else None

        for name, path in PAGES.items():
            rounds = [{events: request(events, path) for events in servers} for _ in range(WARM_UP_ROUNDS + ROUNDS)]
            if any(duration is None for each in rounds for duration in each.values()):
                print(f"{name} failed: {path}")
                continue
            medians[name] = {n: statistics.median(each[n] or 0 for each in rounds[WARM_UP_ROUNDS:]) for n in servers}
    return medians


def report(medians: dict[str, dict[int, float]]) -> None:
    print(f"\nThe operators' pages, medians of {ROUNDS} alternating rounds, in ms:\n")
    print(f"{'':24}{SMALL:>12,}{LARGE:>12,}{'ratio':>8}")
    for name, durations in medians.items():
        print(f"{name:24}{durations[SMALL]:12.1f}{durations[LARGE]:12.1f}{durations[LARGE] / durations[SMALL]:8.2f}")
    worst = max(durations[LARGE] / durations[SMALL] for durations in medians.values())
    print(f"\nThe worst ratio is {worst:.2f}. The target is {MAX_RATIO:.2f} at most.")


if __name__ == "__main__":
    main()
