"""Draw text in images with the brand fonts, or with system fonts for other scripts.

Text that no font supports is omitted, because missing-glyph boxes would look worse.
"""

import unicodedata
from functools import cache, lru_cache
from itertools import groupby

from django.contrib.staticfiles import finders
from PIL import ImageDraw, ImageFont, features
from PIL.ImageFont import FreeTypeFont

#: Font files by family, split into subsets as in tokens.css. Pillow can read WOFF2.
SERIF, ITALIC, SANS = "newsreader", "newsreader-italic", "instrument-sans"
PARTS = ("latin", "latin-ext", "vietnamese")
#: System fonts in order of preference. Pillow searches the system's font folders.
SYSTEM_FONTS = (
    "NotoSerif-Regular.ttf",
    "DejaVuSerif.ttf",
    "NotoNaskhArabic-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSerifHebrew-Regular.ttf",
    "NotoSerifDevanagari-Regular.ttf",
    "NotoSerifBengali-Regular.ttf",
    "NotoSerifTamil-Regular.ttf",
    "NotoSerifThai-Regular.ttf",
    "NotoSerifCJK-Regular.ttc",
    "NotoSansCJK-Regular.ttc",
)
#: Unicode categories to remove: other symbols, modifier symbols, surrogates, private use and unassigned.
SYMBOLS = ("So", "Sk", "Cs", "Co", "Cn")
#: A character that no font contains, so fonts draw the missing-glyph box for it.
MISSING_CHARACTER = "\uffff"
type Run = tuple[FreeTypeFont, str]


class Face:
    """A font family at one size.

    Args:
        family: SERIF, ITALIC or SANS.
        size: in pixels.
        weight: for variable fonts.
    """

    def __init__(self, family: str, size: int, weight: int | None = None) -> None:
        self.size = size
        files = [finders.find(f"fonts/{family}-{part}.woff2") for part in PARTS]
        self._brand_fonts = [_font(str(file), size, weight) for file in files if file]

    def can_write(self, text: str) -> bool:
        return self._runs(text) is not None

    def uses_brand_fonts(self, text: str) -> bool:
        return all(any(has_glyph(font, letter) for font in self._brand_fonts) for letter in text)

    def width(self, text: str) -> float:
        return sum(font.getlength(part) for font, part in self._runs(text) or [])

    def write(self, draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: str) -> None:
        """Draw one line. `at` is the left end of the baseline."""
        x, y = at
        for font, part in self._runs(text) or []:
            draw.text((x, y), part, fill, font, anchor="ls")
            x += font.getlength(part)

    def lines(self, text: str, width: float, max_lines: int) -> list[str] | None:
        """Wrap `text` to `width` pixels, or return None if it needs more than `max_lines` lines."""
        lines = [""]
        # Text without spaces can be wrapped after any letter.
        for word in text.split() if " " in text else text:
            joined = f"{lines[-1]} {word}".strip() if " " in text else lines[-1] + word
            if lines[-1] and self.width(joined) > width:
                lines.append(word)
            else:
                lines[-1] = joined
        too_wide = any(self.width(line) > width for line in lines)
        return None if too_wide or len(lines) > max_lines else lines

    def _runs(self, text: str) -> list[Run] | None:
        """Split `text` into runs of one font each, or return None if a letter has no font."""
        fonts = [next((font for font in self._brand_fonts if has_glyph(font, letter)), None) for letter in text]
        if None not in fonts:
            pairs = groupby(zip(fonts, text, strict=True), key=lambda pair: pair[0])
            return [(font, "".join(letter for _, letter in group)) for font, group in pairs if font]
        # Letters in other scripts may join or change direction, so one font must draw the whole text.
        font = next((font for font in self._system_fonts() if all(has_glyph(font, letter) for letter in text)), None)
        return [(font, text)] if font and (_can_shape() or not _needs_shaping(text)) else None

    def _system_fonts(self) -> list[FreeTypeFont]:
        return [font for name in SYSTEM_FONTS if (font := _system_font(name, self.size))]


def drawable_text(text: str) -> str:
    """Remove emoji and other symbols that the fonts do not contain."""
    words = "".join(letter for letter in text if unicodedata.category(letter) not in SYMBOLS).split()
    return " ".join(word for word in words if any(unicodedata.category(letter) != "Cf" for letter in word))


def has_glyph(font: FreeTypeFont, letter: str) -> bool:
    if letter.isspace() or unicodedata.category(letter) == "Cf":
        return True
    return _glyph_bitmap(font, letter) != _glyph_bitmap(font, MISSING_CHARACTER)


@lru_cache(maxsize=4096)
def _glyph_bitmap(font: FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@cache
def _font(path: str, size: int, weight: int | None) -> FreeTypeFont:
    font = ImageFont.truetype(path, size)
    if weight:
        font.set_variation_by_axes([weight])
    return font


@cache
def _system_font(name: str, size: int) -> FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@cache
def _can_shape() -> bool:
    return bool(features.check("raqm"))


def _needs_shaping(text: str) -> bool:
    return any(unicodedata.bidirectional(letter) in ("R", "AL") or unicodedata.combining(letter) for letter in text)
