"""Compare the audit log with its seals and report rows and seals that were changed, deleted, inserted or reordered.

Seals are read in order and trusted only if their MAC is valid. Rows covered by trusted seals are read in sealing order
and compared with the seals' digests. At most a few thousand rows are in memory at a time.
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
from audit.sealing import digests, erasures, keys, seals
from audit.sealing.seals import LOWEST

#: Maximum number of problems to describe. Further problems are only counted.
MAX_PROBLEMS = 100
#: Number of seals per query, and number of rows per query if consecutive seals have few rows.
SEALS_PER_QUERY, ROWS_PER_QUERY = 50, 2000
LEAF_SIZE = 8 + hashlib.sha256().digest_size
CHECKPOINT = re.compile(r"audit-checkpoint seal=(\d{1,18}) mac=([0-9a-f]{64})\b")
#: A function that is called with the number of rows verified so far and the total.
type Progress = Callable[[int, int], None]
type Position = tuple[int, int]


class NoSealError(Exception):
    """The seal to start from does not exist."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A discrepancy between the log and its seals.

    Attributes:
        seal: the number of the invalid seal, or of the seal that covers the invalid row. None if no seal covers the
            row.
        row: the invalid row's id. None if the seal itself is invalid.
    """

    text: str
    seal: int | None = None
    row: int | None = None


@dataclass(slots=True)
class Result:
    """A verification result. `problems` contains the first MAX_PROBLEMS problems, and `problem_count` is the total."""

    seals: int = 0
    rows: int = 0
    erased: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    #: Numbers of seals after which the rows come from another server, because the database was restored or moved.
    moved_at: list[int] = field(default_factory=list)

    def add(self, text: str, *, seal: int | None = None, row: int | None = None) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(text, seal, row))


@dataclass(frozen=True, slots=True)
class _Span:
    """A trusted seal and its range of rows, by position and by id.

    Both ranges exclude the start and include the end.
    """

    seal: AuditSeal
    after: Position
    ids: tuple[int, int | None]


def verify(
    *,
    from_seal: int = 1,
    checkpoints: Iterable[Iterable[str]] = (),
    progress: Progress = lambda done, of: None,
) -> Result:
    """Verify the log up to the newest seal at the start of the verification.

    Args:
        from_seal: the first seal to verify. Earlier seals are trusted.
        checkpoints: files, as iterables of lines. They can contain lines other than checkpoints.
        progress: called after each group of seals.

    Raises:
        NoKeyError: AUDIT_SEAL_KEY is not set.
        NoSealError: `from_seal` is greater than 1 and does not exist.
    """
    return _Verification(keys.known_keys(), progress).run(from_seal, checkpoints)


def store(result: Result, started_at: datetime) -> AuditVerification:
    first = result.problems[0] if result.problems else Problem("")
    return AuditVerification.objects.create(
        started_at=started_at,
        finished_at=timezone.now(),
        seal_count=result.seals,
        row_count=result.rows,
        erased_count=result.erased,
        first_bad_seal=first.seal,
        first_bad_row=next((problem.row for problem in result.problems if problem.row is not None), None),
        problems=[problem.text for problem in result.problems],
        locations=[[problem.seal, problem.row] for problem in result.problems],
    )


class _Verification:
    def __init__(self, known_keys: dict[str, keys.Key], progress: Progress) -> None:
        self.known_keys, self.progress = known_keys, progress
        self.result = Result()
        self.youngest_key: int | None = None
        #: For each seal that starts a part of the chain: its number, and the last row id in the previous part.
        self.parts = list(AuditSeal.objects.filter(row_count=0).order_by("number").values_list("number", "floor_id"))

    def run(self, from_seal: int, checkpoints: Iterable[Iterable[str]]) -> Result:
        last = seals.newest()
        before = AuditSeal.objects.filter(number=from_seal - 1).first()
        if from_seal > 1 and (last is None or last.number < from_seal):
            raise NoSealError(f"Seal {from_seal} does not exist. The newest is {last.number if last else 'none'}.")
        for lines in checkpoints:
            self._compare_checkpoints(lines, last)
        if last:
            self._verify_chain(from_seal, before, last)
        self._find_unsealable_rows(last)
        return self.result

    # --- Seals ---

    def _verify_chain(self, from_seal: int, before: AuditSeal | None, last: AuditSeal) -> None:
        total = last.total_rows - (before.total_rows if before else 0)
        for spans in _groups(self._trusted_seals(from_seal, before, last.number)):
            self._compare_rows(spans)
            self.progress(self.result.rows, total)

    def _trusted_seals(self, expected: int, before: AuditSeal | None, last: int) -> Iterator[_Span]:
        """Yield seals with a valid MAC and their ranges of rows. Report other seals as problems."""
        if expected > 1 and before is None:
            self.result.add(f"Seal {expected - 1} is missing.", seal=expected - 1)
        stray = AuditSeal.objects.filter(number__lt=1).values_list("number", flat=True).first()
        if stray is not None:
            self.result.add(f"Seal {stray} was inserted: seal numbers start at 1.", seal=stray)
        is_linked = expected == 1 or before is not None
        for seal in _seals(expected, last):
            if seal.number != expected:
                missing = (
                    f"Seal {expected} is"
                    if seal.number == expected + 1
                    else f"Seals {expected} to {seal.number - 1} are"
                )
                self.result.add(f"{missing} missing.", seal=expected)
                is_linked = False
            elif is_linked and bytes(seal.previous_mac) != (bytes(before.mac) if before else b""):
                self.result.add(
                    f"Seal {seal.number} does not match the previous seal: one of them was changed or inserted.",
                    seal=seal.number,
                )
            is_valid = self._is_valid(seal)
            if is_valid:
                after = _start_after(seal, before) if is_linked else _start_from_leaves(seal)
                yield _Span(seal, after, (seal.floor_id, self._ceiling(seal)))
                if not seal.row_count and seal.number > 1:
                    self.result.moved_at.append(seal.number)
            self.result.seals += 1
            is_linked, before, expected = is_valid, seal, seal.number + 1

    def _is_valid(self, seal: AuditSeal) -> bool:
        """Return whether a seal's key, MAC and leaves are valid. If not, report a problem."""
        number, key = seal.number, self.known_keys.get(seal.key_id)
        if key is None:
            self.result.add(
                f"Seal {number} was made with key {seal.key_id}, which is not in AUDIT_SEAL_KEY. "
                "Add the key if it is an old one of yours. Otherwise the seal is forged.",
                seal=number,
            )
            return False
        if seal.format_version != digests.FORMAT_VERSION or not hmac.compare_digest(
            seals.mac(seal, key), bytes(seal.mac)
        ):
            self.result.add(f"Seal {number} was changed or made without the key: its MAC is wrong.", seal=number)
            return False
        if self.youngest_key is not None and key.age > self.youngest_key:
            self.result.add(
                f"Seal {number} was made with an older key than earlier seals. Old keys must not make new seals.",
                seal=number,
            )
        self.youngest_key = key.age if self.youngest_key is None else min(key.age, self.youngest_key)
        leaves = bytes(seal.leaves)
        if len(leaves) != seal.row_count * LEAF_SIZE or hashlib.sha256(leaves).digest() != bytes(seal.digest):
            self.result.add(f"Seal {number} was changed: its list of rows does not match its digest.", seal=number)
            return False
        return True

    def _ceiling(self, seal: AuditSeal) -> int | None:
        """Return the last row id in the seal's part of the chain, or None for the last part."""
        return next((floor for number, floor in self.parts if number > seal.number), None)

    # --- Rows ---

    def _compare_rows(self, spans: list[_Span]) -> None:
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
        leaves = bytes(seal.leaves)
        slices = (leaves[start : start + LEAF_SIZE] for start in range(0, len(leaves), LEAF_SIZE))
        expected = {_row_id(leaf): leaf for leaf in slices}
        present = {row.pk for row in rows}
        erased: list[tuple[AuditLog, list[str]]] = []
        for row in rows:
            if row.pk not in expected:
                self._add(seal, row.pk, "was inserted")
            elif expected[row.pk] != seals.leaf(row):
                self._add(seal, row.pk, "was changed")
            elif column := digests.changed_personal_column(row):
                self._add(seal, row.pk, f"was changed: {column} has a different value")
            elif columns := digests.erased_columns(row):
                erased.append((row, columns))
        for row, column in erasures.unexplained(erased):
            self._add(seal, row.pk, f"was changed: {column} was erased, but its user was not")
        self.result.erased += len(erased)
        missing = [pk for pk in expected if pk not in present]
        moved = set(AuditLog.objects.filter(pk__in=missing).values_list("pk", flat=True)) if missing else set[int]()
        for pk in missing:
            self._add(seal, pk, "was changed: it has a different transaction id" if pk in moved else "was deleted")
        self.result.rows += seal.row_count

    def _add(self, seal: AuditSeal, pk: int, change: str) -> None:
        self.result.add(f"Row {pk} {change} (seal {seal.number}).", seal=seal.number, row=pk)

    # --- Outside the chain ---

    def _find_unsealable_rows(self, last: AuditSeal | None) -> None:
        """Report forged rows at positions that sealing skips, because no seal would ever cover them."""
        for (_, floor), (number, ceiling) in pairwise([(0, LOWEST), *self.parts]):
            end = AuditSeal.objects.filter(number=number - 1).defer("leaves").first()
            if end:
                skipped = AuditLog.objects.after(end.last_transaction, end.last_id).filter(
                    pk__gt=floor, pk__lte=ceiling
                )
                for pk in skipped.values_list("pk", flat=True)[:MAX_PROBLEMS]:
                    self.result.add(f"Row {pk} was inserted (before seal {number}).", seal=number, row=pk)
        here = seals.server()
        if last is None or last.cluster in (here.cluster, seals.UNKNOWN):
            for pk in seals.unsealed_rows(last).from_other_server().values_list("pk", flat=True)[:MAX_PROBLEMS]:
                text = f"Row {pk} was inserted: it claims to belong to a transaction that has not started, so it would never be sealed."
                self.result.add(text, row=pk)

    def _compare_checkpoints(self, lines: Iterable[str], last: AuditSeal | None) -> None:
        """Compare checkpoints with the chain.

        Only checkpoints can reveal that the end of the chain was removed or replaced.
        """
        found_checkpoints = ((int(found[1]), found[2]) for line in lines if (found := CHECKPOINT.search(line)))
        for batch in batched(found_checkpoints, 1000):
            numbers = {number for number, _ in batch}
            here = dict(AuditSeal.objects.filter(number__in=numbers).values_list("number", "mac"))
            for number, mac in batch:
                if number in here and bytes(here[number]).hex() == mac:
                    continue
                if number in here:
                    text = f"Seal {number} does not match its checkpoint: it and all later seals were replaced."
                elif last is None or number > last.number:
                    text = f"Seal {number} has a checkpoint, but the newest seal is {last.number if last else 'none'}: the end of the chain was removed."
                else:
                    text = f"Seal {number} has a checkpoint but is missing."
                self.result.add(text, seal=number)


def _seals(first: int, last: int) -> Iterator[AuditSeal]:
    while page := list(
        AuditSeal.objects.filter(number__gte=first, number__lte=last).order_by("number")[:SEALS_PER_QUERY]
    ):
        yield from page
        first = page[-1].number + 1


def _groups(spans: Iterator[_Span]) -> Iterator[list[_Span]]:
    """Group consecutive spans so that each group has enough rows for one query."""
    group: list[_Span] = []
    for span in spans:
        is_consecutive = group and group[-1].ids == span.ids and _end(group[-1].seal) == span.after
        if group and (
            not is_consecutive
            or sum(each.seal.row_count for each in group) >= ROWS_PER_QUERY
            or len(group) >= SEALS_PER_QUERY
        ):
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _end(seal: AuditSeal) -> Position:
    return seal.last_transaction, seal.last_id


def _start_after(seal: AuditSeal, before: AuditSeal | None) -> Position:
    """Return the position after which a seal's rows start, given the previous seal."""
    starts_part = before is None or seal.floor_id != before.floor_id
    return (LOWEST, LOWEST) if starts_part or before is None else _end(before)


def _start_from_leaves(seal: AuditSeal) -> Position:
    """Return the position after which a seal's rows start if the previous seal is missing or not trusted."""
    leaves = bytes(seal.leaves)
    first = AuditLog.objects.filter(pk=_row_id(leaves[:LEAF_SIZE])).only("transaction").first() if leaves else None
    return (first.transaction, first.pk - 1) if first else _end(seal)


def _row_id(leaf: bytes) -> int:
    return int.from_bytes(leaf[:8], "big", signed=True)
