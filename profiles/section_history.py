"""Section history: values replaced by edits, which owners and admins can restore for 30 days."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.log import Actor
from profiles.media import images
from profiles.models import Profile, ProjectImage, SectionVersion

LIFETIME = timedelta(days=30)
#: Maximum number of versions per section. Enough to delete and restore all 24 projects of a full portfolio.
MAX_VERSIONS = 50
#: Sections that are not edited with a section form.
PORTRAIT, PORTFOLIO, GALLERY = "portrait", "portfolio", "gallery"
#: Maximum number of versions to delete per transaction.
BATCH = 1000


def record(
    profile: Profile,
    section: str,
    values: Mapping[str, Any],
    *,
    changed: Sequence[str],
    project: int | None = None,
    image: str = "",
    actor: Actor,
) -> int:
    """Store the values that an edit is about to replace, and return the version's ID.

    Call this in the transaction of the edit, while the profile row is locked.

    Args:
        changed: the fields that the edit changes. Empty if it deletes the project or project image.
        project: the ID of the edited project.
        image: the name of the portrait that the edit removes.
    """
    version = SectionVersion.objects.create(
        owner_id=profile.user_id,
        section=section,
        project=project,
        values=dict(values),
        changed_fields=list(changed),
        image=images.set_aside(image),
        replaced_by_id=actor.user.pk if actor.user else None,
        impersonator=actor.impersonator,
    )
    versions = SectionVersion.objects.filter(owner_id=profile.user_id, section=section)
    delete(versions.order_by("-id")[MAX_VERSIONS:])
    return version.pk


def versions_of(profile: Profile) -> QuerySet[SectionVersion]:
    """Return the versions that can be restored, newest first."""
    recent = SectionVersion.objects.filter(owner_id=profile.user_id, replaced_at__gte=timezone.now() - LIFETIME)
    return recent.select_related("replaced_by").order_by("-id")


def keep_images(version: int, removed: Iterable[ProjectImage]) -> None:
    """Move removed project images to the version that restores them, in the transaction of the edit."""
    for row in removed:
        name = images.set_aside(row.image.name)
        ProjectImage.objects.filter(pk=row.pk).update(project=None, version=version, image=name, form_token=None)


def images_of(profile: Profile, pk: int) -> list[ProjectImage]:
    """Return the project images of a restorable version, in order."""
    version = versions_of(profile).filter(pk=pk).first()
    return list(version.images.all()) if version else []


def newest_id(version: SectionVersion) -> int | None:
    """Return the ID of the newest version of the same section, or of the same project."""
    same = SectionVersion.objects.filter(owner_id=version.owner_id, section=version.section, project=version.project)
    return same.order_by("-id").values_list("pk", flat=True).first()


def delete(versions: QuerySet[SectionVersion]) -> int:
    """Delete versions, and their images on commit. Return the number of deleted versions."""
    found = list(versions.values_list("pk", "image"))
    galleries = ProjectImage.objects.filter(version__in=[pk for pk, _ in found]).values_list("image", flat=True)
    for image in (*(image for _, image in found), *galleries):
        images.discard(image)
    if found:
        SectionVersion.objects.filter(pk__in=[pk for pk, _ in found]).delete()
    return len(found)


def delete_expired() -> None:
    """Delete the versions that can no longer be restored."""
    expired = SectionVersion.objects.filter(replaced_at__lt=timezone.now() - LIFETIME).order_by("replaced_at")
    while True:
        with transaction.atomic():
            if delete(expired[:BATCH]) < BATCH:
                return
