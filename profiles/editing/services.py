"""Save profile edits. Each edit is one transaction that writes the changed fields, their history and one audit row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.log import Actor
from profiles import section_history, slug_history
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.editing.versions import check_version
from profiles.lifecycle import apply_changes, lock_profile
from profiles.models import Availability, BuilderProfile, Profile


def save[P: Profile](
    profile: P,
    new: Mapping[str, Any],
    *,
    actor: Actor,
    version: str = "",
    extra: Mapping[str, Any] | None = None,
) -> P:
    """Save the values in `new` that differ from the stored values, and record the actor.

    Args:
        version: the version of the fields in `new` when the form was opened. If blank, newer values are overwritten.
        extra: values that are saved even if nothing in `new` has changed.

    Returns:
        The stored profile after the change. Its `undo_id` is set if values changed.

    Raises:
        DoesNotExist: the profile was deleted.
        EditConflictError: the stored values match neither `version` nor `new`.
        slug_history.SlugTaken: another profile took the slug after validation.
    """
    try:
        with transaction.atomic():
            stored = lock_profile(profile)
            changed = {name: value for name, value in new.items() if getattr(stored, name) != value}
            if changed and version:
                check_version(stored, new, version)
            stored.undo_id = _record_versions(stored, changed, actor)
            _write(stored, changed | dict(extra or {}), actor)
    except IntegrityError as error:
        if "slug" not in new:
            raise
        raise slug_history.SlugTaken from error
    return stored


def confirmation(new: Mapping[str, Any]) -> dict[str, datetime | None]:
    """Return the field values that confirm the availability, or clear the confirmation if `new` states none."""
    is_stated = new["availability"] != Availability.NOT_STATED
    return {"availability_confirmed_at": timezone.now() if is_stated else None}


def _record_versions(stored: Profile, changed: Mapping[str, Any], actor: Actor) -> int | None:
    """Record the current values of each changed section, and return the last version's ID."""
    undo_id = None
    for section in BUILDER_SECTIONS.values() if isinstance(stored, BuilderProfile) else ():
        fields = section.form_class.base_fields
        if fields.keys() & changed.keys():
            values = {name: getattr(stored, name) for name in (*fields, *section.also_restored)}
            names = [name for name in fields if name in changed]
            undo_id = section_history.record(stored, section.key, values, changed=names, actor=actor)
    return undo_id


def _write(stored: Profile, new: Mapping[str, Any], actor: Actor) -> None:
    if isinstance(stored, BuilderProfile) and "slug" in new:
        slug_history.record_former_slug(stored, new["slug"])
    if new:
        apply_changes(stored, actor=actor, **new)
