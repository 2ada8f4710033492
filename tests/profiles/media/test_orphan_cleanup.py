"""Orphaned images are deleted after a day. Images in use are never deleted, even in a race."""

import os
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from audit.log import Actor
from profiles import tasks
from profiles.media import images, orphan_cleanup
from profiles.media.images import PORTRAIT, PROJECT
from profiles.media.orphan_cleanup import delete_orphans
from profiles.models import BuilderProfile, SectionVersion
from profiles.portfolio import services as portfolio
from tests.helpers.factories import BuilderProfileFactory, ProjectImageFactory
from tests.helpers.images import upload

pytestmark = pytest.mark.django_db

DAYS_2 = timedelta(days=2)


def store_image(media: Path, folder: str, name: str = "", *, age: timedelta = DAYS_2) -> str:
    """Store an image as a request would, and return its name."""
    image = images.reencode(upload(), PORTRAIT if folder == "portraits/" else PROJECT)
    name = default_storage.save(f"{folder}{name or image.name}", image)
    then = time.time() - age.total_seconds()
    os.utime(media / name, (then, then))
    return name


def files(media: Path) -> set[str]:
    return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}


@pytest.fixture
def used_images(media: Path) -> set[str]:
    """Return the names of images in use: a portrait, a project image, and a deleted profile's portrait."""
    portrait, project, kept = (
        store_image(media, "portraits/"),
        store_image(media, "projects/"),
        store_image(media, "portraits/"),
    )
    page = BuilderProfileFactory.create(image=portrait)
    ProjectImageFactory.create(project__builder=page, image=project)
    BuilderProfileFactory.create(image=kept, deleted=True)
    return {portrait, project, kept}


def test_orphans_are_deleted_and_used_images_are_kept(media: Path, used_images: set[str]) -> None:
    orphans = {store_image(media, "portraits/"), store_image(media, "projects/")}
    tasks.sweep_pictures(0)
    assert files(media) == used_images
    assert not orphans & files(media)


def test_files_younger_than_a_day_are_kept(media: Path, used_images: set[str]) -> None:
    fresh = store_image(media, "portraits/", age=timedelta(hours=23))
    assert not list(delete_orphans())
    assert files(media) == {*used_images, fresh}


@pytest.mark.parametrize("name", ("readme.txt", "x" * 32 + ".webp", "0" * 32 + ".png", "0" * 32 + ".webp.bak"))
def test_other_files_are_kept(media: Path, name: str) -> None:
    kept = {store_image(media, "portraits/", name), store_image(media, "elsewhere/")}
    assert not list(delete_orphans())
    assert files(media) == kept


def test_empty_storage_is_not_an_error(media: Path) -> None:
    assert not list(delete_orphans())


def test_image_whose_row_is_committed_meanwhile_is_kept(
    media: Path, used_images: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is committed after the first look-up, while the file ages are being read."""
    page = BuilderProfileFactory.create()
    late = store_image(media, "portraits/")
    get_modified_time = default_storage.get_modified_time

    def commit_first(name: str) -> Any:
        BuilderProfile.objects.filter(pk=page.pk).update(image=late)
        return get_modified_time(name)

    monkeypatch.setattr(default_storage, "get_modified_time", commit_first)
    assert not list(delete_orphans())
    assert files(media) == {*used_images, late}


def test_file_deleted_meanwhile_is_not_an_error(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_image(media, "portraits/")
    gone = ["a" * 32 + ".webp", *default_storage.listdir("portraits/")[1]]
    monkeypatch.setattr(default_storage, "listdir", lambda folder: ([], gone if folder == "portraits/" else []))
    assert len(list(delete_orphans())) == 1


def test_failed_deletion_does_not_stop_the_cleanup(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, loose = sorted([store_image(media, "portraits/"), store_image(media, "portraits/")])
    delete = default_storage.delete

    def fail(name: str) -> None:
        if name == stuck:
            raise OSError("read-only")
        delete(name)

    monkeypatch.setattr(default_storage, "delete", fail)
    assert list(delete_orphans()) == [loose]
    assert files(media) == {stuck}


def test_replaced_image_whose_deletion_failed_is_deleted_later(
    media: Path, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    first = store_image(media, "portraits/")
    page = BuilderProfileFactory.create(image=first)

    def fail(name: str) -> None:
        raise OSError("read-only")

    with monkeypatch.context() as broken, django_capture_on_commit_callbacks(execute=True):
        broken.setattr(default_storage, "delete", fail)
        portfolio.set_portrait(page, None, actor=Actor(user=page.user))
    kept = SectionVersion.objects.get().image.name
    assert files(media) == {first, kept}
    assert list(delete_orphans()) == [first]
    assert files(media) == {kept}


def test_batch_executes_six_queries(
    media: Path,
    used_images: set[str],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(5):
        store_image(media, "portraits/")
    with django_assert_num_queries(6):  # Three tables, each before and after reading the ages.
        list(delete_orphans())
    monkeypatch.setattr(orphan_cleanup, "BATCH", 1)
    with django_assert_num_queries(3 * len(used_images)):
        list(delete_orphans())


@pytest.mark.parametrize(
    ("options", "summary", "remaining"),
    ((["--dry-run"], "Images to delete: 1", 1), ([], "Images deleted: 1", 0)),
)
def test_command_lists_orphans(media: Path, options: list[str], summary: str, remaining: int) -> None:
    name = store_image(media, "projects/")
    output = StringIO()
    call_command("sweep_pictures", *options, stdout=output)
    assert output.getvalue().splitlines() == [name, summary]
    assert len(files(media)) == remaining
