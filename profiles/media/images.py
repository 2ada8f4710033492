"""Pictures that people upload: judged by their bytes, drawn anew, and kept under names of ours.

Nothing of an uploaded file is kept: its pixels are decoded, turned upright, brought to sRGB and a size of ours, and encoded
again. So neither metadata nor whatever else hides in a file reaches the storage, and no name, ending or content type that
came with it is believed.
"""

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageCms, ImageOps

from accounts.models import User
from profiles.models import BuilderProfile, Project

log = logging.getLogger(__name__)

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
#: Not AVIF: a file of 1 kB whose header says 10 x 10 pixels made libavif decode 6000 x 6000, and it would 16384 x 16384.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
#: Each scan of a progressive JPEG costs a pass over the whole picture (25 ms at 40 megapixels) for 60 bytes of the file.
#: Cameras and editors write about ten; a few more may be in a preview.
MAX_SCANS = 50
#: Pictures are shrunk by whole factors while their shorter side stays above this, before anything slow happens to them.
ENOUGH = 1200
#: What has to be done for each value of EXIF's orientation.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

TOO_HEAVY = _("This file has %(size)s; a picture may have %(most)s. Make it smaller, or choose another.")
TOO_LARGE = _("This picture has more than %(most)d million pixels. Make it smaller, or choose another.")
UNREADABLE = _("This file cannot be read as a picture. Choose a JPEG, PNG, WebP or GIF that opens on your device.")

# Two pictures of the most pixels at a time take some 700 MB; a third waits.
_turns = threading.BoundedSemaphore(2)
# Beyond it Pillow stops too, should a file turn out larger than its header says.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Shape:
    """How large pictures of one kind are at most, and whether what does not fit is cut off or shrunk."""

    width: int
    height: int
    is_cropped: bool = False


PORTRAIT = Shape(800, 800, is_cropped=True)
PROJECT = Shape(1600, 1200)


def reencode(file: "File[bytes]", shape: Shape) -> "ContentFile[bytes]":
    """Return the picture in `file` as a WebP of ours, named at random.

    Raises:
        ValidationError: it is too heavy, too large, or no picture. The message is for whoever uploaded it.
    """
    if file.size > MAX_BYTES:
        params = {"size": filesizeformat(file.size), "most": filesizeformat(MAX_BYTES)}
        raise ValidationError(TOO_HEAVY, "too_heavy", params)
    try:
        with _turns:
            content = _webp(_drawn(file.read(), shape))
    except ValidationError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except Exception as error:  # noqa: BLE001  # decoders raise whatever they like over hostile bytes
        log.info("An upload could not be read as a picture: %r", error)
        raise ValidationError(UNREADABLE, "unreadable") from None
    return ContentFile(content, f"{secrets.token_hex(16)}.webp")


def _drawn(content: bytes, shape: Shape) -> Image.Image:
    """Return the picture without metadata, upright, in sRGB and in its shape. Of an animation it is the first frame."""
    with Image.open(BytesIO(content), formats=FORMATS) as opened:
        _refuse_too_many_pixels(opened)
        if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > MAX_SCANS:
            raise ValueError("A JPEG of too many scans.")
        factor = max(1, min(opened.size) // ENOUGH)
        opened.draft(None, (opened.width // factor, opened.height // factor))  # spares most of the work for a JPEG
        opened.load()
        _refuse_too_many_pixels(opened)  # again: the first frame of a GIF may be larger than its screen
        image = _in_plain_mode(opened)
    image = image.reduce(max(1, min(image.size) // ENOUGH))
    image = _in_srgb(image, opened.info.get("icc_profile"))
    if (turn := UPRIGHT.get(_orientation(opened))) is not None:
        image = image.transpose(turn)
    if shape.is_cropped:
        side = min(shape.width, *image.size)
        image = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    else:
        image.thumbnail((shape.width, shape.height), Image.Resampling.LANCZOS)
    # On white, as most programs show it; and nothing that was invisible in the file is in the copy.
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image if image.mode == "RGBA" else None)
    return canvas


def _webp(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=82, method=4)
    return buffer.getvalue()


def _too_large() -> ValidationError:
    return ValidationError(TOO_LARGE, "too_large", {"most": MAX_PIXELS // 1_000_000})


def _refuse_too_many_pixels(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()


def _in_plain_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which convert() would clip and not scale
        image = image.point(lambda value: value / 256).convert("L")
    return image if image.mode == "CMYK" else image.convert("RGBA")


def _in_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Return the picture in sRGB; a colour profile that is broken or of another mode counts for nothing."""
    mode: Any = "RGB" if image.mode == "CMYK" else "RGBA"
    if icc_profile:
        try:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc_profile))
            return ImageCms.profileToProfile(image, profile, SRGB, outputMode=mode) or image
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
            log.info("A colour profile could not be used: %s", error)
    return image.convert(mode)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001  # a picture whose EXIF is broken is still a picture
        return 1


# --- In the storage ---


@contextmanager
def store(picture: "ContentFile[bytes] | None", folder: str) -> Iterator[str]:
    """Store what `reencode` returned, and yield its name there, "" without one; should the block fail, it is taken back.

    The block has to hold the whole transaction: opened outside, it could still roll back afterwards.
    """
    name = default_storage.save(f"{folder}{picture.name}", picture) if picture else ""
    try:
        yield name
    except BaseException:
        if name:
            default_storage.delete(name)
        raise


def discard(name: str | None) -> None:
    """Delete a picture from the storage once the transaction is committed."""
    if name:
        transaction.on_commit(partial(default_storage.delete, name), robust=True)


def remove_all(profile: BuilderProfile) -> None:
    """Take the portrait and the pictures of the projects off a profile, and out of the storage after the commit.

    Call it in a transaction, before rows are deleted: the names are in them. It writes no audit row; who erases does.
    """
    stored = BuilderProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    pictured = Project.objects.filter(builder=stored).exclude(image="").select_for_update(no_key=True)
    for name in (stored.image.name, *pictured.values_list("image", flat=True)):
        discard(name)
    pictured.update(image="", image_width=None, image_height=None, image_alt="")
    if stored.image:
        BuilderProfile.objects.filter(pk=stored.pk).update(image="")


def images_of(user: User) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each picture that is kept of a person, for the archive of the person's data."""
    portraits = BuilderProfile.objects.filter(user=user).exclude(image="").values_list("image", flat=True)
    projects = Project.objects.filter(builder__user=user).exclude(image="").values_list("pk", "image")
    named = [("portrait.webp", name) for name in portraits]
    named += [(f"project-{pk}.webp", name) for pk, name in projects]
    for label, name in named:
        try:
            with default_storage.open(name) as file:
                yield label, file.read()
        except FileNotFoundError:
            log.error("%s is missing from the storage.", name)
