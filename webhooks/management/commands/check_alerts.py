"""manage.py check_alerts: evaluate the alert rules from cron, in deployments without a worker."""

from typing import Any

from django.core.management.base import BaseCommand

from webhooks.monitoring import alerts, rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.signals import State


class Command(BaseCommand):
    help = (
        "Evaluate the alert rules, notify ALERT_URLS, and list open alerts and every signal that is not well. "
        "Exits with 1 if any alert is open."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        open_alerts = alerts.check()
        for alert in open_alerts:
            self.stdout.write(f"{alert.rule}: {alert.summary}")
        for rule, signal in rules.evaluate(measure()).items():
            if signal.state in (State.DEGRADED, State.UNKNOWN):
                self.stdout.write(f"{rule} ({signal.state}): {signal.summary}")
        if open_alerts:
            raise SystemExit(1)
        self.stdout.write("No open alerts.")
