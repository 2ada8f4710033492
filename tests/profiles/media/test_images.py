"""Uploaded images are validated from their bytes and re-encoded. Invalid files are rejected with an error message."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ValidationError
from django.test import Client
from PIL import Image, ImageCms, PngImagePlugin
from pytest_django import Settings

from profiles.media import images
from profiles.media.images import PORTRAIT, PROJECT, ImageSpec
from tests.helpers.images import BLUE, RED, encode, image_file, upload

HTML = b"<script>alert(document.domain)</script>"
PHP = b"<?php system($_GET['c']); ?>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


def reencode_and_check(content: bytes, spec: ImageSpec = PROJECT) -> Image.Image:
    """Re-encode an image, check that it is a WebP without metadata, and return it."""
    file = images.reencode(upload(content), spec)
    image = Image.open(BytesIO(file.read()))
    image.load()
    assert (image.format, image.mode) == ("WEBP", "RGB")
    assert not {"exif", "xmp", "icc_profile"} & set(image.info)
    assert not getattr(image, "is_animated", False)
    return image


def error_for(content: bytes) -> str:
    with pytest.raises(ValidationError) as caught:
        images.reencode(upload(content), PROJECT)
    return str(caught.value.messages[0])


def is_close(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(pixel, colour, strict=True))


# --- Accepted files ---


@pytest.mark.parametrize("kind", ("JPEG", "PNG", "WEBP", "GIF"))
def test_each_format_is_accepted(kind: str) -> None:
    image = reencode_and_check(image_file(kind=kind))
    assert image.size == (320, 240)
    assert is_close(image.getpixel((20, 100)), RED)
    assert is_close(image.getpixel((300, 100)), BLUE)


@pytest.mark.parametrize(
    ("kind", "mode"), (("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "CMYK"))
)
def test_each_colour_mode_is_accepted(kind: str, mode: str) -> None:
    assert reencode_and_check(image_file(kind=kind, mode=mode)).size == (320, 240)


def test_16_bit_grey_keeps_its_brightness() -> None:
    image = reencode_and_check(encode(Image.new("I;16", (30, 30), 0x4000), "PNG"))
    assert is_close(image.getpixel((5, 5)), (0x40, 0x40, 0x40))


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (40, 40), (*RED, 0))
    assert reencode_and_check(encode(image, "PNG")).getpixel((20, 20)) == (255, 255, 255)


def test_portrait_is_cropped_to_a_centred_square() -> None:
    image = reencode_and_check(image_file(3000, 1000), PORTRAIT)
    assert image.size == (800, 800)
    assert is_close(image.getpixel((380, 400)), RED)
    assert is_close(image.getpixel((420, 400)), BLUE)
    assert reencode_and_check(image_file(90, 60), PORTRAIT).size == (60, 60)  # Images are never enlarged.


@pytest.mark.parametrize(
    ("size", "expected"),
    (((4000, 3000), (1600, 1200)), ((4000, 1000), (1600, 400)), ((900, 3600), (300, 1200)), ((9000, 1), (1600, 1))),
)
def test_project_image_is_scaled_down_without_cropping(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert reencode_and_check(image_file(*size)).size == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    """The top left corner of the visible image is red in every orientation."""
    seen = Image.new("RGB", (64, 32), BLUE)
    seen.paste(RED, (0, 0, 16, 16))
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    stored = seen.transpose(images.TRANSPOSE_FOR_ORIENTATION[undo]) if orientation > 1 else seen
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = reencode_and_check(encode(stored, quality=95, exif=exif))
    assert image.size == (64, 32)
    assert is_close(image.getpixel((6, 6)), RED)
    assert is_close(image.getpixel((56, 26)), BLUE)


def test_metadata_is_removed() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "my home address")
    for content in (
        image_file(exif=exif, comment=b"Secret Camera", xmp=b"<x>Secret Camera</x>"),
        image_file(kind="PNG", pnginfo=info, exif=exif),
        image_file(kind="WEBP", exif=exif, xmp=b"<x>Secret Camera</x>"),
    ):
        kept = images.reencode(upload(content), PROJECT).read()
        assert not [word for word in (b"Secret", b"home address", b"EXIF", b"XMP", b"ICCP") if word in kept]
        reencode_and_check(content)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow only raises a warning.
@pytest.mark.parametrize("exif", (b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"Exif\x00\x00nonsense"))
def test_broken_exif_is_ignored(exif: bytes) -> None:
    assert reencode_and_check(image_file(exif=exif)).size == (320, 240)


def test_colours_are_converted_to_srgb() -> None:
    """With a profile that swaps the red and green primaries, a red image becomes green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")
    for mode in ("RGB", "RGBA"):
        colour = reencode_and_check(image_file(kind="PNG", mode=mode, icc_profile=swapped)).getpixel((20, 20))
        assert isinstance(colour, tuple)
        red, green, blue = colour
        assert green > 150
        assert max(red, blue) < 90


@pytest.mark.parametrize("icc", (b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()))
def test_unusable_colour_profile_is_ignored(icc: bytes) -> None:
    assert is_close(reencode_and_check(image_file(icc_profile=icc)).getpixel((20, 20)), RED)


@pytest.mark.parametrize("kind", ("GIF", "WEBP", "PNG"))
def test_first_frame_of_an_animation_is_used(kind: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE, BLUE)]
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    assert is_close(reencode_and_check(content).getpixel((30, 30)), RED)


@pytest.mark.parametrize(
    "content",
    (
        image_file() + HTML + PHP,
        image_file(comment=HTML + PHP),
        image_file(kind="GIF", comment=HTML + PHP),
        b"GIF89a/*" + image_file(kind="GIF")[8:] + b"*/=1;" + HTML,
        image_file(kind="PNG") + b"PK\x03\x04" + HTML + PHP,
    ),
)
def test_polyglot_file_keeps_only_the_image(content: bytes) -> None:
    try:
        kept = images.reencode(upload(content, "holiday.html"), PROJECT).read()
    except ValidationError:
        return
    assert not [word for word in (b"<script", b"<?php", b"PK\x03\x04") if word in kept]


# --- Unusual files that browsers can open ---


def photo(**options: Any) -> bytes:
    """Return a JPEG of random noise, so that no row looks like a missing row."""
    return encode(Image.effect_noise((640, 480), 90).convert("RGB"), **options)


def motion_photo() -> bytes:
    """Return a photo with a preview in its metadata and a video behind it.

    Both contain bytes that look like markers.
    """
    exif = Image.Exif()
    exif[0x9286] = photo()[:60_000]
    video = b"\x00\x00\x00\x18ftypmp42" + (b"\xff\xda\xff\xd9\xff\xd8" + bytes(100)) * 1000
    return image_file(exif=exif) + video


def test_motion_photo_is_accepted() -> None:
    image = reencode_and_check(motion_photo())
    assert image.size == (320, 240)
    assert is_close(image.getpixel((20, 100)), RED)


def test_photo_with_more_pictures_behind_it_is_accepted() -> None:
    """Phones add depth maps and brighter versions."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE)]
    content = encode(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert is_close(reencode_and_check(content).getpixel((30, 30)), RED)
    assert is_close(reencode_and_check(content[:-200]).getpixel((30, 30)), RED)


@pytest.mark.parametrize("options", ({"zip": False}, {"zip": True}), ids=("plain", "compressed"))
def test_png_with_megabytes_of_metadata_is_accepted(options: dict[str, bool]) -> None:
    info = PngImagePlugin.PngInfo()
    for number in range(5):
        info.add_text(f"Note {number}", "x" * 1_500_000, **options)
        info.add_itxt(f"Caption {number}", "x" * 1_500_000, zip=True)
    content = image_file(kind="PNG", pnginfo=info)
    assert is_close(reencode_and_check(content).getpixel((20, 100)), RED)


def test_png_with_a_large_colour_profile_is_accepted() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert reencode_and_check(image_file(kind="PNG", icc_profile=profile + bytes(2_000_000))).size == (320, 240)


@pytest.mark.parametrize("missing", (1, 2, 3, 100, 1000))
@pytest.mark.parametrize("options", ({}, {"progressive": True}), ids=("baseline", "progressive"))
def test_jpeg_without_its_last_bytes_is_accepted(missing: int, options: dict[str, Any]) -> None:
    image = reencode_and_check(photo(**options)[:-missing])
    assert image.width == 640
    assert 460 <= image.height <= 480
    assert not is_close(image.getpixel((10, image.height - 4)), (128, 128, 128)) or image.height == 480


@pytest.mark.parametrize("mode", ("L", "CMYK"))
def test_truncated_jpeg_of_each_colour_mode_is_accepted_or_rejected_by_its_missing_rows(mode: str) -> None:
    content = encode(Image.effect_noise((640, 480), 90).convert("RGB").convert(mode))
    assert reencode_and_check(content[:-500]).width == 640
    assert error_for(content[: len(content) // 2]) == INCOMPLETE


# --- Rejected files ---

INCOMPLETE = "Part of this image is missing. Download or export it again."
UNREADABLE = "This file is not a readable image. Choose a JPEG, PNG, WebP or GIF."
TOO_COMPLEX = "This image is stored in too many parts. Save it again with an image editor."
TOO_MANY_PIXELS = "This image has more than 24 million pixels. Choose a smaller image."


def unsupported_file(name: str) -> str:
    return f"{name} files are not supported. Choose a JPEG, PNG, WebP or GIF."


def png_bomb(width: int, height: int) -> bytes:
    """Return a small PNG whose header declares a huge image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min((width + 1) * height, 1_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif_with_frame_larger_than_header() -> bytes:
    content = bytearray(encode(Image.new("P", (9000, 9000)), "GIF"))
    content[6:10] = struct.pack("<HH", 10, 10)
    return bytes(content)


def animated_bomb() -> bytes:
    frames = [Image.new("P", (7000, 6000), colour) for colour in range(3)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def jpeg_with_many_scans() -> bytes:
    content = encode(Image.new("RGB", (640, 480)), progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + scan * 1000 + b"\xff\xd9"


def jpeg_with_many_segments() -> bytes:
    content = image_file()
    return content[:2] + b"\xff\xfe\x00\x02" * 1_000_000 + content[2:]


def png_with_many_chunks() -> bytes:
    content = image_file(kind="PNG")
    return content[:33] + b"\x00\x00\x00\x00tEXt\x90z\xe1\xa1" * 100_000 + content[33:]


def avif_larger_than_header() -> bytes:
    content = bytearray(encode(Image.new("RGB", (640, 480)), "AVIF", speed=10))
    at = content.index(b"ispe") + 8
    content[at : at + 8] = struct.pack(">II", 10, 10)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    (
        pytest.param(b"", UNREADABLE, id="empty"),
        pytest.param(b"\x00" * 4096, UNREADABLE, id="zeros"),
        pytest.param(HTML, UNREADABLE, id="html"),
        pytest.param(SVG, unsupported_file("SVG"), id="svg"),
        pytest.param(b'<?xml version="1.0"?>' + SVG, unsupported_file("SVG"), id="svg with xml declaration"),
        pytest.param(b"\xff\xd8\xff\xe0" + HTML, UNREADABLE, id="html with jpeg signature"),
        pytest.param(b"GIF89a" + HTML, UNREADABLE, id="html with gif signature"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + PHP, UNREADABLE, id="php with png signature"),
        pytest.param(b"%PDF-1.7\n%%EOF", unsupported_file("PDF"), id="pdf"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", UNREADABLE, id="postscript"),
        pytest.param(image_file(kind="BMP"), unsupported_file("BMP"), id="bmp"),
        pytest.param(image_file(kind="TIFF"), unsupported_file("TIFF"), id="tiff"),
        pytest.param(b"\x00\x00\x00\x18ftypheic" + bytes(100), unsupported_file("HEIC"), id="heic"),
        pytest.param(image_file(kind="ICO"), UNREADABLE, id="ico"),
        pytest.param(image_file(kind="AVIF"), unsupported_file("AVIF"), id="avif"),
        pytest.param(avif_larger_than_header, unsupported_file("AVIF"), id="avif larger than header"),
        pytest.param(jpeg_with_many_scans, TOO_COMPLEX, id="jpeg with many scans"),
        pytest.param(jpeg_with_many_segments, TOO_COMPLEX, id="jpeg with many segments"),
        pytest.param(png_with_many_chunks, TOO_COMPLEX, id="png with many chunks"),
        *(
            pytest.param(
                image_file(kind=kind)[: len(image_file(kind=kind)) * 2 // 3], INCOMPLETE, id=f"truncated {kind}"
            )
            for kind in ("JPEG", "PNG", "WEBP", "GIF")
        ),
        pytest.param(png_bomb(50_000, 50_000), TOO_MANY_PIXELS, id="png bomb"),
        pytest.param(png_bomb(5_000, 5_000), TOO_MANY_PIXELS, id="slightly too large"),
        pytest.param(png_bomb(2**31 - 1, 2**31 - 1), TOO_MANY_PIXELS, id="png bomb of maximum size"),
        pytest.param(gif_with_frame_larger_than_header, TOO_MANY_PIXELS, id="gif frame larger than header"),
        pytest.param(animated_bomb, TOO_MANY_PIXELS, id="animated bomb"),
    ),
)
def test_invalid_file_is_rejected_with_a_message(content: bytes | Callable[[], bytes], message: str) -> None:
    """Large files are created lazily, so that only the process that runs the test creates them."""
    assert error_for(content() if callable(content) else content) == message


@pytest.mark.filterwarnings("ignore")  # As in production, Pillow's warning is not an error.
def test_image_with_too_many_pixels_is_rejected_before_decoding() -> None:
    assert error_for(png_bomb(6_400, 6_400)) == TOO_MANY_PIXELS


def test_pixels_of_the_transparent_colour_are_white() -> None:
    content = encode(Image.new("RGB", (40, 40), RED), "PNG", transparency=RED)
    assert is_close(reencode_and_check(content).getpixel((20, 20)), (255, 255, 255))


def test_photo_of_40_megapixels_is_accepted() -> None:
    """JPEGs are decoded at a reduced size."""
    assert reencode_and_check(encode(Image.new("RGB", (7_300, 5_470), RED), "JPEG")).size == (1600, 1199)


def test_photo_above_40_megapixels_is_rejected() -> None:
    content = encode(Image.new("RGB", (7_400, 5_500), RED), "JPEG")
    assert error_for(content) == "This image has more than 40 million pixels. Choose a smaller image."


def test_images_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding four images at once took 1.6 GB.

    The waiting time is limited, because a waiting thread cannot handle other requests.
    """
    monkeypatch.setattr(images, "MAX_WAIT_S", 0.01)
    messages = []

    def decode_while_decoding(content: bytes, *options: object) -> Image.Image:
        messages.append(error_for(image_file()))
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(images, "_decode", decode_while_decoding)
    images.reencode(upload(image_file()), PROJECT)
    assert messages == ["Other images are being processed. Try again in a few seconds."]
    monkeypatch.undo()
    assert reencode_and_check(image_file()).size == (320, 240)


def test_file_that_is_too_large_is_rejected_without_reading_it() -> None:
    content = image_file() + bytes(images.MAX_BYTES)
    assert error_for(content).replace("\xa0", " ").startswith("This file is 8.0 MB. Choose an image of 8.0 MB or less.")


# --- Serving ---


@pytest.mark.parametrize(
    "name",
    (
        "portraits/" + "0" * 32 + ".webp",
        "portraits/evil.html",
        "portraits/" + "0" * 32 + ".svg",
        "portraits/",
        "",
        "secret.txt",
        "../manage.py",
        "..%2fmanage.py",
        "portraits/../../manage.py",
        "portraits/%2e%2e/secret.txt",
        "portraits%00/" + "0" * 32 + ".webp",
        "portraits/" + "0" * 32 + ".webp/",
        "portraits/" + "0" * 32 + ".webp%0a",
        "/etc/passwd",
    ),
)
def test_other_media_paths_return_404(client: Client, media: Path, name: str) -> None:
    for path in ("secret.txt", "portraits/evil.html"):
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        (media / path).write_text("secret")
    assert client.get(f"/media/{name}").status_code == 404


# --- Media folder checks ---


def media_check_ids() -> list[str | None]:
    messages = checks.run_checks(tags=[checks.Tags.files], include_deployment_checks=True)
    return [message.id for message in messages if message.id and message.id.startswith("profiles.")]


def test_missing_media_folder_is_reported(media: Path) -> None:
    assert media_check_ids() == ["profiles.E001"]
    media.mkdir()
    assert media_check_ids() == []


def test_unwritable_media_folder_is_reported(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media.mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root can write to any folder.
    assert media_check_ids() == ["profiles.E002"]


def test_other_storage_needs_no_folder(settings: Settings, media: Path) -> None:
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    assert media_check_ids() == []
