"""Assertions about responses of the webhook endpoint."""

from typing import Any

from accounts.models import User
from audit.models import AuditLog
from webhooks.models import WebhookEvent


def assert_rejected(response: Any, reason: str, *, status: int = 400) -> None:
    """Assert that the response contains only `reason`, and that no data was stored."""
    assert response.status_code == status, response.content
    assert response.json() == {"error": reason}, response.content
    assert_nothing_stored()


def assert_nothing_stored() -> None:
    for model in (WebhookEvent, User, AuditLog):
        assert not model._default_manager.exists(), list(model._default_manager.values())
