"""Visitors who read public pages all the time."""

import http.client
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from threading import Event, Thread

from tests.cluster.edge import Edge

THREADS, PAUSE_S = 3, 0.1


class Visitors:
    """Counts the answers to visitors by status, and measures the slowest one."""

    def __init__(self, edge: Edge, paths: Sequence[str]) -> None:
        self.answers: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._edge, self._paths, self._stop = edge, paths, Event()
        self._threads = [Thread(target=self._run, name=f"visitor-{number}", daemon=True) for number in range(THREADS)]

    @contextmanager
    def reading(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        yield
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        for path in cycle(self._paths):
            if self._stop.wait(PAUSE_S):
                return
            started = time.monotonic()
            try:
                answer = str(self._edge.status(path))
            except (OSError, http.client.HTTPException) as error:
                answer = type(error).__name__
            self.answers[answer] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
