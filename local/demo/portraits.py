"""Portraits of people who do not exist: cut from paper, and faceless, so that they resemble nobody."""

from local.demo.canvas import BRICK, INK, PALE, PINE, PLUM, SAGE, SLATE, STRONG, Canvas

SIDE = 720
#: Light side and shadow side, from one sheet each.
SKIN = (("#e7bd9b", "#d5a27c"), ("#c98e63", "#b3784f"), ("#9a6443", "#824f33"), ("#6d432c", "#573322"))
HAIR = (INK, "#4a3424", "#6b3f2a", "#3a2b3d")
#: The middle of the head.
X, Y = 360, 300
STYLES = ("bob", "fringe", "long", "bun", "braid", "curls", "crown", "crop", "short", "beard", "hat", "scarf")


def portrait(username: str, style: str, skin: int, hair: int) -> bytes:
    """Return a portrait as JPEG.

    Args:
        username: makes the colours around this person's own.
        style: one of STYLES, how the hair is worn.
        skin, hair: places in SKIN and HAIR.
    """
    canvas = Canvas(SIDE, SIDE, _pick(username, PALE, 0), username)
    canvas.oval(X + 150, 210, 250, 250, _pick(username, PALE, 1))
    cloth = _pick(username, STRONG, 4)
    _behind(canvas, style, HAIR[hair])
    _body(canvas, cloth, SKIN[skin])
    _head(canvas, SKIN[skin])
    _before(canvas, style, HAIR[hair], cloth, skin)
    return canvas.jpeg()


def _pick[T](username: str, choices: tuple[T, ...], salt: int) -> T:
    return choices[(sum(map(ord, username)) * (salt + 3) + salt) % len(choices)]


def _body(canvas: Canvas, cloth: str, skin: tuple[str, str]) -> None:
    canvas.round((96, 560, 624, 1000), cloth, 190)
    canvas.round((298, 400, 422, 640), skin[1], 62)
    canvas.shape([(284, 588), (436, 588), (360, 690)], skin[1])


def _head(canvas: Canvas, skin: tuple[str, str]) -> None:
    light, shade = skin
    for side in (-1, 1):
        canvas.oval(X + side * 122, Y + 22, 24, 36, shade if side > 0 else light)
    canvas.oval(X, Y, 124, 158, light)
    # The light comes from the left.
    box = [2 * value for value in (X - 124, Y - 158, X + 124, Y + 158)]
    canvas.draw.chord(box, -78, 78, shade)


def _behind(canvas: Canvas, style: str, hair: str) -> None:
    if style in ("bob", "fringe"):
        canvas.round((X - 168, Y - 190, X + 168, Y + 190), hair, 150)
    elif style == "long":
        canvas.round((X - 172, Y - 196, X + 172, Y + 330), hair, 160)
    elif style == "curls":
        for number in range(13):
            angle = number / 12
            canvas.oval(X - 168 + 336 * angle, Y - 40 - 130 * (1 - (2 * angle - 1) ** 2), 78, 78, hair)
    elif style == "crown":
        canvas.oval(X, Y - 96, 208, 176, hair)
    elif style == "bun":
        canvas.oval(X, Y - 206, 78, 72, hair)
    elif style == "braid":
        for number in range(5):
            canvas.oval(X + 150 + 6 * number, Y + 60 + 62 * number, 44 - 3 * number, 46, hair)


def _before(canvas: Canvas, style: str, hair: str, cloth: str, skin: int) -> None:
    top = [2 * value for value in (X - 134, Y - 176, X + 134, Y + 92)]
    if style == "scarf":
        _scarf(canvas, SAGE, skin)
        return
    canvas.draw.chord(top, 198 if style in ("crop", "short") else 186, 342 if style in ("crop", "short") else 354, hair)
    if style == "fringe":
        canvas.round((X - 122, Y - 130, X + 122, Y - 44), hair, 34)
    elif style in ("bob", "long"):
        canvas.shape(
            [(X - 126, Y - 44), (X - 40, Y - 150), (X + 126, Y - 60), (X + 60, Y - 176), (X - 90, Y - 168)], hair
        )
    elif style == "beard":
        canvas.draw.chord([2 * value for value in (X - 126, Y - 120, X + 126, Y + 172)], 24, 156, hair)
    elif style == "hat":
        colour = BRICK if cloth != BRICK else PINE
        canvas.round((X - 210, Y - 120, X + 210, Y - 84), colour, 18)
        canvas.round((X - 120, Y - 230, X + 120, Y - 96), colour, 70)
        canvas.round((X - 120, Y - 140, X + 120, Y - 112), PLUM if cloth != PLUM else SLATE, 4)


def _scarf(canvas: Canvas, colour: str, skin: int) -> None:
    """Lay cloth around the face and over the shoulders."""
    ring = [2 * value for value in (X - 158, Y - 192, X + 158, Y + 200)]
    canvas.round((X - 158, Y + 20, X + 158, Y + 400), colour, 156)
    box = [2 * value for value in (X - 112, Y - 148, X + 112, Y + 156)]
    canvas.draw.ellipse(box, SKIN[skin][0])
    canvas.draw.chord(box, -78, 78, SKIN[skin][1])
    canvas.draw.ellipse(ring, outline=colour, width=2 * 48)
