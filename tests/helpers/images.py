"""Image files for uploads."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

RED, BLUE = (200, 30, 30), (30, 30, 200)


def encode(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return the image encoded in the format `kind`."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def image_file(width: int = 320, height: int = 240, kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """Return an image file whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 2, height))
    return encode(image.convert(mode), kind, **options)


def upload(content: bytes | None = None, name: str = "holiday.jpg") -> SimpleUploadedFile:
    """Return an uploaded file for a form."""
    return SimpleUploadedFile(name, image_file() if content is None else content, "image/jpeg")
