"""Images of a project: uploading, cropping, describing, ordering, removing and restoring."""

import re
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from PIL import Image

from audit.log import Actor
from audit.models import AuditLog
from profiles import personal_data, section_history
from profiles.editing.versions import version_of
from profiles.media import images
from profiles.media.crop import Crop
from profiles.media.images import PROJECT
from profiles.models import MAX_IMAGES, BuilderProfile, Project, ProjectImage, SectionVersion
from profiles.portfolio import gallery
from profiles.portfolio.gallery import IMAGE_FIELDS, NewImage
from tests.helpers.clients import HTMX, signed_in
from tests.helpers.factories import BuilderProfileFactory, ProjectFactory, ProjectImageFactory, UserFactory
from tests.helpers.images import image_file, upload

pytestmark = pytest.mark.django_db

type Capture = Callable[..., Any]


@pytest.fixture
def project(media: Path) -> Project:
    page = BuilderProfileFactory.create(slug="olive", user__name="Olive Owner", introduced=True)
    created: Project = ProjectFactory.create(builder=page, title="Ledger")
    return created


@pytest.fixture
def olive(project: Project) -> Client:
    return signed_in(project.builder.user)


def url(project: Project, rest: str = "") -> str:
    return f"/builders/{project.builder.slug}/portfolio/{project.pk}/images/{rest}"


def add(browser: Client, project: Project, **typed: Any) -> Any:
    return browser.post(url(project), {"image": upload(), "image_alt": "A map"} | typed)


def texts(project: Project) -> list[str]:
    return list(project.images.values_list("alt", flat=True))


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def restore(browser: Client, version: SectionVersion | None = None) -> Any:
    version = version or SectionVersion.objects.latest("id")
    return browser.post(f"/builders/olive/history/{version.pk}/restore/")


def three_images(project: Project) -> list[int]:
    return [ProjectImageFactory.create(project=project, alt=text).pk for text in "ABC"]


# --- Adding ---


def test_several_images_are_added_in_order(project: Project, olive: Client, media: Path) -> None:
    for text in ("First", "Second"):
        assert add(olive, project, image_alt=text)["Location"] == url(project)
    assert texts(project) == ["First", "Second"]
    assert len(files(media)) == 2
    assert (project.cover and project.cover.width) == 320
    shown = olive.get(url(project)).text
    assert shown.index('value="First"') < shown.index('value="Second"')
    assert "Image added." in shown


def test_first_image_is_added_with_the_project(project: Project, olive: Client) -> None:
    typed = {"title": "Map", "status": "live", "image": upload(), "image_alt": "A map"}
    olive.post("/builders/olive/portfolio/new/", typed)
    assert texts(Project.objects.get(title="Map")) == ["A map"]


def test_image_uploaded_by_script_is_confirmed(project: Project) -> None:
    response = add(signed_in(project.builder.user, headers=HTMX), project)
    assert (response.status_code, "Added: A map" in response.text) == (200, True)


@pytest.mark.parametrize(
    ("typed", "error"),
    (
        ({"image_alt": " "}, "Enter an image description."),
        ({"image_alt": "x" * 201}, "Use 200 characters or fewer. You entered 201."),
        ({"image": ""}, "Choose an image."),
        ({"image": upload(b"<svg/>")}, "SVG files are not supported."),
    ),
)
@pytest.mark.parametrize("headers", (HTMX, {}))
def test_invalid_image_is_rejected(
    project: Project, media: Path, typed: dict[str, Any], error: str, headers: dict[str, str]
) -> None:
    if hasattr(typed.get("image"), "seek"):
        typed["image"].seek(0)
    response = add(signed_in(project.builder.user, headers=headers), project, **typed)
    assert response.status_code == 422
    assert error in response.text
    assert (texts(project), files(media), AuditLog.objects.count()) == ([], [], 0)


def test_repeated_upload_adds_one_image(project: Project, olive: Client, media: Path) -> None:
    token = str(uuid4())
    for _ in range(2):
        assert add(olive, project, form_token=token).status_code == 302
    assert (len(texts(project)), AuditLog.objects.count()) == (1, 1)


def test_full_gallery_rejects_another_image(
    project: Project, olive: Client, media: Path, django_capture_on_commit_callbacks: Capture
) -> None:
    ProjectImageFactory.create_batch(MAX_IMAGES, project=project)
    assert "This project has 12 images. Remove one to add another." in olive.get(url(project)).text
    response = add(olive, project)
    assert response.status_code == 422
    assert "A project can have up to 12 images. Remove one to add another." in response.text
    assert files(media) == []


@pytest.mark.django_db(transaction=True)
def test_twenty_images_at_once_respect_the_limit(project: Project, media: Path) -> None:
    file = images.reencode(upload(image_file(8, 8)), PROJECT).read()
    rejected: list[str] = []

    def send(number: int) -> None:
        new = NewImage(ContentFile(file, f"{number:032x}.webp"), f"Image {number}")
        try:
            gallery.add(project, new, token=uuid4(), actor=Actor(user=project.builder.user))
        except ValidationError as error:
            rejected.extend(error.messages)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (project.images.count(), len(rejected), len(files(media))) == (MAX_IMAGES, 20 - MAX_IMAGES, MAX_IMAGES)
    assert len(set(project.images.values_list("position", flat=True))) == MAX_IMAGES


# --- Cropping ---


def test_image_is_cropped(project: Project, olive: Client, media: Path) -> None:
    """The left half of the image is red."""
    add(olive, project, crop_left="50", crop_bottom="25.5")
    row = project.images.get()
    assert (row.width, row.height) == (160, 179)
    with Image.open(media / str(row.image.name)) as stored:
        pixel: Any = stored.convert("RGB").getpixel((2, 2))
        red, _, blue = pixel
    assert blue > red


def test_crop_applies_to_the_upright_image() -> None:
    rotated = Image.Exif()
    rotated[0x0112] = 6
    file = images.reencode(upload(image_file(320, 240, exif=rotated)), PROJECT, Crop(0, 50, 0, 0))
    assert Image.open(BytesIO(file.read())).size == (240, 160)


def test_small_part_of_a_large_photo_keeps_its_detail() -> None:
    file = images.reencode(upload(image_file(6000, 4000)), PROJECT, Crop(40, 40, 40, 40))
    assert min(Image.open(BytesIO(file.read())).size) == 800


@pytest.mark.parametrize(
    ("crop", "error"),
    (
        ({"left": "-1"}, "The crop is outside the image."),
        ({"left": "101"}, "The crop is outside the image."),
        ({"left": "60", "right": "60"}, "The crop is outside the image."),
        ({"top": "96"}, "The crop is outside the image."),
        ({"top": "1e300", "bottom": "1e300"}, "The crop is outside the image."),
        ({"top": "abc"}, "The crop must consist of numbers."),
        ({"top": "nan"}, "The crop must consist of numbers."),
        ({"bottom": "inf"}, "The crop must consist of numbers."),
        ({"bottom": "9" * 5000}, "The crop"),
    ),
)
@pytest.mark.parametrize("path", ("/builders/olive/portfolio/new/", "/builders/olive/picture/", ""))
def test_crop_outside_the_image_is_rejected(
    project: Project, olive: Client, path: str, crop: dict[str, str], error: str
) -> None:
    typed = {"title": "Map", "status": "live", "image": upload(), "image_alt": "A map"}
    response = olive.post(path or url(project), typed | {f"crop_{side}": text for side, text in crop.items()})
    assert response.status_code == 422
    assert error in response.text
    assert all(f'value="{text}"' in response.text for text in crop.values())
    assert not ProjectImage.objects.exists()


# --- Describing ---


def describe(browser: Client, row: ProjectImage, alt: str, version: str | None = None) -> Any:
    data: dict[str, Any] = {
        "alt": alt,
        "version": version or version_of(ProjectImage.objects.get(pk=row.pk), IMAGE_FIELDS),
    }
    project: Any = row.project
    return browser.post(url(project, f"{row.pk}/"), data)


def test_description_is_changed_and_restored(project: Project, olive: Client) -> None:
    row = ProjectImageFactory.create(project=project, alt="Before")
    assert describe(olive, row, "After")["Location"] == url(project)
    assert texts(project) == ["After"]
    assert "Undo" in olive.get(url(project)).text
    restore(olive)
    assert texts(project) == ["Before"]
    changes = [row.details for row in AuditLog.objects.order_by("id")]
    assert changes[0] == {"portfolio": [{"title": "Ledger", "alt": "Before"}, {"title": "Ledger", "alt": "After"}]}


def test_description_cannot_be_removed(project: Project, olive: Client) -> None:
    row = ProjectImageFactory.create(project=project, alt="Before")
    response = describe(olive, row, " ")
    assert (response.status_code, texts(project)) == (422, ["Before"])
    assert "Enter an image description." in response.text


def test_description_changed_in_another_tab_is_a_conflict(project: Project, olive: Client) -> None:
    row = ProjectImageFactory.create(project=project, alt="Before")
    opened = version_of(row, IMAGE_FIELDS)
    describe(olive, row, "First tab")
    response = describe(olive, row, "Second tab", opened)
    assert response.status_code == 409
    assert "changed in the meantime to: First tab. Save to replace it." in response.text
    assert 'value="Second tab"' in response.text
    version = re.search(r'name="version" value="([^"]+)"', response.text)
    assert version
    describe(olive, row, "Second tab", version[1])
    assert texts(project) == ["Second tab"]


def test_markup_in_descriptions_is_escaped(project: Project, olive: Client, client: Client) -> None:
    add(olive, project, image_alt='"><script>alert(1)</script>')
    for browser, path in ((client, project.get_absolute_url()), (olive, url(project)), (client, "/builders/olive/")):
        assert "<script>alert" not in browser.get(path).text


# --- Removing and restoring ---


def test_removed_image_is_not_public_and_can_be_restored(
    project: Project, olive: Client, media: Path, django_capture_on_commit_callbacks: Capture
) -> None:
    for text in ("First", "Second", "Third"):
        add(olive, project, image_alt=text)
    second = project.images.all()[1]
    with django_capture_on_commit_callbacks(execute=True):
        response = olive.post(url(project, f"{second.pk}/"), {"remove": "1"})
    assert texts(project) == ["First", "Third"]
    assert Client().get(second.image.url).status_code == 404
    assert "Undo" in olive.get(response["Location"]).text
    assert "Image of “Ledger” removed" in olive.get("/builders/olive/history/").text
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):  # A second click does not add the image again.
            assert restore(olive)["Location"] == url(project)
    assert texts(project) == ["First", "Second", "Third"]
    assert sum(name.startswith("projects/") for name in files(media)) == 3


def test_removing_twice_is_not_an_error(project: Project, olive: Client) -> None:
    pk = three_images(project)[0]
    for _ in range(2):
        assert olive.post(url(project, f"{pk}/"), {"remove": "1"}).status_code == 302
    assert (texts(project), SectionVersion.objects.count()) == (["B", "C"], 1)


def test_restored_image_respects_the_limit(
    project: Project, olive: Client, django_capture_on_commit_callbacks: Capture
) -> None:
    add(olive, project)
    with django_capture_on_commit_callbacks(execute=True):
        olive.post(url(project, f"{project.images.get().pk}/"), {"remove": "1"})
    ProjectImageFactory.create_batch(MAX_IMAGES, project=project)
    restore(olive)
    assert "A project can have up to 12 images." in olive.get(url(project)).text
    assert project.images.count() == MAX_IMAGES


def test_missing_file_and_deleted_project_are_reported(project: Project, olive: Client) -> None:
    pk = three_images(project)[0]  # without files
    olive.post(url(project, f"{pk}/"), {"remove": "1"})
    removal = SectionVersion.objects.latest("id")
    restore(olive, removal)
    assert "The image file is missing." in olive.get(url(project)).text
    Project.objects.all().delete()
    assert restore(olive, removal)["Location"] == "/builders/olive/history/"
    assert "Restore the project first." in olive.get("/builders/olive/history/").text


def test_deleted_project_is_restored_with_its_gallery(
    project: Project, olive: Client, media: Path, django_capture_on_commit_callbacks: Capture
) -> None:
    for text in ("First", "Second", "Third"):
        add(olive, project, image_alt=text)
    with django_capture_on_commit_callbacks(execute=True):
        olive.post(f"/builders/olive/portfolio/{project.pk}/delete/")
    assert [name for name in files(media) if name.startswith("projects/")] == []
    assert restore(olive).status_code == 302
    assert texts(project) == ["First", "Second", "Third"]
    assert sum(name.startswith("projects/") for name in files(media)) == 3


def test_expired_history_deletes_removed_images(
    project: Project, olive: Client, media: Path, django_capture_on_commit_callbacks: Capture
) -> None:
    add(olive, project)
    with django_capture_on_commit_callbacks(execute=True):
        olive.post(url(project, f"{project.images.get().pk}/"), {"remove": "1"})
    SectionVersion.objects.update(replaced_at="2020-01-01T00:00Z")
    with django_capture_on_commit_callbacks(execute=True):
        section_history.delete_expired()
    assert (files(media), ProjectImage.objects.count()) == ([], 0)


def test_erasure_deletes_images_and_removed_images(
    project: Project, olive: Client, media: Path, django_capture_on_commit_callbacks: Capture
) -> None:
    for text in ("Kept", "Removed"):
        add(olive, project, image_alt=text)
    with django_capture_on_commit_callbacks(execute=True):
        olive.post(url(project, f"{project.images.reverse()[0].pk}/"), {"remove": "1"})
    assert len(dict(images.images_of(project.builder.user))) == 2
    with django_capture_on_commit_callbacks(execute=True):
        personal_data.erase(project.builder.user)
    assert (files(media), ProjectImage.objects.count()) == ([], 0)


# --- Order ---


@pytest.mark.parametrize("headers", (HTMX, {}))
def test_order_is_saved(project: Project, headers: dict[str, str]) -> None:
    a, b, c = three_images(project)
    response = signed_in(project.builder.user, headers=headers).post(url(project, "order/"), {"row": [c, a, b]})
    assert response.status_code == (204 if headers else 302)
    assert texts(project) == ["C", "A", "B"]
    assert (AuditLog.objects.get().details or {})["portfolio"][1] == {"title": "Ledger", "images": ["C", "A", "B"]}


@pytest.mark.parametrize(("click", "expected"), ((("up", 2), "ACB"), (("down", 0), "BAC"), (("up", 0), "ABC")))
def test_buttons_move_an_image_without_javascript(
    project: Project, olive: Client, click: tuple[str, int], expected: str
) -> None:
    ids = three_images(project)
    assert olive.post(url(project, "order/"), {"row": ids, click[0]: ids[click[1]]})["Location"] == url(project)
    assert "".join(texts(project)) == expected


@pytest.mark.parametrize("ids", ((), ("",), ("x",), ("9" * 30,), ("\x00",)))
def test_invalid_order_is_rejected(project: Project, olive: Client, ids: tuple[str, ...]) -> None:
    three_images(project)
    assert olive.post(url(project, "order/"), {"row": ids}).status_code == 422
    assert texts(project) == ["A", "B", "C"]


# --- Access ---


@pytest.mark.parametrize("rest", ("", "order/", "{image}/"))
def test_images_of_others_return_404(project: Project, olive: Client, rest: str) -> None:
    theirs = ProjectImageFactory.create()
    path = f"/builders/olive/portfolio/{theirs.project_id}/images/{rest.format(image=theirs.pk)}"
    assert olive.post(path, {"row": theirs.pk, "alt": "Mine", "remove": "1"}).status_code == 404
    other = ProjectImageFactory.create(project=ProjectFactory.create(builder=project.builder))
    olive.post(url(project, f"{other.pk}/"), {"remove": "1"})
    assert ProjectImage.objects.filter(project__isnull=False).count() == 2


def test_admin_edits_the_gallery_and_is_logged(project: Project, media: Path) -> None:
    adam = UserFactory.create(admin=True)
    assert add(signed_in(adam), project).status_code == 302
    row = AuditLog.objects.get()
    assert (row.action, row.actor, row.subject) == ("PROFILE_UPDATED", adam, project.builder.user)


# --- The builder's page ---


def test_phone_screenshots_are_shown_side_by_side(project: Project, client: Client) -> None:
    for _ in range(5):
        ProjectImageFactory.create(project=project, width=400, height=800)
    shown = client.get("/builders/olive/").text
    assert shown.count("project__picture--tall") == 4
    assert "All 5 images" in shown


def test_builder_page_shows_the_first_image_and_links_to_the_others(project: Project, client: Client) -> None:
    three_images(project)
    shown = client.get("/builders/olive/").text
    assert ('alt="A"' in shown, 'alt="B"' in shown) == (True, False)
    assert f'<a class="arrow-link" href="{project.get_absolute_url()}">All 3 images' in shown


def test_api_returns_all_images(project: Project, client: Client, django_assert_num_queries: Capture) -> None:
    three_images(project)
    ProjectFactory.create(builder=project.builder, title="Empty")
    profile: BuilderProfile = project.builder
    found = client.get(f"/api/profiles/builders/{profile.pk}").json()["portfolio"]
    assert [image["alt"] for image in found[0]["images"]] == ["A", "B", "C"]
    assert found[0]["image"] == found[0]["images"][0]
    assert found[0]["page"] == project.get_absolute_url()
    assert (found[1]["image"], found[1]["images"]) == (None, [])
