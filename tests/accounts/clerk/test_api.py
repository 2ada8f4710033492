"""Asking Clerk: what is sent, what its answers mean, and what happens when it is slow, away or in a bad mood."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.clerk import api, rate_limiter
from accounts.clerk import http as transport
from accounts.clerk.api import ClerkApiError, ClerkRejectedError
from accounts.clerk.fields import ClerkPayloadError
from accounts.clerk.payloads import ClerkUserDeleted
from accounts.models import ClerkRateLimit
from tests.helpers.clerk import FakeClerk
from tests.helpers.webhooks import person

pytestmark = pytest.mark.django_db

AWAY = httpx.ConnectError("nobody is there")
TRACE = "4b1e2f7ad0c34f6c9d1f8a8f7a6b5c4d"


def refusal(status: int, code: str = "form_param_value_invalid") -> httpx.Response:
    errors = [{"message": "no", "long_message": "This cannot be", "code": code}]
    return httpx.Response(status, json={"errors": errors, "clerk_trace_id": TRACE})


class TestRequests:
    def test_metadata_is_merged_and_the_user_returned(self, fake: FakeClerk) -> None:
        olive = person(roles=["BUILDER"])
        fake.answers(httpx.Response(200, json=olive.data()))
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
    def test_each_call_has_its_address(
        self, fake: FakeClerk, call: Callable[[str], Any], method: str, path: str
    ) -> None:
        fake.answers(httpx.Response(404))
        call("user_2a")
        assert [(request.method, request.url.path) for request in fake.requests] == [(method, path)]

    @pytest.mark.parametrize("bad", ("user_1/../../x?y", "", "sess_1", "user_", "user_é", "user_" + "a" * 60))
    @pytest.mark.parametrize("call", (api.get_user, api.delete_user))
    def test_nothing_but_an_id_gets_into_an_address(
        self, fake: FakeClerk, call: Callable[[str], Any], bad: str
    ) -> None:
        with pytest.raises(ClerkPayloadError):
            call(bad)
        assert fake.requests == []

    def test_a_session_has_an_id_of_its_own_form(self, fake: FakeClerk) -> None:
        with pytest.raises(ValueError, match="no id of a session"):
            api.revoke_session("sess_1/../../users")
        assert fake.requests == []

    def test_a_session_that_is_over_is_no_trouble(self, fake: FakeClerk) -> None:
        fake.answers(httpx.Response(404))
        api.revoke_session("sess_2a")
        fake.answers(refusal(400, "session_not_active"))
        api.revoke_session("sess_2a")

    def test_users_are_counted(self, fake: FakeClerk) -> None:
        fake.answers(httpx.Response(200, json={"object": "total_count", "total_count": 7}))
        assert api.count_users() == 7
        fake.answers(httpx.Response(200, json=[7]))
        with pytest.raises(ClerkApiError, match="not a number"):
            api.count_users()

    def test_a_page_goes_on_behind_its_last_user_who_has_an_id(
        self, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api, "PAGE_SIZE", 3)
        olive = person()
        fake.answers(httpx.Response(200, json=[olive.data(), {"id": "user_2b"}, 7]))
        page = api.list_users()
        assert ([user.clerk_id for user in page.users], page.last_id) == ([olive.clerk_id], "user_2b")
        assert [who for who, _ in page.unreadable] == ["user_2b", "7"]
        fake.answers(httpx.Response(200, json=[1, 2, 3]))
        with pytest.raises(ClerkApiError, match="has an id"):
            api.list_users()


class TestAnswers:
    @pytest.mark.parametrize("status", (400, 409, 413, 422))
    def test_a_refusal_is_for_good_and_told_with_its_trace(self, fake: FakeClerk, status: int) -> None:
        fake.answers(refusal(status))
        with pytest.raises(
            ClerkRejectedError, match=f"{status} form_param_value_invalid: This cannot be.*{TRACE}"
        ) as no:
            api.merge_public_metadata("user_2a", {})
        assert (no.value.code, len(fake.requests)) == ("form_param_value_invalid", 1)

    @pytest.mark.parametrize("status", (401, 402, 403))
    def test_a_refused_key_is_no_refusal_of_the_request(self, fake: FakeClerk, status: int) -> None:
        fake.answers(refusal(status, "clerk_key_invalid"))
        with pytest.raises(ClerkApiError, match="Compare CLERK_SECRET_KEY") as no:
            api.get_user("user_2a")
        assert not isinstance(no.value, ClerkRejectedError)

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
    def test_a_useless_answer_is_an_error_that_says_so(self, fake: FakeClerk, response: httpx.Response) -> None:
        fake.answers(response)
        with pytest.raises(ClerkApiError, match="user_2a"):
            api.get_user("user_2a")

    def test_nobody_of_that_id_is_a_deletion(self, fake: FakeClerk) -> None:
        fake.answers(refusal(404, "resource_not_found"))
        assert isinstance(api.get_user("user_2a"), ClerkUserDeleted)


class TestRetries:
    def test_trouble_of_clerks_is_tried_again_for_a_while(self, fake: FakeClerk) -> None:
        olive = person()
        fake.answers(httpx.Response(500), AWAY, then=lambda request: httpx.Response(200, json=olive.data()))
        api.get_user(olive.clerk_id)
        assert fake.pauses == [1.0, 2.0]
        assert ClerkRateLimit.objects.get().failures == 0

    def test_three_times_are_enough(self, fake: FakeClerk) -> None:
        fake.answers(httpx.Response(503, text="<html>down</html>"))
        with pytest.raises(ClerkApiError, match="503: <html>down"):
            api.get_user("user_2a")
        assert len(fake.requests) == 3

    def test_a_limit_is_waited_for_as_long_as_clerk_says(self, fake: FakeClerk) -> None:
        fake.answers(httpx.Response(429, headers={"Retry-After": "3"}), then=lambda r: httpx.Response(404))
        api.get_user("user_2a")
        assert fake.pauses[0] == 3.0
        assert ClerkRateLimit.objects.get().failures == 0

    def test_a_limit_holds_up_everybody_else_too(self, fake: FakeClerk) -> None:
        fake.answers(httpx.Response(429, headers={"Retry-After": "3600"}))
        with pytest.raises(ClerkApiError, match="429"):
            api.get_user("user_2a")
        assert len(fake.requests) == 1
        fake.answers(httpx.Response(404))
        api.get_user("user_2b")
        assert fake.pauses[-1] == pytest.approx(29, abs=2)

    @pytest.mark.parametrize("asked", ("soon", "-1", "²", "1e9", ""))
    def test_a_senseless_wait_is_not_waited(self, fake: FakeClerk, asked: str) -> None:
        limited = httpx.Response(429, headers=[(b"Retry-After", asked.encode())])
        fake.answers(limited, then=lambda request: httpx.Response(404))
        api.get_user("user_2a")
        assert fake.pauses[0] == 1.0


class TestCircuitBreaker:
    @pytest.fixture(autouse=True)
    def away(self, fake: FakeClerk) -> None:
        """Let Clerk be away until five requests have found that out."""
        fake.answers(AWAY)
        for _ in range(2):
            with pytest.raises(ClerkApiError):
                api.get_user("user_2a")
        fake.requests.clear()

    def test_clerk_is_left_alone_after_failures_in_a_row(self, fake: FakeClerk) -> None:
        with pytest.raises(ClerkApiError, match="Clerk has been failing"):
            api.get_user("user_2a")
        assert fake.requests == []

    def test_one_request_tries_whether_clerk_is_back(self, fake: FakeClerk) -> None:
        rest_over()
        assert rate_limiter.acquire(patience_s=1) is not None
        assert rate_limiter.acquire(patience_s=1) is None

    def test_everything_goes_on_when_clerk_is_back(self, fake: FakeClerk) -> None:
        rest_over()
        fake.answers(httpx.Response(404))
        api.get_user("user_2a")
        api.get_user("user_2a")
        assert (len(fake.requests), ClerkRateLimit.objects.get().suspended_until) == (2, None)

    def test_each_rest_is_longer_up_to_five_minutes(self, fake: FakeClerk) -> None:
        rests = []
        for _ in range(10):
            rest_over()
            rate_limiter.record_failure()
            until = ClerkRateLimit.objects.get().suspended_until
            assert until is not None
            rests.append((until - timezone.now()).total_seconds())
        assert rests[:3] == pytest.approx([10, 20, 40], abs=1)
        assert rests[-1] == pytest.approx(300, abs=1)


def rest_over() -> None:
    ClerkRateLimit.objects.update(suspended_until="2026-01-01T00:00:00Z")


class TestPace:
    @pytest.mark.parametrize(("key", "least", "most"), (("sk_live_x", 900, 1000), ("sk_test_x", 90, 100)))
    def test_no_window_holds_more_than_clerk_takes(
        self, fake: FakeClerk, settings: Any, key: str, least: int, most: int
    ) -> None:
        settings.CLERK_SECRET_KEY = key
        assert least <= turns_within(10) <= most

    def test_the_metadata_of_one_user_is_slower(self, fake: FakeClerk) -> None:
        assert turns_within(10, name="user_2a") <= 10
        assert turns_within(10, name="user_2b") >= 8

    def test_writing_metadata_of_one_user_waits_and_nothing_else_does(self, fake: FakeClerk) -> None:
        olive = person()
        fake.answers(httpx.Response(200, json=olive.data()))
        for _ in range(11):
            api.merge_public_metadata(olive.clerk_id, {})
        assert max(fake.pauses) > 10  # nobody really waits here, so the eleventh is later than the window is long
        fake.pauses.clear()
        api.get_user(olive.clerk_id)
        fake.answers(httpx.Response(200, json=person().data()))
        api.merge_public_metadata("user_2another", {})
        assert max(fake.pauses, default=0) < 1  # for the limit of the instance

    def test_who_would_wait_too_long_is_told_at_once(self, fake: FakeClerk) -> None:
        turns_within(5, name="user_2a")
        assert rate_limiter.acquire("user_2a", patience_s=0) is None
        assert fake.requests == []

    def test_rows_of_idle_users_go(self) -> None:
        rate_limiter.acquire("user_2a", patience_s=1)
        rate_limiter.acquire(patience_s=1)
        ClerkRateLimit.objects.update(next_slot_at="2026-01-01T00:00:00Z")
        assert rate_limiter.delete_idle() == 1
        assert ClerkRateLimit.objects.get().name == rate_limiter.INSTANCE


def turns_within(seconds: float, name: str = rate_limiter.INSTANCE) -> int:
    """Return how many turns an eager process gets in a window, without waiting for it."""
    turns, until = 0, time.monotonic() + seconds
    while rate_limiter.acquire(name, patience_s=until - time.monotonic()) is not None:
        turns += 1
    return turns


@pytest.mark.django_db(transaction=True)
class TestSeveralProcesses:
    def test_processes_share_one_pace(self, fake: FakeClerk) -> None:
        def eager(_: int) -> int:
            try:
                return turns_within(10)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            assert 90 <= sum(pool.map(eager, range(4))) <= 100

    def test_clerk_is_never_asked_inside_a_transaction(self, fake: FakeClerk) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            api.get_user("user_2a")
        assert fake.requests == []


def test_the_connections_are_made_once_and_follow_nobody() -> None:
    assert transport.client() is transport.client()
    assert not transport.client().follow_redirects
