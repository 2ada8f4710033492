"""Pictures that nothing refers to are deleted after a day; one in use never is, however close it is."""

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

from audit.log import SYSTEM
from profiles import tasks
from profiles.media import images, orphan_cleanup
from profiles.media.images import PORTRAIT, PROJECT
from profiles.media.orphan_cleanup import delete_orphans
from profiles.models import BuilderProfile
from profiles.portfolio import services as portfolio
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory
from tests.helpers.images import upload

pytestmark = pytest.mark.django_db

DAYS_2 = timedelta(days=2)


def stored(media: Path, folder: str, name: str = "", *, age: timedelta = DAYS_2) -> str:
    """Store a picture as a request does, and return its name."""
    picture = images.reencode(upload(), PORTRAIT if folder == "portraits/" else PROJECT)
    name = default_storage.save(f"{folder}{name or picture.name}", picture)
    then = time.time() - age.total_seconds()
    os.utime(media / name, (then, then))
    return name


def files(media: Path) -> set[str]:
    return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}


@pytest.fixture
def used(media: Path) -> set[str]:
    """Return the names of a portrait and of a project's picture that are in use, by a deleted profile, too."""
    portrait, project, kept = stored(media, "portraits/"), stored(media, "projects/"), stored(media, "portraits/")
    page = BuilderProfileFactory.create(image=portrait)
    ProjectFactory.create(builder=page, image=project)
    BuilderProfileFactory.create(image=kept, deleted=True)
    return {portrait, project, kept}


def test_what_no_row_refers_to_goes_and_what_is_in_use_stays(media: Path, used: set[str]) -> None:
    left = {stored(media, "portraits/"), stored(media, "projects/")}
    tasks.sweep_pictures(0)
    assert files(media) == used
    assert not left & files(media)


def test_nothing_younger_than_a_day_goes(media: Path, used: set[str]) -> None:
    fresh = stored(media, "portraits/", age=timedelta(hours=23))
    assert not list(delete_orphans())
    assert files(media) == {*used, fresh}


@pytest.mark.parametrize("name", ("readme.txt", "x" * 32 + ".webp", "0" * 32 + ".png", "0" * 32 + ".webp.bak"))
def test_what_is_not_ours_stays(media: Path, name: str) -> None:
    kept = {stored(media, "portraits/", name), stored(media, "elsewhere/")}
    assert not list(delete_orphans())
    assert files(media) == kept


def test_an_empty_storage_is_no_trouble(media: Path) -> None:
    assert not list(delete_orphans())


def test_a_row_that_is_committed_meanwhile_keeps_its_picture(
    media: Path, used: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are listed, found in no row, and asked for their age; only then is the row there."""
    page = BuilderProfileFactory.create()
    late = stored(media, "portraits/")
    asked = default_storage.get_modified_time

    def committed_first(name: str) -> Any:
        BuilderProfile.objects.filter(pk=page.pk).update(image=late)
        return asked(name)

    monkeypatch.setattr(default_storage, "get_modified_time", committed_first)
    assert not list(delete_orphans())
    assert files(media) == {*used, late}


def test_a_file_that_goes_meanwhile_is_no_trouble(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(media, "portraits/")
    gone = ["a" * 32 + ".webp", *default_storage.listdir("portraits/")[1]]
    monkeypatch.setattr(default_storage, "listdir", lambda folder: ([], gone if folder == "portraits/" else []))
    assert len(list(delete_orphans())) == 1


def test_one_that_cannot_be_deleted_does_not_keep_the_others(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, loose = sorted([stored(media, "portraits/"), stored(media, "portraits/")])
    delete = default_storage.delete

    def fail(name: str) -> None:
        if name == stuck:
            raise OSError("read-only")
        delete(name)

    monkeypatch.setattr(default_storage, "delete", fail)
    assert list(delete_orphans()) == [loose]
    assert files(media) == {stuck}


def test_a_replaced_picture_whose_deletion_failed_goes_later(
    media: Path, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    first = stored(media, "portraits/")
    page = BuilderProfileFactory.create(image=first)

    def fail(name: str) -> None:
        raise OSError("read-only")

    with monkeypatch.context() as broken, django_capture_on_commit_callbacks(execute=True):
        broken.setattr(default_storage, "delete", fail)
        portfolio.set_portrait(page, None, actor=page.user, origin=SYSTEM)
    assert files(media) == {first}
    assert list(delete_orphans()) == [first]
    assert files(media) == set()


def test_a_batch_takes_few_queries(
    media: Path, used: set[str], monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        stored(media, "portraits/")
    with django_assert_num_queries(4):  # two tables, before and after the ages
        list(delete_orphans())
    monkeypatch.setattr(orphan_cleanup, "BATCH", 1)
    with django_assert_num_queries(2 * len(used)):
        list(delete_orphans())


@pytest.mark.parametrize(
    ("options", "said", "left"),
    ((["--dry-run"], "Images to delete: 1", 1), ([], "Images deleted: 1", 0)),
)
def test_the_command_names_them(media: Path, options: list[str], said: str, left: int) -> None:
    name = stored(media, "projects/")
    output = StringIO()
    call_command("sweep_pictures", *options, stdout=output)
    assert output.getvalue().splitlines() == [name, said]
    assert len(files(media)) == left
