"""Upload handling and the form field for images."""

from typing import Any, cast

from django import forms
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from profiles.media import images
from profiles.media.crop import Crop
from profiles.media.images import MAX_BYTES, ImageSpec


class CappedUploadHandler(FileUploadHandler):
    """Keep a request's files in memory up to the image size limit, then count the remaining bytes and drop them.

    A form can therefore report that a file is too large without losing its other fields, and uploads cannot fill the
    disk.
    """

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.remaining = MAX_BYTES

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.content = bytearray()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        kept = raw_data[: self.remaining]
        self.content += kept
        self.remaining -= len(kept)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """Return the file with the size that was sent, even if some bytes were dropped."""
        content = ContentFile(bytes(self.content))
        return InMemoryUploadedFile(
            content,
            self.field_name,
            self.file_name,
            self.content_type,
            file_size,
            self.charset,
            self.content_type_extra,
        )


class ImageUploadField(forms.FileField):
    """An uploaded image, cleaned to a re-encoded file for `profiles.media.images.store`.

    Attributes:
        crop: the part of the image to keep. `CroppedImageMixin` sets it.
    """

    crop: Crop | None = None

    widget = forms.FileInput
    default_error_messages = {
        "required": _("Choose an image."),
        "empty": _("This file is empty. Choose another file."),
        "missing": _("Choose an image."),
        "invalid": _("Choose an image."),
    }

    def __init__(self, *, spec: ImageSpec, **kwargs: Any) -> None:
        self.spec = spec
        super().__init__(**kwargs)

    def to_python(self, data: Any) -> ContentFile[bytes] | None:
        file = super().to_python(data)
        return images.reencode(file, self.spec, self.crop) if file else None

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Add `accept` as a hint for the file picker. The server detects the format from the bytes."""
        return super().widget_attrs(widget) | {"accept": "image/jpeg,image/png,image/webp,image/gif"}


class CroppedImageMixin(forms.BaseForm):
    """Crop the uploaded `image` with the form's `crop` field, which must come first in `field_order`."""

    def clean_crop(self) -> Crop | None:
        crop: Crop | None = self.cleaned_data["crop"]
        cast("ImageUploadField", self.fields["image"]).crop = crop
        return crop
