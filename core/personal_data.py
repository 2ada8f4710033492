"""Export and erasure of personal data. Each app that stores personal data has a module `personal_data` and registers it.

The module has `export(user) -> PersonalData`, `erase(user) -> None`, and `COVERED`, the models that the two take care of.
`accounts.privacy` calls them without importing the apps above it. A test fails if a model with personal data is missing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from django.db import models

#: Registered modules by the name of their app, in the order in which users are erased.
modules: dict[str, ModuleType] = {}


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The data that one app stores about a user.

    Attributes:
        data: JSON-serialisable, and readable without knowing the code.
        files: content of images and other files by their names in the archive.
    """

    data: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def register(module: ModuleType) -> None:
    """Add an app's module `personal_data`. Called in `AppConfig.ready`."""
    modules[module.__name__.partition(".")[0]] = module


def export_rows(
    queryset: "models.QuerySet[Any]", *, exclude: set[str] | frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Return rows as dictionaries of all columns except those in `exclude`."""
    columns = [column.attname for column in queryset.model._meta.concrete_fields if column.attname not in exclude]
    return list(queryset.values(*columns))


def erased_values(model: type[models.Model], *, keep: Collection[str]) -> dict[str, Any]:
    """Return the values that erase a row: the default of every column that is not in `keep`.

    A new column is thus erased unless its author decides otherwise.
    """
    erased = [column for column in model._meta.concrete_fields if column.name not in keep]
    return {column.name: None if column.null else column.get_default() for column in erased}
