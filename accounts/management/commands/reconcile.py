"""Compare the people here with those at Clerk, and heal what differs."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.clerk.api import ClerkApiError
from accounts.clerk.fields import ClerkPayloadError
from accounts.clerk.instance_guard import WrongInstanceError
from accounts.models import Reconciliation
from accounts.sync import reconciliation

MAX_LISTED = 10
DifferenceKind = Reconciliation.DifferenceKind


class Command(BaseCommand):
    help = "Compare the people here with those at Clerk, and heal what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell what differs")
        parser.add_argument("--full", action="store_true", help="everybody, not only who changed since the last run")
        parser.add_argument("--user", metavar="ID", help="one person, by the id at Clerk: user_…")

    def handle(self, *, dry_run: bool, full: bool, user: str | None, **options: Any) -> None:
        if not settings.CLERK_SECRET_KEY:
            raise CommandError("CLERK_SECRET_KEY is not set: copy the secret key from Clerk's API keys page.")
        try:
            run = self._reconcile(full=full, dry_run=dry_run, user=user)
        except ClerkPayloadError as error:
            raise CommandError(f"{user} cannot be compared: {error}") from None
        except (reconciliation.AlreadyRunningError, WrongInstanceError) as error:
            raise CommandError(str(error)) from None
        except ClerkApiError as error:
            raise CommandError(f"{error} Nobody was deleted; what was repaired stays. Try again later.") from None
        self._tell(run)

    def _reconcile(self, *, full: bool, dry_run: bool, user: str | None) -> Reconciliation:
        if user:
            return reconciliation.reconcile_user(user, dry_run=dry_run)
        # On a terminal only: a log wants the report.
        with tqdm(unit=" people", disable=None) as bar:

            def progress(done: int, of: int | None) -> None:
                bar.total = of
                bar.update(done - bar.n)

            return reconciliation.reconcile(full=full, dry_run=dry_run, progress=progress)

    def _tell(self, run: Reconciliation) -> None:
        kind = str(run.get_kind_display()).lower()
        self.stdout.write(f"{run.compared} people at Clerk were compared ({kind}).")
        deed = "would be repaired" if run.dry_run else "repaired"
        for what in (DifferenceKind.MISSING, DifferenceKind.STALE, DifferenceKind.DELETED, DifferenceKind.UNPUSHED):
            self.stdout.write(f"{getattr(run, what)} {what.label}, {deed}: {_listed(run, what)}")
        if run.skipped_deletions:
            warning = "too many to believe, left alone; is CLERK_SECRET_KEY the right instance's?"
            self.stdout.write(
                f"{run.skipped_deletions} not in Clerk's list, {warning} {_listed(run, 'skipped_deletions')}"
            )
        for example in run.examples:
            if example["kind"] in (DifferenceKind.UNREADABLE, "unrepaired"):
                problem = (
                    "cannot be read and was left alone"
                    if example["kind"] == DifferenceKind.UNREADABLE
                    else "still differs"
                )
                self.stdout.write(f"{example['clerk_id']} {problem}: {example['reason']}")
        self.stdout.write(f"The report is number {run.pk} in the admin.")


def _listed(run: Reconciliation, what: str) -> str:
    """Return the first few of those who differ in this way, and how many more there are."""
    ids = [example["clerk_id"] for example in run.examples if example["kind"] == what]
    count = getattr(run, what)
    more = [f"and {count - MAX_LISTED} more"] if count > MAX_LISTED else []
    return ", ".join([*ids[:MAX_LISTED], *more]) or "nobody"
