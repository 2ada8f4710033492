"""Geometry of stacked columns and trend lines, which templates draw as SVG. Labels are HTML, because the SVG is stretched."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

#: Height of a column in SVG units. The browser stretches each column to the available size.
HEIGHT = 160
#: Size of a trend line in SVG units.
TREND_WIDTH, TREND_HEIGHT = 120, 30
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
    columns = [_build_column(start, cells[start], names, top) for start in starts]
    series = [(name, sum(column.cells[index] for column in columns)) for index, name in enumerate(names)]
    return Chart(columns, series, top, sum(total for _, total in series))


def _build_column(start: datetime, counts: Counter[str], names: Sequence[str], top: int) -> Column:
    segments, reached = [], 0
    for index, name in enumerate(names):
        if counts[name]:
            height = counts[name] / top * HEIGHT
            y = HEIGHT - reached / top * HEIGHT - height
            segments.append(Segment(index, name, counts[name], f"{y:.2f}", f"{height:.2f}"))
            reached += counts[name]
    return Column(start, segments, [counts[name] for name in names], counts.total())


def trend_points(numbers: Sequence[int]) -> str:
    """Return the points of an SVG polyline. The greatest number reaches the top, and zero is at the bottom."""
    step, top = TREND_WIDTH / max(len(numbers) - 1, 1), max(numbers, default=0) or 1
    height = TREND_HEIGHT - 2  # the line is two units wide
    return " ".join(
        f"{index * step:.1f},{1 + height - number / top * height:.1f}" for index, number in enumerate(numbers)
    )


def _round_up(number: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten that is at least `number`."""
    magnitude = 1
    while True:
        for step in (1, 2, 5):
            if number <= step * magnitude:
                return step * magnitude
        magnitude *= 10
