"""Diagnose the connection between this deployment and Clerk: `manage.py clerk_doctor`."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.clerk import diagnostics
from accounts.clerk.diagnostics import Finding
from accounts.extensions import extensions


class Command(BaseCommand):
    help = "Check settings, keys, clock, Backend API, queue worker and webhook endpoint, and suggest a fix for each problem."
    # The command runs the system checks below, so Django must not run them first and stop the command.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--webhook-url", default="", help="URL of the webhook endpoint as registered in Clerk's dashboard."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        problems = 0
        for finding in self._findings(options["webhook_url"]):
            if not finding.problem:
                self.stdout.write(f"{self.style.SUCCESS('ok')}     {finding.subject}")
                continue
            problems += 1
            self.stdout.write(f"{self.style.ERROR('error')}  {finding.subject}: {finding.problem}")
            self.stdout.write(f"       {finding.advice}")
        if problems:
            raise CommandError(f"{problems} {'check' if problems == 1 else 'checks'} failed.")

    def _findings(self, webhook_url: str) -> Iterator[Finding]:
        yield from diagnostics.run_checks(webhook_url)
        for subject, problem, advice in extensions.health_findings():
            yield Finding(subject, problem, advice)
