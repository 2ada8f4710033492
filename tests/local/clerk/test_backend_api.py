"""What servers write through the Backend API, and the trouble that they are given."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.local.clerk.conftest import CALM
from tests.local.clerk.standin import Endpoint, StandIn

API_KEY = "sk_test_of_the_stand_in"


@pytest.fixture(scope="module")
def shared(shared_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("backend"), shared_endpoint.url, CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, endpoint: Endpoint) -> Iterator[StandIn]:
    trouble(shared, api_limit=100_000)
    yield shared
    shared.call("PATCH", "/local/settings", CALM)


def trouble(clerk: StandIn, **knobs: Any) -> None:
    assert clerk.call("PATCH", "/local/settings", knobs)[0] == 200


def ask(clerk: StandIn, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {API_KEY}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    status, answered, text = clerk.request(method, path, content, sent)  # without httpx, which loads TLS each time
    return httpx.Response(status, headers=list(answered.items()), text=text)


def code(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert len(body["clerk_trace_id"]) == 32
    return response.status_code, body["errors"][0]["code"]


class TestMetadata:
    def test_it_is_merged_at_every_level_and_null_removes(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(public_metadata={"roles": ["CLIENT"], "a": {"b": 1, "c": {"d": 2}}, "plan": "pro"})
        change = {"public_metadata": {"roles": ["BUILDER"], "a": {"b": None, "c": {"e": [3]}}, "new": {"x": None}}}
        after = ask(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", change).json()
        assert after["public_metadata"] == {
            "roles": ["BUILDER"],
            "a": {"c": {"d": 2, "e": [3]}},
            "plan": "pro",
            "new": {},
        }
        assert after["updated_at"] > olive["updated_at"]
        told = endpoint.wait_for(olive, 2)[-1].event
        assert (told["type"], told["data"]["public_metadata"]) == ("user.updated", after["public_metadata"])

    def test_each_kind_is_for_itself(self, clerk: StandIn) -> None:
        olive = clerk.create(public_metadata={"a": 1})
        path = f"/v1/users/{olive['id']}/metadata"
        after = ask(clerk, "PATCH", path, {"private_metadata": {"b": 2}, "unsafe_metadata": {"c": 3}}).json()
        assert [after[f"{kind}_metadata"] for kind in ("public", "private", "unsafe")] == [{"a": 1}, {"b": 2}, {"c": 3}]

    def test_put_replaces_what_it_names(self, clerk: StandIn) -> None:
        olive = clerk.create(public_metadata={"a": 1, "b": {"c": 2}})
        path = f"/v1/users/{olive['id']}/metadata"
        ask(clerk, "PATCH", path, {"private_metadata": {"k": 1}})
        assert ask(clerk, "PUT", path, {"public_metadata": {"z": 1}}).json()["public_metadata"] == {"z": 1}
        after = ask(clerk, "PUT", path, {"public_metadata": {}}).json()
        assert (after["public_metadata"], after["private_metadata"]) == ({}, {"k": 1})

    def test_no_change_is_no_event(self, clerk: StandIn) -> None:
        olive = clerk.create(public_metadata={"a": 1})
        after = ask(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", {"public_metadata": {"a": 1}}).json()
        assert after["updated_at"] == olive["updated_at"]
        assert len(clerk.messages(olive)) == 1

    @pytest.mark.parametrize(
        ("body", "status"),
        (
            (b"{", 400),
            (b"[]", 400),
            (b"7", 400),
            (b'{"public_metadata": {"a": NaN}}', 400),
            (b"[" * 20_000, 400),
            ({"public_metadata": []}, 422),
            ({"public_metadata": None}, 422),
            ({"private_metadata": "x"}, 422),
            ({"public_metadata": {"a": "x" * 9000}}, 422),
            (b'{"public_metadata":' + b'{"a":' * 500 + b"1" + b"}" * 501, 422),
        ),
    )
    def test_bad_metadata_is_refused_and_changes_nothing(self, clerk: StandIn, body: Any, status: int) -> None:
        olive = clerk.create(public_metadata={"a": 1})
        assert code(ask(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", body))[0] == status
        assert ask(clerk, "GET", f"/v1/users/{olive['id']}").json() == olive

    @pytest.mark.parametrize("who", ("user_nobody", "..%2f..", "%00", "user_1?x=1"))
    def test_nobody_has_no_metadata(self, clerk: StandIn, who: str) -> None:
        assert ask(clerk, "PATCH", f"/v1/users/{who}/metadata", {"public_metadata": {}}).status_code in (404, 405)


class TestPeople:
    def test_banning_ends_sessions_and_lets_in_again(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(first_name="Olive")
        assert ask(clerk, "POST", f"/v1/users/{olive['id']}/ban").json()["banned"] is True
        assert ask(clerk, "POST", f"/v1/users/{olive['id']}/unban").json()["banned"] is False
        # As at Clerk, they need not arrive in the order in which they happened.
        told = sorted(
            (delivery.event for delivery in endpoint.wait_for(olive, 3)), key=lambda event: event["timestamp"]
        )
        assert [event["data"]["banned"] for event in told] == [False, True, False]

    def test_deleting_tells_once(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(first_name="Olive")
        path = f"/v1/users/{olive['id']}"
        assert ask(clerk, "DELETE", path).json() == {"object": "user", "id": olive["id"], "deleted": True}
        assert code(ask(clerk, "DELETE", path)) == (404, "resource_not_found")
        assert [delivery.event["type"] for delivery in endpoint.wait_for(olive, 2)] == ["user.created", "user.deleted"]

    def test_sessions_are_listed_for_somebody(self, clerk: StandIn) -> None:
        olive = clerk.create(first_name="Olive")
        assert ask(clerk, "GET", f"/v1/sessions?user_id={olive['id']}").json() == []
        assert code(ask(clerk, "GET", "/v1/sessions"))[0] == 422
        assert code(ask(clerk, "GET", "/v1/sessions/sess_nobody"))[0] == 404

    def test_a_crowd_signs_up_at_once_and_untold(self, clerk: StandIn) -> None:
        assert clerk.call("POST", "/local/users/crowd", {"count": 1200, "roles": ["CLIENT"]}) == (
            201,
            {"created": 1200},
        )
        page = ask(clerk, "GET", "/v1/users?limit=500&order_by=%2Bcreated_at&query=Ofmany").json()
        assert len({user["email_addresses"][0]["email_address"] for user in page}) == 500
        assert page[0]["public_metadata"] == {"roles": ["CLIENT"]}
        assert clerk.call("POST", "/local/users/crowd", {"count": 0})[0] == 400


class TestManners:
    @pytest.mark.parametrize("version", ("2021-02-04", "tomorrow", ""))
    def test_a_version_is_a_date(self, clerk: StandIn, version: str) -> None:
        assert code(ask(clerk, "GET", "/v1/users", Clerk_API_Version=version)) == (400, "api_version_invalid")
        assert ask(clerk, "GET", "/v1/users", Clerk_API_Version="2026-05-12").status_code == 200

    def test_a_method_it_does_not_have_is_405_in_its_shape(self, clerk: StandIn) -> None:
        assert code(ask(clerk, "POST", "/v1/users/user_x/metadata"))[0] == 405


class TestTrouble:
    def test_away_it_answers_as_a_gateway_does(self, clerk: StandIn) -> None:
        trouble(clerk, api_outage=True)
        answer = ask(clerk, "GET", "/v1/users")
        assert (answer.status_code, answer.text[:6]) == (503, "<html>")
        assert ask(clerk, "GET", "/v1/jwks").status_code == 200

    def test_it_is_slow(self, clerk: StandIn) -> None:
        trouble(clerk, api_delay_ms=200)
        started = time.monotonic()
        ask(clerk, "GET", "/v1/users/count")
        assert time.monotonic() - started >= 0.2

    def test_it_fails_with_nothing_done(self, clerk: StandIn) -> None:
        olive = clerk.create(first_name="Olive")
        trouble(clerk, api_fail_percent=100)
        answer = ask(clerk, "DELETE", f"/v1/users/{olive['id']}")
        assert code(answer) == (500, "internal_clerk_error")
        assert clerk.call("GET", f"/local/users/{olive['id']}")[0] == 200

    @pytest.mark.parametrize(("knob", "status"), (("api_lose_answer_percent", 500), ("api_garble_percent", 200)))
    def test_its_answer_is_lost_after_all_was_done(self, clerk: StandIn, knob: str, status: int) -> None:
        olive = clerk.create(first_name="Olive")
        trouble(clerk, **{knob: 100})
        answer = ask(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", {"public_metadata": {"a": 1}})
        assert answer.status_code == status
        if status == 200:
            with pytest.raises(json.JSONDecodeError):
                answer.json()
        assert clerk.call("GET", f"/local/users/{olive['id']}")[1]["public_metadata"] == {"a": 1}

    def test_it_refuses_for_a_second_or_for_good(self, clerk: StandIn) -> None:
        olive = clerk.create(first_name="Olive")
        path = f"/v1/users/{olive['id']}/metadata"
        trouble(clerk, api_reject_metadata=True)
        assert code(ask(clerk, "PATCH", path, {"public_metadata": {"a": 1}}))[0] == 422
        trouble(clerk, api_refuse_percent=100)
        answer = ask(clerk, "GET", "/v1/users")
        assert (code(answer), answer.headers["Retry-After"]) == ((429, "too_many_requests"), "1")

    def test_the_metadata_of_one_user_has_a_limit_of_its_own(self, clerk: StandIn) -> None:
        olive, other = clerk.create(first_name="Olive"), clerk.create(first_name="Other")
        path = f"/v1/users/{olive['id']}/metadata"
        answers = [ask(clerk, "PATCH", path, {"public_metadata": {"n": n}}) for n in range(11)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
        assert ask(clerk, "PATCH", f"/v1/users/{other['id']}/metadata", {}).status_code == 200

    def test_a_development_instance_takes_a_hundred_in_ten_seconds(self, clerk: StandIn, tmp_path: Any) -> None:
        with StandIn(tmp_path, "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as fresh:
            statuses = [ask(fresh, "GET", "/v1/users/count").status_code for _ in range(101)]
            assert statuses == [200] * 100 + [429]
            trouble(fresh, api_limit=102)
            assert [ask(fresh, "GET", "/v1/users/count").status_code for _ in range(3)] == [200, 200, 429]
