"""Compare the log with its seals, and name what was changed, deleted, inserted, removed or reordered.

Seals are read in their order and believed only with a right mac that follows from the seal before; the rows of believed seals
are read in the order of sealing and compared with what the seals keep of each. At most a few thousand rows are in memory.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched, pairwise

from django.utils import timezone

from audit.models import AuditLog, AuditSeal, AuditVerification
from audit.sealing import digests, keys, seals
from audit.sealing.seals import LOWEST

#: Problems that are kept in words; the others are counted. One of them is enough to begin looking.
MOST_TOLD = 100
#: Seals read at once, and rows read at once for the seals that have few.
PAGE, ROWS = 50, 2000
LEAF = 8 + hashlib.sha256().digest_size
CHECKPOINT = re.compile(r"audit-checkpoint seal=(\d{1,18}) mac=([0-9a-f]{64})\b")
#: Is told how many rows were compared so far, and of how many.
type Progress = Callable[[int, int], None]
type Position = tuple[int, int]


class NoSealError(Exception):
    """There is no seal with the number to begin with."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was sealed.

    Attributes:
        seal: the number of the seal that is wrong, or whose rows are; None if no seal covers it.
        row: the id of the row that is wrong; None if it is the seal itself.
    """

    text: str
    seal: int | None = None
    row: int | None = None


@dataclass(slots=True)
class Result:
    """What came of it. `problems` are the first ones, `problem_count` counts all."""

    seals: int = 0
    rows: int = 0
    erased: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    #: Numbers of seals from which on the rows are of another server, because the database was restored or moved.
    moved_at: list[int] = field(default_factory=list)

    def add(self, text: str, *, seal: int | None = None, row: int | None = None) -> None:
        """Take a problem down."""
        self.problem_count += 1
        if len(self.problems) < MOST_TOLD:
            self.problems.append(Problem(text, seal, row))


@dataclass(frozen=True, slots=True)
class _Span:
    """A believed seal, and between which positions and ids its rows stand. Both ends: after the first, up to the last."""

    seal: AuditSeal
    after: Position
    ids: tuple[int, int | None]


def verify(
    *,
    from_seal: int = 1,
    checkpoints: Iterable[Iterable[str]] = (),
    progress: Progress = lambda done, of: None,
) -> Result:
    """Compare log and seals, up to the newest seal there is when it begins.

    Args:
        from_seal: the first seal to verify; those before it are believed.
        checkpoints: files of lines some of which are checkpoints that were sent outside.
        progress: is told how far it is.

    Raises:
        NoKeyError: AUDIT_SEAL_KEY is not set.
        NoSealError: there is no seal with the number `from_seal`.
    """
    return _Verification(keys.known(), progress).run(from_seal, checkpoints)


def store(result: Result, started_at: datetime) -> AuditVerification:
    """Keep a result for the dashboard."""
    first = result.problems[0] if result.problems else Problem("")
    return AuditVerification.objects.create(
        started_at=started_at,
        finished_at=timezone.now(),
        seals=result.seals,
        rows=result.rows,
        erased=result.erased,
        first_bad_seal=first.seal,
        first_bad_row=next((problem.row for problem in result.problems if problem.row is not None), None),
        problems=[problem.text for problem in result.problems],
    )


class _Verification:
    """One run."""

    def __init__(self, known: dict[str, keys.Key], progress: Progress) -> None:
        self.known, self.progress = known, progress
        self.result = Result()
        self.youngest_key: int | None = None
        #: Number of each seal that begins a part of the chain, and the last id of the part before it.
        self.parts = list(AuditSeal.objects.filter(rows=0).order_by("number").values_list("number", "floor_id"))

    def run(self, from_seal: int, checkpoints: Iterable[Iterable[str]]) -> Result:
        last = seals.newest()
        before = AuditSeal.objects.filter(number=from_seal - 1).first()
        if from_seal > 1 and (last is None or last.number < from_seal):
            raise NoSealError(f"There is no seal {from_seal}; the newest is {last.number if last else 'none'}.")
        for lines in checkpoints:
            self._compare_checkpoints(lines, last)
        if last:
            self._walk(from_seal, before, last)
        self._look_beside(last)
        return self.result

    # --- Seals ---

    def _walk(self, from_seal: int, before: AuditSeal | None, last: AuditSeal) -> None:
        """Go along the chain; rows are compared for several seals at a time."""
        total = last.total - (before.total if before else 0)
        for spans in _groups(self._believed(from_seal, before, last.number)):
            self._compare_rows(spans)
            self.progress(self.result.rows, total)

    def _believed(self, expected: int, before: AuditSeal | None, last: int) -> Iterator[_Span]:
        """Yield the seals whose mac is right, and where their rows stand. Take the others down."""
        if expected > 1 and before is None:
            self.result.add(f"Seal {expected - 1} is missing.", seal=expected - 1)
        stray = AuditSeal.objects.filter(number__lt=1).values_list("number", flat=True).first()
        if stray is not None:
            self.result.add(f"Seal {stray} was inserted: numbers begin with 1.", seal=stray)
        believed = expected == 1 or before is not None
        for seal in _seals(expected, last):
            if seal.number != expected:
                missing = (
                    f"Seal {expected} is"
                    if seal.number == expected + 1
                    else f"Seals {expected} to {seal.number - 1} are"
                )
                self.result.add(f"{missing} missing.", seal=expected)
                believed = False
            elif believed and bytes(seal.previous_mac) != (bytes(before.mac) if before else b""):
                self.result.add(
                    f"Seal {seal.number} does not follow from the seal before it: one of them was changed or put there.",
                    seal=seal.number,
                )
            is_right = self._is_right(seal)
            if is_right:
                after = _end_of(seal, before) if believed else _start_by_leaves(seal)
                yield _Span(seal, after, (seal.floor_id, self._ceiling(seal)))
                if not seal.rows and seal.number > 1:
                    self.result.moved_at.append(seal.number)
            self.result.seals += 1
            believed, before, expected = is_right, seal, seal.number + 1

    def _is_right(self, seal: AuditSeal) -> bool:
        """Return whether the seal is as it was made; take down if not."""
        number, key = seal.number, self.known.get(seal.key_id)
        if key is None:
            self.result.add(
                f"Seal {number} was made with the key {seal.key_id}, which AUDIT_SEAL_KEY does not hold: "
                "the key is missing there, or the seal is forged.",
                seal=number,
            )
            return False
        if seal.form != digests.FORM or not hmac.compare_digest(seals.mac(seal, key), bytes(seal.mac)):
            self.result.add(f"Seal {number} was changed, or was made without the key: its mac is wrong.", seal=number)
            return False
        if self.youngest_key is not None and key.age > self.youngest_key:
            self.result.add(
                f"Seal {number} was made with an older key than seals before it, which nobody should use any more.",
                seal=number,
            )
        self.youngest_key = key.age if self.youngest_key is None else min(key.age, self.youngest_key)
        leaves = bytes(seal.leaves)
        if len(leaves) != seal.rows * LEAF or hashlib.sha256(leaves).digest() != bytes(seal.digest):
            self.result.add(f"Seal {number} was changed: its list of rows is another.", seal=number)
            return False
        return True

    def _ceiling(self, seal: AuditSeal) -> int | None:
        """Return the last id of the part of the chain that the seal is in; None if it is the last part."""
        return next((floor for number, floor in self.parts if number > seal.number), None)

    # --- Rows ---

    def _compare_rows(self, spans: list[_Span]) -> None:
        """Compare the rows of believed seals that follow each other."""
        low, high = spans[0].ids
        last = spans[-1].seal
        rows = AuditLog.objects.after(*spans[0].after).up_to(last.last_transaction, last.last_id).filter(pk__gt=low)
        found = list(rows if high is None else rows.filter(pk__lte=high))
        position = 0
        for span in spans:
            end = (span.seal.last_transaction, span.seal.last_id)
            begin = position
            while position < len(found) and (found[position].transaction, found[position].pk) <= end:
                position += 1
            self._compare(span.seal, found[begin:position])

    def _compare(self, seal: AuditSeal, rows: list[AuditLog]) -> None:
        """Compare the rows that stand where a seal's rows stood with what it keeps of them."""
        leaves = bytes(seal.leaves)
        slices = (leaves[start : start + LEAF] for start in range(0, len(leaves), LEAF))
        kept = {_id_of(text): text for text in slices}
        there = {row.pk for row in rows}
        for row in rows:
            if row.pk not in kept:
                self._add(seal, row.pk, "was inserted")
            elif kept[row.pk] != seals.leaf(row):
                self._add(seal, row.pk, "was changed")
            elif column := digests.changed_personal_column(row):
                self._add(seal, row.pk, f"was changed: {column} is neither what it was nor erased")
            elif digests.is_erased(row):
                self.result.erased += 1
        missing = [pk for pk in kept if pk not in there]
        moved = set(AuditLog.objects.filter(pk__in=missing).values_list("pk", flat=True)) if missing else set[int]()
        for pk in missing:
            self._add(seal, pk, "was changed: its transaction is another" if pk in moved else "was deleted")
        self.result.rows += seal.rows

    def _add(self, seal: AuditSeal, pk: int, what: str) -> None:
        self.result.add(f"Row {pk} {what} (seal {seal.number}).", seal=seal.number, row=pk)

    # --- Beside the chain ---

    def _look_beside(self, last: AuditSeal | None) -> None:
        """Find rows where no seal will ever be: forged ones that sealing would pass over."""
        for (_, floor), (number, ceiling) in pairwise([(0, LOWEST), *self.parts]):
            end = AuditSeal.objects.filter(number=number - 1).defer("leaves").first()
            if end:
                left = AuditLog.objects.after(end.last_transaction, end.last_id).filter(pk__gt=floor, pk__lte=ceiling)
                for pk in left.values_list("pk", flat=True)[:MOST_TOLD]:
                    self.result.add(f"Row {pk} was inserted (before seal {number}).", seal=number, row=pk)
        here = seals.server()
        if last is None or last.cluster in (here.cluster, seals.UNKNOWN):
            for pk in seals.unsealed_rows(last).foreign().values_list("pk", flat=True)[:MOST_TOLD]:
                text = f"Row {pk} was inserted: it says to be of a transaction that has not begun yet, and would never be sealed."
                self.result.add(text, row=pk)

    def _compare_checkpoints(self, lines: Iterable[str], last: AuditSeal | None) -> None:
        """Compare what was sent outside with the chain; only this finds that its end was cut off or made anew."""
        told = ((int(found[1]), found[2]) for line in lines if (found := CHECKPOINT.search(line)))
        for batch in batched(told, 1000):
            numbers = {number for number, _ in batch}
            here = dict(AuditSeal.objects.filter(number__in=numbers).values_list("number", "mac"))
            for number, said in batch:
                if number in here and bytes(here[number]).hex() == said:
                    continue
                if number in here:
                    text = f"Seal {number} is another than the one that was sent outside: it was replaced, and all behind it."
                elif last is None or number > last.number:
                    text = f"Seal {number} was sent outside, but the chain ends with {last.number if last else 'none'}: its end was cut off."
                else:
                    text = f"Seal {number} was sent outside, and is missing."
                self.result.add(text, seal=number)


def _seals(first: int, last: int) -> Iterator[AuditSeal]:
    while page := list(AuditSeal.objects.filter(number__gte=first, number__lte=last).order_by("number")[:PAGE]):
        yield from page
        first = page[-1].number + 1


def _groups(spans: Iterator[_Span]) -> Iterator[list[_Span]]:
    """Yield spans that follow each other together, until they have enough rows for one query."""
    group: list[_Span] = []
    for span in spans:
        follows = group and group[-1].ids == span.ids and _end(group[-1].seal) == span.after
        if group and (not follows or sum(each.seal.rows for each in group) >= ROWS or len(group) >= PAGE):
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _end(seal: AuditSeal) -> Position:
    return seal.last_transaction, seal.last_id


def _end_of(seal: AuditSeal, before: AuditSeal | None) -> Position:
    """Return the position after which the rows of a seal stand, the one before it being known."""
    begins_part = before is None or (seal.floor_id != before.floor_id)
    return (LOWEST, LOWEST) if begins_part or before is None else _end(before)


def _start_by_leaves(seal: AuditSeal) -> Position:
    """Return the same if the one before is missing or cannot be believed: where the first row stands that it keeps."""
    leaves = bytes(seal.leaves)
    first = AuditLog.objects.filter(pk=_id_of(leaves[:LEAF])).only("transaction").first() if leaves else None
    return (first.transaction, first.pk - 1) if first else _end(seal)


def _id_of(text: bytes) -> int:
    return int.from_bytes(text[:8], "big", signed=True)
