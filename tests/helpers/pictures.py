"""Files that people upload: pictures, and what only says it is one."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

RED, BLUE = (200, 30, 30), (30, 30, 200)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return the picture as a file of a kind."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(width: int = 320, height: int = 240, kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """Return a picture whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 2, height))
    return encoded(image.convert(mode), kind, **options)


def upload(content: bytes | None = None, name: str = "holiday.jpg") -> SimpleUploadedFile:
    """Return a file as a form sends it."""
    return SimpleUploadedFile(name, picture() if content is None else content, "image/jpeg")
