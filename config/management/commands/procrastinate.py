"""Procrastinate's command, extended so that workers do not start with dangerous settings."""

import logging
from typing import Any

from procrastinate.contrib.django.management.commands import procrastinate

from config.logs.streams import print_json_lines, set_level
from config.startup import check_settings
from webhooks.models import HostReport
from webhooks.monitoring import host_reports
from webhooks.tasks import recover_after_start


class Command(procrastinate.Command):
    requires_system_checks: list[str] = []  # check_settings() also runs the deployment checks

    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "worker":
            print_json_lines(include_stdout=True)
            check_settings()
            recover_after_start()
            host_reports.start(HostReport.Kind.WORKER)
            set_level(logging.INFO)  # Procrastinate prints only progress messages. Errors are logged.
        super().handle(*args, **options)
