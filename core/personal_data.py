"""Export and erasure of personal data. Each app that stores personal data has a module `personal_data`.

`settings.PERSONAL_DATA_MODULES` lists these modules. Each has `export(user) -> PersonalData` and `erase(user) -> None`, which
accounts.privacy.exports and accounts.privacy.erasure call without importing the apps above accounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The data that one app stores about a user.

    Attributes:
        data: JSON-serialisable, and readable without knowing the code.
        files: content of images and other files by their names in the archive.
    """

    data: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def export_rows(
    queryset: "models.QuerySet[Any]", *, exclude: set[str] | frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Return rows as dictionaries of all columns except those in `exclude`."""
    columns = [column.attname for column in queryset.model._meta.concrete_fields if column.attname not in exclude]
    return list(queryset.values(*columns))
