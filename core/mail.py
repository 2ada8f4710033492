"""Email of a site that is not the live one."""

from collections.abc import Sequence
from typing import Any

from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage


class NotLiveError(Exception):
    """The site is a copy, which must not send emails."""


class HeldEmailBackend(BaseEmailBackend):
    """Refuse to send, so that a restored copy does not email people a second time. Jobs keep the email and retry."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> Any:
        raise NotLiveError("The email was not sent, because LIVE_SITE is off. Set LIVE_SITE=on on the live site.")
