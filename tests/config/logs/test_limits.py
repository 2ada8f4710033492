"""Unknown clients cannot fill the disk with log lines."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.logs import limits as log_limits
from config.logs.limits import LimitFilter, RecordLimiter
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn
from tests.helpers.webhooks import URL

REQUESTS = 100
#: Requests from unknown clients, and the maximum size of the log in bytes for a hundred such requests.
REQUESTS_OF_STRANGERS: dict[str, tuple[dict[str, Any], int]] = {
    "unsigned webhook": ({"method": "POST", "url": URL, "content": "{}"}, 1500),
    "forged webhook": (
        {
            "method": "POST",
            "url": URL,
            "content": "{}",
            "headers": {"svix-id": "x", "svix-timestamp": "1", "svix-signature": "v1," + "A" * 43 + "="},
        },
        1500,
    ),
    "wrong method": ({"method": "GET", "url": URL}, 1200),
    "unknown host": ({"method": "GET", "url": "/builders/", "headers": {"host": "evil.example"}}, 60_000),
    "unknown page": ({"method": "GET", "url": "/" + "x" * 7000}, 150_000),
    "form without a token": ({"method": "POST", "url": "/sign-out/"}, 60_000),
    "invalid session token": (
        {"method": "GET", "url": "/api/profiles/me", "headers": {"authorization": "Bearer x"}},
        60_000,
    ),
    "invalid method": ({"method": "GE", "url": "/"}, 30_000),
}


class LogFile:
    """The part of a growing file that was written after the last `mark`."""

    def __init__(self, path: Path) -> None:
        self.path, self.start = path, 0

    def mark(self) -> None:
        self.start = self.path.stat().st_size

    def text(self) -> str:
        return self.path.read_bytes()[self.start :].decode()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogFile:
    return LogFile(tmp_path_factory.mktemp("limits") / "gunicorn.log")


@pytest.fixture(scope="module")
def site(log: LogFile, database_url: str) -> Iterator[httpx.Client]:
    with (
        gunicorn(database_url, log.path, workers=1, configuration=WITHOUT_ALERT_THREAD, LOG_FORMAT="json") as url,
        httpx.Client(base_url=url, timeout=15, trust_env=False) as client,
    ):
        yield client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("request_", "most_bytes"), REQUESTS_OF_STRANGERS.values(), ids=REQUESTS_OF_STRANGERS)
def test_requests_from_unknown_clients_write_few_log_lines(
    site: httpx.Client, log: LogFile, request_: dict[str, Any], most_bytes: int
) -> None:
    log.mark()
    for _ in range(REQUESTS):
        assert site.request(**request_).status_code >= 400
    assert len(log.text()) < most_bytes


@pytest.fixture
def limiter(monkeypatch: pytest.MonkeyPatch) -> RecordLimiter:
    fresh = RecordLimiter()
    monkeypatch.setattr(log_limits, "limiter", fresh)
    return fresh


def record(name: str, message: str = "x", **extra: Any) -> logging.LogRecord:
    return logging.getLogger(name).makeRecord(name, logging.WARNING, "f", 1, message, (), None, extra=extra)


def test_count_of_further_records_is_logged(limiter: RecordLimiter, caplog: pytest.LogCaptureFixture) -> None:
    admitted = [LimitFilter().filter(record("app", cause="bad_signature")) for _ in range(50)]
    assert admitted == [True] * 20 + [False] * 30
    limiter.report()
    assert caplog.messages == ["30 more log records like these in the last minute: bad_signature"]
    limiter.report()
    assert len(caplog.messages) == 1
    assert LimitFilter().filter(record("app", cause="bad_signature"))


def test_records_without_a_cause_are_not_limited(limiter: RecordLimiter) -> None:
    assert all(LimitFilter().filter(record("accounts.tasks")) for _ in range(100))


def test_number_of_causes_is_limited(limiter: RecordLimiter) -> None:
    for number in range(1000):
        limiter.admit(f"invented-{number}")
    assert len(limiter._counts) == log_limits.MAX_CAUSES + 1


def test_counts_are_logged_without_a_later_record(
    monkeypatch: pytest.MonkeyPatch, limiter: RecordLimiter, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_limits, "INTERVAL_S", 0.2)
    assert [limiter.admit("x", 1), limiter.admit("x", 1)] == [True, False]
    timer = limiter._timer
    assert timer is not None
    timer.join(10)
    assert caplog.messages == ["1 more log record like these in the last minute: x"]


def test_each_error_is_logged_with_its_stack(limiter: RecordLimiter) -> None:
    def failed(number: int) -> logging.LogRecord:
        try:
            raise KeyError(number)
        except KeyError as error:
            found = record("django.request", status_code=500)
            found.exc_info = (KeyError, error, error.__traceback__)
            return found

    def failed_elsewhere() -> logging.LogRecord:
        try:
            raise ValueError
        except ValueError as error:
            found = record("django.request", status_code=500)
            found.exc_info = (ValueError, error, error.__traceback__)
            return found

    admitted = [LimitFilter().filter(failed(number)) for number in range(30)]
    assert admitted.count(True) == log_limits.MAX_RECORDS
    assert LimitFilter().filter(failed_elsewhere())
