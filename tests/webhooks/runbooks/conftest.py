"""An operator who follows runbooks."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests.accounts.sync.conftest import clerk, shared  # noqa: F401  # fixtures
from tests.config.test_health import database_down  # noqa: F401  # a fixture
from tests.helpers.clients import with_password
from tests.webhooks.runbooks.steps import ReadStep, Step, read_steps
from webhooks.inbox.background_counts import BackgroundCounter
from webhooks.inbox.rejections import RejectionCounter
from webhooks.inbox.secret_counts import UPSERT


@pytest.fixture
def admin(db: None) -> Client:
    return with_password()


@pytest.fixture(autouse=True)
def rejections(monkeypatch: pytest.MonkeyPatch) -> RejectionCounter:
    """Return a new counter of rejected requests, because the counter of the process contains those of other tests."""
    counter = RejectionCounter()
    monkeypatch.setattr("webhooks.views.rejection_counter", counter)
    return counter


@pytest.fixture
def step(admin: Client) -> Iterator[ReadStep]:
    """Return a function that reads a step of a runbook. The test must open one of the step's links to this site."""
    read: list[tuple[str, int, Step]] = []

    def read_step(runbook: str, number: int) -> Step:
        found = read_steps(admin, runbook)[number - 1]
        read.append((runbook, number, found))
        return found

    yield read_step
    for runbook, number, found in read:
        is_here = any(url.startswith("/") for url in found.links.values())
        assert found.opened or not is_here, f"The test did not open a page of step {number} of {runbook}."


@pytest.fixture
def secret_counts(monkeypatch: pytest.MonkeyPatch) -> BackgroundCounter:
    """Return a new counter of deliveries by secret."""
    counter = BackgroundCounter(UPSERT, "deliveries by secret")
    monkeypatch.setattr("webhooks.views.secret_counter", counter)
    return counter
