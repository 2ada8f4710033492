"""What the account page shows of profiles. A tag, because accounts may not know profiles."""

from typing import Any

from django import template
from django.utils.translation import gettext as _

from accounts.models import User
from profiles.models import BuilderProfile, ClientProfile

register = template.Library()


@register.inclusion_tag("profiles/_own_profiles.html")
def own_profiles(user: User) -> dict[str, Any]:
    """Show which profiles somebody has, and what each shows to whom; two queries."""
    builder = BuilderProfile.objects.filter(user=user, deleted_at=None, archived_at=None).first()
    client = ClientProfile.objects.filter(user=user, deleted_at=None, archived_at=None).first()
    for profile in filter(None, (builder, client)):
        profile.user = user
    return {"builder": builder, "client": client, "builder_seen_by": _seen_by(builder) if builder else ""}


def _seen_by(profile: BuilderProfile) -> str:
    """Return a sentence about who can see a builder's page."""
    if not profile.slug:
        return _("Your page begins when your account has a name.")
    if profile.hidden_at:
        return _("Only you and our admins see it: an admin has hidden it.")
    if profile.unpublished_at:
        return _("Only you and our admins see it: you have unpublished it.")
    if not profile.searchable:
        return _("Everybody who has the link sees it. It is not in the directory.")
    return _("Everybody sees it, and it is in the directory.")
