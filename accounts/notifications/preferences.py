"""A user's email preferences: the kinds that are turned off, and the language."""

from collections.abc import Collection

from django.db import transaction

from accounts.extensions import extensions
from accounts.models import NotificationPreferences, User
from accounts.notifications.kinds import Kind, optional_kinds
from core.interface_languages import interface_language


def preferences_of(user: User) -> NotificationPreferences:
    """Return the stored preferences, or unsaved defaults."""
    return NotificationPreferences.objects.filter(user=user).first() or NotificationPreferences(user=user)


def is_turned_off(preferences: NotificationPreferences, kind: Kind) -> bool:
    return kind.is_optional and kind.key in preferences.turned_off


def language_of(preferences: NotificationPreferences) -> str:
    """Return the chosen language, or else the language of the user's page, or English."""
    return interface_language(preferences.language or extensions.page_language(preferences.user_id))


@transaction.atomic
def save(user: User, *, turned_off: Collection[str], language: str) -> None:
    """Store the choices from the form. Kinds that this release does not know stay as they are."""
    stored = _lock(user)
    known = {kind.key for kind in optional_kinds()}
    stored.turned_off = sorted((set(stored.turned_off) - known) | (set(turned_off) & known))
    stored.language = language
    stored.save()


@transaction.atomic
def turn_off(user: User, kind: Kind) -> None:
    """Turn one kind off. Deleted users are ignored, because their personal data may already be erased."""
    if user.deleted_at is not None or not kind.is_optional:
        return
    stored = _lock(user)
    if kind.key not in stored.turned_off:
        stored.turned_off = sorted([*stored.turned_off, kind.key])
        stored.save()


def _lock(user: User) -> NotificationPreferences:
    """Lock the user's row of preferences, which is created if it does not exist."""
    stored, _ = NotificationPreferences.objects.select_for_update(of=["self"]).get_or_create(user=user)
    return stored
