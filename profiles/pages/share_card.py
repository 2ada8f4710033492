"""Draw the share image of a builder's or project's page for link previews (1200 by 630 pixels)."""

import hashlib
import io
import logging
from dataclasses import astuple, dataclass, replace
from functools import lru_cache

from PIL import Image, ImageDraw, ImageOps

from profiles.models import BuilderProfile, Project
from profiles.pages.text_rendering import ITALIC, SANS, SERIF, Face, drawable_text

log = logging.getLogger(__name__)

WIDTH, HEIGHT = 1200, 630
#: Left edge of the portrait, which fills the right side.
PORTRAIT_WIDTH, MARGIN = 480, 72
TEXT_WIDTH = WIDTH - PORTRAIT_WIDTH - 2 * MARGIN
#: Increase this when the drawing changes, so that caches do not serve the old image.
VERSION = 1
#: Number of images cached per process, about 100 KB each.
CACHE_SIZE = 32

# Light theme colours from tokens.css.
PAPER, INK, INK_SOFT, ACCENT, ACCENT_DEEP = "#fcfaf6", "#1d1a15", "#59554d", "#005f48", "#004332"
MONOGRAM_COLORS = {"pine": "#e0f2ea", "sand": "#f4ead8", "clay": "#f5e8e1"}
#: Opacity of the monogram's lines, from 0 to 255.
LINE_OPACITY = 92
#: Monograms from sprite.svg in a 200 by 200 square: circles as (x, y, radius), strokes as (x1, y1, x2, y2).
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
    """A share image's content.

    Attributes:
        name: the builder's name, or a project's title.
        portrait: the storage name of the uploaded portrait or project image. Images hosted by Clerk are not fetched.
            The initials are drawn instead.
    """

    name: str
    headline: str
    tier: int
    tier_label: str
    initials: str
    monogram_color: str
    portrait: str

    @classmethod
    def from_profile(cls, profile: BuilderProfile) -> "Card":
        return cls(
            drawable_text(profile.name),
            drawable_text(profile.headline),
            int(profile.validation_tier),
            profile.tier_label,
            profile.initials,
            profile.monogram_color,
            profile.image.name or "",
        )

    @classmethod
    def from_project(cls, project: Project) -> "Card":
        """Return a card with the project's title and first image, and the builder's name."""
        card, cover = cls.from_profile(project.builder), project.cover
        portrait = cover.image.name or "" if cover else card.portrait
        return replace(card, name=drawable_text(project.title), headline=card.name, portrait=portrait)

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((VERSION, astuple(self))).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@lru_cache(maxsize=CACHE_SIZE)
def draw(card: Card) -> bytes:
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    image.paste(_portrait(card.portrait) or _monogram(card), (WIDTH - PORTRAIT_WIDTH, 0))
    _draw_text(ImageDraw.Draw(image), card)
    buffer = io.BytesIO()
    image.quantize(256).save(buffer, "PNG")
    return buffer.getvalue()


def _portrait(name: str) -> Image.Image | None:
    if not name:
        return None
    storage = BuilderProfile._meta.get_field("image").storage
    try:
        with storage.open(name) as file, Image.open(file) as image:
            image.draft("RGB", (PORTRAIT_WIDTH, HEIGHT))
            return ImageOps.fit(image.convert("RGB"), (PORTRAIT_WIDTH, HEIGHT), centering=(0.5, 0.35))
    except OSError as error:
        log.warning("Cannot read portrait %s, using initials instead: %s", name, error, extra={"cause": "share card"})
        return None


def _monogram(card: Card) -> Image.Image:
    image = Image.new("RGB", (PORTRAIT_WIDTH, HEIGHT), MONOGRAM_COLORS[card.monogram_color])
    image.paste(ACCENT, mask=_lines(card.monogram_color))
    face = Face(SERIF, 210, 440)
    if face.can_write(card.initials):
        at = ((PORTRAIT_WIDTH - face.width(card.initials)) / 2, HEIGHT / 2 + 70)
        face.write(ImageDraw.Draw(image), at, card.initials, ACCENT_DEEP)
    return image


@lru_cache
def _lines(color: str) -> Image.Image:
    """Return a mask of the monogram's lines, drawn at double size and scaled down for smooth edges."""
    scale, left = 2 * HEIGHT / 200, HEIGHT - PORTRAIT_WIDTH
    mask = Image.new("L", (2 * PORTRAIT_WIDTH, 2 * HEIGHT))
    pen = ImageDraw.Draw(mask)
    for x, y, radius in CIRCLES[color]:
        pen.circle((x * scale - left, y * scale), radius * scale, outline=LINE_OPACITY, width=3)
    for x1, y1, x2, y2 in STROKES[color]:
        pen.line((x1 * scale - left, y1 * scale, x2 * scale - left, y2 * scale), LINE_OPACITY, 3)
    return mask.resize((PORTRAIT_WIDTH, HEIGHT), Image.Resampling.BOX)


def _draw_text(pen: ImageDraw.ImageDraw, card: Card) -> None:
    _draw_wordmark(pen)
    name, headline = _name_block(card.name), _headline_block(card.headline)
    height = sum(step * len(lines) for _, lines, step in (name, headline))
    y = (HEIGHT - height) / 2 + 8
    for (face, lines, step), colour in ((name, INK), (headline, INK_SOFT)):
        for line in lines:
            y += step
            face.write(pen, (MARGIN, y - step * 0.22), line, colour)
        y += 14
    _draw_tier(pen, card)


type Block = tuple[Face, list[str], float]


def _name_block(text: str) -> Block:
    sizes = ((86, 2), (74, 2), (64, 3), (54, 3), (44, 3))
    return _fit_text(text, [(Face(SERIF, size, 480), max_lines) for size, max_lines in sizes], leading=1.06)


def _headline_block(text: str) -> Block:
    return _fit_text(text, [(Face(ITALIC, 33), 3)], leading=1.27)


def _fit_text(text: str, faces: list[tuple[Face, int]], *, leading: float) -> Block:
    """Lay out the text in the first typeface in which it fits into the given number of lines.

    Text that does not fit in any typeface is truncated. Text with letters that no font supports is omitted.
    """
    last, max_lines = faces[-1]
    if not last.can_write(text):
        return last, [], 0
    # Other scripts need more space for marks above and below letters.
    leading = leading if last.uses_brand_fonts(text) else max(leading, 1.3)
    for face, face_max_lines in faces:
        if lines := face.lines(text, TEXT_WIDTH, face_max_lines):
            return face, lines, face.size * leading
    for end in range(len(text), 0, -6):
        if lines := last.lines(f"{text[:end].rstrip(' ,.;')}…", TEXT_WIDTH, max_lines):
            return last, lines, last.size * leading
    return last, [], 0


def _draw_wordmark(pen: ImageDraw.ImageDraw) -> None:
    roman, italic = Face(SERIF, 36, 480), Face(ITALIC, 36)
    roman.write(pen, (MARGIN, 92), "Buildapps", INK)
    italic.write(pen, (MARGIN + roman.width("Buildapps"), 92), "with", ACCENT)


def _draw_tier(pen: ImageDraw.ImageDraw, card: Card) -> None:
    base = HEIGHT - MARGIN
    for step, (inset, width) in enumerate(((0, 36), (5, 26), (10, 16)), 1):
        top = base - step * 12
        box = (MARGIN + inset, top, MARGIN + inset + width, top + 8)
        pen.rounded_rectangle(box, 2, ACCENT if card.tier >= step else "#bcd3ca")
    face = Face(SANS, 28, 500)
    if face.can_write(card.tier_label):
        face.write(pen, (MARGIN + 52, base - 8), card.tier_label, INK)
