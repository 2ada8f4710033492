"""Count verified deliveries by signing secret and hour, to show which secrets are still in use.

Event rows are not enough: during a rotation, two endpoints deliver each event with different secrets, and its row stores
only the secret of the first delivery.
"""

from django.utils import timezone

from webhooks.inbox.background_counts import BackgroundCounter
from webhooks.models import SecretCount
from webhooks.models.counts import SECRET_RETENTION

UPSERT = """
INSERT INTO webhooks_secretcount AS stored (hour, fingerprint, deliveries, last_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (hour, fingerprint) DO UPDATE SET
    deliveries = stored.deliveries + excluded.deliveries, last_at = greatest(stored.last_at, excluded.last_at)
"""

secret_counter = BackgroundCounter(UPSERT, "deliveries by secret")


def delete_old() -> int:
    deleted, _ = SecretCount.objects.filter(hour__lt=timezone.now() - SECRET_RETENTION).delete()
    return deleted
