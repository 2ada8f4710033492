"""Write requests to the Backend API, and fault injection."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import Endpoint, StandIn
from tests.local.clerk.test_sessions import Visitor

API_KEY = "sk_test_of_the_stand_in"


@pytest.fixture(scope="module")
def shared(shared_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("backend"), shared_endpoint.url, CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, endpoint: Endpoint) -> Iterator[StandIn]:
    inject(shared, api_limit=100_000)
    yield shared
    shared.call("PATCH", "/local/settings", NO_FAULTS)


def inject(clerk: StandIn, **faults: Any) -> None:
    assert clerk.call("PATCH", "/local/settings", faults)[0] == 200


def request(clerk: StandIn, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {API_KEY}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    status, response_headers, text = clerk.request(
        method, path, content, sent
    )  # httpx is not used, because it loads TLS each time
    return httpx.Response(status, headers=list(response_headers.items()), text=text)


def code(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert len(body["clerk_trace_id"]) == 32
    return response.status_code, body["errors"][0]["code"]


class TestInvitations:
    def invite(self, clerk: StandIn, email: str, **values: Any) -> httpx.Response:
        return request(clerk, "POST", "/v1/invitations", {"email_address": email, **values})

    def test_pending_invitation_and_known_address_are_rejected(self, clerk: StandIn, endpoint: Endpoint) -> None:
        response = self.invite(clerk, "inga@example.com", public_metadata={"roles": ["BUILDER"]})
        assert (response.status_code, response.json()["status"]) == (200, "pending")
        assert code(self.invite(clerk, "Inga@example.com")) == (400, "duplicate_record")
        clerk.create(email="known@example.com")
        assert code(self.invite(clerk, "known@example.com")) == (422, "form_identifier_exists")
        assert code(self.invite(clerk, "nobody")) == (422, "form_param_format_invalid")
        assert self.invite(clerk, "inga@example.com", ignore_existing=True).status_code == 200

    def test_metadata_is_given_to_the_user_who_signs_up(self, clerk: StandIn, endpoint: Endpoint) -> None:
        self.invite(clerk, "ingo@example.com", public_metadata={"roles": ["BUILDER"]})
        status, _, _ = Visitor(clerk).request("POST", "/v1/client/sign_ups", {"email": "Ingo@example.com"})
        assert status == 200
        [user] = request(clerk, "GET", "/v1/users?email_address=ingo@example.com").json()
        assert user["public_metadata"] == {"roles": ["BUILDER"]}
        assert code(self.invite(clerk, "ingo@example.com")) == (422, "form_identifier_exists")


class TestMetadata:
    def test_patch_merges_deeply_and_null_removes(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(public_metadata={"roles": ["CLIENT"], "a": {"b": 1, "c": {"d": 2}}, "plan": "pro"})
        change = {"public_metadata": {"roles": ["BUILDER"], "a": {"b": None, "c": {"e": [3]}}, "new": {"x": None}}}
        after = request(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", change).json()
        assert after["public_metadata"] == {
            "roles": ["BUILDER"],
            "a": {"c": {"d": 2, "e": [3]}},
            "plan": "pro",
            "new": {},
        }
        assert after["updated_at"] > olive["updated_at"]
        event = endpoint.wait_for(olive, 2)[-1].event
        assert (event["type"], event["data"]["public_metadata"]) == ("user.updated", after["public_metadata"])

    def test_kinds_of_metadata_are_independent(self, clerk: StandIn) -> None:
        olive = clerk.create(public_metadata={"a": 1})
        path = f"/v1/users/{olive['id']}/metadata"
        after = request(clerk, "PATCH", path, {"private_metadata": {"b": 2}, "unsafe_metadata": {"c": 3}}).json()
        assert [after[f"{kind}_metadata"] for kind in ("public", "private", "unsafe")] == [{"a": 1}, {"b": 2}, {"c": 3}]

    def test_put_replaces_given_kinds(self, clerk: StandIn) -> None:
        olive = clerk.create(public_metadata={"a": 1, "b": {"c": 2}})
        path = f"/v1/users/{olive['id']}/metadata"
        request(clerk, "PATCH", path, {"private_metadata": {"k": 1}})
        assert request(clerk, "PUT", path, {"public_metadata": {"z": 1}}).json()["public_metadata"] == {"z": 1}
        after = request(clerk, "PUT", path, {"public_metadata": {}}).json()
        assert (after["public_metadata"], after["private_metadata"]) == ({}, {"k": 1})

    def test_unchanged_metadata_sends_no_event(self, clerk: StandIn) -> None:
        olive = clerk.create(public_metadata={"a": 1})
        after = request(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", {"public_metadata": {"a": 1}}).json()
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
    def test_invalid_metadata_is_rejected_without_changes(self, clerk: StandIn, body: Any, status: int) -> None:
        olive = clerk.create(public_metadata={"a": 1})
        assert code(request(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", body))[0] == status
        assert request(clerk, "GET", f"/v1/users/{olive['id']}").json() == olive

    @pytest.mark.parametrize("user_id", ("user_unknown", "..%2f..", "%00", "user_1?x=1"))
    def test_metadata_of_unknown_user_is_not_found(self, clerk: StandIn, user_id: str) -> None:
        assert request(clerk, "PATCH", f"/v1/users/{user_id}/metadata", {"public_metadata": {}}).status_code in (
            404,
            405,
        )


class TestUsers:
    def test_ban_and_unban_send_events(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(first_name="Olive")
        assert request(clerk, "POST", f"/v1/users/{olive['id']}/ban").json()["banned"] is True
        assert request(clerk, "POST", f"/v1/users/{olive['id']}/unban").json()["banned"] is False
        # As in Clerk, events may arrive in any order.
        events = sorted(
            (delivery.event for delivery in endpoint.wait_for(olive, 3)), key=lambda event: event["timestamp"]
        )
        assert [event["data"]["banned"] for event in events] == [False, True, False]

    def test_lock_and_unlock_send_events(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(first_name="Olive")
        assert request(clerk, "POST", f"/v1/users/{olive['id']}/lock").json()["locked"] is True
        assert request(clerk, "POST", f"/v1/users/{olive['id']}/unlock").json()["locked"] is False
        assert code(request(clerk, "POST", "/v1/users/user_unknown/lock"))[0] == 404
        events = sorted(
            (delivery.event for delivery in endpoint.wait_for(olive, 3)), key=lambda event: event["timestamp"]
        )
        assert [event["data"]["locked"] for event in events] == [False, True, False]

    def test_deletion_sends_one_event(self, clerk: StandIn, endpoint: Endpoint) -> None:
        olive = clerk.create(first_name="Olive")
        path = f"/v1/users/{olive['id']}"
        assert request(clerk, "DELETE", path).json() == {"object": "user", "id": olive["id"], "deleted": True}
        assert code(request(clerk, "DELETE", path)) == (404, "resource_not_found")
        assert [delivery.event["type"] for delivery in endpoint.wait_for(olive, 2)] == ["user.created", "user.deleted"]

    def test_session_list_needs_a_filter(self, clerk: StandIn) -> None:
        olive = clerk.create(first_name="Olive")
        assert request(clerk, "GET", f"/v1/sessions?user_id={olive['id']}").json() == []
        assert code(request(clerk, "GET", "/v1/sessions"))[0] == 422
        assert code(request(clerk, "GET", "/v1/sessions/sess_unknown"))[0] == 404

    def test_bulk_creation_sends_no_events(self, clerk: StandIn) -> None:
        assert clerk.call("POST", "/local/users/crowd", {"count": 1200, "roles": ["CLIENT"]}) == (
            201,
            {"created": 1200},
        )
        page = request(clerk, "GET", "/v1/users?limit=500&order_by=%2Bcreated_at&query=Ofmany").json()
        assert len({user["email_addresses"][0]["email_address"] for user in page}) == 500
        assert page[0]["public_metadata"] == {"roles": ["CLIENT"]}
        assert clerk.call("POST", "/local/users/crowd", {"count": 0})[0] == 400


class TestRequests:
    @pytest.mark.parametrize("version", ("2021-02-04", "tomorrow", ""))
    def test_invalid_api_version_is_rejected(self, clerk: StandIn, version: str) -> None:
        assert code(request(clerk, "GET", "/v1/users", Clerk_API_Version=version)) == (400, "api_version_invalid")
        assert request(clerk, "GET", "/v1/users", Clerk_API_Version="2026-05-12").status_code == 200

    def test_unsupported_method_returns_405_in_clerks_format(self, clerk: StandIn) -> None:
        assert code(request(clerk, "POST", "/v1/users/user_x/metadata"))[0] == 405


class TestFaultInjection:
    def test_outage_returns_503_like_a_gateway(self, clerk: StandIn) -> None:
        inject(clerk, api_outage=True)
        response = request(clerk, "GET", "/v1/users")
        assert (response.status_code, response.text[:6]) == (503, "<html>")
        assert request(clerk, "GET", "/v1/jwks").status_code == 200

    def test_delay_precedes_response(self, clerk: StandIn) -> None:
        inject(clerk, api_delay_ms=200)
        started = time.monotonic()
        request(clerk, "GET", "/v1/users/count")
        assert time.monotonic() - started >= 0.2

    def test_failure_leaves_data_unchanged(self, clerk: StandIn) -> None:
        olive = clerk.create(first_name="Olive")
        inject(clerk, api_fail_percent=100)
        response = request(clerk, "DELETE", f"/v1/users/{olive['id']}")
        assert code(response) == (500, "internal_clerk_error")
        assert clerk.call("GET", f"/local/users/{olive['id']}")[0] == 200

    @pytest.mark.parametrize(("fault", "status"), (("api_lose_answer_percent", 500), ("api_garble_percent", 200)))
    def test_request_is_processed_although_response_is_lost(self, clerk: StandIn, fault: str, status: int) -> None:
        olive = clerk.create(first_name="Olive")
        inject(clerk, **{fault: 100})
        response = request(clerk, "PATCH", f"/v1/users/{olive['id']}/metadata", {"public_metadata": {"a": 1}})
        assert response.status_code == status
        if status == 200:
            with pytest.raises(json.JSONDecodeError):
                response.json()
        assert clerk.call("GET", f"/local/users/{olive['id']}")[1]["public_metadata"] == {"a": 1}

    def test_rejection_is_temporary_or_permanent(self, clerk: StandIn) -> None:
        olive = clerk.create(first_name="Olive")
        path = f"/v1/users/{olive['id']}/metadata"
        inject(clerk, api_reject_metadata=True)
        assert code(request(clerk, "PATCH", path, {"public_metadata": {"a": 1}}))[0] == 422
        inject(clerk, api_refuse_percent=100)
        response = request(clerk, "GET", "/v1/users")
        assert (code(response), response.headers["Retry-After"]) == ((429, "too_many_requests"), "1")

    def test_metadata_of_each_user_has_its_own_rate_limit(self, clerk: StandIn) -> None:
        olive, other = clerk.create(first_name="Olive"), clerk.create(first_name="Other")
        path = f"/v1/users/{olive['id']}/metadata"
        responses = [request(clerk, "PATCH", path, {"public_metadata": {"n": n}}) for n in range(11)]
        assert [response.status_code for response in responses] == [200] * 10 + [429]
        assert 1 <= int(responses[-1].headers["Retry-After"]) <= 10
        assert request(clerk, "PATCH", f"/v1/users/{other['id']}/metadata", {}).status_code == 200

    def test_development_instance_allows_100_requests_per_10_seconds(self, clerk: StandIn, tmp_path: Any) -> None:
        with StandIn(tmp_path, "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as fresh:
            statuses = [request(fresh, "GET", "/v1/users/count").status_code for _ in range(101)]
            assert statuses == [200] * 100 + [429]
            inject(fresh, api_limit=102)
            assert [request(fresh, "GET", "/v1/users/count").status_code for _ in range(3)] == [200, 200, 429]
