"""Group errors by kind and place, without using values.

The kind is the exception's class. The place is the innermost function of this project in the traceback. Helpers in
`core` are skipped, because unrelated code calls them. Line numbers are not part of the place, because every release
changes them.
"""

import re
import traceback
from hashlib import sha256
from typing import NamedTuple

from django.db import Error as DatabaseError
from psycopg import Error as PostgresError

#: Packages that are preferred as the place, and helper packages.
PACKAGES, HELPERS = ("accounts", "audit", "profiles", "webhooks"), ("core",)
#: Modules that run every event or job. Used as the place only if no other module is in the traceback.
RUNNERS = ("webhooks.inbox.processing", "webhooks.inbox.service", "webhooks.jobs.failures")
#: The names of exceptions that code raises only if it is wrong, not because of a value or another service.
PROGRAM_ERRORS = frozenset(
    {
        "AssertionError",
        "AttributeError",
        "ImportError",
        "IndexError",
        "KeyError",
        "ModuleNotFoundError",
        "NameError",
        "NotImplementedError",
        "RecursionError",
        "SyntaxError",
        "TypeError",
        "UnboundLocalError",
        "ZeroDivisionError",
        "FieldDoesNotExist",
        "FieldError",
        "NoReverseMatch",
        "SynchronousOnlyOperation",
        "TemplateDoesNotExist",
        "TemplateSyntaxError",
    }
)
NUMBER = re.compile(r"\d+")


class ErrorKind(NamedTuple):
    """The key for grouping errors.

    Attributes:
        place: the module and function, or "" if no function of this project is in the traceback.
        detail: the field or constraint that the error names, or "".
    """

    error_type: str
    place: str
    detail: str

    @property
    def key(self) -> str:
        return sha256("\n".join(self).encode()).hexdigest()[:32]


def identify(error: BaseException) -> ErrorKind:
    """Return the kind and place of an error. The result contains only names from code, constraints and schemas.

    If the exception class sets `names_only`, its messages contain no values and are used as the detail.
    """
    cause = error.__cause__ if isinstance(error, DatabaseError) and error.__cause__ else error
    return ErrorKind(type(cause).__name__[:100], _place(error)[:200], _detail(cause)[:200])


def _place(error: BaseException) -> str:
    frames = [
        (str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname)
        for frame, _line in traceback.walk_tb(error.__traceback__)
    ]
    frames.reverse()
    for is_place in (_is_preferred, _is_ours):
        for module, function in frames:
            if is_place(module):
                return f"{module}.{function}".replace(".<locals>", "")
    return ""


def _is_preferred(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES and module not in RUNNERS


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in (*PACKAGES, *HELPERS)


def _detail(cause: BaseException) -> str:
    if isinstance(cause, PostgresError):
        return cause.diag.constraint_name or cause.diag.column_name or ""
    return NUMBER.sub("N", str(cause)) if getattr(cause, "names_only", False) else ""
