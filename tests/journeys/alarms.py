"""Trigger and resolve each kind of problem in a running system, and compare what operators see: `make alarms`.

gunicorn and a queue worker run as in production. After each cause, the dashboard, the alert, its notification and the
metrics must agree within a minute. After each cure, they must agree that the trouble is over. The tests take several
minutes, so they are not part of `make test`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Reconciliation
from tests.helpers.servers.processes import wait_until
from tests.journeys.system import LIMIT_S, System, running_system
from tests.journeys.troubles import DAY, TROUBLES, restore_database
from tests.webhooks.monitoring.test_silence import busy, seed, three_per_week
from webhooks.models import Alert

pytestmark = pytest.mark.django_db(transaction=True)

NEVER = "0 0 29 2 *"


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    with running_system(database_url, tmp_path) as system:
        try:
            yield system
        finally:
            restore_database(system)


def cause(system: System, *names: str) -> None:
    """Trigger the problems, and wait until all of them are reported."""
    troubles = [TROUBLES[name] for name in names]
    for trouble in troubles:
        trouble.cause(system)
    system.wait_until_reported({trouble.rule: trouble.words for trouble in troubles})


def cure(system: System, *names: str) -> None:
    """Fix the problems, and wait until all of them are reported as resolved."""
    troubles = [TROUBLES[name] for name in names]
    for trouble in troubles:
        trouble.cure(system)
    system.wait_until_over({trouble.rule for trouble in troubles})


def test_site_with_three_events_per_week(system: System) -> None:
    seed(three_per_week, timezone.now() - 3 * DAY)
    system.start_worker(RECONCILE_CRON=NEVER)

    # Users have never been compared with Clerk, so the signal is unknown.
    assert system.metrics(Alert.Rule.DRIFT)["signal"] == 1
    assert "All systems operational" not in system.status()

    cause(system, "worker killed", "table locked")
    cure(system, "table locked", "worker killed")
    wait_until(lambda: system.metrics(Alert.Rule.DRIFT)["signal"] == 0, "users were not compared", LIMIT_S)

    cause(system, "SMTP dead", "disk full", "key refused", "wrong secret")
    cause(system, "Clerk slow")
    cure(system, "SMTP dead", "disk full", "wrong secret", "Clerk slow")


def test_site_with_three_thousand_events_per_hour(system: System) -> None:
    seed(busy, timezone.now())
    # All users are compared until Clerk has a user, and Clerk does not know the users that the problems create.
    system.stand_in.create(first_name="First")
    system.start_worker()
    finished = Reconciliation.objects.filter(finished_at__isnull=False)
    wait_until(finished.exists, "users were not compared", LIMIT_S)

    names = (
        *("export failing", "handler failing for one type", "payload unreadable", "audit row changed"),
        *("push refused", "webhooks lost", "clock wrong", "wrong secret"),
    )
    cause(system, *names)
    cure(system, *names)


def test_site_without_a_working_worker(system: System) -> None:
    seed(three_per_week, timezone.now() - 3 * DAY)
    system.start_worker()

    cause(system, "Clerk unavailable")
    cause(system, "worker hung")
    cause(system, "worker crashing")
    cure(system, "worker crashing", "Clerk unavailable")
