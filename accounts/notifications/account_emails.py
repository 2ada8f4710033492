"""The emails about accounts: roles, sign-ins, data exports and deletion."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app as queue
from procrastinate.types import JSONValue

from accounts.models import DataExport, Notification, User
from accounts.notifications import send
from accounts.notifications.content import Content, Link
from accounts.notifications.kinds import Kind, Obsolete
from audit.log import Actor
from core.choices import label_of

ADMIN = User.Role.ADMIN


def notify_role_change(user: User, *, added: Sequence[str], removed: Sequence[str], actor: Actor) -> None:
    """Notify a user whose roles were changed by another person.

    A user's first roles are part of the sign-up, so only the role Admin causes an email.
    """
    before = (set(user.roles) - set(added)) | set(removed)
    is_own_change = actor.user == user and not actor.impersonator
    is_admin_change = ADMIN in added or ADMIN in removed
    if is_own_change or not (before or is_admin_change):
        return
    kind = ADMIN_ROLE_CHANGED if is_admin_change else ROLES_CHANGED
    cause = f"{_event_of(actor)} {' '.join([*(f'+{role}' for role in added), *(f'-{role}' for role in removed)])}"
    # A role that was given on this site is pending until Clerk confirms the change.
    is_from_clerk = ADMIN in added and ADMIN not in user.roles_added
    send.notify_later(user, kind.key, cause, added=list(added), removed=list(removed), from_clerk=is_from_clerk)


def notify_new_device(user: User, *, session_id: str, signed_in_at: datetime, **facts: str) -> None:
    """Notify a user about a sign-in with a browser and operating system that the user had not used before.

    Args:
        facts: the device, the IP address and the place.
    """
    send.notify_later(user, NEW_DEVICE.key, session_id, signed_in_at=signed_in_at.isoformat(), **facts)


def notify_export(export: DataExport) -> None:
    send.notify(export.user, EXPORT_READY.key, f"export:{export.pk}")


def notify_deletion_request(user: User, due_at: datetime) -> None:
    send.notify(user, DELETION_REQUESTED.key, f"due:{due_at.isoformat()}", due_at=due_at.isoformat())


def notify_deletion(user: User) -> None:
    """Notify a user whose account was deleted. Their address is stored until the email is sent."""
    send.notify_later(user, DELETED.key, "deletion", email=user.email if user.email_verified_at else None)


def _event_of(actor: Actor) -> str:
    """Return the delivery that caused a change, or the time of a change without a delivery."""
    return (actor.delivery or timezone.now().isoformat())[:100]


def _security_links() -> list[Link]:
    return [
        Link.to_page(gettext("Account and security"), "accounts:security"),
        Link.to_contact(),
    ]


def _role_facts(notification: Notification) -> list[tuple[str, str]]:
    labels = {"added": gettext("Added"), "removed": gettext("Removed")}
    facts = {name: notification.facts.get(name, []) for name in labels}
    return [
        (label, ", ".join(label_of(User.Role, role) for role in facts[name]))
        for name, label in labels.items()
        if facts[name]
    ]


def _build_roles_changed(notification: Notification) -> Content:
    return Content(
        subject=gettext("Your roles were changed"),
        paragraphs=[gettext("The roles of your account were changed.")],
        facts=_role_facts(notification),
        button=Link.to_page(gettext("Your roles"), "accounts:roles"),
        links=[Link.to_contact()],
    )


def _build_admin_role_changed(notification: Notification) -> Content:
    is_admin = ADMIN in notification.facts.get("added", [])
    title = gettext("You are now an admin") if is_admin else gettext("You are no longer an admin")
    return Content(
        subject=title,
        paragraphs=[gettext("The roles of your account were changed. If you did not expect this, contact us.")],
        facts=_role_facts(notification),
        links=_security_links(),
    )


def _build_new_device(notification: Notification) -> Content:
    facts = notification.facts
    signed_in_at = parse_datetime(str(facts.get("signed_in_at", "")))
    labels = {"device": gettext("Device"), "ip_address": gettext("IP address"), "place": gettext("Place")}
    shown = [(label, str(facts[name])) for name, label in labels.items() if facts.get(name)]
    if signed_in_at:
        shown.append((gettext("Time"), f"{date_format(signed_in_at.astimezone(UTC), 'DATETIME_FORMAT')} UTC"))
    return Content(
        subject=gettext("New sign-in to your account"),
        paragraphs=[gettext("Someone signed in to your account from a new device.")],
        facts=shown,
        notes=[gettext("If this was you, no action is needed. If not, sign the device out and change your password.")],
        button=Link.to_page(gettext("Check your devices"), "accounts:security"),
        links=[Link.to_contact()],
    )


def _build_export_ready(notification: Notification) -> Content:
    export = DataExport.objects.filter(pk=notification.cause.removeprefix("export:")).defer("archive").first()
    if export is None or not export.is_ready:
        raise Obsolete("The copy of the data has expired.")
    until = gettext("Sign in to download it. It is available until %(until)s.")
    return Content(
        subject=gettext("The copy of your data is ready"),
        paragraphs=[until % {"until": date_format(export.expires_at)}],
        button=Link.to_page(gettext("Download your data"), "accounts:account"),
        notes=[gettext("If you did not ask for a copy, someone else may be using your account. Change your password.")],
        links=_security_links(),
    )


def _build_deletion_requested(notification: Notification) -> Content:
    due_at = parse_datetime(str(notification.facts.get("due_at", "")))
    if due_at is None or notification.user.deletion_due_at != due_at:
        raise Obsolete("The deletion was cancelled.")
    title = gettext("Your account will be deleted on %(date)s") % {"date": date_format(due_at)}
    return Content(
        subject=title,
        paragraphs=[
            gettext(
                "You asked us to delete your account, profiles and page. You can cancel the deletion before that date."
            )
        ],
        button=Link.to_page(gettext("Keep account"), "accounts:account"),
        notes=[gettext("If you did not ask for this, keep the account and change your password.")],
        links=_security_links(),
    )


def _build_deleted(notification: Notification) -> Content:
    return Content(
        subject=gettext("Your account was deleted"),
        paragraphs=[
            gettext(
                "Your account, profiles and page are deleted. We will erase the rest of your personal data after 30 days."
            ),
            gettext("This is the last email we will send you."),
        ],
        links=[Link.to_contact()],
    )


def _notify_admins(notifications: Sequence[Notification]) -> None:
    """Notify all admins about roles that were given in Clerk. accounts.roles.admin_grants reports grants on this site."""
    found: list[JSONValue] = [each.pk for each in notifications if each.facts.get("from_clerk")]
    if found:
        # Queued by name, because accounts.roles imports accounts.sync, which imports this module.
        queue.configure_task("accounts.roles.admin_mail.mail_admins_about_clerk").defer(notification_ids=found)


ROLES_CHANGED = Kind(
    "roles_changed",
    _("Roles"),
    _("When someone else changes your roles."),
    _build_roles_changed,
)
ADMIN_ROLE_CHANGED = Kind(
    "admin_role_changed",
    _("The role Admin"),
    _("When you gain or lose the role Admin."),
    _build_admin_role_changed,
    why_required=_("You cannot turn this email off, because admins can see other people’s data."),
    on_queued=_notify_admins,
)
NEW_DEVICE = Kind(
    "new_device",
    _("Sign-ins from new devices"),
    _("When someone signs in to your account from a new device."),
    _build_new_device,
    why_required=_("You cannot turn this email off, because it warns you if someone else uses your account."),
)
EXPORT_READY = Kind(
    "export_ready",
    _("Copies of your data"),
    _("When the copy you requested is ready."),
    _build_export_ready,
    why_required=_("You cannot turn this email off, because the copy contains all your data."),
)
DELETION_REQUESTED = Kind(
    "deletion_requested",
    _("Request to delete your account"),
    _("When someone asks to delete your account."),
    _build_deletion_requested,
    why_required=_("You cannot turn this email off, so that you can cancel the deletion in time."),
)
DELETED = Kind(
    "deleted",
    _("Deletion of your account"),
    _("When your account is deleted."),
    _build_deleted,
    why_required=_("You cannot turn this email off, because a deletion cannot be undone."),
    for_deleted_users=True,
)
KINDS = (ROLES_CHANGED, NEW_DEVICE, ADMIN_ROLE_CHANGED, EXPORT_READY, DELETION_REQUESTED, DELETED)
