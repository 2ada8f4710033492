"""PostgreSQL transaction ids as database expressions."""

from django.db import models


class CurrentTransaction(models.Func):
    """The current transaction's id. Readers use it to detect rows whose transaction may not have been committed yet."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class NextTransaction(models.Func):
    """An id greater than the ids of all transactions that the statement can see, including its own transaction."""

    template = (
        "greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
        " pg_current_xact_id_if_assigned()::text::bigint + 1)"
    )
    output_field = models.BigIntegerField()
