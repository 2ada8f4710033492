"""Save builders to a user's shortlist, and remove them."""

from django.db import transaction
from django.utils.translation import gettext

from accounts.models import User
from profiles.models import BuilderProfile, ShortlistEntry

#: Maximum number of builders on a shortlist.
MAX_ENTRIES = 100


class ShortlistFullError(Exception):
    """The shortlist is full. The error text is shown to the user."""


@transaction.atomic
def add(user: User, builder: BuilderProfile) -> None:
    """Save a builder. Saving a builder twice has no effect.

    Raises:
        ShortlistFullError: the shortlist already has `MAX_ENTRIES` builders.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # serializes limit checks
    if is_saved(user, builder):
        return
    if ShortlistEntry.objects.filter(user=user).count() >= MAX_ENTRIES:
        text = gettext("Your shortlist has %(limit)d builders, which is the maximum. Remove a builder first.")
        raise ShortlistFullError(text % {"limit": MAX_ENTRIES})
    ShortlistEntry.objects.create(user=user, builder=builder)


def remove(user: User, builder_id: int) -> None:
    """Remove a builder. Removing a builder twice has no effect."""
    ShortlistEntry.objects.filter(user=user, builder_id=builder_id).delete()


def is_saved(user: User, builder: BuilderProfile) -> bool:
    return ShortlistEntry.objects.filter(user=user, builder=builder).exists()


def saved_ids(user: User) -> list[int]:
    """Return the IDs of saved builders, most recently saved first."""
    entries = ShortlistEntry.objects.filter(user=user).order_by("-saved_at", "-pk")
    return list(entries.values_list("builder_id", flat=True))
