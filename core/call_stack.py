"""Enough memory for Python's call stack.

CPython stores the frames of Python calls in chunks of 16 KB. It maps a new chunk when a call does not fit, and unmaps the
chunk when that call returns. A loop that runs exactly where a chunk ends maps and unmaps memory with each call. Rendering
24 cards of the directory this way took twice the CPU time. Middleware and templates determine where a chunk ends, so the
time changed with unrelated code. Newer releases of CPython keep one unused chunk:
https://github.com/python/cpython/issues/142183
"""

from collections.abc import Callable
from functools import update_wrapper

#: CPython doubles the size of a chunk until the call fits. These slots of 8 bytes need a chunk of 256 KB, and leave more
#: than half of it for the calls that follow. The kernel only provides the memory that is used.
STACK_SLOTS = 15_400


def with_large_stack[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Run a function and everything that it calls in one large chunk of the call stack."""

    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    wrapper.__code__ = wrapper.__code__.replace(co_stacksize=STACK_SLOTS)
    update_wrapper(wrapper, function)
    return wrapper
