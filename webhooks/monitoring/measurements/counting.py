"""Count rows up to a limit."""

from typing import Any

from django.db.models import QuerySet

#: Maximum count. Larger numbers do not have to be exact.
MAX_COUNT = 1000


def count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MAX_COUNT].count()
