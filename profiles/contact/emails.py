"""Emails to builders, as text and HTML."""

from email.policy import SMTP

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.models import User
from core.interface_languages import interface_language
from core.jobs import Person, describe
from core.mail_headers import header_text, mailbox
from profiles.contact.blocking import is_blocked
from profiles.models import ContactMessage
from profiles.permissions import is_reachable

#: Retries for about a day.
EMAIL_RETRY = RetryStrategy(max_attempts=9, exponential_wait=4)


def can_receive_replies(sender: User) -> bool:
    """Return whether Clerk has verified the sender's email address, so that replies reach the sender."""
    return bool(sender.email and sender.email_verified_at)


def build(message: ContactMessage) -> None:
    """Build the email exactly as the job does, so that an error appears before the sender gets a confirmation."""
    _build_email(message).message(policy=SMTP).as_bytes()


@queue.task(retry=EMAIL_RETRY)
@describe(
    _("Send a contact message"),
    _("Emails a visitor's message to a builder. If the job fails, the builder does not receive the message."),
    person=Person("message_id", "profiles.ContactMessage", "pk", "sender__clerk_id"),
)
def mail_contact_message(message_id: int) -> None:
    send_contact_message(message_id)


@transaction.atomic
def send_contact_message(message_id: int) -> None:
    """Email a message to its builder, unless it was already sent or either user can no longer be contacted.

    The row stays locked until the email is sent, so concurrent runs of the job cannot send it twice.
    """
    messages = ContactMessage.objects.select_related("builder__user", "sender").select_for_update(of=["self"])
    message = messages.filter(pk=message_id, mailed_at=None).first()
    if message is None or not is_reachable(message.builder) or not _may_be_delivered(message):
        return
    _build_email(message).send()
    message.mailed_at = timezone.now()
    message.save(update_fields=["mailed_at"])


def _may_be_delivered(message: ContactMessage) -> bool:
    sender = message.sender
    return sender.is_active and can_receive_replies(sender) and not is_blocked(message.builder, sender)


def _build_email(message: ContactMessage) -> EmailMultiAlternatives:
    """Build the email in the language of the builder's page, or in English."""
    with translation.override(interface_language(message.builder.page_language)):
        return _build_in_active_language(message)


def _build_in_active_language(message: ContactMessage) -> EmailMultiAlternatives:
    """Build an email from this site to the builder, with the sender as Reply-To.

    If the sender's address is not valid in a header, the email's text asks the builder to send a new email to it.
    """
    sender, builder = message.sender, message.builder
    reply_to = mailbox(sender.email, name=sender.display_name)
    context = {"message": message, "sender": sender, "builder": builder, "can_reply": reply_to is not None}
    context["page"] = settings.SITE_URL + builder.get_absolute_url()
    context["report"] = settings.SITE_URL + reverse("profiles:message_report", args=[message.pk])
    email = EmailMultiAlternatives(
        subject=header_text(
            gettext("%(name)s sent you a message: %(subject)s")
            % {"name": sender.display_name, "subject": message.subject}
        ),
        body=render_to_string("profiles/mail/contact.txt", context),
        to=[str(mailbox(builder.user.email))],
        reply_to=[reply_to] if reply_to else [],
    )
    email.attach_alternative(render_to_string("profiles/mail/contact.html", context), "text/html")
    return email
