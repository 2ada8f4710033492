"""Change portraits and portfolios. Each change is one transaction that also writes the history and one audit row.

Each change locks the profile row, so that concurrent requests cannot add, count or reorder projects at the same time.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from profiles import section_history
from profiles.directory import indexing
from profiles.editing.versions import EditConflictError, check_version
from profiles.lifecycle import lock_profile
from profiles.media.images import store
from profiles.models import MAX_PROJECTS, BuilderProfile, Project
from profiles.portfolio import gallery, ordering
from profiles.portfolio.gallery import ImageFile, NewImage, record_change

#: Editable project fields.
PROJECT_FIELDS = ("title", "description", "url", "technologies", "status")
FULL = _("A portfolio can have up to %(limit)d projects. Delete one to add another.")


def add(
    profile: BuilderProfile,
    new: Mapping[str, Any],
    *,
    images: Sequence[NewImage] = (),
    token: UUID | None = None,
    restored: tuple[int, int] | None = None,
    actor: Actor,
) -> Project:
    """Add a project, usually at the end of the portfolio.

    Args:
        images: the project's images, in order.
        token: the form's token. The same values with the same token are added only once. Different values with the same
            token, for example after the browser's Back button, add another project.
        restored: the ID and position of the deleted project to restore.

    Raises:
        ValidationError: the portfolio is full.
    """
    with gallery.store(images) as names, transaction.atomic(durable=True):
        owner = lock_profile(profile)
        projects = list(owner.projects.all())
        pk, position = restored or (None, projects[-1].position + 1 if projects else 0)
        duplicate = next((p for p in projects if p.pk == pk or (token and p.form_token == token)), None)
        if duplicate and all(getattr(duplicate, field) == value for field, value in new.items()):
            gallery.discard(names)
            return duplicate
        if len(projects) >= MAX_PROJECTS:
            raise ValidationError(FULL, "full", {"limit": MAX_PROJECTS})
        identity = {} if duplicate else {"pk": pk, "form_token": token}
        project = Project(builder=owner, position=position, **identity, **new)
        project.save(force_insert=True)
        gallery.create(project, images, names)
        record_change(owner, actor, None, _values(project, PROJECT_FIELDS) | {"images": names})
    return project


@transaction.atomic(durable=True)
def change(project: Project, new: Mapping[str, Any], *, version: str, actor: Actor) -> Project:
    """Save the values that differ from the stored values.

    Args:
        version: the version of `PROJECT_FIELDS` when the form was opened.

    Raises:
        EditConflictError: the project was deleted, or its stored values match neither `version` nor the new values.
    """
    owner = lock_profile(project.builder)
    stored = owner.projects.select_for_update(no_key=True).filter(pk=project.pk).first()
    if stored is None:
        raise EditConflictError(None)
    fields = [field for field, value in new.items() if getattr(stored, field) != value]
    if fields:
        check_version(stored, PROJECT_FIELDS, version)
        old = _values(stored, ("title", *fields))
        stored.undo_id = _record_version(owner, stored, fields, actor)
        for field in fields:
            setattr(stored, field, new[field])
        stored.save(update_fields=fields)
        record_change(owner, actor, old, _values(stored, ("title", *fields)))
    return stored


@transaction.atomic
def remove(profile: BuilderProfile, pk: int, *, actor: Actor) -> Project | None:
    """Delete a project and keep its images for restoring. Return the project, or None if it was already deleted."""
    owner = lock_profile(profile)
    project = owner.projects.select_for_update().filter(pk=pk).first()
    if project:
        removed = list(project.images.all())
        project.undo_id = _record_version(owner, project, (), actor)
        section_history.keep_images(project.undo_id, removed)
        names = {"images": [row.image.name for row in removed]}
        record_change(owner, actor, _values(project, PROJECT_FIELDS) | names, None)
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
    return _save_order(owner, projects, ordering.reordered(projects, ids), actor)


@transaction.atomic
def move(profile: BuilderProfile, pk: int, by: int, *, actor: Actor) -> list[Project]:
    """Move one project by a number of positions, but not beyond either end. Return all projects in order."""
    owner = lock_profile(profile)
    projects = list(owner.projects.select_for_update(no_key=True))
    return _save_order(owner, projects, ordering.moved(projects, pk, by), actor)


def set_portrait(profile: BuilderProfile, image: ImageFile, *, actor: Actor) -> int | None:
    """Replace the portrait, or remove it if `image` is None. Return the ID of the version that undoes this."""
    with store(image, "portraits/") as name, transaction.atomic(durable=True):
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
    """Record a project before an edit, or before deletion if `changed` is empty."""
    values = _values(project, (*PROJECT_FIELDS, "position"))
    return section_history.record(
        owner, section_history.PORTFOLIO, values, changed=changed, project=project.pk, actor=actor
    )


def _save_order(owner: BuilderProfile, projects: list[Project], ordered: list[Project], actor: Actor) -> list[Project]:
    if ordering.save(projects, ordered):
        record_change(owner, actor, [project.title for project in projects], [project.title for project in ordered])
    return ordered


def _values(project: Project, fields: Sequence[str]) -> dict[str, Any]:
    return {field: getattr(project, field) for field in fields}
