"""Geometry of stacked columns, which templates draw as SVG. Labels are HTML, because the SVG is stretched."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

#: Size of the drawing in SVG units. The browser stretches the drawing to the available width.
WIDTH, HEIGHT = 720, 160
#: Number of event types with a separate colour. All other types have the same colour.
MAX_SERIES = 5
OTHERS = "other"


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of a column that belongs to one event type."""

    series: int
    name: str
    events: int
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """One hour or day.

    Attributes:
        cells: number of events of each series, for the table.
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
        series: names with total counts, most frequent first.
        top: number of events represented by the full height.
    """

    columns: list[Column]
    series: list[tuple[str, int]]
    top: int
    column_width: str
    total: int


def stack_columns(starts: Sequence[datetime], counts: Iterable[tuple[datetime, str, int]]) -> Chart:
    """Return a chart with one column per start and the most frequent name at the bottom.

    Args:
        counts: start of the column, name and number of events.
    """
    rows = list(counts)
    totals: Counter[str] = Counter()
    for _, name, events in rows:
        totals[name] += events
    shown = [name for name, _ in totals.most_common(MAX_SERIES)]
    cells: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for start, name, events in rows:
        cells[start][name if name in shown else OTHERS] += events
    names = [*shown, OTHERS] if len(totals) > len(shown) else shown
    top = _round_up(max((column.total() for column in cells.values()), default=0))
    step = WIDTH / max(len(starts), 1)
    columns = [_build_column(start, index * step, cells[start], names, top) for index, start in enumerate(starts)]
    series = [(name, sum(column.cells[index] for column in columns)) for index, name in enumerate(names)]
    return Chart(columns, series, top, f"{step * 0.8:.2f}", sum(total for _, total in series))


def _build_column(start: datetime, x: float, counts: Counter[str], names: Sequence[str], top: int) -> Column:
    segments, reached = [], 0
    for index, name in enumerate(names):
        if counts[name]:
            height = counts[name] / top * HEIGHT
            y = HEIGHT - reached / top * HEIGHT - height
            segments.append(Segment(index, name, counts[name], f"{y:.2f}", f"{height:.2f}"))
            reached += counts[name]
    return Column(start, f"{x:.2f}", segments, [counts[name] for name in names], counts.total())


def _round_up(number: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least `number`."""
    magnitude = 1
    while True:
        for step in (1, 2, 5):
            if number <= step * magnitude:
                return step * magnitude
        magnitude *= 10
