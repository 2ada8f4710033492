"""A builder's picture: uploaded, kept, replaced, taken away, and served."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import Client
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from audit.log import SYSTEM
from profiles.directory import indexing
from profiles.media import images
from profiles.media.images import PROJECT
from profiles.models import BuilderProfile
from profiles.portfolio import services as portfolio
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory
from tests.helpers.images import image_file, upload

pytestmark = pytest.mark.django_db

HTML, SVG = b"<script>alert(document.domain)</script>", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@pytest.fixture
def page(media: Path) -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create()
    return profile


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def send(page: BuilderProfile, content: bytes | None = None, **fields: Any) -> Any:
    return signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"image": upload(content), **fields})


def test_more_than_a_picture_may_have_is_dropped_while_it_comes_in(page: BuilderProfile, media: Path) -> None:
    response = send(page, image_file() + bytes(20 * 1024 * 1024))
    assert response.status_code == 422
    assert "This file has 20.0 MB; a picture may have 8.0 MB." in response.content.decode().replace("\xa0", " ")
    assert len(response.context["form"].files["image"]) == 20 * 1024 * 1024 + len(image_file())
    assert response.context["form"].files["image"].file.size == images.MAX_BYTES


def test_many_files_in_one_request_share_the_room(page: BuilderProfile) -> None:
    content = bytes(5 * 1024 * 1024)
    response = signed_in(page.user).post(
        f"/builders/{page.slug}/picture/", {name: upload(content) for name in ("one", "two", "image")}
    )
    kept = [file.file.size for file in response.context["form"].files.values()]
    assert (response.status_code, sum(kept)) == (422, images.MAX_BYTES)


@pytest.mark.parametrize("content", (HTML, SVG, b"", image_file()[: len(image_file()) // 2]))
def test_a_bad_upload_leaves_nothing_behind(page: BuilderProfile, media: Path, content: bytes) -> None:
    response = send(page, content)
    assert response.status_code == 422
    assert 'class="errorlist' in response.content.decode()
    assert files(media) == []


@pytest.mark.parametrize("name", ("../../../etc/passwd", "x" * 500 + ".jpg", "a\x00.html", "con.jpg.svg", "ł.jpg"))
def test_no_name_of_a_file_is_believed(page: BuilderProfile, media: Path, name: str) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"image": upload(name=name)})
    assert response.status_code == 302
    [stored] = files(media)
    assert stored.startswith("portraits/")
    assert len(stored) == len("portraits/") + 32 + len(".webp")


# --- Storing, replacing, taking back ---


@pytest.mark.django_db(transaction=True)
class TestStoring:
    def test_a_replaced_picture_is_gone(self, page: BuilderProfile, media: Path) -> None:
        send(page)
        [first] = files(media)
        send(page, image_file(kind="PNG"))
        [second] = files(media)
        assert first != second
        page.refresh_from_db()
        assert page.image.name == second

    def test_a_removed_picture_is_gone(self, page: BuilderProfile, media: Path) -> None:
        send(page)
        response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""})
        assert response.status_code == 302
        page.refresh_from_db()
        assert (page.image.name, files(media)) == ("", [])

    def test_it_counts_in_the_directory_at_once(self, page: BuilderProfile) -> None:
        indexing.index_profiles([page.pk])
        page.refresh_from_db()
        before = page.score
        send(page)
        page.refresh_from_db()
        assert page.score == before + indexing.COMPLETENESS_SCORES["picture"]
        signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""})
        page.refresh_from_db()
        assert page.score == before

    def test_nothing_is_left_where_the_transaction_fails(
        self, page: BuilderProfile, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(page)
        before = files(media)

        def fail(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("no audit row, no change")

        monkeypatch.setattr("audit.log.record", fail)
        with pytest.raises(RuntimeError):
            send(page)
        assert files(media) == before
        page.refresh_from_db()
        assert [page.image.name] == before

    def test_a_picture_that_cannot_be_deleted_does_not_undo_the_change(
        self, page: BuilderProfile, media: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send(page)

        def fail(name: str) -> None:
            raise OSError("read-only")

        monkeypatch.setattr(default_storage, "delete", fail)
        assert signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""}).status_code == 302

    def test_it_cannot_be_nested_in_a_transaction_that_may_fail_later(self, page: BuilderProfile) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            portfolio.set_portrait(page, None, actor=page.user, origin=SYSTEM)


def test_what_is_held_and_forgotten(
    page: BuilderProfile, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    send(page)
    project = ProjectFactory.create(builder=page, image=store("projects/"), image_alt="A map")
    ProjectFactory.create(image=store("projects/"))  # somebody else's
    held = dict(images.images_of(page.user))
    assert set(held) == {"portrait.webp", f"project-{project.pk}.webp"}
    assert all(Image.open(BytesIO(content)).format == "WEBP" for content in held.values())
    with django_capture_on_commit_callbacks(execute=True):
        images.remove_all(page)
        assert len(files(media)) == 3
    assert len(files(media)) == 1
    assert dict(images.images_of(page.user)) == {}
    project.refresh_from_db()
    assert (project.image.name, project.image_width, project.image_alt) == ("", None, "")


def store(folder: str) -> str:
    with images.store(images.reencode(upload(), PROJECT), folder) as name:
        return name


def test_a_missing_file_is_left_out_of_what_is_held(page: BuilderProfile) -> None:
    BuilderProfile.objects.update(image=f"portraits/{'0' * 32}.webp")
    assert dict(images.images_of(page.user)) == {}


# --- Serving ---


def test_a_picture_is_served_for_ever_and_can_do_nothing(
    client: Client, page: BuilderProfile, django_assert_num_queries: Any
) -> None:
    send(page)
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


# --- On the page ---


def test_it_goes_before_the_picture_at_clerk_and_that_before_the_initials(page: BuilderProfile, client: Client) -> None:
    def shown() -> str:
        return client.get(f"/builders/{page.slug}/").content.decode()

    assert "data-portrait" not in shown()
    page.user.image_url = "https://img.clerk.com/x"
    page.user.save()
    assert 'src="https://img.clerk.com/x"' in shown()
    send(page)
    page.refresh_from_db()
    assert f'src="{page.image.url}"' in shown()
    assert "img.clerk.com" not in shown()


def test_htmx_puts_the_form_in_the_place_of_the_portrait_and_back(page: BuilderProfile) -> None:
    browser = signed_in(page.user, headers=HTMX)
    form = browser.get(f"/builders/{page.slug}/picture/").content.decode()
    assert form.lstrip().startswith('<div data-editing="portrait">')
    answer = browser.post(f"/builders/{page.slug}/picture/", {"image": upload()}).content.decode()
    assert "/media/portraits/" in answer
    assert "Change picture" in answer
    assert "<html" not in answer


def test_a_form_without_a_picture_asks_for_one(page: BuilderProfile) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"image": "not a file"})
    assert response.status_code == 422
    assert "Choose a picture." in response.content.decode()


def test_taking_away_what_is_not_there_changes_nothing(page: BuilderProfile) -> None:
    response = signed_in(page.user).post(f"/builders/{page.slug}/picture/", {"remove": ""})
    assert response["Location"] == f"/builders/{page.slug}/"
