"""Compare local users with Clerk and repair the differences."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.clerk.api import ClerkApiError
from accounts.clerk.fields import ClerkPayloadError
from accounts.clerk.instance_guard import WrongInstanceError
from accounts.models import Reconciliation
from accounts.organizations import reconciliation as organizations
from accounts.sync import reconciliation, unlisted
from audit.log import Actor
from audit.models import AuditLog
from core.english import counted

MAX_LISTED = 10
DifferenceKind = Reconciliation.DifferenceKind
REPAIRABLE = (DifferenceKind.MISSING, DifferenceKind.STALE, DifferenceKind.DELETED, DifferenceKind.UNPUSHED)
#: Maximum number of examples to print with their reasons.
PROBLEMS = {DifferenceKind.UNREADABLE: "is unreadable and was skipped", "unrepaired": "still differs"}


class Command(BaseCommand):
    help = "Compare local users with Clerk and repair the differences."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="report differences without repairing them")
        parser.add_argument(
            "--full", action="store_true", help="compare all users, not only those that changed since the last run"
        )
        parser.add_argument("--user", metavar="ID", help="compare one user, by Clerk ID: user_…")
        parser.add_argument(
            "--organizations", action="store_true", help="compare organizations and their members instead of users"
        )

        parser.add_argument(
            "--approve-deletions",
            metavar="REPORT",
            type=int,
            help="delete the users whose deletion a full run skipped, after you have checked its report",
        )
        parser.add_argument("--deletions", metavar="NUMBER", type=int, help="the number of deletions in that report")
        parser.add_argument("--reason", default="", help="why the deletions are approved; kept in the audit log")

    def handle(
        self, *, dry_run: bool, full: bool, user: str | None, approve_deletions: int | None, **options: Any
    ) -> None:
        if not settings.CLERK_SECRET_KEY:
            raise CommandError(
                "CLERK_SECRET_KEY is not set. Copy the secret key from the API keys page in Clerk's dashboard."
            )
        if approve_deletions is not None:
            self._approve_deletions(approve_deletions, options["deletions"], options["reason"])
            return
        try:
            if options["organizations"]:
                self._reconcile_organizations(dry_run=dry_run)
                return
            run = self._reconcile(full=full, dry_run=dry_run, user=user)
        except ClerkPayloadError as error:
            raise CommandError(f"{user} cannot be compared: {error}") from None
        except (reconciliation.AlreadyRunningError, WrongInstanceError) as error:
            raise CommandError(str(error)) from None
        except ClerkApiError as error:
            raise CommandError(
                f"{error} No users were deleted, and completed repairs are kept. Try again later."
            ) from None
        self._print_report(run)

    def _reconcile(self, *, full: bool, dry_run: bool, user: str | None) -> Reconciliation:
        if user:
            return reconciliation.reconcile_user(user, dry_run=dry_run)
        # Shown on terminals only.
        with tqdm(unit=" users", disable=None) as bar:

            def progress(done: int, of: int | None) -> None:
                bar.total = of
                bar.update(done - bar.n)

            return reconciliation.reconcile(full=full, dry_run=dry_run, progress=progress)

    def _reconcile_organizations(self, *, dry_run: bool) -> None:
        run = organizations.reconcile(dry_run=dry_run)
        if run is None:
            raise CommandError("Another run is comparing organizations. Try again later.")
        differed = ", ".join(f"{name} {number:,}" for name, number in run.fields.items()) or "none"
        self.stdout.write(
            f"Organizations, memberships and invitations compared: {run.compared}. Missing here: {run.missing}, out of date here: "
            f"{run.stale}, deleted in Clerk: {run.deleted}, repaired: {run.repaired}, not repaired: {run.still_differ}."
        )
        self.stdout.write(f"Differences: {differed}. See report {run.pk} in the admin.")

    def _approve_deletions(self, pk: int, count: int | None, reason: str) -> None:
        run = Reconciliation.objects.filter(pk=pk).first()
        if run is None:
            raise CommandError(f"There is no report {pk}. The reports are under Reconciliations in the admin.")
        try:
            if not run.deletions_approved_at or not run.skipped_deletions:
                run = unlisted.approve(run, count=count or 0, reason=reason, actor=Actor(AuditLog.Source.COMMAND))
            unlisted.delete_approved(run)
        except unlisted.ApprovalError as error:
            raise CommandError(f"{error} Use --approve-deletions {pk} --deletions NUMBER --reason TEXT.") from None
        except ClerkApiError as error:
            raise CommandError(f"{error} Run the command again to continue.") from None
        self.stdout.write(
            f"{counted(run.deleted, 'user')} deleted, {run.unrepaired} not repaired. See report {run.pk} in the admin."
        )

    def _print_report(self, run: Reconciliation) -> None:
        kind = str(run.get_kind_display()).lower()
        self.stdout.write(f"Users compared in Clerk: {run.compared} ({kind}).")
        action = "would be repaired" if run.dry_run else "repaired"
        for difference in REPAIRABLE:
            count = getattr(run, difference)
            self.stdout.write(f"{count} {difference.label}, {action}: {_listed(run, difference)}")
        if run.skipped_deletions:
            self.stdout.write(
                f"{run.skipped_deletions} missing from Clerk's list, not deleted because there are suspiciously many. "
                f"Does CLERK_SECRET_KEY belong to the right instance? {_listed(run, 'skipped_deletions')}"
            )
            if not run.dry_run:
                self.stdout.write(
                    "If these users were deleted on purpose, approve their deletion: manage.py reconcile "
                    f'--approve-deletions {run.pk} --deletions {run.skipped_deletions} --reason "…"'
                )
        for example in run.examples:
            if problem := PROBLEMS.get(example["kind"]):
                self.stdout.write(f"{example['clerk_id']} {problem}: {example['reason']}")
        self.stdout.write(f"See report {run.pk} in the admin.")


def _listed(run: Reconciliation, kind: str) -> str:
    ids = [example["clerk_id"] for example in run.examples if example["kind"] == kind]
    count = getattr(run, kind)
    more = [f"and {count - MAX_LISTED} more"] if count > MAX_LISTED else []
    return ", ".join([*ids[:MAX_LISTED], *more]) or "none"
