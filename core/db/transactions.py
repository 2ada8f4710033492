"""PostgreSQL transaction ids as database expressions."""

from django.db import models


class CurrentTransaction(models.Func):
    """The id of the current transaction. Readers use it to detect rows that may still be committed."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class NextTransaction(models.Func):
    """An id greater than those of all transactions that the statement can see, including its own."""

    template = (
        "greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
        " pg_current_xact_id_if_assigned()::text::bigint + 1)"
    )
    output_field = models.BigIntegerField()
