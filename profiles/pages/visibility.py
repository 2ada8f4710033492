"""Who sees a builder's page, in words for its owner."""

from django.utils.translation import gettext as _

from profiles.models import BuilderProfile


def visibility_summary(profile: BuilderProfile) -> str:
    """Return a sentence about who can see a builder's page."""
    if not profile.slug:
        return _("Your page begins when your account has a name.")
    if profile.deleted_at or profile.archived_at:
        return _("Only you and our team see your page, because you are not a builder any more.")
    if profile.hidden_at:
        return _("Only you and our team see your page: our team has hidden it.")
    if profile.unpublished_at:
        # Also when its owner took it down: whoever stopped being a builder and came back did not.
        return _("Only you and our team see your page, until you publish it.")
    if not profile.searchable:
        return _("Everybody who has the link sees your page. It is not in the directory.")
    return _("Everybody sees your page, and it is in the directory.")


def is_draft(profile: BuilderProfile) -> bool:
    """Return whether the profile was begun on the way through /welcome/ and has never been published since."""
    return profile.unpublished_at is not None and profile.unpublished_at <= profile.created_at
