"""manage.py check_alerts: for cron, where no worker runs the periodic job."""

from typing import Any

from django.core.management.base import BaseCommand

from webhooks.monitoring import alerts


class Command(BaseCommand):
    """Judge every rule, tell what changed, and list what is open."""

    help = "Look for trouble, tell of it over ALERT_URLS, and list what is open. Exits with 1 if anything is."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each open alert."""
        found = alerts.check()
        for alert in found:
            self.stdout.write(f"{alert.rule}: {alert.summary}")
        if found:
            raise SystemExit(1)
        self.stdout.write("All is well.")
