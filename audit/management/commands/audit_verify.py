"""Verify the audit log against its seals."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from audit.sealing import checkpoints, keys, seals, verification
from audit.sealing.verification import Result
from core.english import counted

MAX_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Verify the audit log against its seals and report rows that were changed, deleted or inserted. "
        "Exit codes: 0 if the log matches its seals, 1 if it does not, 2 if it could not be verified."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from-seal", type=int, default=1, metavar="N", help="trust the seals before this one")
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help="a file with checkpoints, such as a saved email or a log (files in AUDIT_CHECKPOINTS are always read)",
        )

    def handle(self, *, from_seal: int, checkpoint: list[Path], **options: Any) -> None:
        if from_seal < 1:
            raise CommandError("Seals are numbered from 1.", returncode=2)
        started_at = timezone.now()
        with ExitStack() as stack:
            files = [*stack.enter_context(checkpoints.local_files())]
            files += [iter(stack.enter_context(_open_checkpoints(path))) for path in checkpoint]
            # disable=None hides the progress bar unless the output is a terminal.
            bar = stack.enter_context(tqdm(unit=" rows", disable=None))

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                result = verification.verify(from_seal=from_seal, checkpoints=files, progress=progress)
            except (keys.NoKeyError, verification.NoSealError) as error:
                raise CommandError(str(error), returncode=2) from None
        if from_seal == 1:
            verification.store(result, started_at)
        self._report(result)

    def _report(self, result: Result) -> None:
        for number in result.moved_at:
            self.stdout.write(f"The database was restored or moved to another server before seal {number}.")
        erased = f" ({result.erased} with erased personal data)" if result.erased else ""
        summary = f"Verified {counted(result.seals, 'seal')} and {counted(result.rows, 'row')}{erased}."
        if not result.problem_count:
            waiting = seals.state().unsealed
            at_least = "at least " if waiting == seals.MAX_COUNTED else ""
            self.stdout.write(
                f"{summary} No problems found. Not sealed yet: {at_least}{counted(waiting, 'newer row')}."
            )
            return
        for problem in result.problems[:MAX_SHOWN]:
            self.stderr.write(problem.text)
        if result.problem_count > MAX_SHOWN:
            self.stderr.write(f"And {result.problem_count - MAX_SHOWN} more.")
        raise CommandError(
            f"{summary} The log does not match its seals. See docs/runbooks/audit_chain_broken.md.", returncode=1
        )


def _open_checkpoints(path: Path) -> Any:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            if not any(verification.CHECKPOINT.search(text) for text in file):
                raise CommandError(
                    f"{path} contains no checkpoints. They look like this: audit-checkpoint seal=…", returncode=2
                )
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=2) from None
