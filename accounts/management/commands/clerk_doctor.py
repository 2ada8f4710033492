"""Say what is wrong between this deployment and Clerk: `manage.py clerk_doctor`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.clerk import diagnostics


class Command(BaseCommand):
    help = "Look at keys, parties, secrets, the clock, the key server, the Backend API, the worker and the webhook address."
    # The system checks are part of what it looks at; they must not stop it before it has begun.
    requires_system_checks: list[str] = []  # Django's own way

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--webhook-url", default="", help="The address of the endpoint as Clerk's dashboard has it."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each thing looked at; exit with 1 if anything is wrong."""
        problems = 0
        for finding in diagnostics.examine(options["webhook_url"]):
            if not finding.problem:
                self.stdout.write(f"{self.style.SUCCESS('well')}   {finding.subject}")
                continue
            problems += 1
            self.stdout.write(f"{self.style.ERROR('wrong')}  {finding.subject}: {finding.problem}")
            self.stdout.write(f"       {finding.advice}")
        if problems:
            raise CommandError(f"{problems} of these need to be put right.")
