"""Old payloads go: they hold personal data, and Svix can send an event again for 90 days only.

What was said of errors goes with them, because it quotes them: of an event's last one its kind stays, which stands before
the colon, and of a note what the code wrote. Everything else of an event stays, and so do the counts. Rows are emptied a
few at a time, each batch in a transaction of its own that skips what somebody else holds, so that ingestion never waits.
How far it got is kept, so that a run does not go over what is empty already.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webhooks.models import AggregationProgress, WebhookEvent

BATCH = 500
#: Tells how many payloads were found, and how many of them were free to be emptied.
EMPTY = """
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
BEGINNING = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def cutoff() -> datetime:
    """Return the moment before which payloads are not kept."""
    return timezone.now() - timedelta(days=settings.PAYLOAD_RETENTION_DAYS)


def would_empty() -> int:
    """Return how many payloads a run would empty now."""
    return WebhookEvent.objects.filter(
        received_at__gte=_emptied_before(), received_at__lt=cutoff(), payload__isnull=False
    ).count()


def empty_payloads() -> int:
    """Empty the payloads of all events that are old enough; return how many there were."""
    since, until, total = _emptied_before(), cutoff(), 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(EMPTY, {"since": since, "until": until, "batch": BATCH})
            found, emptied = cursor.fetchone()
        total += int(emptied)
        if not found:
            AggregationProgress.objects.update_or_create(pk=1, defaults={"payloads_emptied_before": until})
        if not emptied:  # what somebody holds is left to the next run
            return total


def _emptied_before() -> datetime:
    """Return how far earlier runs got; a longer retention begins no earlier, since those payloads are gone."""
    return AggregationProgress.objects.values_list("payloads_emptied_before", flat=True).first() or BEGINNING
