"""Change portraits and portfolios. Each change is one transaction that also writes the history and one audit row.

Each change locks the profile row, so that concurrent requests cannot add, count or reorder projects at the same time.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from profiles import section_history
from profiles.directory import indexing
from profiles.editing.versions import EditConflictError, check_version
from profiles.lifecycle import lock_profile
from profiles.media import images
from profiles.models import MAX_PROJECTS, BuilderProfile, Project

type ImageFile = ContentFile[bytes] | None

#: Editable project fields.
PROJECT_FIELDS = ("title", "description", "url", "technologies", "status", "image_alt", "image")
FULL = _("A portfolio can have up to %(limit)d projects. Delete one to add another.")


def add(
    profile: BuilderProfile,
    new: Mapping[str, Any],
    *,
    image: ImageFile = None,
    token: UUID | None = None,
    restored: tuple[int, int] | None = None,
    actor: Actor,
) -> Project:
    """Add a project, usually at the end of the portfolio.

    Args:
        token: the form's token. The same values with the same token are added only once. Different values with the same
            token, for example after the browser's Back button, add another project.
        restored: the ID and position of the deleted project to restore.

    Raises:
        ValidationError: the portfolio is full.
    """
    with images.store(image, "projects/") as name, transaction.atomic(durable=True):
        owner = lock_profile(profile)
        projects = list(owner.projects.all())
        pk, position = restored or (None, projects[-1].position + 1 if projects else 0)
        duplicate = next((p for p in projects if p.pk == pk or (token and p.form_token == token)), None)
        if duplicate and all(getattr(duplicate, field) == value for field, value in new.items()):
            images.discard(name)
            return duplicate
        if len(projects) >= MAX_PROJECTS:
            raise ValidationError(FULL, "full", {"limit": MAX_PROJECTS})
        identity = {} if duplicate else {"pk": pk, "form_token": token}
        project = Project(builder=owner, position=position, image=name, **identity, **new)
        project.save(force_insert=True)
        _record(owner, actor, None, _values(project, PROJECT_FIELDS))
    return project


def change(
    project: Project,
    new: Mapping[str, Any],
    *,
    image: ImageFile = None,
    remove_image: bool = False,
    version: str,
    actor: Actor,
) -> Project:
    """Save the values that differ from the stored values.

    Args:
        version: the version of `PROJECT_FIELDS` when the form was opened.

    Raises:
        EditConflictError: the project was deleted, or its stored values match neither `version` nor the new values.
    """
    with images.store(image, "projects/") as name, transaction.atomic(durable=True):
        owner = lock_profile(project.builder)
        stored = owner.projects.select_for_update(no_key=True).filter(pk=project.pk).first()
        if stored is None:
            raise EditConflictError(None)
        wanted = {**new, "image": name} if name or remove_image else new
        fields = [field for field, value in wanted.items() if getattr(stored, field) != value]
        if fields:
            check_version(stored, PROJECT_FIELDS, version)
        old = _values(stored, ("title", *fields))
        if fields:
            stored.undo_id = _record_version(owner, stored, fields, actor)
        for field in fields:
            setattr(stored, field, wanted[field])
        if fields:
            stored.save(update_fields=[*fields, "image_width", "image_height"])
            _record(owner, actor, old, _values(stored, ("title", *fields)))
    return stored


@transaction.atomic
def remove(profile: BuilderProfile, pk: int, *, actor: Actor) -> Project | None:
    """Delete a project and keep its image for restoring. Return the project, or None if it was already deleted."""
    owner = lock_profile(profile)
    project = owner.projects.select_for_update().filter(pk=pk).first()
    if project:
        project.undo_id = _record_version(owner, project, (), actor)
        _record(owner, actor, _values(project, PROJECT_FIELDS), None)
        project.delete()
        project.pk = pk
    return project


@transaction.atomic
def reorder(profile: BuilderProfile, ids: Sequence[int], *, actor: Actor) -> list[Project]:
    """Reorder the projects to match `ids`, and return them.

    Ids of other or deleted projects are ignored. Projects that are missing from `ids` follow in their current order.
    """
    owner = lock_profile(profile)
    projects = list(owner.projects.select_for_update(no_key=True))
    positions = {pk: position for position, pk in enumerate(dict.fromkeys(ids))}
    ordered = sorted(projects, key=lambda project: positions.get(project.pk, len(positions)))
    return _save_order(owner, projects, ordered, actor)


@transaction.atomic
def move(profile: BuilderProfile, pk: int, by: int, *, actor: Actor) -> list[Project]:
    """Move one project by a number of positions, but not beyond either end. Return all projects in order."""
    owner = lock_profile(profile)
    projects = list(owner.projects.select_for_update(no_key=True))
    ordered = [project for project in projects if project.pk != pk]
    for position, project in enumerate(projects):
        if project.pk == pk:
            ordered.insert(max(0, position + by), project)
    return _save_order(owner, projects, ordered, actor)


def set_portrait(profile: BuilderProfile, image: ImageFile, *, actor: Actor) -> int | None:
    """Replace the portrait, or remove it if `image` is None. Return the ID of the version that undoes this."""
    with images.store(image, "portraits/") as name, transaction.atomic(durable=True):
        stored = lock_profile(profile)
        old = stored.image.name or ""
        if old == name:
            return None
        undo_id = section_history.record(
            stored, section_history.PORTRAIT, {"image": bool(old)}, changed=["image"], image=old, actor=actor
        )
        stored.image = name
        stored.save(update_fields=["image", *indexing.index(stored)])  # A portrait increases the directory score.
        changes = {"image": (old, name)}
        action = AuditLog.Action.PROFILE_UPDATED
        log.record(action, actor=actor, target=stored, subject=stored.user, changes=changes)
    return undo_id


def _record_version(owner: BuilderProfile, project: Project, changed: Sequence[str], actor: Actor) -> int:
    """Record a project before an edit, or before deletion if `changed` is empty. Keep a removed image for restoring."""
    values = {field: getattr(project, field) for field in PROJECT_FIELDS if field != "image"}
    values["position"] = project.position
    image = ""
    if not changed or "image" in changed:
        image = project.image.name or ""
        values["image"] = bool(image)
    return section_history.record(
        owner, section_history.PORTFOLIO, values, changed=changed, project=project.pk, image=image, actor=actor
    )


def _save_order(owner: BuilderProfile, projects: list[Project], ordered: list[Project], actor: Actor) -> list[Project]:
    if ordered != projects:
        for position, project in enumerate(ordered):
            if project.position != position:
                project.position = position
                project.save(update_fields=["position"])
        _record(owner, actor, [project.title for project in projects], [project.title for project in ordered])
    return ordered


def _values(project: Project, fields: Sequence[str]) -> dict[str, Any]:
    values = {field: getattr(project, field) for field in fields}
    return values | {"image": project.image.name or ""} if "image" in values else values


def _record(owner: BuilderProfile, actor: Actor, old: Any, new: Any) -> None:
    changes = {"portfolio": (old, new)}
    action = AuditLog.Action.PROFILE_UPDATED
    log.record(action, actor=actor, target=owner, subject=owner.user, changes=changes)
