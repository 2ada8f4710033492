"""The command that starts a worker."""

from typing import Any

import pytest
from django.core.management import call_command
from procrastinate.contrib.django.management.commands import procrastinate

from config.management.commands import procrastinate as command

pytestmark = pytest.mark.django_db


def test_worker_waits_briefly_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopping worker waits several times. It must be restarted soon after the database is back."""
    started: list[Any] = []
    monkeypatch.setattr(
        procrastinate.Command, "handle", lambda self, **options: started.append(options["app"].connector)
    )
    for name in ("check_settings", "recover_after_start", "print_json_lines", "set_level"):
        monkeypatch.setattr(command, name, lambda *args, **options: None)
    monkeypatch.setattr("webhooks.monitoring.host_reports.start", lambda kind: None)
    call_command("procrastinate", "worker")
    assert started[0]._pool_args["timeout"] <= 10
