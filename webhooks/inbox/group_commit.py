"""Process the items of several threads together, in few transactions.

A commit waits for the disk, and a statement for many rows costs little more than one for a single row. While a thread
commits, the items of other threads wait and form the next batch. There is no timer: an item that arrives alone is
processed at once, and the busier a process is, the larger its batches are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock

#: How often a leader lets the threads that are ready to run go first, so that they can add their items. Without other
#: threads, this takes microseconds. With 16 connections, batches of 4 became batches of 7.
YIELDS = 4


@dataclass(slots=True, eq=False)
class _Entry[Item, Result]:
    """A waiting item.

    Attributes:
        woken: set when the item has been processed, or when its thread has to lead the next batch.
    """

    item: Item
    result: Result | None = None
    is_done: bool = False
    woken: Event = field(default_factory=Event)


class GroupCommit[Item, Result]:
    """Processes the items of concurrent threads in batches, one batch at a time.

    The first thread is the leader: it processes all waiting items. At the end it wakes the threads of its batch and
    makes the thread that has waited longest the next leader. If a leader dies, its batch gets no results and the next
    one leads.

    Args:
        process: returns one result for each item, in their order, or None for items that the caller must process alone.
        max_items: the largest batch.
        max_wait_s: how long a thread waits for its leader. It then processes its item alone, so `process` must tolerate
            an item that is processed twice.
    """

    def __init__(
        self, process: Callable[[list[Item]], list[Result | None]], *, max_items: int, max_wait_s: float
    ) -> None:
        self._process, self._max_items, self._max_wait_s = process, max_items, max_wait_s
        self._lock = Lock()
        self._waiting: list[_Entry[Item, Result]] = []
        self._has_leader = False

    def submit(self, item: Item) -> Result | None:
        """Process `item`, possibly together with others, and return its result. None: process it alone.

        An exception of `process` is raised in the thread that leads.
        """
        entry = _Entry[Item, Result](item)
        with self._lock:
            self._waiting.append(entry)
            is_leader, self._has_leader = not self._has_leader, True
        if not is_leader and not entry.woken.wait(self._max_wait_s) and self._withdraw(entry):
            return None
        if not entry.is_done:
            self._lead()
        return entry.result

    def _lead(self) -> None:
        for _ in range(YIELDS):
            time.sleep(0)
        with self._lock:
            batch = self._waiting[: self._max_items]
            del self._waiting[: self._max_items]
        try:
            for entry, result in zip(batch, self._process([entry.item for entry in batch]), strict=True):
                entry.result = result
        finally:
            with self._lock:
                self._has_leader = bool(self._waiting)
                for entry in batch:
                    entry.is_done = True
                for entry in [*batch, *self._waiting[:1]]:
                    entry.woken.set()

    def _withdraw(self, entry: _Entry[Item, Result]) -> bool:
        """Stop waiting. Return False if the thread was woken at the last moment."""
        with self._lock:
            if entry.woken.is_set():
                return False
            if entry in self._waiting:
                self._waiting.remove(entry)
            return True
