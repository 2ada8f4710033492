"""The Backend API client: requests, responses, retries, rate limit and circuit breaker."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.clerk import api, rate_limiter
from accounts.clerk import http as transport
from accounts.clerk.api import ClerkApiError, ClerkRejectedError
from accounts.clerk.fields import ClerkPayloadError
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import ClerkRateLimit
from tests.helpers.clerk import FakeClerk
from tests.helpers.webhooks import person

pytestmark = pytest.mark.django_db

UNREACHABLE = httpx.ConnectError("connection refused")
TRACE = "4b1e2f7ad0c34f6c9d1f8a8f7a6b5c4d"


def error_response(status: int, code: str = "form_param_value_invalid") -> httpx.Response:
    errors = [{"message": "no", "long_message": "This cannot be", "code": code}]
    return httpx.Response(status, json={"errors": errors, "clerk_trace_id": TRACE})


class TestRequests:
    def test_metadata_merge_returns_the_user(self, fake: FakeClerk) -> None:
        olive = person(roles=["BUILDER"])
        fake.respond_with(httpx.Response(200, json=olive.data()))
        user = api.merge_public_metadata(olive.clerk_id, {"roles": ["BUILDER"], "companyName": None})
        [request] = fake.requests
        assert (request.method, request.url.path) == ("PATCH", f"/v1/users/{olive.clerk_id}/metadata")
        assert request.content == b'{"public_metadata":{"roles":["BUILDER"],"companyName":null}}'
        assert request.headers["Clerk-API-Version"] == "2026-05-12"
        assert user.roles == ["BUILDER"]

    @pytest.mark.parametrize(
        ("call", "method", "path"),
        (
            (api.delete_user, "DELETE", "/v1/users/user_2a"),
            (api.get_user, "GET", "/v1/users/user_2a"),
        ),
    )
    def test_each_call_uses_its_path(self, fake: FakeClerk, call: Callable[[str], Any], method: str, path: str) -> None:
        fake.respond_with(httpx.Response(404))
        call("user_2a")
        assert [(request.method, request.url.path) for request in fake.requests] == [(method, path)]

    @pytest.mark.parametrize("bad", ("user_1/../../x?y", "", "sess_1", "user_", "user_é", "user_" + "a" * 60))
    @pytest.mark.parametrize("call", (api.get_user, api.delete_user))
    def test_invalid_user_id_is_not_sent(self, fake: FakeClerk, call: Callable[[str], Any], bad: str) -> None:
        with pytest.raises(ClerkPayloadError):
            call(bad)
        assert fake.requests == []

    def test_invalid_session_id_is_not_sent(self, fake: FakeClerk) -> None:
        with pytest.raises(ValueError, match="not a session id"):
            api.revoke_session("sess_1/../../users")
        assert fake.requests == []

    def test_revoking_an_ended_session_is_not_an_error(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(404))
        api.revoke_session("sess_2a")
        fake.respond_with(error_response(400, "session_not_active"))
        api.revoke_session("sess_2a")

    @pytest.mark.parametrize(
        ("call", "verb"),
        (
            (api.ban_user, "ban"),
            (api.unban_user, "unban"),
            (api.lock_user, "lock"),
            (api.unlock_user, "unlock"),
        ),
    )
    def test_access_change_returns_the_user(self, fake: FakeClerk, call: Callable[[str], ClerkUser], verb: str) -> None:
        olive = person()
        fake.respond_with(httpx.Response(200, json=olive.data()))
        assert call(olive.clerk_id).clerk_id == olive.clerk_id
        [request] = fake.requests
        assert (request.method, request.url.path) == ("POST", f"/v1/users/{olive.clerk_id}/{verb}")

    def test_active_sessions_are_listed(self, fake: FakeClerk) -> None:
        session = {"id": "sess_2a", "user_id": "user_2a", "created_at": 1_700_000_000_000, "last_active_at": None}
        fake.respond_with(httpx.Response(200, json=[session]))
        [found] = api.list_active_sessions("user_2a")
        assert (found.session_id, found.last_active_at) == ("sess_2a", None)
        assert found.started_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
        assert fake.requests[0].url.query == b"user_id=user_2a&status=active&limit=500"

    @pytest.mark.parametrize("body", ({}, [7], [{"id": "x", "user_id": "user_2a"}]))
    def test_unreadable_session_list_is_an_error(self, fake: FakeClerk, body: Any) -> None:
        fake.respond_with(httpx.Response(200, json=body))
        with pytest.raises(ClerkApiError, match="session list"):
            api.list_active_sessions("user_2a")

    def test_users_are_counted(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(200, json={"object": "total_count", "total_count": 7}))
        assert api.count_users() == 7
        fake.respond_with(httpx.Response(200, json=[7]))
        with pytest.raises(ClerkApiError, match="not a number"):
            api.count_users()

    def test_page_cursor_is_the_last_readable_user_id(self, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api, "PAGE_SIZE", 3)
        olive = person()
        fake.respond_with(httpx.Response(200, json=[olive.data(), {"id": "user_2b"}, 7]))
        page = api.list_users()
        assert ([user.clerk_id for user in page.users], page.last_id) == ([olive.clerk_id], "user_2b")
        assert [clerk_id for clerk_id, _ in page.unreadable] == ["user_2b", "7"]
        fake.respond_with(httpx.Response(200, json=[1, 2, 3]))
        with pytest.raises(ClerkApiError, match="has an id"):
            api.list_users()


class TestResponses:
    @pytest.mark.parametrize("status", (400, 409, 413, 422))
    def test_permanent_error_is_not_retried_and_reports_its_trace_id(self, fake: FakeClerk, status: int) -> None:
        fake.respond_with(error_response(status))
        with pytest.raises(
            ClerkRejectedError, match=f"{status} form_param_value_invalid: This cannot be.*{TRACE}"
        ) as caught:
            api.merge_public_metadata("user_2a", {})
        assert (caught.value.code, len(fake.requests)) == ("form_param_value_invalid", 1)

    @pytest.mark.parametrize("status", (401, 402, 403))
    def test_rejected_secret_key_is_not_a_permanent_error(self, fake: FakeClerk, status: int) -> None:
        fake.respond_with(error_response(status, "clerk_key_invalid"))
        with pytest.raises(ClerkApiError, match="Compare CLERK_SECRET_KEY") as caught:
            api.get_user("user_2a")
        assert not isinstance(caught.value, ClerkRejectedError)

    @pytest.mark.parametrize(
        "response",
        (
            httpx.Response(200, text="<html>"),
            httpx.Response(200, text='{"id": "user_2a", "first'),
            httpx.Response(200, text="[" * 20_000),
            httpx.Response(200, json=[]),
            httpx.Response(200, json={"id": "user_2a"}),
            httpx.Response(301, headers={"Location": "https://elsewhere.example"}),
            httpx.Response(418, json={"errors": "none", "clerk_trace_id": None}),
            httpx.Response(500, json={"errors": [7]}),
        ),
    )
    def test_unusable_response_raises(self, fake: FakeClerk, response: httpx.Response) -> None:
        fake.respond_with(response)
        with pytest.raises(ClerkApiError, match="user_2a"):
            api.get_user("user_2a")

    def test_missing_user_is_returned_as_a_deletion(self, fake: FakeClerk) -> None:
        fake.respond_with(error_response(404, "resource_not_found"))
        assert isinstance(api.get_user("user_2a"), ClerkUserDeleted)


class TestRetries:
    def test_server_errors_are_retried_with_backoff(self, fake: FakeClerk) -> None:
        olive = person()
        fake.respond_with(httpx.Response(500), UNREACHABLE, then=lambda request: httpx.Response(200, json=olive.data()))
        api.get_user(olive.clerk_id)
        assert fake.pauses == [1.0, 2.0]
        assert ClerkRateLimit.objects.get().failures == 0

    def test_request_is_sent_at_most_three_times(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(503, text="<html>down</html>"))
        with pytest.raises(ClerkApiError, match="503: <html>down"):
            api.get_user("user_2a")
        assert len(fake.requests) == 3

    def test_retry_after_is_respected(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(429, headers={"Retry-After": "3"}), then=lambda r: httpx.Response(404))
        api.get_user("user_2a")
        assert fake.pauses[0] == 3.0
        assert ClerkRateLimit.objects.get().failures == 0

    def test_rate_limit_response_delays_other_requests(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(429, headers={"Retry-After": "3600"}))
        with pytest.raises(ClerkApiError, match="429"):
            api.get_user("user_2a")
        assert len(fake.requests) == 1
        fake.respond_with(httpx.Response(404))
        api.get_user("user_2b")
        assert fake.pauses[-1] == pytest.approx(29, abs=2)

    @pytest.mark.parametrize("retry_after", ("soon", "-1", "²", "1e9", ""))
    def test_invalid_retry_after_is_ignored(self, fake: FakeClerk, retry_after: str) -> None:
        limited = httpx.Response(429, headers=[(b"Retry-After", retry_after.encode())])
        fake.respond_with(limited, then=lambda request: httpx.Response(404))
        api.get_user("user_2a")
        assert fake.pauses[0] == 1.0


class TestCircuitBreaker:
    @pytest.fixture(autouse=True)
    def open_circuit(self, fake: FakeClerk) -> None:
        """Fail two calls of three attempts each, which is more than the threshold of five failures."""
        fake.respond_with(UNREACHABLE)
        for _ in range(2):
            with pytest.raises(ClerkApiError):
                api.get_user("user_2a")
        fake.requests.clear()

    def test_open_circuit_sends_no_requests(self, fake: FakeClerk) -> None:
        with pytest.raises(ClerkApiError, match="Clerk has been failing"):
            api.get_user("user_2a")
        assert fake.requests == []

    def test_one_request_probes_after_the_suspension(self, fake: FakeClerk) -> None:
        end_suspension()
        assert rate_limiter.acquire(max_wait_s=1) is not None
        assert rate_limiter.acquire(max_wait_s=1) is None

    def test_successful_probe_closes_the_circuit(self, fake: FakeClerk) -> None:
        end_suspension()
        fake.respond_with(httpx.Response(404))
        api.get_user("user_2a")
        api.get_user("user_2a")
        assert (len(fake.requests), ClerkRateLimit.objects.get().suspended_until) == (2, None)

    def test_suspensions_double_up_to_five_minutes(self, fake: FakeClerk) -> None:
        suspensions = []
        for _ in range(10):
            end_suspension()
            rate_limiter.record_failure(rate_limiter.Failure("api.clerk.com", "503"))
            until = ClerkRateLimit.objects.get().suspended_until
            assert until is not None
            suspensions.append((until - timezone.now()).total_seconds())
        assert suspensions[:3] == pytest.approx([10, 20, 40], abs=1)
        assert suspensions[-1] == pytest.approx(300, abs=1)

    def test_probe_is_sent_while_the_circuit_is_open_and_closes_it(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(503), httpx.Response(200, json=[]))
        assert not transport.probe()
        assert ClerkRateLimit.objects.get().failures > 5
        assert transport.probe()
        assert (ClerkRateLimit.objects.get().failures, ClerkRateLimit.objects.get().suspended_until) == (0, None)

    @pytest.mark.parametrize("status", (401, 402, 403))
    def test_refused_key_is_recorded_until_clerk_accepts_it(self, fake: FakeClerk, status: int) -> None:
        fake.respond_with(httpx.Response(status), httpx.Response(status), httpx.Response(200, json=[]))
        transport.probe()
        since = ClerkRateLimit.objects.get().refused_at
        transport.probe()
        assert since
        assert ClerkRateLimit.objects.get().refused_at == since
        transport.probe()
        assert ClerkRateLimit.objects.get().refused_at is None

    @pytest.mark.parametrize(
        ("response", "reason"),
        ((httpx.Response(503), "503"), (httpx.Response(401), "401"), (httpx.ConnectTimeout("slow"), "ConnectTimeout")),
    )
    def test_last_failure_is_recorded(
        self, fake: FakeClerk, response: httpx.Response | httpx.HTTPError, reason: str
    ) -> None:
        fake.respond_with(response)
        transport.probe()
        row = ClerkRateLimit.objects.get()
        assert (row.failed_host, row.failed_with) == ("api.clerk.com", reason)
        assert row.probed_at


class TestSpeed:
    @pytest.mark.parametrize("seconds", (6, 9))
    def test_slow_requests_are_counted_until_a_quick_answer(
        self, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch, seconds: int
    ) -> None:
        """Requests time out after ten seconds. The probes time out earlier, but requests in between succeed."""
        delays = iter((seconds, seconds, 5, 0.1))
        clock = Clock(monkeypatch)

        def handler(request: httpx.Request) -> httpx.Response:
            clock.offset_s += next(delays)
            if request.url.params.get("limit") == "1":
                raise httpx.ReadTimeout("slow")
            return httpx.Response(404)

        fake.handler = handler
        counts = []
        for is_probe in (False, False, True, False):
            transport.probe() if is_probe else api.get_user("user_2a")
            counts.append(ClerkRateLimit.objects.get().slow_requests)
        assert counts == [1, 2, 3, 0]


class Clock:
    """A monotonic clock that tests can move forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset_s = 0.0
        monotonic = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + self.offset_s)


def end_suspension() -> None:
    ClerkRateLimit.objects.update(suspended_until="2026-01-01T00:00:00Z")


class TestRateLimit:
    @pytest.mark.parametrize(("key", "minimum", "maximum"), (("sk_live_x", 900, 1000), ("sk_test_x", 90, 100)))
    def test_window_stays_within_clerks_limit(
        self, fake: FakeClerk, settings: Any, key: str, minimum: int, maximum: int
    ) -> None:
        settings.CLERK_SECRET_KEY = key
        assert minimum <= permits_within(10) <= maximum

    def test_metadata_of_one_user_has_a_lower_limit(self, fake: FakeClerk) -> None:
        assert permits_within(10, name="user_2a") <= 10
        assert permits_within(10, name="user_2b") >= 8

    def test_metadata_limit_delays_only_writes_for_that_user(self, fake: FakeClerk) -> None:
        olive = person()
        fake.respond_with(httpx.Response(200, json=olive.data()))
        for _ in range(11):
            api.merge_public_metadata(olive.clerk_id, {})
        assert max(fake.pauses) > 10  # sleeping is faked, so the waits add up
        fake.pauses.clear()
        api.get_user(olive.clerk_id)
        fake.respond_with(httpx.Response(200, json=person().data()))
        api.merge_public_metadata("user_2another", {})
        assert max(fake.pauses, default=0) < 1  # the limit of the instance only

    def test_excessive_wait_is_rejected_immediately(self, fake: FakeClerk) -> None:
        permits_within(5, name="user_2a")
        assert rate_limiter.acquire("user_2a", max_wait_s=0) is None
        assert fake.requests == []

    def test_rows_of_idle_users_are_deleted(self) -> None:
        rate_limiter.acquire("user_2a", max_wait_s=1)
        rate_limiter.acquire(max_wait_s=1)
        ClerkRateLimit.objects.update(next_slot_at="2026-01-01T00:00:00Z")
        assert rate_limiter.delete_idle() == 1
        assert ClerkRateLimit.objects.get().name == rate_limiter.INSTANCE


def permits_within(seconds: float, name: str = rate_limiter.INSTANCE) -> int:
    """Return how many permits a process can acquire within `seconds`, without waiting."""
    permits, until = 0, time.monotonic() + seconds
    while rate_limiter.acquire(name, max_wait_s=until - time.monotonic()) is not None:
        permits += 1
    return permits


@pytest.mark.django_db(transaction=True)
class TestSeveralProcesses:
    def test_processes_share_one_limit(self, fake: FakeClerk) -> None:
        def acquire_all(_: int) -> int:
            try:
                return permits_within(10)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            assert 90 <= sum(pool.map(acquire_all, range(4))) <= 100

    def test_request_inside_a_transaction_raises(self, fake: FakeClerk) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            api.get_user("user_2a")
        assert fake.requests == []


def test_client_is_reused_and_does_not_follow_redirects() -> None:
    assert transport.client() is transport.client()
    assert not transport.client().follow_redirects
