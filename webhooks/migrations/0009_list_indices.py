"""Indices for looking through millions of events, made while others come in.

Reading a big table takes longer than a statement may usually take, and CONCURRENTLY waits for whatever writes meanwhile; an
index that is given up half way stays behind, invalid.
"""

from datetime import timedelta

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

WAIT = "SET statement_timeout = 0; SET lock_timeout = 0"
USUAL = "RESET statement_timeout; RESET lock_timeout"
LAG = Coalesce(
    F("processed_at") - F("occurred_at"), Value(timedelta(days=-10_000)), output_field=models.DurationField()
)
ATTEMPTS = models.ExpressionWrapper(F("attempts") * Value(2**40) + F("id"), output_field=models.BigIntegerField())
INDICES = (
    models.Index(LAG, F("id"), name="webhooks_event_lag"),
    models.Index(ATTEMPTS, name="webhooks_event_attempts"),
    models.Index(F("event_type"), F("received_at"), name="webhooks_event_type"),
    models.Index(F("state"), F("received_at"), name="webhooks_event_unusual", condition=~Q(state="processed")),
    models.Index(F("received_at"), name="webhooks_event_error", condition=~Q(error_class="")),
    models.Index(F("source_address"), name="webhooks_event_source"),
)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("webhooks", "0007_reveal_permission")]

    operations = [
        migrations.RunSQL(WAIT, USUAL),
        *(AddIndexConcurrently("webhookevent", index) for index in INDICES),
        migrations.RunSQL(USUAL, WAIT),
    ]
