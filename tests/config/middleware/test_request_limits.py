"""Clients that send too many requests get 429. Other clients are not affected."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import tasks
from accounts.models import RequestCount
from accounts.security import request_counts
from accounts.security.request_counts import Limit, RequestCounter
from config.middleware import request_limits
from config.middleware.request_limits import (
    API,
    CARD,
    CONTACT,
    EXPORT,
    PASSWORD,
    PREVIEW,
    SEARCH,
    SITEMAP,
    UPLOAD,
    WRITE,
    Rule,
    rules_for,
)
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import URL, WebhookClient, person

pytestmark = pytest.mark.django_db

NETWORK, OTHER_NETWORK = "203.0.113.7", "198.51.100.7"
TIGHT = Limit("tight", 3, 60)


@pytest.fixture(autouse=True)
def counter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> RequestCounter:
    settings.REQUEST_LIMITS = True
    fresh = RequestCounter()
    monkeypatch.setattr(request_limits, "request_counter", fresh)
    return fresh


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit writes and API requests to three per person and five per network."""
    rule = Rule(Limit("tight network", 5, 60), TIGHT)
    monkeypatch.setattr(request_limits, "WRITE", rule)
    monkeypatch.setattr(request_limits, "API", rule)


def statuses(browser: Client, number: int, url: str = "/sign-out/", address: str = NETWORK) -> list[int]:
    return [browser.post(url, REMOTE_ADDR=address).status_code for _ in range(number)]


# --- Counting ---


def test_requests_above_the_limit_must_wait(counter: RequestCounter) -> None:
    waits = [counter.wait_s(TIGHT, "x") for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert all(50 < wait <= 60 for wait in waits[3:])
    assert counter.wait_s(TIGHT, "y") == 0


def test_processes_share_a_count() -> None:
    processes = [RequestCounter() for _ in range(4)]
    assert [process.wait_s(TIGHT, "x") > 0 for process in processes] == [False, False, False, True]


def test_count_starts_again_after_the_time_span(counter: RequestCounter) -> None:
    assert [counter.wait_s(TIGHT, "x") > 0 for _ in range(4)][-1]
    RequestCount.objects.update(ends_at=timezone.now())
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert counter.wait_s(TIGHT, "x") == 0
    assert RequestCount.objects.get().requests == 1


def test_requests_are_counted_in_batches(
    counter: RequestCounter, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    limit = Limit("batched", 20, 60, batch=10)
    with django_assert_num_queries(0):
        assert not any(counter.wait_s(limit, "x") for _ in range(9))
    with django_assert_num_queries(1):
        assert counter.wait_s(limit, "x") == 0
    assert RequestCount.objects.get().requests == 10


def test_rejected_requests_need_no_statement(
    counter: RequestCounter, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        counter.wait_s(TIGHT, "x")
    with django_assert_num_queries(0):
        assert all(counter.wait_s(TIGHT, "x") for _ in range(100))


def test_memory_is_bounded(counter: RequestCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_counts, "MAX_CLIENTS", 10)
    for number in range(100):
        counter.wait_s(Limit("batched", 20, 60, batch=10), str(number))
    assert len(counter._clients) == 10


def test_requests_are_allowed_while_the_database_is_unavailable(
    counter: RequestCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnavailableConnection:
        def cursor(self) -> Any:
            raise OperationalError("unavailable")

    monkeypatch.setattr(request_counts, "connection", UnavailableConnection())
    assert not any(counter.wait_s(TIGHT, "x") for _ in range(10))


def test_stored_counts_contain_no_address_and_expire(counter: RequestCounter) -> None:
    counter.wait_s(TIGHT, NETWORK)
    assert NETWORK not in str(RequestCount.objects.values_list("client", flat=True).get())
    tasks.delete_expired_request_counts(0)
    assert RequestCount.objects.exists()
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        tasks.delete_expired_request_counts(0)
    assert not RequestCount.objects.exists()


# --- Which requests are counted ---


@pytest.mark.parametrize(
    ("method", "path", "rules"),
    (
        ("GET", "/", []),
        ("GET", "/builders/", []),
        ("GET", "/builders/zofia/", []),
        ("GET", "/builders/zofia/?as=visitor", []),
        ("POST", URL, []),
        ("GET", "/builders/?q=django", [SEARCH]),
        ("GET", "/builders/zofia/card.png", [CARD]),
        ("GET", "/sitemap-1.xml", [SITEMAP]),
        ("GET", "/api/profiles/builders", [API]),
        ("PATCH", "/api/profiles/builders/1", [API, WRITE]),
        ("POST", "/builders/zofia/contact/", [WRITE, CONTACT]),
        ("GET", "/builders/zofia/contact/", []),
        # Previews must not use up the limit for saving.
        ("POST", "/builders/zofia/preview/", [PREVIEW]),
        ("POST", "/welcome/preview/", [WRITE]),
        ("POST", "/account/exports/", [EXPORT, WRITE]),
        ("GET", "/account/exports/0b7c8a0e-0000-4000-8000-000000000000/", [EXPORT]),
        ("POST", "/account/roles/", [WRITE]),
        ("POST", "/admin/login/", [WRITE, PASSWORD]),
    ),
)
def test_request_rules(method: str, path: str, rules: list[Rule]) -> None:
    assert list(rules_for(RequestFactory().generic(method, path))) == rules


def test_uploads_have_their_own_limit() -> None:
    request = RequestFactory().post("/builders/zofia/picture/", {"image": "x"})  # The default encoding is multipart.
    assert list(rules_for(request)) == [WRITE, UPLOAD]


# --- Responses ---


def test_person_above_the_limit_gets_an_error_page(low_limits: None) -> None:
    olive = signed_in(UserFactory.create())
    for _ in range(3):
        assert olive.post("/account/roles/", REMOTE_ADDR=NETWORK).status_code == 302
    response = olive.post("/account/roles/", REMOTE_ADDR=OTHER_NETWORK)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 60
    assert "no-store" in response["Cache-Control"]
    text = response.content.decode()
    assert "Try again in a minute." in text
    assert "Error 429" in text
    assert signed_in(UserFactory.create()).post("/account/roles/", REMOTE_ADDR=OTHER_NETWORK).status_code == 302


def test_api_client_above_the_limit_gets_json(low_limits: None) -> None:
    for _ in range(5):
        assert Client().get("/api/profiles/me", REMOTE_ADDR=NETWORK).status_code == 401
    response = Client().get("/api/profiles/me", REMOTE_ADDR=NETWORK)
    assert response.status_code == 429
    assert json.loads(response.content)["error"]["code"] == "too_many_requests"
    assert 0 < int(response["Retry-After"]) <= 60


def test_network_above_the_limit_is_rejected(low_limits: None) -> None:
    assert statuses(Client(), 6)[-1] == 429
    assert statuses(Client(), 1, address=OTHER_NETWORK) != [429]


def test_addresses_of_one_ipv6_network_share_a_limit(low_limits: None) -> None:
    found = [statuses(Client(), 1, address=f"2001:db8:1:2::{number}")[0] for number in range(6)]
    assert found[-1] == 429
    assert statuses(Client(), 1, address="2001:db8:1:3::1") != [429]


@pytest.mark.parametrize("address", ("127.0.0.1", "10.0.3.17", "fd00::1", "", "unknown"))
def test_clients_with_an_unknown_or_internal_address_share_no_limit(low_limits: None, address: str) -> None:
    """Otherwise, one client behind a misconfigured proxy could lock everyone out."""
    assert 429 not in statuses(Client(), 10, address=address)


@pytest.mark.usefixtures("low_limits")
def test_limits_can_be_disabled(settings: Settings) -> None:
    settings.REQUEST_LIMITS = False
    assert 429 not in statuses(Client(), 10)


# --- Cost ---


@pytest.fixture
def statements() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as captured:
        yield captured


@pytest.mark.parametrize(
    ("url", "number"), (("/builders/", 50), ("/builders/?q=django", 9), ("/api/profiles/builders", 29))
)
def test_page_views_and_searches_need_no_statement(statements: CaptureQueriesContext, url: str, number: int) -> None:
    for _ in range(number):
        assert Client().get(url, REMOTE_ADDR=NETWORK).status_code == 200
    assert not [query for query in statements.captured_queries if "requestcount" in query["sql"]]


def test_webhooks_are_not_counted(statements: CaptureQueriesContext, webhook: WebhookClient, low_limits: None) -> None:
    for _ in range(10):
        assert webhook.created(person()) == "processed"
    assert not [query for query in statements.captured_queries if "requestcount" in query["sql"]]
