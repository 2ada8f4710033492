"""Insert a row unless one like it is there, and learn which, in one statement."""

from django.db import models
from django.db.models.constants import OnConflict


def insert_if_new(instance: models.Model) -> bool:
    """Insert `instance` and set its primary key, or do nothing if any unique constraint forbids it.

    It waits for a rival transaction that is inserting the same row, never raises IntegrityError for it, and needs
    neither a savepoint nor a look beforehand. `bulk_create(ignore_conflicts=True)` does the same but does not tell
    whether the row was inserted, nor its key; hence the call below Django's public interface, which `Model.save` uses.

    Returns:
        Whether the row is new. If not, the one that is there is not locked.
    """
    meta = type(instance)._meta
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    manager = type(instance)._base_manager
    rows = manager._insert(  # type: ignore[attr-defined]
        [instance], fields=fields, returning_fields=[meta.pk], using=manager.db, on_conflict=OnConflict.IGNORE
    )
    if not rows:
        return False
    [[instance.pk]] = rows
    instance._state.adding = False
    instance._state.db = manager.db
    return True
