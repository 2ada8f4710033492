"""Delete orphaned images: files left by a process killed before its commit, or by a failed deletion.

An image gets its row in the request that stores it, under a name that is never reused. So a file that is a day old and in no
row is an orphan, provided that the storage and the database belong together.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import batched
from typing import Any

from django.core.files.storage import default_storage
from django.utils import timezone

from profiles.models import BuilderProfile, Project

log = logging.getLogger(__name__)

MODELS: tuple[Any, ...] = (BuilderProfile, Project)
#: Requests take seconds, so the row of a file this old has been committed.
MIN_AGE = timedelta(days=1)
BATCH = 200
#: Names that profiles.media.images gives. Other files are left alone.
IMAGE_NAME = re.compile(r"[0-9a-f]{32}\.webp")


def delete_orphans(*, dry_run: bool = False) -> Iterator[str]:
    """Delete orphaned images and yield their names. A dry run only yields the names."""
    for batch in batched(_stored_names(), BATCH, strict=False):
        # Reading the ages from a remote storage takes a while, so check the rows again afterwards.
        old = [name for name in _without_row(batch) if _is_old(name)]
        for name in _without_row(old):
            if dry_run or _delete(name):
                yield name


def _stored_names() -> Iterator[str]:
    for model in MODELS:
        folder = model._meta.get_field("image").upload_to
        try:
            _, names = default_storage.listdir(folder)
        except FileNotFoundError:  # nothing was uploaded yet
            continue
        yield from (f"{folder}{name}" for name in names if IMAGE_NAME.fullmatch(name))


def _without_row(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    # exclude() matches the condition of the partial indexes.
    rows = [model._default_manager.filter(image__in=names).exclude(image="") for model in MODELS]
    in_use = {name for found in rows for name in found.values_list("image", flat=True)}
    return [name for name in names if name not in in_use]


def _is_old(name: str) -> bool:
    try:
        return bool(default_storage.get_modified_time(name) < timezone.now() - MIN_AGE)
    except FileNotFoundError:  # deleted after it was listed
        return False


def _delete(name: str) -> bool:
    """Delete a file and return whether that worked. A failure must not stop the cleanup."""
    try:
        default_storage.delete(name)
    except Exception:
        log.exception("The orphaned image %s could not be deleted.", name)
        return False
    log.info("Deleted the orphaned image %s.", name)
    return True
