"""Pictures of apps that do not exist: a window or a phone with what such an app might show, and no words to read."""

from collections.abc import Callable

from local.demo.canvas import CLAY, INK, LINE, PALE, PAPER, SAGE, SAND, STRONG, Canvas

WIDTH, HEIGHT = 1280, 800
#: Inside of the window, which has no lower end.
LEFT, TOP, RIGHT = 150.0, 150.0, 1130.0


def screen(kind: str, seed: str) -> bytes:
    """Return a picture as JPEG.

    Args:
        kind: one of KINDS, what the app is about.
        seed: makes it this app's own.
    """
    number = sum(map(ord, seed))
    canvas = Canvas(WIDTH, HEIGHT, PALE[number % len(PALE)], seed)
    accent = STRONG[number // 7 % len(STRONG)]
    if kind == "phone":
        _phone(canvas, accent)
    else:
        _window(canvas)
        KINDS[kind](canvas, accent)
    return canvas.jpeg()


def _window(canvas: Canvas) -> None:
    box = (110, 80, 1170, 880)
    canvas.shadow(box, 20)
    canvas.round(box, PAPER, 20)
    for number, colour in enumerate(("#d9877a", "#e0bd77", SAGE)):
        canvas.oval(146 + 26 * number, 112, 8, 8, colour)
    canvas.round((300, 100, 980, 124), SAND, 12)


def _phone(canvas: Canvas, accent: str) -> None:
    for offset, height in ((-190, 120), (190, 70)):
        left, top = WIDTH / 2 + offset - 165, height
        box = (left, top, left + 330, top + 760)
        canvas.shadow(box, 46)
        canvas.round(box, INK, 46)
        canvas.round((left + 12, top + 12, left + 318, top + 748), PAPER, 36)
        canvas.round((left + 120, top + 26, left + 210, top + 46), INK, 10)
        canvas.words(left + 36, top + 84, 150, INK, 20)
        if offset < 0:
            _list(canvas, left + 36, top + 130, accent)
        else:
            _card(canvas, left + 36, top + 130, accent)


def _list(canvas: Canvas, left: float, top: float, accent: str) -> None:
    for number in range(6):
        y = top + 92 * number
        canvas.round((left, y, left + 258, y + 76), accent if number == 1 else SAND, 16)
        canvas.oval(left + 38, y + 38, 20, 20, PAPER)
        canvas.words(left + 76, y + 22, canvas.random.randint(80, 150), PAPER if number == 1 else INK)
        canvas.words(left + 76, y + 46, canvas.random.randint(60, 120), CLAY if number == 1 else LINE, 10)


def _card(canvas: Canvas, left: float, top: float, accent: str) -> None:
    canvas.round((left, top, left + 258, top + 210), accent, 24)
    canvas.oval(left + 129, top + 105, 62, 62, PAPER)
    canvas.oval(left + 129, top + 105, 26, 26, accent)
    for number in range(4):
        canvas.words(left, top + 246 + 36 * number, canvas.random.randint(150, 258), INK if not number else LINE)
    canvas.round((left, top + 420, left + 258, top + 476), INK, 28)
    canvas.words(left + 84, top + 441, 90, PAPER)


def _map(canvas: Canvas, accent: str) -> None:
    canvas.round((LEFT, TOP, 800, 900), "#dfe7dc", 16)
    for _ in range(9):
        across, down = canvas.random.randint(270, 680), canvas.random.randint(240, 760)
        canvas.oval(across, down, canvas.random.randint(40, 110), canvas.random.randint(30, 80), "#cbd8c6")
    points = [(LEFT + 650 * step / 6, canvas.random.randint(260, 700)) for step in range(7)]
    canvas.line(points, PAPER, 22)
    canvas.line(points, accent, 7)
    for x, y in points[1:-1]:
        canvas.oval(x, y, 20, 20, accent)
        canvas.oval(x, y, 9, 9, PAPER)
    _side(canvas, accent)


def _side(canvas: Canvas, accent: str) -> None:
    canvas.words(840, TOP + 10, 200, INK, 22)
    for number in range(5):
        y = TOP + 64 + 104 * number
        canvas.round((840, y, RIGHT, y + 86), SAND if number else accent, 14)
        canvas.words(864, y + 24, canvas.random.randint(110, 200), INK if number else PAPER)
        canvas.words(864, y + 50, canvas.random.randint(80, 160), LINE if number else CLAY, 10)


def _dashboard(canvas: Canvas, accent: str) -> None:
    for number in range(4):
        x = LEFT + 250 * number
        canvas.round((x, TOP, x + 230, TOP + 120), accent if not number else SAND, 16)
        canvas.words(x + 24, TOP + 28, 90, CLAY if not number else LINE, 10)
        canvas.words(x + 24, TOP + 58, 120, PAPER if not number else INK, 32)
    heights = [canvas.random.randint(60, 300) for _ in range(14)]
    for number, height in enumerate(heights):
        x = LEFT + 46 * number
        canvas.round((x, 700 - height, x + 30, 900), accent if height == max(heights) else SAND, 8)
    curve = [(830 + 24 * step, canvas.random.randint(360, 620)) for step in range(13)]
    canvas.line(curve, accent, 6)
    canvas.oval(*curve[-1], 11, 11, accent)


def _table(canvas: Canvas, accent: str) -> None:
    canvas.words(LEFT, TOP, 240, INK, 24)
    for row in range(9):
        y = TOP + 64 + 66 * row
        canvas.round((LEFT, y, RIGHT, y + 52), SAND if row % 2 else PAPER, 10)
        for column in range(5):
            colour = INK if not column else LINE
            canvas.words(LEFT + 24 + 196 * column, y + 19, canvas.random.randint(60, 140), colour)
    for row in canvas.random.sample(range(8), 3):
        x, y = LEFT + 196 * canvas.random.randint(1, 4), TOP + 64 + 66 * row
        canvas.round((x + 8, y + 5, x + 182, y + 47), accent, 10)
        canvas.words(x + 28, y + 19, 90, PAPER)


def _calendar(canvas: Canvas, accent: str) -> None:
    canvas.words(LEFT, TOP, 220, INK, 24)
    for day in range(35):
        x, y = LEFT + 140 * (day % 7), TOP + 60 + 132 * (day // 7)
        canvas.round((x, y, x + 126, y + 118), SAND, 12)
        canvas.words(x + 14, y + 16, 22, LINE, 12)
        if canvas.random.random() < 0.4:
            canvas.round((x + 12, y + 44, x + 114, y + 70), accent, 8)
        if canvas.random.random() < 0.2:
            canvas.round((x + 12, y + 78, x + 114, y + 104), SAGE, 8)


def _board(canvas: Canvas, accent: str) -> None:
    for column in range(3):
        x = LEFT + 335 * column
        canvas.round((x, TOP, x + 310, 900), SAND, 16)
        canvas.words(x + 24, TOP + 26, 120, INK, 18)
        for card in range(canvas.random.randint(3, 4)):
            y = TOP + 72 + 132 * card
            marked = column == 1 and card == 1
            canvas.round((x + 18, y, x + 292, y + 114), accent if marked else PAPER, 12)
            canvas.words(x + 40, y + 28, canvas.random.randint(120, 220), PAPER if marked else INK)
            canvas.words(x + 40, y + 58, canvas.random.randint(90, 200), CLAY if marked else LINE, 10)


def _shop(canvas: Canvas, accent: str) -> None:
    for number in range(6):
        x, y = LEFT + 335 * (number % 3), TOP + 320 * (number // 3)
        canvas.round((x, y, x + 310, y + 220), PALE[(number + 1) % len(PALE)], 16)
        size = canvas.random.randint(44, 74)
        canvas.oval(x + 155, y + 120, size, size * 1.1, STRONG[(number + len(accent)) % len(STRONG)])
        canvas.round((x + 155 - size * 0.5, y + 96 - size, x + 155 + size * 0.5, y + 120), INK, 10)
        canvas.words(x, y + 244, canvas.random.randint(120, 210), INK)
        canvas.words(x, y + 272, 70, accent, 12)


def _page(canvas: Canvas, accent: str) -> None:
    canvas.words(400, TOP + 70, 480, INK, 40)
    canvas.words(460, TOP + 136, 360, INK, 40)
    canvas.words(480, TOP + 210, 320)
    canvas.round((540, TOP + 256, 740, TOP + 316), accent, 30)
    canvas.words(596, TOP + 280, 88, PAPER)
    for column in range(3):
        x = LEFT + 335 * column
        canvas.round((x, TOP + 400, x + 310, 900), SAND, 16)
        canvas.oval(x + 60, TOP + 460, 26, 26, accent)
        for row in range(3):
            canvas.words(x + 34, TOP + 514 + 32 * row, canvas.random.randint(140, 240), INK if not row else LINE)


def _chat(canvas: Canvas, accent: str) -> None:
    y = TOP + 10.0
    for number in range(4):
        own = number % 2 == 0
        left, right = (560, RIGHT) if own else (LEFT, 760)
        rows = 1 if own else 4
        canvas.round((left, y, right, y + 52 + 32 * rows), accent if own else SAND, 24)
        for row in range(rows):
            canvas.words(left + 32, y + 34 + 32 * row, canvas.random.randint(240, 480), PAPER if own else INK)
        if not own:
            canvas.round((800, y, RIGHT, y + 52 + 32 * rows), PALE[2], 16)
            canvas.words(824, y + 32, 160, accent)
        y += 84 + 32 * rows


KINDS: dict[str, Callable[[Canvas, str], None]] = {
    "map": _map,
    "phone": _phone,
    "dashboard": _dashboard,
    "table": _table,
    "calendar": _calendar,
    "board": _board,
    "shop": _shop,
    "page": _page,
    "chat": _chat,
}
