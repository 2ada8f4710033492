"""Diagnose the deployment's external connections: `manage.py clerk_doctor`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from accounts.clerk import diagnostics
from webhooks.doctor import runner
from webhooks.doctor.catalogue import CHECKS
from webhooks.inbox.handlers import HANDLERS, TEST_TYPE
from webhooks.models import CheckResult

State = CheckResult.State


class Command(BaseCommand):
    help = (
        "Check settings, Clerk's API, clocks, certificates, mail, storage, database and health signals, and suggest a fix "
        "for each problem. Exits with 1 if a check fails."
    )
    # The command reports the system checks itself, so Django must not run them first and abort.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--webhook-url",
            default="",
            help="URL of the webhook endpoint as registered in Clerk's dashboard. The default is this site's own endpoint.",
        )

    def handle(self, *, webhook_url: str, **options: Any) -> None:
        overrides = {"own_endpoint": lambda: diagnostics.check_endpoint(webhook_url)} if webhook_url else {}
        failed = 0
        for result in runner.run(overrides=overrides):
            failed += result.state == State.FAILED
            self._write(result)
        self._write_dashboard(webhook_url or settings.SITE_URL + reverse("webhooks:receive"))
        if failed:
            raise CommandError(f"{failed} {'check' if failed == 1 else 'checks'} failed.")

    def _write_dashboard(self, endpoint_url: str) -> None:
        """Write what Clerk's dashboard needs. docs/clerk_dashboard.md describes each page."""
        events = ", ".join(sorted(name for name in HANDLERS if name != TEST_TYPE))
        lines = (
            ("Webhooks, endpoint URL", endpoint_url),
            ("Webhooks, events", events),
            ("Sessions, session token", "no custom claims are needed"),
            ("Domains, home URL", settings.SITE_URL),
        )
        self.stdout.write("\nEnter in Clerk's dashboard:")
        for label, value in lines:
            self.stdout.write(f"  {label}: {value}")

    def _write(self, result: CheckResult) -> None:
        label = CHECKS[result.name].label
        if result.state == State.FAILED:
            self.stdout.write(f"{self.style.ERROR('error')}  {label}: {result.summary}")
            self.stdout.write(f"       {result.advice}")
        else:
            word = self.style.SUCCESS("ok") + "    " if result.state == State.PASSED else "skip  "
            self.stdout.write(f"{word} {label}: {result.summary}")
