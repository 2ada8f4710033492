"""Messages to builders: who may write how many, and how they reach the builder without showing the address."""

from datetime import timedelta

from django import forms
from django.db import transaction
from django.utils import timezone
from django.utils.timesince import timeuntil
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app as queue

from accounts.models import User
from profiles.forms.fields import LineField, ParagraphsField
from profiles.forms.sections import BrowserRulesMixin
from profiles.models import BuilderProfile, ContactMessage

#: How many messages somebody may send within each of these times.
LIMITS = ((5, timedelta(hours=1)), (20, timedelta(days=1)))


class MessageRejectedError(Exception):
    """A message is not sent; the text is a sentence for its sender."""


class ContactForm(BrowserRulesMixin, forms.Form):
    """What somebody writes to a builder."""

    subject = LineField(max_length=120, label=_("Subject"), error_messages={"required": _("Say what it is about.")})
    body = ParagraphsField(
        max_length=4000,
        label=_("Message"),
        help_text=_("What you need, by when, and what you can spend, as far as you know."),
        error_messages={"required": _("Write what you want to tell.")},
    )


@transaction.atomic
def send(builder: BuilderProfile, sender: User, *, subject: str, body: str) -> ContactMessage:
    """Keep a message and have it mailed.

    Raises:
        MessageRejectedError: the sender has no confirmed address, has sent it before, or has sent too many lately.
    """
    User.objects.select_for_update(no_key=True).get(pk=sender.pk)  # of two at one time the second counts the first
    if not can_receive_replies(sender):
        raise MessageRejectedError(
            gettext("Confirm an e-mail address in your account first, so that you can be answered.")
        )
    if ContactMessage.objects.filter(builder=builder, sender=sender, subject=subject, body=body).exists():
        raise MessageRejectedError(gettext("You have sent this message to %(name)s before.") % {"name": builder.name})
    _check_limits(sender)
    message = ContactMessage.objects.create(builder=builder, sender=sender, subject=subject, body=body)
    queue.configure_task("profiles.tasks.mail_contact_message").defer(message_id=message.pk)
    return message


def can_receive_replies(sender: User) -> bool:
    """Return whether an answer reaches `sender`: Clerk has confirmed the address, so it is nobody else's."""
    return bool(sender.email and sender.email_verified_at)


def _check_limits(sender: User) -> None:
    now = timezone.now()
    for most, span in LIMITS:
        recent = ContactMessage.objects.filter(sender=sender, sent_at__gt=now - span).order_by("-sent_at")
        times = list(recent.values_list("sent_at", flat=True)[:most])
        if len(times) == most:
            # A minute more, because the last one is rounded down.
            wait = timeuntil(times[-1] + span + timedelta(minutes=1), now, depth=1)
            text = gettext("You have sent many messages lately. Yours is kept here; you can send it in %(wait)s.")
            raise MessageRejectedError(text % {"wait": wait})
