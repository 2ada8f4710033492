"""Empty old payloads, which contain personal data. Svix cannot send an event again after 90 days.

Error messages may quote the payload, so only the part of the last error or note before the first colon is kept. All
other columns and the counts are kept. Rows are emptied in small batches. Each batch is a separate transaction that
skips locked rows, so that ingestion never waits. The progress is stored, so that later runs do not scan empty rows.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webhooks.models import AggregationProgress, WebhookEvent

BATCH_SIZE = 500
#: Returns the number of payloads that were found, and the number of unlocked payloads that were emptied.
EMPTY_BATCH = """
WITH old AS (
    SELECT id FROM webhooks_webhookevent
    WHERE received_at >= %(since)s AND received_at < %(until)s AND payload IS NOT NULL
    ORDER BY received_at LIMIT %(batch)s
), free AS (
    SELECT event.id FROM webhooks_webhookevent AS event JOIN old USING (id) FOR UPDATE OF event SKIP LOCKED
), emptied AS (
    UPDATE webhooks_webhookevent SET payload = NULL, last_error = split_part(last_error, ':', 1)
    WHERE id IN (SELECT id FROM free) RETURNING id
), silenced AS (
    UPDATE webhooks_attempt SET error = '', traceback = '' WHERE event_id IN (SELECT id FROM free)
)
SELECT (SELECT count(*) FROM old), (SELECT count(*) FROM emptied)
"""
EARLIEST = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def cutoff() -> datetime:
    return timezone.now() - timedelta(days=settings.PAYLOAD_RETENTION_DAYS)


def count_expired() -> int:
    return WebhookEvent.objects.filter(
        received_at__gte=_emptied_before(), received_at__lt=cutoff(), payload__isnull=False
    ).count()


def empty_payloads() -> int:
    """Empty the payloads of all events past the retention period, and return their number."""
    since, until, total = _emptied_before(), cutoff(), 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(EMPTY_BATCH, {"since": since, "until": until, "batch": BATCH_SIZE})
            found, emptied = cursor.fetchone()
        total += int(emptied)
        if not found:
            AggregationProgress.objects.update_or_create(pk=1, defaults={"payloads_emptied_before": until})
        if not emptied:  # locked rows are emptied in the next run
            return total


def _emptied_before() -> datetime:
    """Return the cutoff of the last complete run. Earlier payloads are empty, even if the retention is now longer."""
    return AggregationProgress.objects.values_list("payloads_emptied_before", flat=True).first() or EARLIEST
