"""Measure a full reconciliation against the stand-in for Clerk, without drift and with 10% drifted users."""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import psutil

USERS = int(os.environ.get("PEOPLE", "100000"))
#: Number of users that each request creates in the stand-in. It answers within the timeout, even on a busy machine.
BATCH_SIZE = 1000
#: With a production key, the product and the stand-in allow a thousand requests in ten seconds.
API_KEY = "sk_live_of_the_bench"


def main() -> None:
    django.setup()
    from django.conf import settings

    from config.database import close_pools
    from tests.local.clerk.standin import INSTANCE_ID, StandIn

    with (
        tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as folder,
        StandIn(Path(folder), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as clerk,
    ):
        settings.CLERK_API_URL, settings.CLERK_SECRET_KEY = f"http://127.0.0.1:{clerk.port}", API_KEY
        settings.CLERK_INSTANCE_ID = INSTANCE_ID
        clerk.call("PATCH", "/local/settings", {"lose_percent": 100})
        sign_up(clerk)
        store_users()
        measure("unchanged")
        drift(clerk)
        measure("10% drifted")
        measure("unchanged again")
    close_pools()


def sign_up(clerk: Any) -> None:
    """Create the users at the stand-in, which is not measured."""
    for _ in range(0, USERS, BATCH_SIZE):
        status, response = clerk.call(
            "POST", "/local/users/crowd", {"count": min(BATCH_SIZE, USERS), "roles": ["CLIENT"]}
        )
        if status != 201:
            sys.exit(f"The stand-in did not create the users: {response}")


def store_users() -> None:
    """Store the users locally. This is faster than a reconciliation, which needs 9 statements for each new user."""
    from accounts.clerk import api
    from accounts.models import User
    from accounts.sync.fields import user_fields
    from profiles.models import ClientProfile

    page = api.list_users()
    while True:
        users = [User(password="!", clerk_id=payload.clerk_id, **user_fields(payload)) for payload in page.users]
        User.objects.bulk_create(users)
        ClientProfile.objects.bulk_create([ClientProfile(user=user) for user in users])
        if not page.last_id:
            return
        page = api.list_users(page.last_id)


def drift(clerk: Any) -> None:
    """Change 10% of the local users, as if events had been lost."""
    from accounts.models import User

    users = User.objects.filter(clerk_id__isnull=False)
    drifted = list(users.order_by("pk").values_list("pk", flat=True)[::10])
    User.objects.filter(pk__in=drifted).update(name="Other name")


def measure(name: str) -> None:
    """Run one full reconciliation, and print its cost."""
    from django.db import connection

    from accounts.sync import reconciliation

    statements = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    with connection.execute_wrapper(count), peak_memory() as peak:
        started, cpu = time.perf_counter(), time.process_time()
        run = reconciliation.reconcile(full=True)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(
        f"{name:16} {run.compared:7} compared, {run.differed:6} differed, {run.repaired:6} repaired: {USERS / seconds:7.0f} users/s, "
        f"{1000 * cpu / USERS:.3f} ms CPU each, {1000 * statements / USERS:7.1f} statements per 1,000, "
        f"peak memory +{peak[0]:.0f} MB"
    )


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Yield a list. At the end it contains the maximum increase in the process's memory, in MB."""
    process, stop, found = psutil.Process(), threading.Event(), [0.0]
    before = process.memory_info().rss

    def watch() -> None:
        while not stop.wait(0.02):
            found[0] = max(found[0], (process.memory_info().rss - before) / 2**20)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
