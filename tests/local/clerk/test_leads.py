"""The waitlist and invitations: the Backend API, events, sign-ups and the page."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.local.clerk.standin import Browser, Endpoint, StandIn
from tests.local.clerk.test_backend_api import API_KEY, code, request
from tests.local.clerk.test_sessions import Visitor


@pytest.fixture(scope="module")
def shared(shared_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("leads"), shared_endpoint.url, CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, endpoint: Endpoint) -> StandIn:
    return shared


def join(clerk: StandIn, email: str) -> dict[str, Any]:
    response = request(clerk, "POST", "/v1/waitlist_entries", {"email_address": email})
    assert response.status_code == 200, response.text
    return dict(response.json())


def decide(clerk: StandIn, entry: dict[str, Any], verb: str) -> httpx.Response:
    return request(clerk, "POST", f"/v1/waitlist_entries/{entry['id']}/{verb}")


def event_types(endpoint: Endpoint, lead: dict[str, Any], count: int) -> list[str]:
    return [delivery.event["type"] for delivery in endpoint.wait_for(lead, count)]


class TestWaitlist:
    def test_approved_entry_becomes_a_user(self, clerk: StandIn, endpoint: Endpoint) -> None:
        entry = join(clerk, "Wanda@example.com")
        assert (entry["status"], entry["email_address"], entry["invitation"]) == ("pending", "wanda@example.com", None)
        assert join(clerk, "wanda@example.com")["id"] == entry["id"]
        invited = decide(clerk, entry, "invite").json()
        assert (invited["status"], invited["invitation"]["status"]) == ("invited", "pending")
        assert invited["updated_at"] > entry["updated_at"]
        Visitor(clerk).request("POST", "/v1/client/sign_ups", {"email": "wanda@example.com"})
        types = event_types(endpoint, entry, 3)
        assert types == ["waitlistEntry.created", "waitlistEntry.updated", "waitlistEntry.updated"]
        assert endpoint.deliveries_about(entry)[-1].event["data"]["status"] == "completed"
        assert event_types(endpoint, invited["invitation"], 2) == ["invitation.created", "invitation.accepted"]

    def test_entry_is_rejected_and_approved_later(self, clerk: StandIn) -> None:
        entry = join(clerk, "willi@example.com")
        assert decide(clerk, entry, "reject").json()["status"] == "rejected"
        assert code(decide(clerk, entry, "reject")) == (409, "waitlist_entry_not_pending")
        assert decide(clerk, entry, "invite").json()["status"] == "invited"
        assert code(decide(clerk, entry, "invite")) == (409, "waitlist_entry_already_invited")

    def test_only_a_pending_entry_is_deleted(self, clerk: StandIn) -> None:
        entry, other = join(clerk, "wera@example.com"), join(clerk, "wido@example.com")
        decide(clerk, other, "reject")
        path = f"/v1/waitlist_entries/{entry['id']}"
        assert request(clerk, "DELETE", path).json()["deleted"] is True
        assert request(clerk, "DELETE", path).status_code == 404
        answer = request(clerk, "DELETE", f"/v1/waitlist_entries/{other['id']}")
        assert code(answer) == (409, "waitlist_entry_not_pending")
        listed = {row["id"] for row in request(clerk, "GET", "/v1/waitlist_entries?limit=500").json()["data"]}
        assert (entry["id"] in listed, other["id"] in listed) == (False, True)

    def test_pending_invitation_is_used_again(self, clerk: StandIn) -> None:
        body = {"email_address": "wilma@example.com"}
        invitation = request(clerk, "POST", "/v1/invitations", body).json()
        assert decide(clerk, join(clerk, "wilma@example.com"), "invite").json()["invitation"]["id"] == invitation["id"]

    def test_list_contains_data_and_total(self, clerk: StandIn) -> None:
        entry = join(clerk, "wolf@example.com")
        found = request(clerk, "GET", "/v1/waitlist_entries?status=pending&limit=1").json()
        assert (found["data"][0]["id"], len(found["data"])) == (entry["id"], 1)
        assert found["total_count"] >= 1

    @pytest.mark.parametrize("body", (b"{", [], {}, {"email_address": 7}, {"email_address": "nobody"}))
    def test_invalid_address_is_rejected(self, clerk: StandIn, body: Any) -> None:
        assert request(clerk, "POST", "/v1/waitlist_entries", body).status_code in (400, 422)

    @pytest.mark.parametrize("path", ("waitlist_entries/wle_2no/invite", "waitlist_entries/wle_2no/reject"))
    def test_unknown_entry_is_not_found(self, clerk: StandIn, path: str) -> None:
        assert request(clerk, "POST", f"/v1/{path}").status_code == 404


class TestInvitations:
    def test_revoked_invitation_is_not_listed_and_not_accepted(self, clerk: StandIn, endpoint: Endpoint) -> None:
        body = {"email_address": "iris@example.com", "public_metadata": {"roles": ["BUILDER"]}}
        invitation = request(clerk, "POST", "/v1/invitations", body).json()
        path = f"/v1/invitations/{invitation['id']}/revoke"
        revoked = request(clerk, "POST", path).json()
        assert (revoked["status"], revoked["revoked"]) == ("revoked", True)
        assert code(request(clerk, "POST", path)) == (400, "invitation_already_revoked")
        assert event_types(endpoint, invitation, 2) == ["invitation.created", "invitation.revoked"]
        listed = {row["id"] for row in request(clerk, "GET", "/v1/invitations?limit=500").json()}
        assert invitation["id"] not in listed
        listed = {row["id"] for row in request(clerk, "GET", "/v1/invitations?limit=500&status=revoked").json()}
        assert invitation["id"] in listed
        Visitor(clerk).request("POST", "/v1/client/sign_ups", {"email": "iris@example.com"})
        [user] = request(clerk, "GET", "/v1/users?email_address=iris@example.com").json()
        assert user["public_metadata"] == {}

    @pytest.mark.parametrize("query", ("limit=0", "limit=501", "limit=x", "offset=-1"))
    def test_invalid_page_is_rejected(self, clerk: StandIn, query: str) -> None:
        assert request(clerk, "GET", f"/v1/invitations?{query}").status_code == 422


class TestPage:
    def test_page_adds_approves_and_revokes(self, stand_in: StandIn, browser: Browser) -> None:
        def post(path: str, **fields: str) -> str:
            return browser.post(path, fields, "/waitlist")[1]

        assert "is on the waitlist" in post("/waitlist/add", kind="waitlist", address="pia@example.com")
        page = browser.get("/waitlist")
        entry_id = page.partition("wle_")[2].partition("<")[0]
        assert "is invited. The waitlistEntry.updated" in post(f"/waitlist/wle_{entry_id}/decide", verb="invite")
        assert "The waitlist entry is invited." in post(f"/waitlist/wle_{entry_id}/decide", verb="reject")
        invitation_id = browser.get("/waitlist").partition("inv_")[2].partition("<")[0]
        assert "is revoked" in post(f"/invitations/inv_{invitation_id}/revoke")
        assert "The invitation is revoked." in post(f"/invitations/inv_{invitation_id}/revoke")
        assert "is on the waitlist" in post("/waitlist/add", kind="waitlist", address="pola@example.com")
        entry_id = browser.get("/waitlist").partition("wle_")[2].partition("<")[0]
        assert "The entry is deleted." in post(f"/waitlist/wle_{entry_id}/decide", verb="delete")
        assert "is invited" in post("/waitlist/add", kind="invitation", address="paul@example.com")
        assert "already a pending invitation" in post("/waitlist/add", kind="invitation", address="Paul@example.com")

    @pytest.mark.parametrize("fields", ({}, {"kind": "waitlist"}, {"kind": "x", "address": "a@example.com"}))
    def test_invalid_form_shows_an_error(self, stand_in: StandIn, browser: Browser, fields: dict[str, str]) -> None:
        assert "notice--error" in browser.post("/waitlist/add", fields, "/waitlist")[1]

    @pytest.mark.parametrize("path", ("/waitlist/wle_2no/decide", "/invitations/inv_2no/revoke"))
    def test_unknown_lead_is_not_found(self, stand_in: StandIn, browser: Browser, path: str) -> None:
        assert browser.post(path, {}, "/waitlist")[0] == 404
