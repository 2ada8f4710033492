"""Files of review requests: formats, limits, and clear messages for files that cannot be used."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.models import BuilderProfile, ReviewFile, ReviewRequest
from tests.helpers.clients import signed_in
from tests.helpers.documents import pdf_file
from tests.helpers.factories import BuilderProfileFactory
from tests.helpers.images import image_file

pytestmark = pytest.mark.django_db

PAGE = "/builders/olive-owner/reviews/"


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(slug="olive-owner", user__name="Olive Owner")
    return profile


@pytest.fixture
def owner(olive: BuilderProfile) -> Client:
    return signed_in(olive.user)


def send(browser: Client, *files: tuple[str, bytes], **typed: Any) -> Any:
    uploads = [SimpleUploadedFile(name, content, "application/pdf") for name, content in files]
    return browser.post(PAGE, {"subject": "tier-2", "attachments": uploads} | typed)


def test_pdf_and_image_are_stored(owner: Client) -> None:
    pdf, jpeg = pdf_file(), image_file(comment=b"Home address")
    assert send(owner, ("Zeugnis 1.PDF", pdf), ("../scan.php", jpeg)).status_code == 302
    document, scan = ReviewFile.objects.all()
    assert (document.name, document.kind, bytes(document.content)) == ("Zeugnis 1.pdf", "application/pdf", pdf)
    assert (scan.name, scan.kind, scan.size) == ("scan.webp", "image/webp", len(scan.content))
    assert bytes(scan.content).startswith(b"RIFF")
    assert b"Home address" not in bytes(scan.content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    (
        ("page.pdf", b"<html><script>alert(1)</script>", "page.pdf: This file is not a PDF, JPEG, PNG, WebP or GIF."),
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "logo.svg: This file is not a PDF"),
        ("tool.exe", b"MZ\x90\x00", "tool.exe: This file is not a PDF"),
        ("cv.pdf", pdf_file(b"<</S/JavaScript>>"), "cv.pdf: This PDF contains scripts"),
        ("cv.pdf", pdf_file()[:-9], "cv.pdf: Part of this file is missing."),
        ("cv.pdf", pdf_file(b"<</Encrypt 1 0 R>>"), "cv.pdf: This PDF is protected with a password."),
        ("scan.png", image_file(5000, 5000, "PNG"), "scan.png: This image has more than 24 million pixels."),
        ("<b>.pdf", b"%PDF-", "&lt;b&gt;.pdf: Part of this file"),
    ),
)
def test_unusable_file_is_explained(owner: Client, name: str, content: bytes, message: str) -> None:
    response = send(owner, (name, content), text="My CV")
    assert (response.status_code, ReviewRequest.objects.count()) == (422, 0)
    text = response.content.decode()
    assert message in text
    assert "My CV" in text


def test_number_and_size_of_files_are_limited(owner: Client) -> None:
    response = send(owner, *[("a.pdf", pdf_file())] * 6)
    assert "Choose at most 5 files. You chose 6." in response.content.decode()
    response = send(owner, ("a.pdf", pdf_file()), ("b.pdf", b"%PDF-" + bytes(8 * 1024 * 1024)))
    assert "The files are 8.0\xa0MB in total. Choose files of 8.0\xa0MB or less in total." in response.content.decode()
    assert not ReviewRequest.objects.exists()


def test_files_must_be_chosen_again_if_another_field_is_invalid(owner: Client) -> None:
    response = send(owner, ("a.pdf", pdf_file()), links="not a link", text="Kept")
    text = response.content.decode()
    assert response.status_code == 422
    assert "Choose the files again." in text
    assert "Kept" in text
