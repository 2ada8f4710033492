"""Change the images of a project. Each change is one transaction that also writes the history and one audit row."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
from profiles.editing.versions import EditConflictError, check_version
from profiles.lifecycle import lock_profile
from profiles.media import images
from profiles.models import MAX_IMAGES, BuilderProfile, Project, ProjectImage
from profiles.portfolio import ordering

type ImageFile = ContentFile[bytes] | None

#: Editable fields of an image.
IMAGE_FIELDS = ("alt",)
FULL = _("A project can have up to %(limit)d images. Remove one to add another.")


@dataclass(frozen=True, slots=True)
class NewImage:
    """A re-encoded image that is not stored yet, and its alternative text."""

    file: ContentFile[bytes]
    alt: str


@contextmanager
def store(new: Sequence[NewImage]) -> Iterator[list[str]]:
    """Store images and yield their names. Delete the files if the block raises. See `profiles.media.images.store`."""
    with ExitStack() as stack:
        yield [stack.enter_context(images.store(image.file, "projects/")) for image in new]


def discard(names: Iterable[str]) -> None:
    for name in names:
        images.discard(name)


def create(project: Project, new: Sequence[NewImage], names: Sequence[str], **fields: Any) -> list[ProjectImage]:
    """Insert rows for stored images, at the end of the gallery unless `fields` contains a position."""
    last = project.images.last()
    start = last.position + 1 if last else 0
    return [
        ProjectImage.objects.create(
            builder_id=project.builder_id,
            project=project,
            image=name,
            alt=image.alt,
            **{"position": position, **fields},
        )
        for position, (image, name) in enumerate(zip(new, names, strict=True), start)
    ]


def add(
    project: Project, new: NewImage, *, token: UUID | None = None, position: int | None = None, actor: Actor
) -> ProjectImage:
    """Add an image to a project, usually at the end.

    Args:
        token: the form's token. An upload that is repeated with the same token adds one image.
        position: the position of the removed image to restore.

    Raises:
        ValidationError: the project has the maximum number of images.
        EditConflictError: the project was deleted.
    """
    with store([new]) as names, transaction.atomic(durable=True):
        stored = _lock(project)
        rows = list(stored.images.all())
        if duplicate := next((row for row in rows if token and row.form_token == token), None):
            discard(names)
            return duplicate
        if len(rows) >= MAX_IMAGES:
            raise ValidationError(FULL, "full", {"limit": MAX_IMAGES})
        fields = {} if position is None else {"position": position}
        [row] = create(stored, [new], names, form_token=token, **fields)
        _record(stored, actor, {"image": "", "alt": ""}, {"image": row.image.name, "alt": row.alt})
    return row


@transaction.atomic(durable=True)
def change(project: Project, pk: int, alt: str, *, version: str, actor: Actor) -> int | None:
    """Change an image's alternative text. Return the ID of the version that undoes this, or None if nothing changed.

    Raises:
        EditConflictError: the image was removed, or its text matches neither `version` nor the new text.
    """
    stored = _lock(project)
    row = stored.images.filter(pk=pk).first()
    if row is None:
        raise EditConflictError(None)
    if row.alt == alt:
        return None
    check_version(row, IMAGE_FIELDS, version)
    undo_id = _record_version(stored, row, ["alt"], actor)
    old, row.alt = row.alt, alt
    row.save(update_fields=["alt"])
    _record(stored, actor, {"alt": old}, {"alt": alt})
    return undo_id


@transaction.atomic
def remove(project: Project, pk: int, *, actor: Actor) -> int | None:
    """Remove an image and keep it for restoring.

    Returns:
        The ID of the version that undoes this, or None if the image was already removed.
    """
    stored = _lock(project)
    row = stored.images.filter(pk=pk).first()
    if row is None:
        return None
    undo_id = _record_version(stored, row, (), actor)
    section_history.keep_images(undo_id, [row])
    _record(stored, actor, {"image": row.image.name, "alt": row.alt}, {"image": "", "alt": ""})
    return undo_id


@transaction.atomic
def reorder(project: Project, ids: Sequence[int], *, actor: Actor) -> None:
    """Reorder the images to match `ids`. See `ordering.reordered`."""
    stored = _lock(project)
    rows = list(stored.images.all())
    _save_order(stored, rows, ordering.reordered(rows, ids), actor)


@transaction.atomic
def move(project: Project, pk: int, by: int, *, actor: Actor) -> None:
    """Move one image by a number of positions, but not beyond either end."""
    stored = _lock(project)
    rows = list(stored.images.all())
    _save_order(stored, rows, ordering.moved(rows, pk, by), actor)


def record_change(owner: BuilderProfile, actor: Actor, old: Any, new: Any) -> None:
    """Write the audit row of a change to the portfolio."""
    changes = {"portfolio": (old, new)}
    action = AuditLog.Action.PROFILE_UPDATED
    log.record(action, actor=actor, target=owner, subject=owner.user, changes=changes)


def _lock(project: Project) -> Project:
    """Lock the profile row and return the current project.

    Raises:
        EditConflictError: the project was deleted.
    """
    owner = lock_profile(project.builder)
    stored = owner.projects.filter(pk=project.pk).first()
    if stored is None:
        raise EditConflictError(None)
    return stored


def _record(project: Project, actor: Actor, old: dict[str, Any], new: dict[str, Any]) -> None:
    title = {"title": project.title}
    record_change(project.builder, actor, title | old, title | new)


def _record_version(project: Project, row: ProjectImage, changed: Sequence[str], actor: Actor) -> int:
    """Record an image before an edit, or before its removal if `changed` is empty."""
    values = {"title": project.title, "image": row.pk, "alt": row.alt, "position": row.position}
    return section_history.record(
        project.builder, section_history.GALLERY, values, changed=changed, project=project.pk, actor=actor
    )


def _save_order(project: Project, rows: list[ProjectImage], ordered: list[ProjectImage], actor: Actor) -> None:
    if ordering.save(rows, ordered):
        _record(project, actor, {"images": [row.alt for row in rows]}, {"images": [row.alt for row in ordered]})
