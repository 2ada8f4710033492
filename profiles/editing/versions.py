"""Detect edit conflicts, so that an old form does not overwrite newer values.

A form contains the version that its fields had when it was opened. Saving compares this version with the stored one
while the row is locked.
"""

import hashlib
import json
from collections.abc import Iterable

from django.db.models import Model


class EditConflictError(Exception):
    """The stored values changed after the form was opened. Nothing was saved.

    Attributes:
        stored: the current row, locked, or None if it was deleted.
    """

    def __init__(self, stored: Model | None) -> None:
        super().__init__(stored)
        self.stored = stored


def version_of(instance: Model, fields: Iterable[str]) -> str:
    """Return a digest of the values of `fields`."""
    values = {name: getattr(instance, name) for name in fields}
    return hashlib.sha256(json.dumps(values, default=str, sort_keys=True).encode()).hexdigest()[:32]


def check_version(stored: Model, fields: Iterable[str], version: str) -> None:
    """Check that the stored version has not changed.

    Raises:
        EditConflictError: the stored fields have a different version.
    """
    if version_of(stored, fields) != version:
        raise EditConflictError(stored)
