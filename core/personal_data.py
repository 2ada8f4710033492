"""Export and erase personal data.

Each app that stores personal data has a module `personal_data` and registers it.

The module defines `export(user) -> PersonalData`, `erase(user) -> None`, and `COVERED`, the models that both functions
process. `accounts.privacy` calls them without importing the apps above it. A test fails if a model with personal data
is missing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from django.db import models

#: Registered modules by app name, in erasure order.
modules: dict[str, ModuleType] = {}


@dataclass(frozen=True, slots=True)
class PersonalData:
    """An app's data about a user.

    Attributes:
        data: JSON-serialisable data that readers can understand without knowing the code.
        files: the content of images and other files, by name in the archive.
    """

    data: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def register(module: ModuleType) -> None:
    """Register an app's `personal_data` module. Call this in `AppConfig.ready`."""
    modules[module.__name__.partition(".")[0]] = module


def export_rows(
    queryset: "models.QuerySet[Any]", *, exclude: set[str] | frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Return rows as dictionaries with all columns except the ones in `exclude`."""
    columns = [column.attname for column in queryset.model._meta.concrete_fields if column.attname not in exclude]
    return list(queryset.values(*columns))


def erased_values(model: type[models.Model], *, keep: Collection[str]) -> dict[str, Any]:
    """Return the values that erase a row: the default for every column that is not in `keep`.

    New columns are therefore erased unless they are added to `keep`.
    """
    erased = [column for column in model._meta.concrete_fields if column.name not in keep]
    return {column.name: None if column.null else column.get_default() for column in erased}
