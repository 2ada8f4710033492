"""What the endpoint answers, before anything is known about the content."""

import pytest

from tests.helpers.webhooks import WebhookClient, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db


def test_a_signed_event_is_processed(webhook: WebhookClient) -> None:
    assert webhook.created(person()) == "processed"
    assert WebhookEvent.objects.get().state == WebhookEvent.State.PROCESSED
