"""Procrastinate's command, extended so that workers do not start with dangerous settings."""

from typing import Any

from procrastinate.contrib.django.management.commands import procrastinate

from config.startup import check_settings
from webhooks.tasks import recover_after_start


class Command(procrastinate.Command):
    requires_system_checks: list[str] = []  # check_settings() also runs the deployment checks

    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "worker":
            check_settings()
            recover_after_start()
        super().handle(*args, **options)
