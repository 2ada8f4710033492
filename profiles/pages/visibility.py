from django.utils.translation import gettext as _

from profiles.models import BuilderProfile


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
