"""Import accounts from before Clerk. `accounts.sync.matching` links each account when its person signs up with Clerk.

Batches of lines are committed together with their position in the file. An import that was killed therefore continues
with the first line that was not committed, and the report is shortened to the same line.
"""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from itertools import batched
from pathlib import Path
from typing import BinaryIO

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection, transaction
from django.utils import timezone

from accounts.imports import rows
from accounts.imports.rows import FileError, Refusal, Row
from accounts.models import ImportedAccount, RefusedLine, User, UserImport
from accounts.sync import matching
from accounts.sync.fields import initial_changes
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.joined_writes import joined

#: Number of lines per transaction.
BATCH_SIZE = 500
#: Number of the advisory lock for batches, so that simultaneous imports see each other's accounts.
LOCK = 7_301_907
COMMAND = Actor(AuditLog.Source.COMMAND)
type Progress = Callable[[int], object]


class Report:
    """The report of refused lines, as CSV. It contains no values from the file."""

    def __init__(self, path: Path, size: int) -> None:
        """Open the report, and remove everything after the first `size` bytes.

        Raises:
            FileError: the report is shorter, for example because it was deleted.
        """
        if size and (not path.exists() or path.stat().st_size < size):
            problem = f"{path} does not contain the lines that were refused before."
            raise FileError(f"{problem} Restore the report, or choose it with --report.")
        self._file = path.open("r+b" if size else "wb")
        self._file.truncate(size)
        self._file.seek(size)
        if not size:
            self._write([("line", "reason")])

    def add(self, refusals: list[Refusal]) -> int:
        """Write refusals to the disk, and return the size of the report."""
        self._write([(str(refusal.line), refusal.reason) for refusal in refusals])
        return self._file.tell()

    def close(self) -> None:
        self._file.close()

    def _write(self, lines: list[tuple[str, str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        self._file.write(text.getvalue().encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def find_run(path: Path) -> UserImport:
    """Return the import of this file, from its content. The file's name does not matter. The row can be unsaved."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return UserImport.objects.filter(digest=digest).first() or UserImport(digest=digest, file=path.name[:255])


def run_import(run: UserImport, path: Path, report_path: Path, progress: Progress) -> UserImport:
    """Import the lines that have not been imported yet, and return the stored import.

    Args:
        progress: called after each batch with the position in the file, in bytes.

    Raises:
        FileError: the file or the report cannot be used, or another process is importing the same file.
    """
    with path.open("rb") as file:
        entries = _remaining(file, path, run.last_line)
        report = _open_report(report_path, run.report_size)
        last_line = run.last_line
        run = run if run.pk else UserImport.objects.get_or_create(digest=run.digest, defaults={"file": run.file})[0]
        run.last_line = last_line  # another process may have created the row and continued
        try:
            for batch in batched(entries, BATCH_SIZE):
                _store(run, batch, report)
                progress(file.tell())
        finally:
            report.close()
    run.finished_at = timezone.now()
    run.save(update_fields=["finished_at"])
    return run


def check(path: Path, report_path: Path, progress: Progress) -> UserImport:
    """Do the same as `run_import` for a whole file, without changing the database. Return an unsaved row with the counts."""
    result, seen = UserImport(), set[bytes]()
    with path.open("rb") as file:
        entries = _remaining(file, path, 0)
        report = _open_report(report_path, 0)
        try:
            for batch in batched(entries, BATCH_SIZE):
                accepted, refusals = _sort(batch)
                repeated = _repeated(accepted, seen)
                report.add(_in_order([*refusals, *repeated]))
                result.refused += len(refusals) + len(repeated)
                result.created += len(accepted) - len(repeated)
                progress(file.tell())
        finally:
            report.close()
    return result


def _remaining(file: BinaryIO, path: Path, last_line: int) -> Iterator[Row | Refusal]:
    """Return the lines after `last_line`. Read the first one now, so that a wrong header is found before any change."""
    entries = (entry for entry in rows.read(file, path.suffix.lower()) if entry.line > last_line)
    first = next(entries, None)

    def chained() -> Iterator[Row | Refusal]:
        if first is not None:
            yield first
            yield from entries

    return chained()


def _open_report(path: Path, size: int) -> Report:
    try:
        return Report(path, size)
    except OSError as error:
        raise FileError(
            f"The report {path} cannot be written: {error.strerror}. Choose another file with --report."
        ) from None


@transaction.atomic
def _store(run: UserImport, batch: tuple[Row | Refusal, ...], report: Report) -> None:
    """Create the accounts of a batch, and store the position in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    if UserImport.objects.get(pk=run.pk).last_line != run.last_line:
        raise FileError("Another process is importing the same file. Wait until it has finished.")
    accepted, refusals = _sort(batch)
    _create_accounts(run, accepted)
    RefusedLine.objects.bulk_create(
        RefusedLine(run=run, line=refusal.line, reason=refusal.reason) for refusal in refusals
    )
    run.report_size = report.add(_in_order(refusals))
    run.last_line = batch[-1].line
    run.created, run.refused = run.created + len(accepted), run.refused + len(refusals)
    run.save(update_fields=["report_size", "last_line", "created", "refused"])


def _sort(batch: tuple[Row | Refusal, ...]) -> tuple[list[Row], list[Refusal]]:
    """Return the rows whose account can be created, and the refusals."""
    parsed = [entry for entry in batch if isinstance(entry, Row)]
    refusals = [entry for entry in batch if isinstance(entry, Refusal)]
    existing = matching.users_with_emails({row.email for row in parsed}, exclude_clerk_ids=[])
    lines: dict[str, int] = {}
    accepted = []
    for row in parsed:
        if users := existing.get(row.email):
            refusals.append(Refusal(row.line, _reason(users[0])))
        elif row.email in lines:
            refusals.append(Refusal(row.line, f"Line {lines[row.email]} has the same email address."))
        else:
            lines[row.email] = row.line
            accepted.append(row)
    return accepted, refusals


def _reason(user: User) -> str:
    state = "was deleted" if user.deleted_at else "exists already"
    return f"The user with this email address {state} (ID {user.pk})."


def _repeated(accepted: list[Row], seen: set[bytes]) -> list[Refusal]:
    """Return refusals for addresses of earlier batches. A dry run stores no accounts that would be found."""
    found = []
    for row in accepted:
        key = hashlib.blake2b(row.email.encode(), digest_size=8).digest()
        if key in seen:
            found.append(Refusal(row.line, "An earlier line has the same email address."))
        seen.add(key)
    return found


def _in_order(refusals: list[Refusal]) -> list[Refusal]:
    return sorted(refusals, key=lambda refusal: refusal.line)


def _create_accounts(run: UserImport, accepted: list[Row]) -> None:
    users = User.objects.bulk_create(
        User(email=row.email, name=row.name, username=row.username, roles=row.roles, password=UNUSABLE_PASSWORD_PREFIX)
        for row in accepted
    )
    pairs = list(zip(users, accepted, strict=True))
    ImportedAccount.objects.bulk_create(ImportedAccount(run=run, user=user, line=row.line) for user, row in pairs)
    with joined():
        for user, row in pairs:
            changes = initial_changes(user)
            log.record(
                AuditLog.Action.USER_CREATED, actor=COMMAND, target=user, changes=changes, imported_line=row.line
            )
