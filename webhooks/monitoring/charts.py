"""The geometry of columns that templates draw as SVG; the words stand beside them, in HTML, and keep their size."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

#: Units of the drawing, which is stretched to the room there is.
WIDTH, HEIGHT = 720, 160
#: Types with a colour of their own; the others share one.
MOST_SERIES = 5
OTHERS = "other"


@dataclass(frozen=True, slots=True)
class Segment:
    """One type's part of a column."""

    series: int
    name: str
    events: int
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """One hour or day.

    Attributes:
        cells: events of each series, for the table.
    """

    at: datetime
    x: str
    segments: list[Segment]
    cells: list[int]
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked columns with a legend.

    Attributes:
        series: each name with its total, the most frequent first.
        top: what the full height stands for.
    """

    columns: list[Column]
    series: list[tuple[str, int]]
    top: int
    column_width: str
    total: int


def stacked(places: Sequence[datetime], counted: Iterable[tuple[datetime, str, int]]) -> Chart:
    """Return columns at `places` with the events of each name stacked, the most frequent at the bottom.

    Args:
        counted: place, name and number of events.
    """
    rows = list(counted)
    totals: Counter[str] = Counter()
    for _, name, events in rows:
        totals[name] += events
    shown = [name for name, _ in totals.most_common(MOST_SERIES)]
    cells: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for place, name, events in rows:
        cells[place][name if name in shown else OTHERS] += events
    names = [*shown, OTHERS] if len(totals) > len(shown) else shown
    top = _round_number(max((counts.total() for counts in cells.values()), default=0))
    step = WIDTH / max(len(places), 1)
    columns = [_column(place, number * step, cells[place], names, top) for number, place in enumerate(places)]
    series = [(name, sum(column.cells[number] for column in columns)) for number, name in enumerate(names)]
    return Chart(columns, series, top, f"{step * 0.8:.2f}", sum(total for _, total in series))


def _column(place: datetime, x: float, counts: Counter[str], names: Sequence[str], top: int) -> Column:
    segments, reached = [], 0
    for number, name in enumerate(names):
        if counts[name]:
            height = counts[name] / top * HEIGHT
            y = HEIGHT - reached / top * HEIGHT - height
            segments.append(Segment(number, name, counts[name], f"{y:.2f}", f"{height:.2f}"))
            reached += counts[name]
    return Column(place, f"{x:.2f}", segments, [counts[name] for name in names], counts.total())


def _round_number(most: int) -> int:
    """Return the next number from `most` on that is 1, 2 or 5 with zeros behind."""
    magnitude = 1
    while True:
        for step in (1, 2, 5):
            if most <= step * magnitude:
                return step * magnitude
        magnitude *= 10
