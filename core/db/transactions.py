"""PostgreSQL's ids of transactions, in expressions."""

from django.db import models


class CurrentTransaction(models.Func):
    """The id of the transaction that writes the row, so that readers can tell which rows are still to come."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class NextTransaction(models.Func):
    """An id above those of all transactions that the statement can see, its own included."""

    template = (
        "greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
        " pg_current_xact_id_if_assigned()::text::bigint + 1)"
    )
    output_field = models.BigIntegerField()
