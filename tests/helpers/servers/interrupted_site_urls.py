"""The URLs of the product. Importing them makes `kill_once` run between the commit and the response."""

from typing import Any

from config.urls import urlpatterns  # noqa: F401
from tests.helpers.servers.interrupted_site import kill_once
from webhooks.inbox import delivery_log
from webhooks.inbox.signatures import Delivery

_write = delivery_log.write


def write(delivery: Delivery, parsed: Any, outcome: str, duration_s: float) -> None:
    kill_once(delivery.svix_id, outcome)
    _write(delivery, parsed, outcome, duration_s)


delivery_log.write = write
