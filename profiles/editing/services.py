"""Changes that people make to profiles: one transaction, one audit row, and only what really changed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction

from accounts.models import User
from audit.log import Origin
from profiles import slug_history
from profiles.lifecycle import apply_changes, lock_profile
from profiles.models import Profile


class EditConflict(Exception):
    """Other values were saved since the form was opened, and nothing was overwritten.

    Attributes:
        stored: the profile as it is now.
    """

    def __init__(self, stored: Any) -> None:
        super().__init__(stored)
        self.stored = stored


def digest(profile: Profile, fields: Iterable[str]) -> str:
    """Return a digest of what is stored in `fields`; a form carries it, to tell whether they changed meanwhile."""
    values = {name: getattr(profile, name) for name in fields}
    return hashlib.sha256(json.dumps(values, cls=DjangoJSONEncoder, sort_keys=True).encode()).hexdigest()


def save[P: Profile](
    profile: P,
    new: Mapping[str, Any],
    *,
    actor: User,
    origin: Origin,
    opened: str = "",
    extra: Mapping[str, Any] | None = None,
) -> P:
    """Write the fields of `new` that differ from what is stored, and record who changed them.

    Args:
        opened: the digest of the fields of `new` as they were when the form was opened; blank overwrites whatever is there.
        extra: what to write in addition, even if nothing else changes.

    Returns:
        The profile as it is now.

    Raises:
        DoesNotExist: the profile is gone.
        EditConflict: other values are stored than those of `opened`, and others than `new`.
        addresses.Taken: the new address is somebody else's since a moment.
    """
    try:
        with transaction.atomic():
            stored = lock_profile(profile)
            changed = {name: value for name, value in new.items() if getattr(stored, name) != value}
            if changed and opened and opened != digest(stored, new):
                raise EditConflict(stored)
            _write(stored, changed | dict(extra or {}), actor, origin)
    except IntegrityError as error:
        if "slug" not in new:
            raise
        raise slug_history.SlugTaken from error
    return stored


def _write(stored: Any, new: Mapping[str, Any], actor: User, origin: Origin) -> None:
    if "slug" in new:
        slug_history.record_former_slug(stored, new["slug"])
    if new:
        apply_changes(stored, origin, actor=actor, **new)
