"""Changes that people make to profiles: one transaction, one audit row, and only what really changed."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from audit.log import Origin
from profiles.lifecycle import change
from profiles.models import Profile


@transaction.atomic
def save(profile: Profile, new: Mapping[str, Any], *, actor: User, origin: Origin) -> None:
    """Write the fields of `new` that differ from what is stored, and record who changed them.

    Raises:
        DoesNotExist: the profile is gone.
    """
    stored = (
        type(profile)
        ._default_manager.select_related("user")
        .select_for_update(of=["self"], no_key=True)
        .get(pk=profile.pk)
    )
    changed = {name: value for name, value in new.items() if getattr(stored, name) != value}
    if changed:
        change(stored, origin, actor=actor, **changed)
