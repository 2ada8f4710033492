"""Import accounts from before Clerk: `manage.py import_users accounts.csv`. See docs/how-to/import_users.md."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts.clerk.api import ClerkApiError
from accounts.imports import invitations, services
from accounts.imports.rows import FileError
from accounts.models import ImportedAccount, UserImport
from core.english import counted


class Command(BaseCommand):
    help = (
        "Import accounts from before Clerk from a CSV or JSON Lines file. Each account is linked when its person signs up with "
        "the same verified email address. An interrupted import continues when the command is run again. Exits with 1 if a "
        "line is refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", type=Path, help="columns or keys: email, name, first_name, last_name, username, roles"
        )
        parser.add_argument("--dry-run", action="store_true", help="only check the file, and write the report")
        parser.add_argument("--report", type=Path, help="the report of refused lines; default: FILE.refused.csv")
        parser.add_argument("--invite", action="store_true", help="then invite the people through Clerk, 90 per hour")

    def handle(self, *, file: Path, dry_run: bool, report: Path | None, invite: bool, **options: Any) -> None:
        if invite and not dry_run:
            _require_clerk()
        report = report or file.with_name(f"{file.name}.{'dry-run' if dry_run else 'refused'}.csv")
        try:
            run = self._check(file, report) if dry_run else self._import(file, report)
        except FileError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
        verb = "could be created" if dry_run else "created"
        self.stdout.write(f"{counted(run.created, 'account')} {verb}, {counted(run.refused, 'line')} refused.")
        if invite and not dry_run:
            self._invite(run)
        if run.refused:
            raise CommandError(f"{counted(run.refused, 'line')} refused. {report} contains the reason for each line.")

    def _check(self, file: Path, report: Path) -> UserImport:
        with _progress_bar(file) as bar:
            return services.check(file, report, lambda position: bar.update(position - bar.n))

    def _import(self, file: Path, report: Path) -> UserImport:
        run = services.find_run(file)
        if run.finished_at:
            self.stdout.write(
                f"This file was imported on {run.finished_at:%Y-%m-%d %H:%M} UTC. Nothing is imported again."
            )
            return run
        if run.last_line:
            self.stdout.write(f"Continuing after line {run.last_line:,}.")
        with _progress_bar(file) as bar:
            return services.run_import(run, file, report, lambda position: bar.update(position - bar.n))

    def _invite(self, run: UserImport) -> None:
        total, sent, rejected = invitations.pending(run).count(), 0, 0
        with tqdm(total=total, unit="invitation", disable=None) as bar:
            # Each invited or rejected account is no longer pending.
            while waiting := list(invitations.pending(run)[:100]):
                for account in waiting:
                    is_sent = self._invite_one(account, f"{sent:,} of {total:,} invitations were sent.")
                    sent, rejected = sent + is_sent, rejected + (not is_sent)
                    bar.update()
        self.stdout.write(f"{sent:,} invitations sent, {rejected:,} rejected by Clerk.")

    def _invite_one(self, account: ImportedAccount, progress: str) -> bool:
        try:
            is_sent = invitations.invite(account)
        except ClerkApiError as error:
            raise CommandError(f"{progress} {error} Run the command again to continue.") from None
        if not is_sent:
            self.stderr.write(f"Line {account.line}: {account.invitation_error}")
        return is_sent


def _require_clerk() -> None:
    if not settings.CLERK_SECRET_KEY:
        raise CommandError("CLERK_SECRET_KEY is not set. Set it, or import without --invite.")
    if not settings.SITE_URL:
        raise CommandError("SITE_URL is not set. Set it, so that invitations can link to the sign-up page.")


def _progress_bar(file: Path) -> "tqdm[Any]":
    return tqdm(total=file.stat().st_size, unit="B", unit_scale=True, disable=None)
