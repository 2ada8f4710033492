"""The picture that stands for a builder's page where its address is shared: 1200 by 630 pixels, in the product's hand."""

import hashlib
import io
import logging
from dataclasses import astuple, dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageOps

from profiles.models import BuilderProfile
from profiles.pages.text_rendering import ITALIC, SANS, SERIF, Face, letters

log = logging.getLogger(__name__)

WIDTH, HEIGHT = 1200, 630
#: The portrait takes the whole right side.
PORTRAIT, MARGIN = 480, 72
COLUMN = WIDTH - PORTRAIT - 2 * MARGIN
#: Counted up when the drawing changes, so that nobody goes on showing the old one.
VERSION = 1
#: Pictures that a process remembers; each has about 100 KB.
REMEMBERED = 32

# The light colours of tokens.css.
PAPER, INK, INK_SOFT, ACCENT, ACCENT_DEEP = "#fcfaf6", "#1d1a15", "#59554d", "#005f48", "#004332"
MONOGRAM_COLORS = {"pine": "#e0f2ea", "sand": "#f4ead8", "clay": "#f5e8e1"}
#: Opacity of the monogram lines, from 0 to 255.
LINE_OPACITY = 92
#: The monogram drawings of sprite.svg in a 200 by 200 square: circles as (x, y, radius), strokes as (x1, y1, x2, y2).
CIRCLES = {"clay": [(100, 100, 72)], "pine": [(74, 100, 52), (126, 100, 52)], "sand": [(100, 100, 40), (100, 100, 97)]}
STROKES = {
    "clay": [
        *((28, 0, 28, 200), (172, 0, 172, 200), (0, 28, 200, 28), (0, 172, 200, 172)),
        *((0, 0, 200, 200), (200, 0, 0, 200), (100, 0, 100, 200), (0, 100, 200, 100)),
    ],
    "pine": [
        *((0, 48, 200, 48), (0, 152, 200, 152), (0, 100, 200, 100)),
        *((100, 0, 100, 200), (22, 0, 22, 200), (178, 0, 178, 200)),
    ],
    "sand": [
        *((0, 60, 200, 60), (0, 140, 200, 140), (60, 0, 60, 200), (140, 0, 140, 200)),
        *((0, 200, 200, 0), (60, 60, 140, 140)),
    ],
}


@dataclass(frozen=True, slots=True)
class Card:
    """What is on the picture of one builder.

    Attributes:
        picture: the name of the uploaded portrait in the storage. One at Clerk is not fetched: initials stand for it.
    """

    name: str
    headline: str
    tier: int
    tier_label: str
    initials: str
    monogram_color: str
    picture: str

    @classmethod
    def of(cls, profile: BuilderProfile) -> "Card":
        """Return the card of a profile that everybody may see."""
        return cls(
            letters(profile.name),
            letters(profile.headline),
            int(profile.validation_tier),
            profile.tier_label,
            profile.initials,
            profile.monogram_color,
            profile.image.name or "",
        )

    @property
    def digest(self) -> str:
        """What changes when the picture does."""
        return hashlib.sha256(repr((VERSION, astuple(self))).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@lru_cache(maxsize=REMEMBERED)
def draw(card: Card) -> bytes:
    """Return the picture as PNG."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    image.paste(_portrait(card.picture) or _monogram(card), (WIDTH - PORTRAIT, 0))
    _words(ImageDraw.Draw(image), card)
    buffer = io.BytesIO()
    image.quantize(256).save(buffer, "PNG")
    return buffer.getvalue()


def _portrait(name: str) -> Image.Image | None:
    """Return the uploaded portrait, or None where there is none, or it cannot be read."""
    if not name:
        return None
    storage = BuilderProfile._meta.get_field("image").storage
    try:
        with storage.open(name) as file, Image.open(file) as picture:
            picture.draft("RGB", (PORTRAIT, HEIGHT))
            return ImageOps.fit(picture.convert("RGB"), (PORTRAIT, HEIGHT), centering=(0.5, 0.35))
    except OSError as error:
        log.warning("The portrait %s cannot be drawn: %s", name, error)
        return None


def _monogram(card: Card) -> Image.Image:
    """Return initials on a sheet of letter-drawing lines."""
    image = Image.new("RGB", (PORTRAIT, HEIGHT), MONOGRAM_COLORS[card.monogram_color])
    image.paste(ACCENT, mask=_lines(card.monogram_color))
    face = Face(SERIF, 210, 440)
    if face.can_write(card.initials):
        at = ((PORTRAIT - face.width(card.initials)) / 2, HEIGHT / 2 + 70)
        face.write(ImageDraw.Draw(image), at, card.initials, ACCENT_DEEP)
    return image


@lru_cache
def _lines(color: str) -> Image.Image:
    """Return a mask of the monogram lines. They are drawn at double size and scaled down for smooth edges."""
    scale, left = 2 * HEIGHT / 200, HEIGHT - PORTRAIT
    mask = Image.new("L", (2 * PORTRAIT, 2 * HEIGHT))
    pen = ImageDraw.Draw(mask)
    for x, y, radius in CIRCLES[color]:
        pen.circle((x * scale - left, y * scale), radius * scale, outline=LINE_OPACITY, width=3)
    for x1, y1, x2, y2 in STROKES[color]:
        pen.line((x1 * scale - left, y1 * scale, x2 * scale - left, y2 * scale), LINE_OPACITY, 3)
    return mask.resize((PORTRAIT, HEIGHT), Image.Resampling.BOX)


def _words(pen: ImageDraw.ImageDraw, card: Card) -> None:
    _wordmark(pen)
    name, headline = _name(card.name), _headline(card.headline)
    height = sum(step * len(lines) for _, lines, step in (name, headline))
    y = (HEIGHT - height) / 2 + 8
    for (face, lines, step), colour in ((name, INK), (headline, INK_SOFT)):
        for line in lines:
            y += step
            face.write(pen, (MARGIN, y - step * 0.22), line, colour)
        y += 14
    _tier(pen, card)


type Block = tuple[Face, list[str], float]


def _name(text: str) -> Block:
    sizes = ((86, 2), (74, 2), (64, 3), (54, 3), (44, 3))
    return _fitted(text, [(Face(SERIF, size, 480), most) for size, most in sizes], leading=1.06)


def _headline(text: str) -> Block:
    return _fitted(text, [(Face(ITALIC, 33), 3)], leading=1.27)


def _fitted(text: str, faces: list[tuple[Face, int]], *, leading: float) -> Block:
    """Return the text in the first face in which it takes no more lines than stand beside it.

    Cut short, if it fits into none; nothing, if it has letters that no font here has.
    """
    last, most = faces[-1]
    if not last.can_write(text):
        return last, [], 0
    # Marks above and below the letters of other scripts need more room.
    leading = leading if last.is_own(text) else max(leading, 1.3)
    for face, allowed in faces:
        if lines := face.lines(text, COLUMN, allowed):
            return face, lines, face.size * leading
    for end in range(len(text), 0, -6):
        if lines := last.lines(f"{text[:end].rstrip(' ,.;')}…", COLUMN, most):
            return last, lines, last.size * leading
    return last, [], 0


def _wordmark(pen: ImageDraw.ImageDraw) -> None:
    roman, italic = Face(SERIF, 36, 480), Face(ITALIC, 36)
    roman.write(pen, (MARGIN, 92), "Buildapps", INK)
    italic.write(pen, (MARGIN + roman.width("Buildapps"), 92), "with", ACCENT)


def _tier(pen: ImageDraw.ImageDraw, card: Card) -> None:
    """Draw the steps of the tier, and its name."""
    base = HEIGHT - MARGIN
    for step, (inset, width) in enumerate(((0, 36), (5, 26), (10, 16)), 1):
        top = base - step * 12
        box = (MARGIN + inset, top, MARGIN + inset + width, top + 8)
        pen.rounded_rectangle(box, 2, ACCENT if card.tier >= step else "#bcd3ca")
    face = Face(SANS, 28, 500)
    if face.can_write(card.tier_label):
        face.write(pen, (MARGIN + 52, base - 8), card.tier_label, INK)
