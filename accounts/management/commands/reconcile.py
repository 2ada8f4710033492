"""Compare the people here with those at Clerk, and heal what differs."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import reconciliation
from accounts.clerk.api import ClerkApiError
from accounts.reconciliation import Report

MOST_SHOWN = 10


class Command(BaseCommand):
    help = "Compare the people here with those at Clerk, and heal what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell what differs")
        parser.add_argument("--user", metavar="ID", help="one person, by the id at Clerk: user_…")

    def handle(self, *, dry_run: bool, user: str | None, **options: Any) -> None:
        if not settings.CLERK_SECRET_KEY:
            raise CommandError("CLERK_SECRET_KEY is not set: copy the secret key from Clerk's API keys page.")
        try:
            if user:
                report = reconciliation.reconcile_user(user, dry_run=dry_run)
            else:
                report = reconciliation.reconcile(dry_run=dry_run)
        except ClerkApiError as error:
            raise CommandError(f"{error} Nobody was deleted; what was healed stays. Try again later.") from None
        self._tell(report, "would be healed" if dry_run else "healed")

    def _tell(self, report: Report, deed: str) -> None:
        self.stdout.write(f"{report.seen} people at Clerk were compared.")
        for label, ids in (("missing here", report.missing), ("stale here", report.stale)):
            self.stdout.write(f"{len(ids)} {label}, {deed}: {_listed(ids)}")
        gone = f"deleted at Clerk, {deed}"
        if report.distrusted:
            gone = "not in Clerk's list, too many to believe, left alone; is CLERK_SECRET_KEY the right instance's?"
        self.stdout.write(f"{len(report.gone)} {gone}: {_listed(report.gone)}")
        for clerk_id, reason in report.unreadable:
            self.stdout.write(f"{clerk_id} cannot be read and was left alone: {reason}")


def _listed(ids: list[str]) -> str:
    """Return the first few of `ids`, and how many more there are."""
    more = [f"and {len(ids) - MOST_SHOWN} more"] if len(ids) > MOST_SHOWN else []
    return ", ".join([*ids[:MOST_SHOWN], *more]) or "nobody"
