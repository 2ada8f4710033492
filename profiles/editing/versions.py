"""Detect edit conflicts, so that an old form does not overwrite newer values.

A form carries the version of its fields at the time it was opened. Saving compares it with the stored version while the row
is locked.
"""

import hashlib
import json
from collections.abc import Iterable

from django.db.models import Model


class EditConflictError(Exception):
    """The stored values changed after the form was opened. Nothing was saved.

    Attributes:
        stored: the locked row as it is now, or None if it was deleted.
    """

    def __init__(self, stored: Model | None) -> None:
        super().__init__(stored)
        self.stored = stored


def version_of(instance: Model, fields: Iterable[str]) -> str:
    """Return a digest of the values of `fields`."""
    values = {name: getattr(instance, name) for name in fields}
    return hashlib.sha256(json.dumps(values, default=str, sort_keys=True).encode()).hexdigest()[:32]


def check_version(stored: Model, fields: Iterable[str], version: str) -> None:
    """Refuse to overwrite a newer version.

    Raises:
        EditConflictError: the stored fields do not have this version.
    """
    if version_of(stored, fields) != version:
        raise EditConflictError(stored)
