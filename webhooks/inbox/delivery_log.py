"""Log one line for each delivery whose signature is valid."""

import logging

from accounts.clerk.payloads import ClerkEvent
from webhooks.inbox.signatures import Delivery

log = logging.getLogger(__name__)


def write(delivery: Delivery, parsed: ClerkEvent | Exception, outcome: str, duration_s: float) -> None:
    """Log the id, type, outcome and duration of a delivery, as text and as fields.

    Args:
        outcome: the state of the event, or "duplicate".
    """
    event_type = parsed.type if isinstance(parsed, ClerkEvent) else ""
    milliseconds = round(duration_s * 1000, 1)
    fields = {"svix_id": delivery.svix_id, "event_type": event_type, "outcome": outcome, "ms": milliseconds}
    log.info("Webhook %(svix_id)s (%(event_type)s): %(outcome)s in %(ms)s ms.", fields, extra={"fields": fields})
