"""Items of concurrent threads are processed in batches, and no thread waits in vain."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.helpers.servers.processes import wait_until
from webhooks.inbox.group_commit import GroupCommit, _Entry


def double(numbers: list[int]) -> list[int | None]:
    return [2 * number for number in numbers]


class Recorder:
    """Processes batches of numbers, one at a time and only when allowed."""

    def __init__(self, process: Callable[[list[int]], list[int | None]] = double) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.process = process
        self.running = 0

    def __call__(self, numbers: list[int]) -> list[int | None]:
        self.batches.append(numbers)
        self.running += 1
        assert self.running == 1
        try:
            assert self.open.wait(10)
            return self.process(numbers)
        finally:
            self.running -= 1

    def group(self, *, max_items: int = 4, max_wait_s: float = 10) -> GroupCommit[int, int]:
        return GroupCommit(self, max_items=max_items, max_wait_s=max_wait_s)


def submit_while_busy(pool: ThreadPoolExecutor, recorder: Recorder, group: GroupCommit[int, int], count: int) -> list[Future[int | None]]:  # fmt: skip
    """Submit numbers from 0, so that the others wait while the first is being processed."""
    futures = [pool.submit(group.submit, 0)]
    wait_until(lambda: recorder.batches, "the first item was not processed")
    for number in range(1, count):
        futures.append(pool.submit(group.submit, number))
        wait_until(lambda: len(group._waiting) == number, "an item does not wait")  # noqa: B023
    return futures


def test_item_that_is_alone_is_processed_at_once() -> None:
    recorder = Recorder()
    recorder.open.set()
    group = recorder.group()
    assert [group.submit(number) for number in (1, 2)] == [2, 4]
    assert recorder.batches == [[1], [2]]


def test_items_that_wait_are_processed_together_in_their_order() -> None:
    recorder = Recorder()
    group = recorder.group(max_items=4)
    with ThreadPoolExecutor(10) as pool:
        futures = submit_while_busy(pool, recorder, group, 10)
        recorder.open.set()
        assert [future.result(10) for future in futures] == [2 * number for number in range(10)]
    assert recorder.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


@pytest.mark.parametrize("error", (ValueError, SystemExit))
def test_dead_leader_leaves_nobody_waiting(error: type[BaseException]) -> None:
    """Its error is raised in its own thread, the others process their items alone, and the next batch has a leader."""

    def fail_once(numbers: list[int]) -> list[int | None]:
        if numbers == [1, 2]:
            raise error("dead")
        return [2 * number for number in numbers]

    recorder = Recorder(fail_once)
    group = recorder.group(max_items=2)
    with ThreadPoolExecutor(5) as pool:
        futures = submit_while_busy(pool, recorder, group, 5)
        recorder.open.set()
        with pytest.raises(error, match="dead"):
            futures[1].result(10)
        assert [future.result(10) for future in (futures[0], *futures[2:])] == [0, None, 6, 8]
    assert group.submit(5) == 10


def test_item_does_not_wait_longer_than_allowed() -> None:
    recorder = Recorder()
    group = recorder.group(max_wait_s=0.05)
    with ThreadPoolExecutor(2) as pool:
        futures = submit_while_busy(pool, recorder, group, 2)
        assert futures[1].result(10) is None
        recorder.open.set()
        assert futures[0].result(10) == 0
    assert recorder.batches == [[0]]
    assert group.submit(1) == 2


def test_many_threads_get_their_own_results() -> None:
    def slow(numbers: list[int]) -> list[int | None]:
        time.sleep(0.001)
        return [None if number % 7 == 0 else 2 * number for number in numbers]

    recorder = Recorder(slow)
    recorder.open.set()
    group = recorder.group(max_items=8)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(group.submit, range(500)))
    assert results == [None if number % 7 == 0 else 2 * number for number in range(500)]
    assert sorted(number for batch in recorder.batches for number in batch) == list(range(500))
    assert max(map(len, recorder.batches)) <= 8


def test_thread_woken_at_timeout_uses_the_result() -> None:
    """Otherwise, the thread would process a committed item again."""
    group = Recorder().group()
    entry = _Entry[int, int](1)
    entry.woken.set()
    assert not group._withdraw(entry)
    assert group._withdraw(_Entry[int, int](2))


def test_missing_results_raise_an_error() -> None:
    recorder = Recorder(lambda numbers: [2 * number for number in numbers[1:]])
    recorder.open.set()
    with pytest.raises(ValueError, match="shorter"):
        recorder.group().submit(1)
