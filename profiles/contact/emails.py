"""The email to a builder about a message."""

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app as queue

from accounts.models import Notification, User
from accounts.notifications import preferences, rendering, send
from accounts.notifications.content import Content, Link
from accounts.notifications.kinds import Kind, Obsolete
from core.jobs import Person, describe
from core.mail_headers import mailbox
from profiles.contact.blocking import is_blocked
from profiles.models import ContactMessage
from profiles.permissions import is_reachable


def can_receive_replies(sender: User) -> bool:
    """Return whether Clerk has verified the sender's email address, so that replies reach the sender."""
    return bool(sender.email and sender.email_verified_at)


def notify_builder(message: ContactMessage) -> None:
    """Queue the email, in the transaction that stores the message."""
    send.notify(message.builder.user, MESSAGE_RECEIVED.key, _cause_of(message))


def build(message: ContactMessage) -> None:
    """Build the email exactly as the job does, so that an error appears before the sender gets a confirmation."""
    builder = message.builder.user
    notification = Notification(user=builder, kind=MESSAGE_RECEIVED.key, cause=_cause_of(message))
    chosen = preferences.preferences_of(builder)
    rendering.check_email(notification, MESSAGE_RECEIVED, chosen, str(mailbox(builder.email)))


@queue.task(retry=send.EMAIL_RETRY)
@describe(
    _("Send a contact message"),
    _("Emails a visitor's message to a builder. If the job fails, the builder does not receive the message."),
    person=Person("message_id", "profiles.ContactMessage", "pk", "sender__clerk_id"),
)
def mail_contact_message(message_id: int) -> None:
    """Send a message that an earlier release queued. This release queues `send_notification` instead."""
    message = ContactMessage.objects.select_related("builder__user").filter(pk=message_id, mailed_at=None).first()
    if message is not None:
        notification, _created = Notification.objects.get_or_create(
            user=message.builder.user,
            kind=MESSAGE_RECEIVED.key,
            cause=_cause_of(message),
            defaults={"queued_at": timezone.now()},
        )
        send.send(notification.pk)


def _build_content(notification: Notification) -> Content:
    message = _message_of(notification)
    sender, builder = message.sender, message.builder
    reply_to = mailbox(sender.email, name=sender.display_name)
    names = {"sender_name": sender.display_name, "email": sender.email}
    if reply_to:
        note = gettext(
            "To respond to %(sender_name)s (%(email)s), reply to this email. They will see your email address only if you reply."
        )
    else:
        # The address is not valid in a header.
        note = gettext(
            "To reply, email %(sender_name)s at %(email)s. Replies to this email will not reach them. They will see your email address only if you email them."
        )
    return Content(
        subject=gettext("%(name)s sent you a message: %(subject)s")
        % {"name": sender.display_name, "subject": message.subject},
        heading=gettext("%(sender_name)s sent you a message") % names,
        quote=f"{message.subject}\n\n{message.body}",
        notes=[note % names],
        links=[
            Link(gettext("Your page on Buildappswith"), settings.SITE_URL + builder.get_absolute_url()),
            Link.to_page(gettext("Report this message or block the sender"), "profiles:message_report", message.pk),
        ],
        reply_to=reply_to,
    )


def _message_of(notification: Notification) -> ContactMessage:
    """Return the message, unless it was already sent or either user can no longer be contacted."""
    messages = ContactMessage.objects.select_related("builder__user", "sender")
    message = messages.filter(pk=_message_id(notification), mailed_at=None).first()
    if message is None:
        raise Obsolete("The message was deleted, or was already sent.")
    if not is_reachable(message.builder):
        raise Obsolete("The builder's page is not public, or has no verified email address.")
    if not message.sender.is_active or not can_receive_replies(message.sender):
        raise Obsolete("The sender is not active, or has no verified email address.")
    if is_blocked(message.builder, message.sender):
        raise Obsolete("The builder has blocked the sender.")
    return message


def _mark_as_mailed(notification: Notification) -> None:
    ContactMessage.objects.filter(pk=_message_id(notification)).update(mailed_at=timezone.now())


def _cause_of(message: ContactMessage) -> str:
    return f"message:{message.pk}"


def _message_id(notification: Notification) -> int:
    return int(notification.cause.removeprefix("message:"))


MESSAGE_RECEIVED = Kind(
    "message_received",
    _("Messages"),
    _("When someone sends you a message. Your messages are also in your account."),
    _build_content,
    on_sent=_mark_as_mailed,
)
