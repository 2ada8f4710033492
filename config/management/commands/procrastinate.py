"""Procrastinate's command, extended so that workers do not start with dangerous settings."""

import logging
from typing import Any

from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.management.commands import procrastinate
from procrastinate.contrib.django.utils import connector_params

from config.logs.streams import print_json_lines, set_level
from config.startup import check_settings
from webhooks.models import HostReport
from webhooks.monitoring import host_reports
from webhooks.tasks import recover_after_start

#: How long a worker waits for one of its connections. A worker that loses the database stops after several such waits and is
#: restarted. With the pool's default of 30 s, jobs can be delayed by two minutes after the database is back.
POOL_TIMEOUT_S = 10.0


class Command(procrastinate.Command):
    requires_system_checks: list[str] = []  # check_settings() also runs the deployment checks

    def handle(self, *args: Any, **options: Any) -> None:
        if options["command"] == "worker":
            print_json_lines(include_stdout=True)
            check_settings()
            recover_after_start()
            host_reports.start(HostReport.Kind.WORKER)
            set_level(logging.INFO)  # Procrastinate prints only progress messages. Errors are logged.
            with app.replace_connector(PsycopgConnector(kwargs=connector_params(), timeout=POOL_TIMEOUT_S)):
                super().handle(*args, **options, app=app)
        else:
            super().handle(*args, **options)
