"""Store notifications together with their cause, and send them in jobs."""

import logging
import re
from collections import defaultdict
from collections.abc import Sequence
from smtplib import SMTPRecipientsRefused

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue
from procrastinate.types import JSONValue

from accounts.models import Notification, User
from accounts.notifications.kinds import Kind, Obsolete, kinds
from accounts.notifications.preferences import is_turned_off, preferences_of
from accounts.notifications.rendering import build_email
from core.db import joined_writes
from core.db.statements import insert_if_new
from core.jobs import BULK, Person, describe
from core.mail_headers import mailbox

log = logging.getLogger(__name__)

State = Notification.State
#: Retries for about a day.
EMAIL_RETRY = RetryStrategy(max_attempts=9, exponential_wait=4)
#: Maximum number of notifications that one run queues. The next run continues.
MAX_QUEUED = 1000
#: Enhanced status codes for problems with the network, the protocol or this site, such as refused relaying, and not with
#: the recipient. https://www.rfc-editor.org/rfc/rfc3463#section-3
_NOT_ABOUT_RECIPIENT = re.compile(r"5\.[4567]\.\d")
_MAX_RESULT_LENGTH = 300


class NotSent(Exception):
    """The email must not be sent. The message explains the reason to operators."""


def notify(user: User, key: str, cause: str, **facts: object) -> Notification | None:
    """Store a notification and queue its job, in the transaction of its cause.

    Returns:
        The notification, or None if the user was already notified about this cause.
    """
    notification = Notification(user=user, kind=kinds[key].key, cause=cause, facts=facts, queued_at=timezone.now())
    if not insert_if_new(notification):
        return None
    send_notification.defer(notification_id=notification.pk)
    return notification


def notify_later(user: User, key: str, cause: str, *, email: str | None = None, **facts: object) -> None:
    """Store a notification with the other writes of an event. `queue_due` queues its job within a minute.

    This needs no additional statement. If the user was already notified about the cause, nothing is stored.

    Args:
        email: the address of a deleted user.
    """
    row = Notification(user=user, kind=kinds[key].key, cause=cause, facts=facts, email=email)
    joined_writes.insert(row, skip_existing=True)


@transaction.atomic
def queue_due() -> int:
    """Queue the jobs of notifications from `notify_later`, and return their number.

    The notifications of a kind whose `on_queued` fails stay due, and do not delay the others.
    """
    rows = Notification.objects.filter(queued_at=None).select_for_update(skip_locked=True)
    by_kind = defaultdict[str, list[Notification]](list)
    for row in rows.order_by("pk")[:MAX_QUEUED]:
        by_kind[row.kind].append(row)
    found = [row for key, group in by_kind.items() if _call_on_queued(key, group) for row in group]
    if found:
        Notification.objects.filter(pk__in=[row.pk for row in found]).update(queued_at=timezone.now())
        send_notification.batch_defer(*(_arguments(row.pk) for row in found))
    return len(found)


def _call_on_queued(key: str, notifications: Sequence[Notification]) -> bool:
    """Call `on_queued` in a savepoint, and return whether it succeeded."""
    kind = kinds.get(key)
    if kind is None or kind.on_queued is None:
        return True
    try:
        with transaction.atomic():
            kind.on_queued(notifications)
    except Exception:
        log.exception(
            "%s notifications of the kind %s could not be queued. The next run tries again.", len(notifications), key
        )
        return False
    return True


def _arguments(pk: int) -> dict[str, JSONValue]:
    return {"notification_id": pk}


@queue.task(retry=EMAIL_RETRY, priority=BULK)
@describe(
    _("Send a notification"),
    _("Emails a user about an event on their account or page. If the job fails, the user is not notified."),
    person=Person("notification_id", "accounts.Notification", "pk", "user__clerk_id"),
)
def send_notification(notification_id: int) -> None:
    send(notification_id)


@transaction.atomic
def send(notification_id: int) -> None:
    """Send a notification, unless it is finished or must not be sent.

    The row stays locked until the email is sent, so concurrent runs of the job cannot send it twice.
    """
    rows = Notification.objects.select_related("user").select_for_update(of=["self"])
    notification = rows.filter(pk=notification_id, state=State.PENDING).first()
    if notification is None:
        return
    try:
        kind = _deliver(notification)
    except (NotSent, Obsolete) as reason:
        _finish(notification, State.SKIPPED, str(reason))
    except SMTPRecipientsRefused as error:
        _finish(notification, State.REFUSED, _refusal(error))
        log.warning("The mail server refused the recipient of notification %s. It is not retried.", notification.pk)
    else:
        _finish(notification, State.SENT)
        kind.on_sent(notification)


def _deliver(notification: Notification) -> Kind:
    kind = kinds.get(notification.kind)
    if kind is None:
        raise NotSent(f"This release has no notifications of the kind {notification.kind}.")
    recipient, preferences = _recipient(notification, kind), preferences_of(notification.user)
    if is_turned_off(preferences, kind):
        raise NotSent("The user has turned these emails off.")
    build_email(notification, kind, preferences, recipient).send()
    return kind


def _recipient(notification: Notification, kind: Kind) -> str:
    """Return the user's address. Deleted and banned users get only the email about the deletion."""
    user = notification.user
    if kind.for_deleted_users:
        address = notification.email
    elif not user.is_active:
        raise NotSent("The account is deleted, banned or inactive.")
    else:
        # An address that Clerk has not verified may belong to another person. Local operators have entered their own.
        address = user.email if user.email_verified_at or (user.is_superuser and not user.clerk_id) else None
    if not address:
        raise NotSent("The user has no verified email address.")
    recipient = mailbox(address)
    if recipient is None:
        raise NotSent("The email address has characters that many mail servers reject.")
    return recipient


def _refusal(error: SMTPRecipientsRefused) -> str:
    """Return the server's answer if it rejected the recipient permanently. Otherwise, raise the error to retry."""
    [(code, answer)] = error.recipients.values()
    text = answer.decode("utf-8", "replace")
    if code < 500 or _NOT_ABOUT_RECIPIENT.match(text):
        raise error
    return f"{code} {text}"


def _finish(notification: Notification, state: Notification.State, result: str = "") -> None:
    """Store the result. The facts and the address are no longer needed."""
    notification.state, notification.result = state, " ".join(result.split())[:_MAX_RESULT_LENGTH]
    notification.finished_at = timezone.now()
    notification.facts, notification.email = {}, None
    notification.save(update_fields=["state", "result", "finished_at", "facts", "email"])
