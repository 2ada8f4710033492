"""What apps hold about a person: handed out to the person, and erased. Each app has a module `personal_data`.

`settings.PERSONAL_DATA_MODULES` lists the modules. Each has `export(user) -> Held` and `erase(user) -> None`; accounts.privacy.exports and
accounts.privacy.erasure call them, and know nothing else of the apps above.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models


@dataclass(frozen=True, slots=True)
class Held:
    """What one app holds about a person.

    Attributes:
        facts: JSON-serialisable, readable without knowing the code.
        files: name in the archive, and content, of images and the like.
    """

    facts: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def rows(found: "models.QuerySet[Any]", *, without: set[str] | frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return rows as facts: each column under its name, but for those in `without`."""
    columns = [column.attname for column in found.model._meta.concrete_fields if column.attname not in without]
    return list(found.values(*columns))
