"""What it costs to compare everybody with Clerk: unchanged people, and one in a hundred drifted, against the stand-in."""

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

PEOPLE = int(os.environ.get("PEOPLE", "100000"))
#: Created at the stand-in by one request.
CROWD = 10_000
#: A production key lets a thousand requests pass in ten seconds, here and at the stand-in.
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
        know_everybody()
        measure("unchanged", PEOPLE)
        drift(clerk)
        measure("1 % drifted", PEOPLE)
        measure("unchanged again", PEOPLE)
    close_pools()


def sign_up(clerk: Any) -> None:
    """Create the people at the stand-in, which takes as long as it takes."""
    for _ in range(0, PEOPLE, CROWD):
        status, answer = clerk.call("POST", "/local/users/crowd", {"count": min(CROWD, PEOPLE), "roles": ["CLIENT"]})
        if status != 201:
            sys.exit(f"The stand-in did not create the people: {answer}")


def know_everybody() -> None:
    """Store the people here, faster than comparing would: that takes the 9 statements of any new person's event."""
    from accounts.clerk import api
    from accounts.models import User
    from accounts.sync.apply import user_fields
    from profiles.models import ClientProfile

    page = api.list_users()
    while True:
        people = [User(password="!", clerk_id=payload.clerk_id, **user_fields(payload)) for payload in page.users]
        User.objects.bulk_create(people)
        ClientProfile.objects.bulk_create([ClientProfile(user=person) for person in people])
        if not page.last_id:
            return
        page = api.list_users(page.last_id)


def drift(clerk: Any) -> None:
    """Change one in a hundred here, as if an event had been lost, so that each has to be repaired."""
    from accounts.models import User

    people = User.objects.filter(clerk_id__isnull=False)
    drifted = list(people.order_by("pk").values_list("pk", flat=True)[::100])
    User.objects.filter(pk__in=drifted).update(name="Somebody else")


def measure(name: str, people: int) -> None:
    """Run one full comparison, and print what it took."""
    from django.db import connection

    from accounts.sync import reconciliation

    counted = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal counted
        counted += 1
        return execute(*arguments)

    with connection.execute_wrapper(count), peak_memory() as peak:
        started, cpu = time.perf_counter(), time.process_time()
        run = reconciliation.reconcile(full=True)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(
        f"{name:16} {run.compared:7} compared, {run.differed:6} differed, {run.repaired:6} repaired: {people / seconds:7.0f} users/s, "
        f"{1000 * cpu / people:.3f} ms CPU each, {1000 * counted / people:7.1f} statements per 1,000, "
        f"peak memory +{peak[0]:.0f} MB"
    )


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Yield a list that holds, at the end, how many MB the process grew at most."""
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
