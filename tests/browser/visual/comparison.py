"""Compares a screenshot with its stored reference.

A reference has one pixel for each block of the screenshot. The average colour of a block hides small differences between font
renderers, and makes the references small.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops

FOLDER = Path(__file__).parent
REFERENCES, DIFFERENCES = FOLDER / "references", FOLDER / "differences"
BROWSER_VERSION = REFERENCES / "chromium.txt"
#: Edge length of a block in pixels.
BLOCK = 8


@dataclass(frozen=True)
class Tolerance:
    """The permitted differences.

    Attributes:
        channel: the difference of a colour channel, out of 255, up to which two blocks are equal.
        blocks: the number of different blocks in a screenshot.
        rows: the difference in height, in rows of blocks.
    """

    channel: int
    blocks: int
    rows: int


SAME_BROWSER = Tolerance(channel=6, blocks=0, rows=0)
OTHER_BROWSER = Tolerance(channel=32, blocks=20, rows=1)


def save_reference(name: str, png: bytes) -> None:
    REFERENCES.mkdir(exist_ok=True)
    reduce(png).save(path_of(name), lossless=True, method=6)


def compare(name: str, png: bytes, tolerance: Tolerance) -> str:
    """Compare a screenshot with its reference, and return a description of the difference."""
    if not path_of(name).exists():
        return f"{name} has no reference"
    actual, expected = reduce(png), open_reference(name)
    count = different_blocks(actual, expected, tolerance.channel).histogram()[255]
    is_same_size = actual.width == expected.width and abs(actual.height - expected.height) <= tolerance.rows
    if is_same_size and count <= tolerance.blocks:
        return ""
    heights = "" if is_same_size else f", height {actual.height * BLOCK} instead of {expected.height * BLOCK} pixels"
    return f"{name}: {count} of {actual.width * actual.height} blocks differ{heights}"


def open_reference(name: str) -> Image.Image:
    return Image.open(path_of(name)).convert("RGB")


def path_of(name: str) -> Path:
    return REFERENCES / f"{name}.webp"


def reduce(png: bytes) -> Image.Image:
    """Return an image with one pixel for each block."""
    return Image.open(BytesIO(png)).convert("RGB").reduce(BLOCK)


def different_blocks(actual: Image.Image, expected: Image.Image, tolerance: int) -> Image.Image:
    """Return a mask of the blocks that differ, in the part that both images have."""
    part = (0, 0, min(actual.width, expected.width), min(actual.height, expected.height))
    red, green, blue = ImageChops.difference(actual.crop(part), expected.crop(part)).split()
    highest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return highest.point([255 if value > tolerance else 0 for value in range(256)])


def save_pictures(name: str, png: bytes, tolerance: Tolerance) -> None:
    """Save the screenshot, the enlarged reference, and the screenshot with the different blocks in red."""
    DIFFERENCES.mkdir(exist_ok=True)
    actual = Image.open(BytesIO(png)).convert("RGB")
    actual.save(DIFFERENCES / f"{name}-actual.png")
    if not path_of(name).exists():
        return
    expected = open_reference(name)
    enlarge(expected).save(DIFFERENCES / f"{name}-expected.png")
    marks = enlarge(different_blocks(reduce(png), expected, tolerance.channel))
    actual.paste((255, 0, 80), (0, 0), marks.point([value * 2 // 3 for value in range(256)]))
    actual.save(DIFFERENCES / f"{name}-difference.png")


def enlarge(image: Image.Image) -> Image.Image:
    return image.resize((image.width * BLOCK, image.height * BLOCK), Image.Resampling.NEAREST)
