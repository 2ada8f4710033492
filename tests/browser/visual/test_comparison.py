"""The comparison of screenshots, which needs no browser."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.browser.visual import comparison
from tests.browser.visual.comparison import BLOCK, OTHER_BROWSER, SAME_BROWSER, compare, save_pictures, save_reference
from tests.helpers.images import encode

PAPER, INK = (250, 248, 244), (20, 18, 16)


def screenshot(text_x: int = 40, height: int = 240, ink: tuple[int, int, int] = INK) -> bytes:
    """Return a page with a paragraph of ten lines."""
    image = Image.new("RGB", (320, height), PAPER)
    draw = ImageDraw.Draw(image)
    for line in range(10):
        draw.rectangle((text_x, 20 + 20 * line, text_x + 200, 28 + 20 * line), fill=ink)
    return encode(image, "PNG")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(comparison, "REFERENCES", tmp_path / "references")
    monkeypatch.setattr(comparison, "DIFFERENCES", tmp_path / "differences")
    save_reference("page", screenshot())
    return tmp_path


class TestSameBrowser:
    def test_equal_screenshot_is_accepted(self) -> None:
        assert compare("page", screenshot(), SAME_BROWSER) == ""

    def test_shift_by_one_pixel_is_reported(self) -> None:
        assert compare("page", screenshot(text_x=41), SAME_BROWSER).endswith(" of 1200 blocks differ")

    def test_other_height_is_reported(self) -> None:
        assert compare("page", screenshot(height=240 + BLOCK), SAME_BROWSER).endswith(
            "height 248 instead of 240 pixels"
        )

    def test_missing_reference_is_reported(self) -> None:
        assert compare("other", screenshot(), SAME_BROWSER) == "other has no reference"


class TestOtherBrowser:
    def test_slightly_different_text_is_accepted(self) -> None:
        darker = screenshot(ink=(0, 0, 0))
        assert compare("page", darker, SAME_BROWSER)
        assert compare("page", darker, OTHER_BROWSER) == ""

    def test_shift_by_four_pixels_is_reported(self) -> None:
        assert compare("page", screenshot(text_x=44), OTHER_BROWSER)


def test_pictures_of_a_difference_are_saved(folder: Path) -> None:
    save_pictures("page", screenshot(text_x=44), SAME_BROWSER)
    names = {path.name for path in (folder / "differences").iterdir()}
    assert names == {"page-actual.png", "page-expected.png", "page-difference.png"}
    marked = Image.open(folder / "differences" / "page-difference.png").convert("RGB")
    assert marked.getpixel((44, 24)) != marked.getpixel((120, 24)) == INK
