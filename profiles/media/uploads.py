"""Files on their way in."""

from typing import Any

from django import forms
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.utils.translation import gettext_lazy as _

from profiles.media import images
from profiles.media.images import MAX_BYTES, Shape


class CappedUploadHandler(FileUploadHandler):
    """Keeps no more of a request's files than a picture may have, in memory; what is beyond is counted and dropped.

    So a form hears that a file is too large, with its other fields intact, and no upload fills a disk.
    """

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self.room = MAX_BYTES

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin with a file."""
        super().new_file(*args, **kwargs)
        self.content = bytearray()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a part of it, or drop it."""
        kept = raw_data[: self.room]
        self.content += kept
        self.room -= len(kept)

    def file_complete(self, file_size: int) -> Any:
        """Return the file; its size is that of what was sent."""
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
    """A picture, cleaned to a file of ours that `profiles.media.images.store` stores.

    Args:
        shape: what becomes of it.
    """

    widget = forms.FileInput
    default_error_messages = {
        "required": _("Choose a picture."),
        "empty": _("This file is empty. Choose another."),
        "missing": _("Choose a picture."),
        "invalid": _("Choose a picture."),
    }

    def __init__(self, *, shape: Shape, **kwargs: Any) -> None:
        self.shape = shape
        super().__init__(**kwargs)

    def to_python(self, data: Any) -> Any:
        """Return the picture, drawn anew."""
        file = super().to_python(data)
        return images.reencode(file, self.shape) if file else None

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Offer pictures first. Only a hint for the browser: what a file is, its bytes say."""
        return super().widget_attrs(widget) | {"accept": "image/jpeg,image/png,image/webp,image/gif"}
