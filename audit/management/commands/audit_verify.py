"""Compare the audit log with its seals."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from audit.sealing import checkpoints, keys, seals, verification
from audit.sealing.verification import Result

MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Compare the audit log with its seals, and name what was changed, deleted or inserted. "
        "Exit code 0: all is as it was sealed; 1: it is not; 2: it could not be compared."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from-seal", type=int, default=1, metavar="N", help="believe the seals before this one")
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help="checkpoints that were sent outside, such as a saved mail or a log; files of AUDIT_CHECKPOINTS are read anyway",
        )

    def handle(self, *, from_seal: int, checkpoint: list[Path], **options: Any) -> None:
        if from_seal < 1:
            raise CommandError("Seals are numbered from 1.", returncode=2)
        started_at = timezone.now()
        with ExitStack() as stack:
            files = [*stack.enter_context(checkpoints.kept_files())]
            files += [iter(stack.enter_context(_checkpoints(path))) for path in checkpoint]
            # On a terminal only: a log wants the report.
            bar = stack.enter_context(tqdm(unit=" rows", disable=None))

            def progress(done: int, of: int) -> None:
                bar.total = of
                bar.update(done - bar.n)

            try:
                result = verification.verify(from_seal=from_seal, checkpoints=files, progress=progress)
            except (keys.NoKeyError, verification.NoSealError) as error:
                raise CommandError(str(error), returncode=2) from None
        if from_seal == 1:
            verification.store(result, started_at)
        self._tell(result)

    def _tell(self, result: Result) -> None:
        for number in result.moved_at:
            self.stdout.write(f"The database was restored or moved to another server before seal {number}.")
        erased = f", {result.erased} of them erased in part or whole" if result.erased else ""
        told = f"{result.seals} seals and {result.rows} rows were compared{erased}."
        if not result.problem_count:
            waiting = seals.state().unsealed
            waiting_text = f"{waiting} or more" if waiting == seals.MOST_COUNTED else str(waiting)
            self.stdout.write(f"{told} All is as it was sealed. {waiting_text} newer rows are not sealed yet.")
            return
        for problem in result.problems[:MOST_SHOWN]:
            self.stderr.write(problem.text)
        if result.problem_count > MOST_SHOWN:
            self.stderr.write(f"And {result.problem_count - MOST_SHOWN} more.")
        raise CommandError(f"{told} It is not as it was sealed: see docs/runbooks/audit_chain_broken.md.", returncode=1)


def _checkpoints(path: Path) -> Any:
    """Return an open file that holds at least one checkpoint."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            if not any(verification.CHECKPOINT.search(text) for text in file):
                raise CommandError(
                    f"{path} holds no checkpoint, which is a line with audit-checkpoint seal=…", returncode=2
                )
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=2) from None
