"""Read the parts of a page separately, so that a part whose tables are locked does not prevent the others."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from django.db import OperationalError
from django.utils.functional import Promise

from core.db.timeouts import short_timeouts

#: Timeouts for each part. They are much shorter than a browser's patience, because several parts can time out.
LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS = 200, 3000


class PageParts:
    """Read the parts of a page.

    Attributes:
        unread: the labels of the parts that could not be read.
    """

    def __init__(self, *, is_patient: bool) -> None:
        """Args: is_patient: use the connection's timeouts, and raise the error of the first part that fails."""
        self.is_patient = is_patient
        self.unread: list[str | Promise] = []

    def isolated(self) -> AbstractContextManager[None]:
        if self.is_patient:
            return nullcontext()
        return short_timeouts(lock_ms=LOCK_TIMEOUT_MS, statement_ms=STATEMENT_TIMEOUT_MS)

    def read[T, D](self, label: str | Promise, read: Callable[[], T], default: D) -> T | D:
        """Return a part, or the default if the part could not be read."""
        if self.is_patient:
            return read()
        try:
            with self.isolated():
                return read()
        except OperationalError:
            self.unread.append(label)
            return default
