"""Changes of portraits and portfolios. Each is one transaction and one audit row.

Every one holds the lock of the profile, so that two never add, count or arrange at one time.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit import log
from audit.log import Origin
from audit.models import AuditLog
from profiles.directory import indexing
from profiles.lifecycle import lock_profile
from profiles.media import images
from profiles.models import MAX_PROJECTS, BuilderProfile, Project

type Picture = ContentFile[bytes] | None

#: What people write of a project, with its picture.
WRITTEN = ("title", "description", "url", "technologies", "status", "image_alt", "image")
FULL = _("A portfolio shows %(most)d projects. Delete one to add another.")


class Conflict(Exception):
    """Somebody else changed the project meanwhile: `stored` is what is there now, None if it is gone."""

    def __init__(self, stored: Project | None) -> None:
        super().__init__(stored)
        self.stored = stored


def version_of(project: Project) -> str:
    """Return a digest of what people write of a project, to notice that somebody else has changed it."""
    return hashlib.sha256(json.dumps(_facts(project, WRITTEN), sort_keys=True).encode()).hexdigest()[:16]


def add(
    profile: BuilderProfile,
    new: Mapping[str, Any],
    *,
    picture: Picture = None,
    token: UUID | None = None,
    actor: User,
    origin: Origin,
) -> Project:
    """Add a project at the end of the portfolio.

    Args:
        token: of the form; what is sent twice with one token is added once. A form that came back with other words in it,
            as by the browser's Back, adds another project.

    Raises:
        ValidationError: there are as many as a page shows.
    """
    with images.store(picture, "projects/") as image, transaction.atomic(durable=True):
        owner = lock_profile(profile)
        projects = list(owner.projects.all())
        twin = next((project for project in projects if token and project.form_token == token), None)
        if twin and all(getattr(twin, field) == value for field, value in new.items()):
            images.discard(image)
            return twin
        if len(projects) >= MAX_PROJECTS:
            raise ValidationError(FULL, "full", {"most": MAX_PROJECTS})
        position = projects[-1].position + 1 if projects else 0
        project = Project(builder=owner, position=position, form_token=None if twin else token, image=image, **new)
        project.save()
        _record(owner, actor, origin, None, _facts(project, WRITTEN))
    return project


def change(
    project: Project,
    new: Mapping[str, Any],
    *,
    picture: Picture = None,
    without_picture: bool = False,
    version: str,
    actor: User,
    origin: Origin,
) -> Project:
    """Write what differs from what is stored.

    Args:
        version: of the project that was changed, see `version_of`.

    Raises:
        Conflict: the stored project is of another version, and not what is to be written.
    """
    with images.store(picture, "projects/") as image, transaction.atomic(durable=True):
        owner = lock_profile(project.builder)
        stored = owner.projects.select_for_update(no_key=True).filter(pk=project.pk).first()
        if stored is None:
            raise Conflict(None)
        wanted = {**new, "image": image} if image or without_picture else new
        fields = [field for field, value in wanted.items() if getattr(stored, field) != value]
        if fields and version_of(stored) != version:
            raise Conflict(stored)
        old = _facts(stored, ("title", *fields))
        for field in fields:
            setattr(stored, field, wanted[field])
        if fields:
            images.discard(old.get("image"))
            stored.save(update_fields=[*fields, "image_width", "image_height"])
            _record(owner, actor, origin, old, _facts(stored, ("title", *fields)))
    return stored


@transaction.atomic
def remove(profile: BuilderProfile, pk: int, *, actor: User, origin: Origin) -> Project | None:
    """Delete a project and its picture, and return it as it was; None if there is none, as on the second of two clicks."""
    owner = lock_profile(profile)
    project = owner.projects.select_for_update().filter(pk=pk).first()
    if project:
        images.discard(project.image.name)
        _record(owner, actor, origin, _facts(project, WRITTEN), None)
        project.delete()
        project.pk = pk
    return project


@transaction.atomic
def arrange(profile: BuilderProfile, ids: Sequence[int], *, actor: User, origin: Origin) -> list[Project]:
    """Put the projects into the order of `ids`, and return them.

    Ids that are not, or not any more, in this portfolio count for nothing; projects that are not named, because they came
    meanwhile, follow in the order they had.
    """
    owner = lock_profile(profile)
    projects = list(owner.projects.select_for_update(no_key=True))
    places = {pk: place for place, pk in enumerate(dict.fromkeys(ids))}
    arranged = sorted(projects, key=lambda project: places.get(project.pk, len(places)))
    return _place(owner, projects, arranged, actor, origin)


@transaction.atomic
def move(profile: BuilderProfile, pk: int, by: int, *, actor: User, origin: Origin) -> list[Project]:
    """Move one project by so many places, no further than to an end, and return all in order."""
    owner = lock_profile(profile)
    projects = list(owner.projects.select_for_update(no_key=True))
    arranged = [project for project in projects if project.pk != pk]
    for place, project in enumerate(projects):
        if project.pk == pk:
            arranged.insert(max(0, place + by), project)
    return _place(owner, projects, arranged, actor, origin)


def set_portrait(profile: BuilderProfile, picture: Picture, *, actor: User, origin: Origin) -> None:
    """Replace the portrait, or take it away."""
    with images.store(picture, "portraits/") as image, transaction.atomic(durable=True):
        stored = lock_profile(profile)
        old = stored.image.name or ""
        if old == image:
            return
        images.discard(old)
        stored.image = image
        stored.save(update_fields=["image", *indexing.index(stored)])  # a face counts in the directory's order
        changes = {"image": (old, image)}
        action = AuditLog.Action.PROFILE_UPDATED
        log.record(action, actor=actor, target=stored, subject=stored.user, origin=origin, changes=changes)


def _place(
    owner: BuilderProfile, projects: list[Project], arranged: list[Project], actor: User, origin: Origin
) -> list[Project]:
    if arranged != projects:
        for place, project in enumerate(arranged):
            if project.position != place:
                project.position = place
                project.save(update_fields=["position"])
        _record(owner, actor, origin, [each.title for each in projects], [each.title for each in arranged])
    return arranged


def _facts(project: Project, fields: Sequence[str]) -> dict[str, Any]:
    facts = {field: getattr(project, field) for field in fields}
    return facts | {"image": project.image.name or ""} if "image" in facts else facts


def _record(owner: BuilderProfile, actor: User, origin: Origin, old: Any, new: Any) -> None:
    changes = {"portfolio": (old, new)}
    action = AuditLog.Action.PROFILE_UPDATED
    log.record(action, actor=actor, target=owner, subject=owner.user, origin=origin, changes=changes)
