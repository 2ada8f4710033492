"""Parse deliveries and turn them into rows of the inbox."""

import logging
from dataclasses import dataclass, field

from accounts.clerk.payloads import SECRET_TYPES, ClerkEvent, PartialEvent, parse_event, parse_partially
from core.text import postgres_safe
from webhooks.inbox.processing import Start
from webhooks.inbox.signatures import Delivery
from webhooks.models import WebhookEvent

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """The address and headers of the client that posted a delivery."""

    address: str | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """A verified and parsed delivery."""

    delivery: Delivery
    sender: Sender
    parsed: ClerkEvent | Exception
    start: Start = field(default_factory=Start)


def parse(body: str) -> ClerkEvent | Exception:
    """Return the event, or the exception that parsing raised, so that the delivery is stored even if our code fails."""
    try:
        return parse_event(body)
    except Exception as error:  # noqa: BLE001  # it becomes the outcome of the attempt
        return error


def new_row(received: Received) -> WebhookEvent:
    """Return the row of a delivery without saving it."""
    delivery, parsed, now = received.delivery, received.parsed, received.start.at
    event = WebhookEvent(
        svix_id=delivery.svix_id,
        # PostgreSQL cannot store NUL. JSON cannot contain it either, so the event will be dead in any case.
        payload=postgres_safe(delivery.body),
        state=WebhookEvent.State.PROCESSED,
        received_at=now,
        last_delivery_at=now,
        processed_at=now,
        source_address=received.sender.address,
        headers=received.sender.headers,
        secret_fingerprint=delivery.secret_fingerprint,
    )
    if isinstance(parsed, ClerkEvent):
        event.event_type, event.instance_id = parsed.type, parsed.instance_id
        event.occurred_at, event.clerk_user_id = parsed.occurred_at, parsed.clerk_id
    else:
        found = _parse_partially(delivery.body)
        event.event_type, event.instance_id, event.clerk_user_id = found.type, found.instance_id, found.clerk_id
    if event.event_type in SECRET_TYPES:
        event.payload = None
    return event


def _parse_partially(body: str) -> PartialEvent:
    """Return the readable fields of a body, or none if our code fails, because the delivery must be stored."""
    try:
        return parse_partially(body)
    except Exception:
        log.exception("The readable fields of a rejected event could not be parsed.")
        return PartialEvent()
