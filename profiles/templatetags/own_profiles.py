"""The account page's profiles. This is a template tag because the accounts app cannot import profiles."""

from typing import Any

from django import template

from accounts.models import User
from profiles.models import BuilderProfile, ClientProfile

register = template.Library()


@register.simple_tag
def own_profiles(user: User) -> dict[str, Any]:
    """Return the user's builder and client profiles, or None for a missing profile, using two queries."""
    builder = BuilderProfile.objects.filter(user=user, deleted_at=None, archived_at=None).first()
    client = ClientProfile.objects.filter(user=user, deleted_at=None, archived_at=None).first()
    for profile in filter(None, (builder, client)):
        profile.user = user
    return {"builder": builder, "client": client}
