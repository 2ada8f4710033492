"""Memory for the call stack: calls at any depth need no new memory."""

import resource
import sys
import threading

import pytest

from core.call_stack import with_large_stack

CALLS, MAX_DEPTH = 1000, 200


def add(number: int) -> int:
    """Have a larger frame than `call_repeatedly`, so that it does not fit at one depth or more."""
    a = b = c = d = e = f = g = h = number
    return a + b + c + d + e + f + g + h


def call_repeatedly(depth: int) -> None:
    if depth:
        call_repeatedly(depth - 1)
    else:
        for number in range(CALLS):
            add(number)


@with_large_stack
def call_at_all_depths() -> None:
    for depth in range(MAX_DEPTH):
        call_repeatedly(depth)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the page faults of a thread")
def test_calls_at_any_depth_map_no_memory() -> None:
    """Without the decorator, each call at a depth where a chunk ends causes a page fault."""
    faults: list[int] = []

    def count_page_faults() -> None:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        call_at_all_depths()
        faults.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

    thread = threading.Thread(target=count_page_faults)  # a new thread, so that the stack starts empty
    thread.start()
    thread.join()
    assert faults[0] < CALLS


def test_arguments_result_and_name_are_kept() -> None:
    @with_large_stack
    def join(first: str, *, last: str) -> str:
        return f"{first} {last}"

    assert join("Ada", last="Lovelace") == "Ada Lovelace"
    assert join.__name__ == "join"
