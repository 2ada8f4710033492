from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from profiles.models import BuilderProfile

#: Owners are asked to confirm an older availability again, and the directory ranks it lower.
CONFIRMATION_LIFETIME = timedelta(days=30)


def visibility_state(profile: BuilderProfile) -> str:
    """Return a short label if the page is public, otherwise the full summary, so that the owner notices."""
    if not profile.slug or profile.deleted_at or profile.archived_at or profile.hidden_at or profile.unpublished_at:
        return visibility_summary(profile)
    return _("Public and listed") if profile.is_listed else _("Public, not listed")


def visibility_summary(profile: BuilderProfile) -> str:
    if not profile.slug:
        return _("Your page will be created when you add a name to your account.")
    if profile.deleted_at or profile.archived_at:
        return _("Only you and our team can see your page, because you are no longer a builder.")
    if profile.hidden_at:
        return _("Only you and our team can see your page, because our team has hidden it.")
    if profile.unpublished_at:
        # Applies to pages that the owner unpublished, and to pages of users who became builders again.
        return _("Only you and our team can see your page until you publish it.")
    if not profile.searchable:
        return _("Anyone with the link can see your page. It is not listed in the directory.")
    if not profile.headline:
        return _("Your page is public. It is not listed in the directory yet. Add a headline to be listed.")
    return _("Your page is public and listed in the directory.")


def is_draft(profile: BuilderProfile) -> bool:
    """Return whether the profile was created during onboarding and has never been published."""
    return profile.unpublished_at is not None and profile.unpublished_at <= profile.created_at


def is_confirmation_due(profile: BuilderProfile) -> bool:
    """Return whether the last confirmation of the availability has expired."""
    confirmed_at = profile.availability_confirmed_at
    return confirmed_at is not None and confirmed_at < timezone.now() - CONFIRMATION_LIFETIME
