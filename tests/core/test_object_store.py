"""Images in an S3-compatible object store: moto's server, over HTTP."""

import logging
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from config.media import FOLDER, cdn_origin, media_storage, media_url
from core import object_store
from core.object_store import ObjectStore
from core.storage_errors import StorageUnavailableError
from profiles.media import images, orphan_cleanup
from tests.helpers.servers import object_store as servers
from webhooks.doctor import surroundings

NAME = f"portraits/{'a' * 32}.webp"
KEYS = {"S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "$ecret"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with servers.object_store() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket that the settings name, as seen by the operator of the object store."""
    for name, value in servers.settings_of(endpoint).items():
        monkeypatch.setenv(name, value)
    found = servers.bucket(endpoint)
    found.create()
    found.objects.all().delete()
    settings.STORAGES = settings.STORAGES | {"default": media_storage()}
    return found


@pytest.fixture
def store(bucket: Any) -> ObjectStore:
    return ObjectStore(**media_storage()["OPTIONS"])


def test_settings_alone_select_the_object_store(bucket: Any, client: Client) -> None:
    assert default_storage.save(NAME, ContentFile(b"image")) == NAME
    assert [(item.key, item.size) for item in bucket.objects.all()] == [(NAME, 5)]
    assert default_storage.url(NAME) == f"/media/{NAME}"
    response = client.get(f"/media/{NAME}")
    assert (response.status_code, response.content, response["Content-Type"]) == (200, b"image", "image/webp")
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    default_storage.delete(NAME)
    assert client.get(f"/media/{NAME}").status_code == 404


def test_removed_images_have_no_public_address(store: ObjectStore, client: Client) -> None:
    name = f"removed/{'b' * 32}.webp"
    store.save(name, ContentFile(b"image"))
    assert client.get(f"/media/{name}").status_code == 404


def test_files_are_not_public_in_the_bucket(store: ObjectStore, bucket: Any) -> None:
    store.save(NAME, ContentFile(b"image"))
    grants = bucket.Object(NAME).Acl().grants
    assert [grant["Grantee"]["Type"] for grant in grants] == ["CanonicalUser"]


@pytest.mark.django_db
def test_orphans_are_found(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(NAME, ContentFile(b"image"))
    assert list(orphan_cleanup.delete_orphans()) == []
    monkeypatch.setattr(orphan_cleanup, "MIN_AGE", timedelta(seconds=-5))
    assert list(orphan_cleanup.delete_orphans()) == [NAME]
    assert not store.exists(NAME)


# --- Problems ---


def refuse(store: Any, code: str, status: int) -> None:
    def fail(**kwargs: Any) -> None:
        response = {"Error": {"Code": code, "Message": "refused"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "GetObject")

    store.connection.meta.client.meta.events.register("before-call.s3", fail)


@pytest.mark.parametrize(
    ("code", "advice"),
    (("AccessDenied", "S3_ACCESS_KEY_ID"), ("NoSuchBucket", "S3_BUCKET"), ("SlowDown", "S3_ENDPOINT_URL")),
)
def test_refusal_names_the_setting_to_check(store: ObjectStore, code: str, advice: str) -> None:
    refuse(store, code, 403)
    actions: tuple[Callable[[], Any], ...] = (
        lambda: store.open(NAME),
        lambda: store.save(NAME, ContentFile(b"x")),
        lambda: store.delete(NAME),
        lambda: store.exists(NAME),
        lambda: store.listdir("portraits"),
        lambda: store.get_modified_time(NAME),
        lambda: store.size(NAME),
    )
    for action in actions:
        with pytest.raises(StorageUnavailableError, match=f"{code}.*{advice}"):
            action()


def test_page_with_a_refused_image_is_503(
    bucket: Any, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(storages["default"], "AccessDenied", 403)
    with caplog.at_level(logging.ERROR):
        response = client.get(f"/media/{NAME}")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Image storage unavailable" in caplog.text
    assert "S3_ACCESS_KEY_ID" in caplog.text
    assert "$ecret" not in caplog.text


def test_silent_object_store_is_given_up(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(object_store, "MAX_ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = media_storage()["OPTIONS"] | {"endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with pytest.raises(StorageUnavailableError, match="did not answer"):
            ObjectStore(**options).open(NAME)


def test_doctor_names_the_settings(bucket: Any) -> None:
    assert surroundings.check_media().problem == ""
    refuse(storages["default"], "AccessDenied", 403)
    finding = surroundings.check_media()
    assert "AccessDenied" in finding.problem
    assert "S3_ settings" in finding.advice


# --- Settings ---


@pytest.mark.parametrize(
    ("changed", "message"),
    (
        ({"S3_ENDPOINT_URL": "s3.example.com"}, "S3_ENDPOINT_URL must be the URL"),
        ({"S3_ENDPOINT_URL": "https://s3.example.com/media"}, "S3_ENDPOINT_URL must be the URL"),
        ({"S3_SECRET_ACCESS_KEY": ""}, "S3_SECRET_ACCESS_KEY is not set"),
        ({"S3_ACCESS_KEY_ID": ""}, "S3_ACCESS_KEY_ID is not set"),
    ),
)
def test_malformed_setting_is_named(monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], message: str) -> None:
    for name, value in (KEYS | {"S3_BUCKET": "media", "S3_ENDPOINT_URL": ""} | changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=message):
        media_storage()


def test_images_are_stored_in_a_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "")
    assert media_storage() == FOLDER


@pytest.mark.parametrize("name", ("MEDIA_CDN_URL", "STATIC_CDN_URL"))
@pytest.mark.parametrize("value", ("cdn.example.com", "http://cdn.example.com", "https://cdn.example.com/media"))
def test_malformed_cdn_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"{name} must be an origin"):
        cdn_origin(name)


def test_cdn_serves_images_under_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIA_CDN_URL", "https://cdn.example.com/")
    assert media_url() == "https://cdn.example.com/media/"


# --- Copying ---


def copy(*options: str) -> str:
    out = StringIO()
    call_command("copy_media", *options, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def folder(media: Path, bucket: Any) -> FileSystemStorage:
    """A folder with images, and the bucket as the new storage."""
    storage = FileSystemStorage(media)
    for number, name in enumerate((NAME, f"projects/{'c' * 32}.webp", f"removed/{'d' * 32}.webp")):
        storage.save(name, ContentFile(b"image %d" % number))
    return storage


def test_images_are_copied_to_the_bucket_and_back(folder: FileSystemStorage, media: Path, store: ObjectStore) -> None:
    assert copy("--to", "bucket") == "3 copied, 0 already equal, 21 bytes.\n"
    assert copy("--to", "bucket", "--verify") == "0 copied, 3 already equal, 21 bytes.\n"
    (media / NAME).unlink()
    assert copy("--to", "folder").startswith("1 copied, 2 already equal")
    assert (media / NAME).read_bytes() == b"image 0"


def test_copy_that_was_cut_off_is_replaced(folder: FileSystemStorage, store: ObjectStore) -> None:
    store.save(NAME, ContentFile(b"imag"))
    with pytest.raises(CommandError, match="3 of 3 files"):
        copy("--to", "bucket", "--verify")
    assert copy("--to", "bucket").startswith("3 copied")
    assert store.open(NAME).read() == b"image 0"


def test_file_that_cannot_be_copied_does_not_stop_the_run(
    folder: FileSystemStorage, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ObjectStore._save

    def fail(self: ObjectStore, name: str, content: Any) -> Any:
        if name == NAME:
            raise StorageUnavailableError("refused")
        return original(self, name, content)

    monkeypatch.setattr(ObjectStore, "_save", fail)
    with pytest.raises(CommandError, match="1 of 3 files is missing or differs"):
        copy("--to", "bucket")
    assert sorted(store.listdir("removed")[1]) == [f"{'d' * 32}.webp"]


def test_missing_bucket_setting_is_named(media: Path) -> None:
    with pytest.raises(CommandError, match="S3_BUCKET is not set"):
        copy("--to", "bucket")


@pytest.mark.django_db
def test_full_disk_is_not_an_error_of_the_page(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "_save", fail)
    image = ContentFile(b"image", f"{'e' * 32}.webp")
    with pytest.raises(StorageUnavailableError, match="No space left"), images.store(image, "portraits/"):
        pass
