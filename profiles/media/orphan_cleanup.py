"""Deletes pictures that no row refers to: a process was killed between storing a file and committing its row, or a replaced
file could not be deleted.

A picture gets its row in the one request that stores it, under a name that is never used again. So what is a day old and
in no row belongs to nothing, provided that the storage and the database belong together.
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
#: Requests last for seconds.
OLD = timedelta(days=1)
BATCH = 200
#: As profiles.media.images names them; whatever else lies there is somebody else's.
OURS = re.compile(r"[0-9a-f]{32}\.webp")


def delete_orphans(*, dry_run: bool = False) -> Iterator[str]:
    """Delete what no row refers to, and yield the name of each such picture; `dry_run` only yields them."""
    for batch in batched(_stored(), BATCH, strict=False):
        # Asking a far storage for the age of each takes a while, so the rows have the last word.
        old = [name for name in _without_row(batch) if _is_old(name)]
        for name in _without_row(old):
            if dry_run or _deleted(name):
                yield name


def _stored() -> Iterator[str]:
    for model in MODELS:
        folder = model._meta.get_field("image").upload_to
        try:
            _, names = default_storage.listdir(folder)
        except FileNotFoundError:  # nobody has uploaded anything yet
            continue
        yield from (f"{folder}{name}" for name in names if OURS.fullmatch(name))


def _without_row(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    # The second condition is that of the indices.
    rows = [model._default_manager.filter(image__in=names).exclude(image="") for model in MODELS]
    in_use = {name for found in rows for name in found.values_list("image", flat=True)}
    return [name for name in names if name not in in_use]


def _is_old(name: str) -> bool:
    try:
        return bool(default_storage.get_modified_time(name) < timezone.now() - OLD)
    except FileNotFoundError:  # deleted since it was listed
        return False


def _deleted(name: str) -> bool:
    """Delete a picture, and return whether it is gone; one that stays must not keep the others."""
    try:
        default_storage.delete(name)
    except Exception:
        log.exception("%s belongs to no profile, and could not be deleted.", name)
        return False
    log.info("%s belonged to no profile, and was deleted.", name)
    return True
