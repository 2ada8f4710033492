"""A fuzzing run: choose targets, send their requests, and print the results."""

import io
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from random import Random

from django.conf import settings
from django.core.management import call_command

from config.database import close_pools
from tests.fuzz.runner import Result, Runner
from tests.fuzz.targets import TARGETS, Target
from tests.fuzz.world import World

#: Seconds between progress messages.
REPORT_EVERY_S = 60


def run(requests: int, seed: int, only: str = "") -> int:
    """Send the requests, print the counts, and return the exit code.

    Args:
        only: the name of a target, optionally followed by a colon and the index of one of its requests.
    """
    name, _, number = only.partition(":")
    targets = {key: target for key, target in TARGETS.items() if name in ("", key)}
    if not targets:
        sys.exit(f"make fuzz: there is no target {name!r}; choose one of: {', '.join(TARGETS)}.")
    settings.REQUEST_LIMITS = False  # otherwise most requests would get 429
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    call_command("migrate", verbosity=0)
    try:
        runner, started = Runner(seed, World.create()), time.monotonic()
        print(f"Seed {seed}", flush=True)
        schedule = iter([(name, int(number))]) if number else _schedule(targets, requests, seed)
        results = _send(runner, targets, schedule)
    finally:
        close_pools()
    return _report(results, seed, time.monotonic() - started)


def _schedule(targets: Mapping[str, Target], requests: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield the target and number of each request, in random order, weighted by target."""
    random, numbers = Random(seed), {name: count() for name in targets}
    weights = [target.weight for target in targets.values()]
    for name in random.choices(list(targets), weights, k=requests):
        yield name, next(numbers[name])


def _send(runner: Runner, targets: Mapping[str, Target], schedule: Iterator[tuple[str, int]]) -> dict[str, Result]:
    results = {name: Result() for name in targets}
    started = reported = time.monotonic()
    with runner.recording(), _discarded_logs(), suppress(KeyboardInterrupt):  # Ctrl-C prints the counts so far.
        for done, (name, number) in enumerate(schedule):
            runner.run(name, targets[name], number, results[name])
            if time.monotonic() - reported > REPORT_EVERY_S:
                reported = time.monotonic()
                print(f"{done + 1:,} requests after {reported - started:.0f} s", flush=True)
    return results


@contextmanager
def _discarded_logs() -> Iterator[None]:
    """Discard all log lines. They are still rendered, because rendering handles untrusted text."""
    handlers = [handler for handler in logging.root.handlers if isinstance(handler, logging.StreamHandler)]
    level, streams = logging.root.level, [handler.setStream(_NullStream()) for handler in handlers]
    logging.root.setLevel(logging.INFO)
    yield
    logging.root.setLevel(level)
    for handler, stream in zip(handlers, streams, strict=True):
        if stream is not None:
            handler.setStream(stream)


class _NullStream(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def _report(results: Mapping[str, Result], seed: int, seconds: float) -> int:
    """Print the faults and the counts, and return the exit code."""
    for name, result in results.items():
        for fault in result.faults.values():
            print(f"\n=== {name}: {fault.cause}, {fault.count} times\n{fault.request}\n{fault.details}")
            print(f"Repeat it with: make fuzz ARGS=\"--seed={seed} --only='{name}:{fault.number}'\"")
    print(f"\n{'target':22}{'requests':>10}{'faults':>8}{'slowest':>10}  responses by status")
    for name, result in results.items():
        statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(result.statuses.items()))
        print(f"{name:22}{result.requests:10,}{_count_faults(result):8,}{result.slowest_s:8.2f} s  {statuses}")
    total, faults = sum(result.requests for result in results.values()), sum(map(_count_faults, results.values()))
    print(f"{'total':22}{total:10,}{faults:8,}  in {seconds:.0f} s, seed {seed}")
    return 1 if faults else 0


def _count_faults(result: Result) -> int:
    return sum(fault.count for fault in result.faults.values())
