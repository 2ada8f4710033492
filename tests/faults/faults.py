"""The faults. Each is caused once at the start of a run in random order, and then again at random."""

import signal
import time
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.sender import Sender
from tests.faults.stack import Stack

#: Seconds between two faults.
MIN_PAUSE_S, MAX_PAUSE_S = 0.5, 2.0
DELAY_S = 0.3
#: More than Svix's tolerance of five minutes.
CLOCK_JUMP_S = 600
BALLAST, ZEROS = "ballast", bytes(64 * 1024)


@dataclass(frozen=True)
class Fault:
    """A fault that is caused, lasts for some seconds, and is removed."""

    name: str
    cause: Callable[[Stack, Sender], object]
    remove: Callable[[Stack, Sender], object] = lambda stack, sender: None
    lasts_s: float = 0.5


def fill_disk(stack: Stack, sender: Sender) -> None:
    """Fill the file system of the database. PostgreSQL is not restarted before space has been freed."""
    stack.database.may_restart = False
    with suppress(OSError), (stack.database_folder / BALLAST).open("wb", buffering=0) as file:
        while file.write(ZEROS):
            pass


def kill_web_servers(stack: Stack, sender: Sender) -> None:
    for web in stack.web:
        web.send_signal(signal.SIGKILL)


def free_disk(stack: Stack, sender: Sender) -> None:
    Path(stack.database_folder, BALLAST).unlink()
    stack.database.may_restart = True


def delay(name: str) -> Fault:
    def set_delay(stack: Stack, seconds: float) -> None:
        getattr(stack, f"{name}_proxy").delay_s = seconds

    return Fault(
        f"{name} connections delayed",
        lambda stack, sender: set_delay(stack, DELAY_S),
        lambda stack, sender: set_delay(stack, 0),
        2.0,
    )


def cut(name: str) -> Fault:
    return Fault(f"{name} connections cut", lambda stack, sender: getattr(stack, f"{name}_proxy").cut())


def jump(seconds: int) -> Fault:
    def set_offset(sender: Sender, offset_s: int) -> None:
        sender.clock_offset_s = offset_s

    return Fault(
        f"clock {seconds:+} s",
        lambda stack, sender: set_offset(sender, seconds),
        lambda stack, sender: set_offset(sender, 0),
        1.0,
    )


FAULTS = [
    Fault("web server killed", lambda stack, sender: stack.web[0].send_signal(signal.SIGKILL)),
    Fault("web process killed", lambda stack, sender: stack.web[1].kill_child()),
    Fault("web server restarted", lambda stack, sender: stack.web[1].terminate()),
    Fault(
        "web server paused",
        lambda stack, sender: stack.web[0].send_signal(signal.SIGSTOP),
        lambda stack, sender: stack.web[0].send_signal(signal.SIGCONT),
        2.0,
    ),
    Fault("all web servers killed", kill_web_servers),
    Fault("worker killed", lambda stack, sender: stack.worker.send_signal(signal.SIGKILL)),
    Fault("pooler killed", lambda stack, sender: stack.pooler.send_signal(signal.SIGKILL)),
    Fault("database killed", lambda stack, sender: stack.database.kill()),
    Fault("database session killed", lambda stack, sender: stack.database.kill_session()),
    Fault("database sessions ended", lambda stack, sender: stack.database.end_sessions()),
    *(cut(name) for name in ("web", "pooler", "database")),
    *(delay(name) for name in ("web", "pooler", "database")),
    jump(CLOCK_JUMP_S),
    jump(-CLOCK_JUMP_S),
]
#: Only possible if the database has a small file system of its own.
DISK_FULL = Fault("disk full", fill_disk, free_disk, 3.0)


class Faults:
    """Causes faults while the sender delivers messages.

    Attributes:
        caused: the time and name of each fault.
    """

    def __init__(self, stack: Stack, sender: Sender, random: Random, faults: list[Fault]) -> None:
        self.caused: list[tuple[float, str]] = []
        self._stack, self._sender, self._random, self._faults = stack, sender, random, faults

    def run(self, is_enough: Callable[[], bool]) -> None:
        """Cause every fault at least once, until `is_enough`."""
        for number, fault in enumerate(self._deck()):
            if number >= len(self._faults) and is_enough():
                return
            self._stack.wait_for_database()
            self._stack.supervise(self._random.uniform(MIN_PAUSE_S, MAX_PAUSE_S))
            self.cause(fault)

    def cause(self, fault: Fault) -> None:
        self.caused.append((time.monotonic(), fault.name))
        fault.cause(self._stack, self._sender)
        self._stack.supervise(fault.lasts_s)
        fault.remove(self._stack, self._sender)

    def counts(self) -> Counter[str]:
        return Counter(name for _, name in self.caused)

    def longest_silences_s(self) -> dict[str, float]:
        """Return, for each kind of fault, the longest time from the fault to the next successful delivery."""
        times, silences = sorted(self._sender.succeeded_at), dict[str, float]()
        for start, name in self.caused:
            position = bisect(times, start)
            if position < len(times):
                silences[name] = max(silences.get(name, 0.0), times[position] - start)
        return silences

    def _deck(self) -> Iterator[Fault]:
        while True:
            yield from self._random.sample(self._faults, len(self._faults))
