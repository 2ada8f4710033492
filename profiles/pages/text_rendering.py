"""Text in pictures, in the product's fonts; in others of the system for names in other scripts; else not at all.

A picture with empty boxes in the place of a name is worse than one without the name.
"""

import unicodedata
from functools import cache, lru_cache
from itertools import groupby

from django.contrib.staticfiles import finders
from PIL import ImageDraw, ImageFont, features
from PIL.ImageFont import FreeTypeFont

#: Each family is several files, for what Latin has besides and for Vietnamese, as in tokens.css. Pillow reads WOFF2.
SERIF, ITALIC, SANS = "newsreader", "newsreader-italic", "instrument-sans"
PARTS = ("latin", "latin-ext", "vietnamese")
#: Looked for by name in the folders of the system, in this order.
OF_SYSTEM = (
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
#: Unicode's categories of what is neither letter nor mark: other symbols, surrogates, private and unassigned.
SYMBOLS = ("So", "Sk", "Cs", "Co", "Cn")
#: In no font, so that it shows what a font draws for letters that it lacks.
NO_CHARACTER = "\uffff"
type Run = tuple[FreeTypeFont, str]


class Face:
    """A family in one size.

    Args:
        family: one of the families above.
        size: in pixels.
        weight: for families that have several.
    """

    def __init__(self, family: str, size: int, weight: int | None = None) -> None:
        self.size = size
        files = [finders.find(f"fonts/{family}-{part}.woff2") for part in PARTS]
        self._own = [_font(str(file), size, weight) for file in files if file]

    def can_write(self, text: str) -> bool:
        """Return whether every letter of `text` can be drawn."""
        return self._runs(text) is not None

    def is_own(self, text: str) -> bool:
        """Return whether `text` is drawn in the product's own fonts."""
        return all(any(has(font, letter) for font in self._own) for letter in text)

    def width(self, text: str) -> float:
        """Return the width of a line in pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text) or [])

    def write(self, draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: str) -> None:
        """Draw a line that begins at a point of its baseline."""
        x, y = at
        for font, part in self._runs(text) or []:
            draw.text((x, y), part, fill, font, anchor="ls")
            x += font.getlength(part)

    def lines(self, text: str, width: float, most: int) -> list[str] | None:
        """Return `text` in lines of at most `width`, or None if it needs more than `most` of them."""
        lines = [""]
        # Scripts without spaces may be broken anywhere.
        for word in text.split() if " " in text else text:
            joined = f"{lines[-1]} {word}".strip() if " " in text else lines[-1] + word
            if lines[-1] and self.width(joined) > width:
                lines.append(word)
            else:
                lines[-1] = joined
        too_wide = any(self.width(line) > width for line in lines)
        return None if too_wide or len(lines) > most else lines

    def _runs(self, text: str) -> list[Run] | None:
        """Return the parts of `text` with the font of each, or None if there is none for a letter."""
        fonts = [next((font for font in self._own if has(font, letter)), None) for letter in text]
        if None not in fonts:
            pairs = groupby(zip(fonts, text, strict=True), key=lambda pair: pair[0])
            return [(font, "".join(letter for _, letter in group)) for font, group in pairs if font]
        # Letters of other scripts join and turn around, so one font has to draw all of them.
        other = next((font for font in self._others() if all(has(font, letter) for letter in text)), None)
        return [(other, text)] if other and (_can_shape() or not _needs_shaping(text)) else None

    def _others(self) -> list[FreeTypeFont]:
        return [font for name in OF_SYSTEM if (font := _system_font(name, self.size))]


def letters(text: str) -> str:
    """Return `text` without emoji and the like, which no font here has, and words that have nothing else."""
    words = "".join(letter for letter in text if unicodedata.category(letter) not in SYMBOLS).split()
    return " ".join(word for word in words if any(unicodedata.category(letter) != "Cf" for letter in word))


def has(font: FreeTypeFont, letter: str) -> bool:
    """Return whether a font draws something of its own for `letter`."""
    if letter.isspace() or unicodedata.category(letter) == "Cf":
        return True
    return _drawn(font, letter) != _drawn(font, NO_CHARACTER)


@lru_cache(maxsize=4096)
def _drawn(font: FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
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
