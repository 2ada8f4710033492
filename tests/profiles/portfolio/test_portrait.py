"""A builder's portrait: upload, storage, replacement, removal and serving."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import Client
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from audit.log import Actor
from profiles.directory import indexing
from profiles.media import images
from profiles.media.images import PROJECT
from profiles.models import BuilderProfile, ProjectImage
from profiles.portfolio import services as portfolio
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectImageFactory
from tests.helpers.images import image_file, upload

pytestmark = pytest.mark.django_db

HTML, SVG = b"<script>alert(document.domain)</script>", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@pytest.fixture
def page(media: Path) -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create()
    return profile


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def upload_portrait(page: BuilderProfile, content: bytes | None = None, **fields: Any) -> Any:
    return signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"image": upload(content), **fields})


def test_bytes_beyond_the_size_limit_are_dropped_during_upload(page: BuilderProfile, media: Path) -> None:
    response = upload_portrait(page, image_file() + bytes(20 * 1024 * 1024))
    assert response.status_code == 422
    assert "This file is 20.0 MB. Choose an image of 8.0 MB or less." in response.content.decode().replace("\xa0", " ")
    assert len(response.context["form"].files["image"]) == 20 * 1024 * 1024 + len(image_file())
    assert response.context["form"].files["image"].file.size == images.MAX_BYTES


def test_files_of_one_request_share_the_size_limit(page: BuilderProfile) -> None:
    content = bytes(5 * 1024 * 1024)
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/picture/", {name: upload(content) for name in ("one", "two", "image")}
    )
    kept = [file.file.size for file in response.context["form"].files.values()]
    assert (response.status_code, sum(kept)) == (422, images.MAX_BYTES)


@pytest.mark.parametrize("content", (HTML, SVG, b"", image_file()[: len(image_file()) // 2]))
def test_invalid_upload_stores_no_file(page: BuilderProfile, media: Path, content: bytes) -> None:
    response = upload_portrait(page, content)
    assert response.status_code == 422
    assert 'class="errorlist' in response.content.decode()
    assert files(media) == []


@pytest.mark.parametrize("name", ("../../../etc/passwd", "x" * 500 + ".jpg", "a\x00.html", "con.jpg.svg", "ł.jpg"))
def test_uploaded_file_name_is_ignored(page: BuilderProfile, media: Path, name: str) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"image": upload(name=name)})
    assert response.status_code == 302
    [stored] = files(media)
    assert stored.startswith("portraits/")
    assert len(stored) == len("portraits/") + 32 + len(".webp")


# --- Storage ---


@pytest.mark.django_db(transaction=True)
class TestStoring:
    def test_replaced_portrait_is_kept_privately(self, page: BuilderProfile, media: Path) -> None:
        upload_portrait(page)
        [first] = files(media)
        upload_portrait(page, image_file(kind="PNG"))
        [second, removed] = files(media)
        assert removed.startswith("removed/")
        assert first != second
        page.refresh_from_db()
        assert page.image.name == second

    def test_removed_portrait_is_kept_privately(self, page: BuilderProfile, media: Path) -> None:
        upload_portrait(page)
        response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""})
        assert response.status_code == 302
        page.refresh_from_db()
        [removed] = files(media)
        assert (page.image.name, removed.partition("/")[0]) == ("", "removed")

    def test_portrait_raises_the_directory_score(self, page: BuilderProfile) -> None:
        indexing.index_profiles([page.pk])
        page.refresh_from_db()
        before = page.score
        upload_portrait(page)
        page.refresh_from_db()
        assert page.score == before + indexing.COMPLETENESS_SCORES["portrait"]
        signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""})
        page.refresh_from_db()
        assert page.score == before

    def test_failed_transaction_leaves_no_file(
        self, page: BuilderProfile, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload_portrait(page)
        before = files(media)

        def fail(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("writing the audit row failed")

        monkeypatch.setattr("audit.log.record", fail)
        with pytest.raises(RuntimeError):
            upload_portrait(page)
        assert files(media) == before
        page.refresh_from_db()
        assert [page.image.name] == before

    def test_failed_file_deletion_does_not_undo_the_change(
        self, page: BuilderProfile, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload_portrait(page)

        def fail(name: str) -> None:
            raise OSError("read-only")

        monkeypatch.setattr(default_storage, "delete", fail)
        assert signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""}).status_code == 302

    def test_nesting_in_another_transaction_raises(self, page: BuilderProfile) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            portfolio.set_portrait(page, None, actor=Actor(user=page.user))


def test_images_of_user_and_remove_all(
    page: BuilderProfile, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    upload_portrait(page)
    image = ProjectImageFactory.create(project__builder=page, image=store("projects/"))
    ProjectImageFactory.create(image=store("projects/"))  # Another builder's image.
    exported = dict(images.images_of(page.user))
    assert set(exported) == {"portrait.webp", f"project-{image.project_id}-{image.pk}.webp"}
    assert all(Image.open(BytesIO(content)).format == "WEBP" for content in exported.values())
    with django_capture_on_commit_callbacks(execute=True):
        images.remove_all(page)
        assert len(files(media)) == 3
    assert len(files(media)) == 1
    assert dict(images.images_of(page.user)) == {}
    assert not ProjectImage.objects.filter(pk=image.pk).exists()


def store(folder: str) -> str:
    with images.store(images.reencode(upload(), PROJECT), folder) as name:
        return name


def test_missing_file_is_omitted_from_the_export(page: BuilderProfile) -> None:
    BuilderProfile.objects.update(image=f"portraits/{'0' * 32}.webp")
    assert dict(images.images_of(page.user)) == {}


# --- Serving ---


def test_image_is_served_immutable_and_sandboxed(
    client: Client, page: BuilderProfile, django_assert_num_queries: Any
) -> None:
    upload_portrait(page)
    page.refresh_from_db()
    with django_assert_num_queries(0):
        response = client.get(page.image.url)
        content = response.getvalue()
    assert response.status_code == 200
    assert Image.open(BytesIO(content)).size == (240, 240)
    assert response["Content-Type"] == "image/webp"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "Cookie" not in response.get("Vary", "")
    head = client.head(page.image.url)
    head.close()
    assert head.status_code == 200


# --- Display ---


def test_portrait_replaces_the_clerk_image_which_replaces_the_initials(page: BuilderProfile, client: Client) -> None:
    def shown() -> str:
        return client.get(f"/builders/{page.slug}/").content.decode()

    assert "data-portrait" not in shown()
    page.user.image_url = "https://img.clerk.com/x"
    page.user.save()
    assert 'src="https://img.clerk.com/x"' in shown()
    upload_portrait(page)
    page.refresh_from_db()
    assert f'src="{page.image.url}"' in shown()
    assert "img.clerk.com" not in shown()


@pytest.mark.parametrize(
    "url",
    ("https://images.example.com/x", "https://img.clerk.com.example.com/x", "https://img.clerk.com@example.com/x"),
)
def test_initials_replace_images_that_the_browser_would_block(page: BuilderProfile, client: Client, url: str) -> None:
    page.user.image_url = url
    page.user.save()
    for path in (f"/builders/{page.slug}/", "/builders/", f"/api/profiles/builders/{page.pk}"):
        response = client.get(path)
        assert response.status_code == 200
        assert url not in response.content.decode()
    assert "data-portrait" not in client.get("/builders/").content.decode()


def test_htmx_swaps_portrait_for_form_and_back(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(f"/builders/{page.slug}/picture/").content.decode()
    assert form.lstrip().startswith('<div data-editing="portrait">')
    response = browser.post(f"/builders/{page.slug}/picture/", {"image": upload()}).content.decode()
    assert "/media/portraits/" in response
    assert "Change portrait" in response
    assert "<html" not in response


def test_form_without_an_image_is_rejected(page: BuilderProfile) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"image": "not a file"})
    assert response.status_code == 422
    assert "Choose an image." in response.content.decode()


def test_removing_a_missing_portrait_is_not_an_error(page: BuilderProfile) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""})
    assert response["Location"] == f"/builders/{page.slug}/"
