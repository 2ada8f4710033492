"""One run: start the site, deliver messages while faults are caused, and check the result."""

import argparse
import time
from pathlib import Path
from random import Random
from signal import SIGKILL

from django.conf import settings

from config.database import close_pools
from tests.faults import verdict
from tests.faults.faults import DISK_FULL, FAULTS, Faults
from tests.faults.sender import Sender, connect_to
from tests.faults.stack import ENVIRONMENT, Stack, running_stack
from tests.faults.workload import Message, messages
from tests.helpers.servers.faulty_site import ADD_FAILING_TRIGGER, DROP_FAILING_TRIGGER, FAILING_NAME

MAX_SHOWN = 5
#: Faults are caused for this multiple of the time that the site has if it keeps up with the sender.
FAULT_TIME_RATIO = 1.5
#: Seconds without a successful delivery after the last fault, until the run gives up. Svix would retry for a day.
DELIVERY_TIMEOUT_S = 300
MAKE_RETRIES_DUE = """
UPDATE webhooks_webhookevent SET next_attempt_at = '2026-01-01' WHERE state = 'failed';
UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND task_name LIKE '%retry_event';
"""


def run(arguments: argparse.Namespace, folder: Path, disk: Path, *, is_small_disk: bool) -> int:
    """Run the faults, print the figures, and return the exit code."""
    print(f"Seed {arguments.seed}, {arguments.events} events", flush=True)
    if not is_small_disk:
        print("A full disk is not simulated: only root can mount a small file system for the database.", flush=True)
    settings.AUDIT_SEAL_KEYS = [ENVIRONMENT["AUDIT_SEAL_KEY"]]
    random = Random(arguments.seed)
    sent = messages(arguments.events, random)
    faults = [*FAULTS, *([DISK_FULL] if is_small_disk else [])]
    try:
        with running_stack(folder, disk) as stack:
            sender = Sender(sent, connect_to(stack.web_proxy.port), rate=arguments.rate, seed=arguments.seed)
            fault_s = FAULT_TIME_RATIO * arguments.events / arguments.rate
            return _deliver(stack, sender, sent, Faults(stack, sender, random, faults), fault_s)
    finally:
        close_pools()


def _deliver(stack: Stack, sender: Sender, sent: list[Message], faults: Faults, fault_s: float) -> int:
    """Deliver all messages, and cause faults for at most `fault_s` seconds. A slow machine delivers the rest without."""
    ends_at = time.monotonic() + fault_s
    stack.database.execute(ADD_FAILING_TRIGGER.replace("{name}", FAILING_NAME))
    started = time.monotonic()
    sender.start()
    faults.run(lambda: sender.has_sent_all or time.monotonic() > ends_at)
    delivered = len(sent) - sender.unfinished
    stack.wait_for_database()
    stack.database.execute(DROP_FAILING_TRIGGER)
    print(f"{delivered} events were delivered during the faults.", flush=True)
    sender.recover()
    _wait_for_sender(stack, sender)
    delivered_s = time.monotonic() - started
    sender.stop()
    _retry_events(stack)
    idle_s = verdict.wait_until_idle(stack)
    _print_figures(stack, sender, sent, faults, delivered_s=delivered_s, idle_s=idle_s)
    return _print_verdict(sender, sent)


def _wait_for_sender(stack: Stack, sender: Sender) -> None:
    """Wait while messages are being delivered."""
    delivered, changed_at = len(sender.succeeded_at), time.monotonic()
    while sender.unfinished and time.monotonic() - changed_at < DELIVERY_TIMEOUT_S:
        stack.supervise(0.2)
        if len(sender.succeeded_at) > delivered:
            delivered, changed_at = len(sender.succeeded_at), time.monotonic()
    if sender.unfinished:
        print(f"No delivery succeeded for {DELIVERY_TIMEOUT_S} s. Last answers: {', '.join(sender.last_answers)}")


def _retry_events(stack: Stack) -> None:
    """Make all retries due, and kill the worker while it runs them."""
    stack.database.execute(MAKE_RETRIES_DUE)
    stack.supervise(0.5)
    stack.worker.send_signal(SIGKILL)


def _print_figures(
    stack: Stack, sender: Sender, sent: list[Message], faults: Faults, *, delivered_s: float, idle_s: float
) -> None:
    attempts = sum(sender.answers.values())
    print(f"\n{len(sent)} events in {attempts} attempts, {delivered_s:.0f} s and {len(faults.caused)} faults;", end=" ")
    print(f"the worker finished {idle_s:.0f} s later.")
    print(f"  answers: {dict(sender.answers.most_common())}")
    for name, value in verdict.figures().items():
        print(f"  {name}: {value}")
    restarts = {service.log.stem: service.restarts for service in stack.services}
    print(f"  restarts: {restarts | {'database': stack.database.restarts}}")
    counts, silences = faults.counts(), faults.longest_silences_s()
    print("\nFault, number of times, and longest time until the next successful delivery:")
    for name in sorted(counts):
        print(f"  {name:<32}{counts[name]:>4}{silences.get(name, 0):>8.1f} s")
    print()


def _print_verdict(sender: Sender, sent: list[Message]) -> int:
    undelivered = [message.svix_id for message in sent if len(message.outcomes) < message.copies]
    unexpected = [answer for answer in sender.answers if answer.isdigit() and answer not in ("200", "400", "503")]
    found = {"every event is delivered": undelivered, "no unexpected status is returned": unexpected}
    found |= verdict.problems(sent)
    for name, problems in found.items():
        print(f"{'FAILED' if problems else 'passed'}: {name}")
        for problem in problems[:MAX_SHOWN]:
            print(f"  {problem}")
        if len(problems) > MAX_SHOWN:
            print(f"  and {len(problems) - MAX_SHOWN} more")
    return int(any(found.values()))
