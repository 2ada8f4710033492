"""Create model instances from rows that were fetched without a queryset."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models
from django.db.models.base import ModelState


def load[Row: models.Model](model: type[Row], values: Sequence[Any], fields: tuple[str, ...] = ()) -> Row:
    """Return a `model` instance from the values of `fields`, by default `loaded_fields`. Other fields are deferred."""
    names, converted_fields = _load_plan(model, fields)
    converted = list(values)
    for index, field in converted_fields:
        converted[index] = field.from_db_value(converted[index], None, connection)
    # from_db() is slower: it assigns each value, and if a field is deferred, compares each name with all others.
    row = model.__new__(model)
    row.__dict__.update(zip(names, converted, strict=True))
    row._state = ModelState()
    row._state.adding, row._state.db = False, connection.alias
    return row


@cache
def _load_plan(model: type[models.Model], names: tuple[str, ...]) -> tuple[list[str], list[tuple[int, Any]]]:
    """Return the attribute names of the loaded fields, and the index of each field that converts its values."""
    fields: list[Any] = [model._meta.get_field(name) for name in names] if names else loaded_fields(model)
    converted = [(index, field) for index, field in enumerate(fields) if hasattr(field, "from_db_value")]
    return [field.attname for field in fields], converted


@cache
def loaded_fields(model: type[models.Model]) -> list[Any]:
    """Return the fields that the model's default manager loads."""
    deferred, _ = model._default_manager.all().query.deferred_loading
    return [field for field in model._meta.concrete_fields if field.name not in deferred]
