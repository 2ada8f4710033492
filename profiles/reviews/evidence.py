"""The form field for files that a builder attaches to a review request: PDFs and images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from core.text import clean_line
from profiles.media import images, pdf
from profiles.media.images import MAX_BYTES, ImageSpec
from profiles.models import ReviewFile

MAX_FILES = 5
MAX_NAME = 80
#: Large enough to read a scanned page.
SCAN = ImageSpec(2000, 2800)
NOT_SUPPORTED = _("This file is not a PDF, JPEG, PNG, WebP or GIF.")
#: Errors of images that name the permitted formats.
FORMAT_ERRORS = ("unsupported", "unreadable")


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A checked file. Images are re-encoded, so that they contain only pixels."""

    name: str
    kind: ReviewFile.Kind
    content: bytes


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class EvidenceField(forms.FileField):
    """Several uploaded files, cleaned to a list of `EvidenceFile`. The format is detected from each file's bytes."""

    widget = FilesInput
    default_error_messages = {
        "too_many": _("Choose at most %(limit)d files. You chose %(count)d."),
        "too_large": _("The files are %(size)s in total. Choose files of %(limit)s or less in total."),
        "in_file": _("%(name)s: %(problem)s"),
    }

    def clean(self, data: Any, initial: Any = None) -> list[EvidenceFile]:
        files = [file for file in data or () if file]
        self._check_limits(files)
        return [self._clean_file(file) for file in files]

    def _check_limits(self, files: Sequence[UploadedFile[Any]]) -> None:
        if len(files) > MAX_FILES:
            params: dict[str, Any] = {"limit": MAX_FILES, "count": len(files)}
            raise ValidationError(self.error_messages["too_many"], "too_many", params)
        # The upload handler keeps only this number of bytes of a request.
        if (size := sum(file.size or 0 for file in files)) > MAX_BYTES:
            params = {"size": filesizeformat(size), "limit": filesizeformat(MAX_BYTES)}
            raise ValidationError(self.error_messages["too_large"], "too_large", params)

    def _clean_file(self, file: UploadedFile[Any]) -> EvidenceFile:
        try:
            return read(file)
        except ValidationError as error:
            params = {"name": clean_line(file.name or "", limit=MAX_NAME), "problem": " ".join(error.messages)}
            raise ValidationError(self.error_messages["in_file"], error.code, params) from None

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        formats = "application/pdf,image/jpeg,image/png,image/webp,image/gif"
        return super().widget_attrs(widget) | {"accept": formats}


def read(file: UploadedFile[Any]) -> EvidenceFile:
    """Check a file, and re-encode it if it is an image.

    Raises:
        ValidationError: the file cannot be used. The message is shown to the user.
    """
    stem = clean_line(PurePath(file.name or "").stem, limit=MAX_NAME) or "file"
    start = file.read(len(pdf.START))
    file.seek(0)
    if start == pdf.START:
        content = file.read()
        pdf.check_pdf(content)
        return EvidenceFile(f"{stem}.pdf", ReviewFile.Kind.PDF, content)
    try:
        image = images.reencode(file, SCAN)
    except ValidationError as error:
        raise ValidationError(NOT_SUPPORTED, error.code) if error.code in FORMAT_ERRORS else error from None
    return EvidenceFile(f"{stem}.webp", ReviewFile.Kind.WEBP, image.read())
