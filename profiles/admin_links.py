"""Links on a user's page in the admin to the user's profiles and messages. See accounts.extensions."""

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from profiles.models import BuilderProfile

type Link = tuple[str | Promise, str]


def admin_links(user_id: int) -> list[Link]:
    """Return a label and a URL for each profile of the user, and for the user's messages."""
    columns = ("clerk_id", "builderprofile__pk", "builderprofile__slug", "clientprofile__pk")
    row = User.objects.filter(pk=user_id).values_list(*columns).first()
    if row is None:
        return []
    clerk_id, builder, slug, client = row
    found: list[Link] = [(_("Builder page"), BuilderProfile(slug=slug).get_absolute_url())] if slug else []
    if builder:
        found.append((_("Builder profile"), reverse("admin:profiles_builderprofile_change", args=[builder])))
    if client:
        found.append((_("Client profile"), reverse("profiles:client_update", args=[client])))
    if clerk_id:
        messages = reverse("admin:profiles_contactmessage_changelist")
        found.append((_("Messages"), f"{messages}?{urlencode({'q': clerk_id})}"))
    return found
