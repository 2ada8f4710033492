"""Re-encode uploaded images and store them under random names.

The pixels are decoded, rotated upright, converted to sRGB, resized and encoded as WebP. This removes metadata and other
hidden content. The format is detected from the file's bytes. The uploaded name and content type are ignored.
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
from PIL import Image, ImageChops, ImageCms, ImageOps, PngImagePlugin

from accounts.models import User
from core.storage_errors import StorageUnavailableError
from profiles.media import file_formats
from profiles.media.crop import Crop
from profiles.media.file_formats import JPEG_START, PNG_START
from profiles.models import BuilderProfile, ProjectImage, SectionVersion

log = logging.getLogger(__name__)

MAX_BYTES = 8 * 1024 * 1024
#: Decoding a 24-megapixel WebP takes 0.5 s and 380 MB. The largest common screens have 20 megapixels.
MAX_PIXELS = 24_000_000
#: JPEGs are decoded at a reduced size: a 40-megapixel JPEG takes at most 0.4 s and 125 MB.
MAX_JPEG_PIXELS = 40_000_000
#: Maximum time in seconds that an upload waits while another image is decoded. Waiting blocks a server thread.
MAX_WAIT_S = 5
#: AVIF is excluded: libavif decoded 6000 x 6000 pixels (its limit is 16384 x 16384) from a 1 kB file declaring 10 x 10.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
#: Accept a truncated JPEG if no more than this fraction of its rows is missing. The missing rows are cropped.
MAX_MISSING_FRACTION = 1 / 20
#: Maximum decompressed size of an ICC profile in a PNG. Printer profiles are about 2 MB.
MAX_PROFILE_BYTES = 4 * 1024 * 1024
#: Maximum difference between a decoded value and the grey that libjpeg uses for missing rows.
GREY_TOLERANCE = 3
#: Minimum length of the shorter side, in pixels, when images are shrunk by an integer factor before slow operations.
MIN_WORKING_SIDE = 1200
#: The transposition that undoes each EXIF orientation.
TRANSPOSE_FOR_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

FILE_TOO_LARGE = _("This file is %(size)s. Choose an image of %(limit)s or less.")
TOO_MANY_PIXELS = _("This image has more than %(limit)d million pixels. Choose a smaller image.")
TOO_COMPLEX = _("This image is stored in too many parts. Save it again with an image editor.")
INCOMPLETE = _("Part of this image is missing. Download or export it again.")
UNSUPPORTED = _("%(format)s files are not supported. Choose a JPEG, PNG, WebP or GIF.")
BUSY = _("Other images are being processed. Try again in a few seconds.")
UNREADABLE = _("This file is not a readable image. Choose a JPEG, PNG, WebP or GIF.")

# Each process decodes one image at a time, because decoding needs hundreds of megabytes.
_decoding = threading.Lock()
# Also set Pillow's limit, in case an image is larger than its header declares.
Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """The maximum size for one kind of image, and whether larger images are cropped or only scaled down."""

    width: int
    height: int
    is_cropped: bool = False


PORTRAIT = ImageSpec(800, 800, is_cropped=True)
PROJECT = ImageSpec(1600, 1200)


def reencode(file: "File[bytes]", spec: ImageSpec, crop: Crop | None = None) -> "ContentFile[bytes]":
    """Return the image in `file` as a WebP with a random name.

    Args:
        crop: the part of the upright image to keep.

    Raises:
        ValidationError: the file is too large, has too many pixels, or is not an image. The message
            is shown to the user.
    """
    if file.size > MAX_BYTES:
        params = {"size": filesizeformat(file.size), "limit": filesizeformat(MAX_BYTES)}
        raise ValidationError(FILE_TOO_LARGE, "file_too_large", params)
    original = file.read()
    limit = MAX_JPEG_PIXELS if original.startswith(JPEG_START) else MAX_PIXELS
    try:
        with _wait_for_turn():
            content = _encode(_decode(original, spec, limit, crop))
    except ValidationError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(limit) from None
    except file_formats.TooComplexError:
        raise ValidationError(TOO_COMPLEX, "too_complex") from None
    except Exception as error:  # noqa: BLE001  # decoders raise many exception types on hostile bytes
        log.info("Rejected an upload that is not a readable image: %r", error, extra={"cause": "unreadable image"})
        raise _unreadable_reason(original, error) from None
    return ContentFile(content, f"{secrets.token_hex(16)}.webp")


def _unreadable_reason(content: bytes, error: Exception) -> ValidationError:
    """Return the reason why Pillow cannot decode `content`."""
    if name := file_formats.unsupported_format(content):
        return ValidationError(UNSUPPORTED, "unsupported", {"format": name})
    is_short_webp = content.startswith(b"RIFF") and int.from_bytes(content[4:8], "little") + 8 > len(content)
    has_pixels = b"\xff\xda" in content or not content.startswith(JPEG_START)
    if is_short_webp or (has_pixels and "truncated" in str(error).lower()):
        return ValidationError(INCOMPLETE, "incomplete")
    return ValidationError(UNREADABLE, "unreadable")


@contextmanager
def _wait_for_turn() -> Iterator[None]:
    """Wait until no other image is being decoded.

    Raises:
        ValidationError: it takes longer than MAX_WAIT_S.
    """
    if not _decoding.acquire(timeout=MAX_WAIT_S):
        raise ValidationError(BUSY, "busy")
    try:
        yield
    finally:
        _decoding.release()


def _decode(content: bytes, spec: ImageSpec, max_pixels: int, crop: Crop | None) -> Image.Image:
    """Decode an image, rotate it upright, crop it, convert it to sRGB and resize it to `spec`.

    Use only an animation's first frame.
    """
    is_truncated = False
    if content.startswith(JPEG_START):
        jpeg = file_formats.read_jpeg(content)
        content, is_truncated = jpeg.content, jpeg.is_truncated
    elif content.startswith(PNG_START):
        content = file_formats.strip_png(content)
    with Image.open(BytesIO(content), formats=FORMATS) as opened:
        _check_pixel_count(opened, max_pixels)
        factor = _reduction_factor(opened.size, crop)
        # JPEGs decode much faster at a reduced size.
        opened.draft(None, (opened.width // factor, opened.height // factor))
        opened.load()
        # Check again, because a GIF's first frame can exceed the size in its header.
        _check_pixel_count(opened, max_pixels)
        image = _normalize_mode(_without_missing_rows(opened) if is_truncated else opened)
    if (factor := _reduction_factor(image.size, crop)) > 1:
        image = image.reduce(factor)
    image = _to_srgb(image, opened.info.get("icc_profile"))
    if (turn := TRANSPOSE_FOR_ORIENTATION.get(_orientation(opened))) is not None:
        image = image.transpose(turn)
    if crop:
        image = image.crop(crop.box(*image.size))
    if spec.is_cropped:
        side = min(spec.width, *image.size)
        image = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    else:
        image.thumbnail((spec.width, spec.height), Image.Resampling.LANCZOS)
    # Flatten onto white, so that the copy does not contain pixels hidden by transparency.
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image if image.mode == "RGBA" else None)
    return canvas


def _reduction_factor(size: tuple[int, int], crop: Crop | None) -> int:
    """Return the factor by which the image can be shrunk without losing detail in the cropped result."""
    kept = int(min(size) * (crop.min_fraction if crop else 1))
    is_too_large = size[0] * size[1] > MAX_PIXELS
    return max(kept // MIN_WORKING_SIDE, 2 if is_too_large else 1)


def _encode(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=82, method=4)
    return buffer.getvalue()


def _too_many_pixels(limit: int) -> ValidationError:
    return ValidationError(TOO_MANY_PIXELS, "too_many_pixels", {"limit": limit // 1_000_000})


def _check_pixel_count(image: Image.Image, limit: int) -> None:
    if image.width * image.height > limit:
        raise _too_many_pixels(limit)


def _without_missing_rows(image: Image.Image) -> Image.Image:
    """Crop the grey rows with which libjpeg replaces missing data.

    Raises:
        ValidationError: too many rows are missing.
    """
    grey = Image.new(image.mode, image.size, (128,) * len(image.getbands()))
    difference = ImageChops.difference(image, grey).point(lambda value: value > GREY_TOLERANCE and 255)
    box = difference.getbbox()
    height = box[3] if box else 0
    if image.height - height > image.height * MAX_MISSING_FRACTION:
        raise ValidationError(INCOMPLETE, "incomplete")
    return image.crop((0, 0, image.width, height))


def _normalize_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # convert() clips 16-bit grey instead of scaling it.
        image = image.point(lambda value: value / 256).convert("L")
    # Convert only if necessary, because a copy of the largest image takes 100 MB.
    is_plain = image.mode in ("CMYK", "RGB", "RGBA") and "transparency" not in image.info
    return image if is_plain else image.convert("RGBA")


def _to_srgb(image: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """Convert to sRGB, ignoring broken or mismatched colour profiles."""
    mode: Any = "RGBA" if image.mode == "RGBA" else "RGB"
    if icc_profile:
        try:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc_profile))
            return ImageCms.profileToProfile(image, profile, SRGB, outputMode=mode) or image
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
            log.info("Ignored an unusable colour profile: %s", error, extra={"cause": "colour profile"})
    return image.convert(mode)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001  # broken EXIF must not make an image unusable
        return 1


# --- Storage ---


@contextmanager
def store(image: "ContentFile[bytes] | None", folder: str) -> Iterator[str]:
    """Store an image returned by `reencode` and yield its name, or "" for None. Delete the file if the block raises.

    The block must contain the whole transaction, because an outer transaction could still roll back later.
    """
    name = _save(f"{folder}{image.name}", image) if image else ""
    try:
        yield name
    except BaseException:
        if name:
            default_storage.delete(name)
        raise


def _save(name: str, image: "ContentFile[bytes]") -> str:
    try:
        return default_storage.save(name, image)
    except OSError as error:  # for example, the disk is full
        raise StorageUnavailableError(f"The image could not be stored: {error}") from error


def discard(name: str | None) -> None:
    """Delete a stored image once the transaction commits."""
    if name:
        transaction.on_commit(partial(default_storage.delete, name), robust=True)


def set_aside(name: str | None) -> str:
    """Rename a removed image to an unguessable name once the transaction commits.

    Returns:
        The new name, or "" if there is no image.
    """
    if not name:
        return ""
    new_name = f"removed/{secrets.token_hex(16)}.webp"
    transaction.on_commit(partial(_move, name, new_name), robust=True)
    return new_name


def _move(name: str, new_name: str) -> None:
    if copy := reopen(name):
        default_storage.save(new_name, copy)
        default_storage.delete(name)


def reopen(name: str | None) -> "ContentFile[bytes] | None":
    """Return a copy of a stored image under a new random name, or None if there is no image."""
    if not name:
        return None
    try:
        with default_storage.open(name) as file:
            return ContentFile(file.read(), f"{secrets.token_hex(16)}.webp")
    except FileNotFoundError:
        log.error("The image %s is in the database but not in the media storage.", name)
        return None


def remove_all(profile: BuilderProfile) -> None:
    """Remove a profile's portrait and the images of its projects, and delete the files after the commit.

    Call it in a transaction, before the rows that contain the file names are deleted. The caller writes the audit row.
    """
    stored = BuilderProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    galleries = ProjectImage.objects.filter(builder=stored, version=None).select_for_update(no_key=True)
    for name in (stored.image.name, *galleries.values_list("image", flat=True)):
        discard(name)
    galleries.delete()
    if stored.image:
        BuilderProfile.objects.filter(pk=stored.pk).update(image="")


def images_of(user: User) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each of the user's stored images, for the personal data export."""
    portraits = BuilderProfile.objects.filter(user=user).exclude(image="").values_list("image", flat=True)
    named = [("portrait.webp", name) for name in portraits]
    galleries = ProjectImage.objects.filter(builder__user=user).values_list("pk", "project", "version", "image")
    for pk, project, version, name in galleries:
        named.append((f"project-{project}-{pk}.webp" if project else f"history-{version}-{pk}.webp", name))
    removed = SectionVersion.objects.filter(owner=user).exclude(image="").values_list("pk", "image")
    named += [(f"history-{pk}.webp", name) for pk, name in removed]
    for label, name in named:
        if file := reopen(name):
            yield label, file.read()
