"""The account page's profiles. This is a template tag because the accounts app cannot import profiles."""

from typing import Any

from django import template

from accounts.models import User
from profiles.models import Profile

register = template.Library()


@register.simple_tag
def own_profiles(user: User) -> dict[str, Any]:
    """Return the user's builder and client profiles, or None for a missing profile, using one query."""
    row = User.objects.select_related("builderprofile", "clientprofile").get(pk=user.pk)
    return {"builder": _own(row, user, "builderprofile"), "client": _own(row, user, "clientprofile")}


def _own(row: User, user: User, name: str) -> Profile | None:
    profile: Profile | None = getattr(row, name, None)
    if profile is None or profile.deleted_at or profile.archived_at:
        return None
    profile.user = user
    return profile
