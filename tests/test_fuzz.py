"""`make fuzz` sends the same requests for the same seed, covers every target, and reports faults."""

from collections.abc import Iterator
from random import Random
from typing import NoReturn

import pytest
from django.core.handlers.wsgi import WSGIHandler

from profiles.models import BuilderProfile
from tests.fuzz.requests import Request
from tests.fuzz.runner import Result, Runner
from tests.fuzz.targets import TARGETS, Target
from tests.fuzz.world import World
from webhooks.inbox import handlers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner(1, World.create())
    with runner.recording():
        yield runner


def raise_error(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("on purpose")


def send_request(runner: Runner, request: Request) -> Result:
    result = Result()
    runner.run("one", Target(lambda random, world: request, 100), 0, result)
    return result


def test_same_seed_builds_the_same_requests(runner: Runner) -> None:
    for name, target in TARGETS.items():
        first, second = (target.build(Random(f"7:{name}"), runner.world) for _ in range(2))
        assert (first.method, first.path, first.query) == (second.method, second.path, second.query), name


def test_targets_find_no_fault(runner: Runner) -> None:
    for name, target in TARGETS.items():
        result = Result()
        for number in range(5):
            runner.run(name, target, number, result)
        assert (result.requests, result.faults) == (5, {}), name


def test_changes_are_rolled_back(runner: Runner) -> None:
    url, cookie = (
        runner.world.fill_in("/api/profiles/builders/{builder}"),
        {
            "authorization": f"Bearer {runner.world.tokens['olive']}",
            "if-match": "*",
        },
    )
    assert send_request(runner, Request("DELETE", url, headers=cookie)).statuses == {204: 1}
    assert BuilderProfile.objects.get(pk=runner.world.page.pk).deleted_at is None


def test_500_is_a_fault(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiles.directory.views.find_pages", raise_error)
    [fault] = send_request(
        runner, Request("GET", "/builders/", headers={"cookie": "__clerk_db_jwt=dvb_any"})
    ).faults.values()
    assert fault.cause.startswith("RuntimeError at ")
    assert "on purpose" in fault.details


def test_exception_outside_django_is_a_fault(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WSGIHandler, "__call__", raise_error)
    assert len(send_request(runner, Request("GET", "/")).faults) == 1


def test_event_that_fails_with_an_unexpected_error_is_a_fault(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "apply_users", raise_error)
    name, result = "webhooks, signed", Result()
    for number in range(10):
        runner.run(name, TARGETS[name], number, result)
    assert any("RuntimeError: on purpose" in fault.details for fault in result.faults.values())
