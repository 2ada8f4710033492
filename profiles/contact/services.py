"""Rate-limited messages to builders. Senders never see a builder's email address."""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.timesince import timeuntil
from django.utils.translation import gettext

from accounts.models import User
from profiles.contact import emails
from profiles.contact.blocking import is_blocked
from profiles.contact.emails import can_receive_replies
from profiles.models import BuilderProfile, ContactMessage

log = logging.getLogger(__name__)

#: Maximum number of messages per sender, and the period that the limit covers.
RATE_LIMITS = ((5, timedelta(hours=1)), (20, timedelta(days=1)))


class MessageRejectedError(Exception):
    """The message was rejected. The error text is shown to the sender."""


@transaction.atomic
def send(builder: BuilderProfile, sender: User, *, subject: str, body: str) -> ContactMessage:
    """Store a message and queue its email.

    Raises:
        MessageRejectedError: the sender has no verified email address, is blocked by the builder, sent the same message
            before, or exceeds a rate limit, or the email cannot be built.
    """
    User.objects.select_for_update(no_key=True).get(pk=sender.pk)  # serializes the checks below per sender
    if not can_receive_replies(sender):
        raise MessageRejectedError(gettext("Verify an email address in your account before you send a message."))
    if is_blocked(builder, sender):
        raise MessageRejectedError(gettext("%(name)s does not accept messages from you.") % {"name": builder.name})
    if ContactMessage.objects.filter(builder=builder, sender=sender, subject=subject, body=body).exists():
        raise MessageRejectedError(gettext("You have already sent this message to %(name)s.") % {"name": builder.name})
    _check_limits(sender)
    message = ContactMessage.objects.create(builder=builder, sender=sender, subject=subject, body=body)
    _check_email(message)
    emails.notify_builder(message)
    return message


def _check_email(message: ContactMessage) -> None:
    try:
        emails.build(message)
    except Exception:
        log.exception(
            "The email of a message to builder %s cannot be built. The message was not stored.", message.builder_id
        )
        text = gettext("We cannot email this message. Nothing was sent. Change the text, or contact us.")
        raise MessageRejectedError(text) from None


def _check_limits(sender: User) -> None:
    now = timezone.now()
    for limit, span in RATE_LIMITS:
        recent = ContactMessage.objects.filter(sender=sender, sent_at__gt=now - span).order_by("-sent_at")
        times = list(recent.values_list("sent_at", flat=True)[:limit])
        if len(times) == limit:
            # timeuntil rounds down.
            wait = timeuntil(times[-1] + span + timedelta(minutes=1), now, depth=1)
            text = gettext("You have sent too many messages recently. You can send this one in %(wait)s.")
            raise MessageRejectedError(text % {"wait": wait})
