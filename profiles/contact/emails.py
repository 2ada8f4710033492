"""Mails of the profiles app, as text and as a page of HTML."""

from email.headerregistry import Address

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext

from profiles.contact.services import can_receive_replies
from profiles.forms.text_cleaning import one_line
from profiles.models import ContactMessage
from profiles.permissions import is_reachable


@transaction.atomic
def send_contact_message(message_id: int) -> None:
    """Mail a message to its builder, unless that is done, or either of the two has gone meanwhile.

    The row is locked until the mail is out, so a job that runs twice at one time sends it once.
    """
    messages = ContactMessage.objects.select_related("builder__user", "sender").select_for_update(of=["self"])
    message = messages.filter(pk=message_id, mailed_at=None).first()
    if message is None or not is_reachable(message.builder) or not _may_send(message):
        return
    _contact_mail(message).send()
    message.mailed_at = timezone.now()
    message.save(update_fields=["mailed_at"])


def _may_send(message: ContactMessage) -> bool:
    return message.sender.is_active and can_receive_replies(message.sender)


def _contact_mail(message: ContactMessage) -> EmailMultiAlternatives:
    """Return the mail: from us, to the builder, and answers go to the sender."""
    sender, builder = message.sender, message.builder
    # The origins of this site are in the setting, its own first; a job has no request to take it from.
    site = next(iter(settings.CLERK_AUTHORIZED_PARTIES), "")
    context = {"message": message, "sender": sender, "builder": builder, "site": site}
    context["page"] = site + builder.get_absolute_url()
    mail = EmailMultiAlternatives(
        subject=gettext("%(name)s wrote to you: %(subject)s")
        % {"name": one_line(sender.display_name), "subject": one_line(message.subject)},
        body=render_to_string("profiles/mail/contact.txt", context),
        to=[str(builder.user.email)],
        reply_to=[_address(sender.display_name, str(sender.email))],
    )
    mail.attach_alternative(render_to_string("profiles/mail/contact.html", context), "text/html")
    return mail


def _address(name: str, email: str) -> str:
    """Return an address with its name for a header; the parts are quoted as they need it."""
    return str(Address(display_name=one_line(name), addr_spec=email))
