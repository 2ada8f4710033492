"""Measure a replay of settled events, as an admin starts it."""

import os
import time
from random import Random

import django

EVENTS = int(os.environ.get("REPLAYED", "10000"))
GROUP = 16


def main() -> None:
    django.setup()
    from config.database import close_pools
    from webhooks.models import WebhookEvent

    store_events()
    count = WebhookEvent.objects.count()
    started, cpu = time.perf_counter(), time.process_time()
    outcomes = replay_all()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(
        f"replay of {count} events: {count / seconds:.0f} per second, {1000 * cpu / count:.2f} ms of Python each, {outcomes}\n"
    )
    close_pools()


def store_events() -> None:
    """Receive a mix of events, which is not measured."""
    from tests.bench.load import messages
    from tests.helpers.event_kinds import verified
    from webhooks.inbox import service as inbox

    received = [verified(body, svix_id) for body, svix_id in messages(EVENTS, Random(10))]
    for start in range(0, len(received), GROUP):
        inbox.receive_group(received[start : start + GROUP])


def replay_all() -> dict[str, int]:
    from accounts.models import User
    from audit.log import Actor
    from webhooks.models import WebhookEvent
    from webhooks.replay import bulk
    from webhooks.replay.event_actions import ActingAdmin

    admin = User.objects.create_superuser("bench", "bench")
    by = ActingAdmin(Actor(user=admin), "a benchmark")
    replay = bulk.start(WebhookEvent.objects.all(), by, dry_run=False, description="all events")
    while replay.is_active:  # each call processes events for some seconds
        bulk.run(replay.pk)
        replay.refresh_from_db()
    counts: dict[str, int] = replay.counts
    return counts


if __name__ == "__main__":
    main()
