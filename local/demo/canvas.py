"""What drawn pictures share: colours, and shapes with smooth edges."""

import io
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFilter

#: Those of the pages in the light, and what goes with them.
PAPER, INK, LINE, SAND, CLAY = "#fbf9f4", "#2b2721", "#ddd8cc", "#f1e4cb", "#efddd2"
PINE, OCHRE, BRICK, SLATE, PLUM, SAGE = "#1f5c4a", "#c98f45", "#b0573f", "#4a627c", "#6f4c66", "#90a68d"
STRONG = (PINE, OCHRE, BRICK, SLATE, PLUM)
PALE = (SAND, CLAY, "#dfe7dc", "#dde4ea", "#e9dfe6")

type Box = tuple[float, float, float, float]
#: Everything is drawn so much larger, and made smaller in the end, which makes edges smooth.
SCALE = 2


class Canvas:
    """A picture that is being drawn, in units of its final size.

    Args:
        seed: what makes it this picture and no other; the same seed draws the same.
    """

    def __init__(self, width: int, height: int, background: str, seed: str) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), background)
        self.draw = ImageDraw.Draw(self.image)
        self.random = random.Random(seed)  # noqa: S311  # no secret is made of it

    def round(self, box: Box, fill: str, radius: float = 12) -> None:
        """Draw a rectangle with round corners: left, top, right, bottom."""
        self.draw.rounded_rectangle(_scaled(box), radius * SCALE, fill)

    def oval(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Draw an ellipse around a point; width and height from there."""
        self.draw.ellipse(_scaled((x - width, y - height, x + width, y + height)), fill)

    def shape(self, points: Sequence[tuple[float, float]], fill: str) -> None:
        """Draw a polygon."""
        self.draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill)

    def line(self, points: Sequence[tuple[float, float]], fill: str, width: float = 4) -> None:
        """Draw a line with round joints."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, fill, int(width * SCALE), joint="curve")

    def shadow(self, box: Box, radius: float) -> None:
        """Lay a soft shadow below a rectangle that is drawn next."""
        left, top, right, bottom = box
        mask = Image.new("L", (self.size[0] // 4, self.size[1] // 4), 0)
        ImageDraw.Draw(mask).rounded_rectangle((left / 4, top / 4 + 6, right / 4, bottom / 4 + 8), radius / 4, 90)
        mask = mask.filter(ImageFilter.GaussianBlur(8)).resize(self.image.size)
        self.image.paste(Image.new("RGB", self.image.size, INK), mask=mask)

    def words(self, x: float, y: float, width: float, fill: str = LINE, height: float = 14) -> None:
        """Draw what stands for a line of text."""
        self.round((x, y, x + width, y + height), fill, height / 2)

    def jpeg(self) -> bytes:
        """Return the finished picture."""
        file = io.BytesIO()
        self.image.resize(self.size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
        return file.getvalue()


def _scaled(box: Box) -> Box:
    left, top, right, bottom = box
    return left * SCALE, top * SCALE, right * SCALE, bottom * SCALE
