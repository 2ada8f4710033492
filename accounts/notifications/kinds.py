"""The registry of notification kinds. See docs/notifications.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django_stubs_ext import StrOrPromise

from accounts.models import Notification
from accounts.notifications.content import Content


class Obsolete(Exception):
    """The email is no longer needed. The message explains the reason to operators."""


def _do_nothing(notification: Notification) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of email.

    Attributes:
        key: the value of `Notification.kind`.
        label: the name on the preferences page.
        help_text: when the email is sent.
        build: returns the email in the active language. Raises Obsolete.
        why_required: why users cannot turn the kind off, or "" if they can.
        is_for_admins: show the kind only to admins on the preferences page.
        for_deleted_users: send the email to `Notification.email`, even if the user is deleted or banned.
        on_queued: called with the notifications from `notify_later` that one run queues, in its transaction.
        on_sent: called in the transaction that marks the notification as sent.
    """

    key: str
    label: StrOrPromise
    help_text: StrOrPromise
    build: Callable[[Notification], Content]
    why_required: StrOrPromise = ""
    is_for_admins: bool = False
    for_deleted_users: bool = False
    on_queued: Callable[[Sequence[Notification]], None] | None = None
    on_sent: Callable[[Notification], None] = _do_nothing

    @property
    def is_optional(self) -> bool:
        return not self.why_required


#: Kinds by key, in the order of the preferences page.
kinds: dict[str, Kind] = {}


def register(*new: Kind) -> None:
    """Add kinds. Call this in `AppConfig.ready`."""
    kinds.update({kind.key: kind for kind in new})


def optional_kinds() -> list[Kind]:
    return [kind for kind in kinds.values() if kind.is_optional]


def required_kinds(*, is_admin: bool) -> list[Kind]:
    """Return the kinds that users cannot turn off. Those for admins are included only if `is_admin`."""
    return [kind for kind in kinds.values() if not kind.is_optional and (is_admin or not kind.is_for_admins)]
