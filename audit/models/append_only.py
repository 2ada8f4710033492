"""Base classes for append-only rows."""

from typing import Any, NoReturn

from django.db import models

NEVER_CHANGED = "Audit log rows cannot be changed. Write a new row with audit.log.record()."
NEVER_DELETED = "Audit log rows cannot be deleted."


class AppendOnlyError(Exception):
    """Code tried to change or delete a row of the audit log."""


class AppendOnlyQuerySet[Row: models.Model](models.QuerySet[Row]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(NEVER_CHANGED)

    def delete(self) -> NoReturn:
        raise AppendOnlyError(NEVER_DELETED)

    delete.queryset_only = True  # type: ignore[attr-defined]  # like Django's own delete, not available on the manager

    def _raw_delete(self, using: str | None) -> NoReturn:
        self.delete()

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.update()


class AppendOnly(models.Model):
    """A row that is written once. Database triggers enforce this too: see migration 0002_append_only."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(NEVER_CHANGED)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(NEVER_DELETED)
