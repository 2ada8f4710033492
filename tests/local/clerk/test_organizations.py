"""Organizations, members and invitations: the pages, the Backend API and the events."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import Browser, Endpoint, StandIn, wait_until
from tests.local.clerk.test_backend_api import API_KEY, code, inject, request


@pytest.fixture(scope="module")
def shared(shared_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    folder = tmp_path_factory.mktemp("organizations")
    with StandIn(folder, shared_endpoint.url, CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, endpoint: Endpoint) -> Iterator[StandIn]:
    inject(shared, api_limit=100_000)
    yield shared
    shared.call("PATCH", "/local/settings", NO_FAULTS)


def call(clerk: StandIn, method: str, path: str, body: Any = None) -> dict[str, Any]:
    response = request(clerk, method, path, body)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()
    return data


def events(endpoint: Endpoint, organization_id: str, count: int) -> dict[str, dict[str, Any]]:
    """Wait for `count` events that contain the organization's ID, and return the data of the newest of each type."""

    def found() -> list[dict[str, Any]]:
        return [each.event for each in list(endpoint.deliveries) if organization_id in str(each.event["data"])]

    wait_until(lambda: len(found()) >= count, "the events did not arrive")
    assert len(found()) == count
    return {event["type"]: event["data"] for event in found()}


def test_organization_and_its_members_are_managed_through_the_api(clerk: StandIn, endpoint: Endpoint) -> None:
    vera, olive = clerk.create(first_name="Vera", email="vera.api@example.com"), clerk.create(first_name="Olive")
    harbor = call(clerk, "POST", "/v1/organizations", {"name": "Harbor", "created_by": vera["id"]})
    path = f"/v1/organizations/{harbor['id']}"
    assert re.fullmatch(r"harbor-[a-z0-9]+", harbor["slug"])
    member = call(clerk, "POST", f"{path}/memberships", {"user_id": olive["id"], "role": "org:member"})
    assert member["organization"]["id"] == harbor["id"]
    assert member["public_user_data"]["user_id"] == olive["id"]
    changed = call(clerk, "PATCH", f"{path}/memberships/{olive['id']}", {"role": "org:builder"})
    assert changed["updated_at"] > member["updated_at"]
    page = call(clerk, "GET", f"{path}/memberships?limit=500&order_by=%2Bcreated_at")
    assert [each["role"] for each in page["data"]] == ["org:admin", "org:builder"]
    assert page["total_count"] == 2
    assert call(clerk, "GET", f"/v1/users/{olive['id']}/organization_memberships")["data"] == [page["data"][1]]
    renamed = call(clerk, "PATCH", path, {"name": "Harbour"})
    assert renamed["updated_at"] > harbor["updated_at"]
    call(clerk, "DELETE", f"{path}/memberships/{olive['id']}")
    call(clerk, "DELETE", path)
    received = events(endpoint, harbor["id"], 7)
    assert received["organization.created"]["name"] == "Harbor"
    assert received["organization.updated"]["name"] == "Harbour"
    assert received["organization.deleted"] == {
        "object": "organization",
        "id": harbor["id"],
        "slug": harbor["slug"],
        "deleted": True,
    }
    assert received["organizationMembership.updated"]["role"] == "org:builder"
    assert received["organizationMembership.deleted"]["id"] == member["id"]
    assert code(request(clerk, "GET", path)) == (404, "resource_not_found")


def test_lists_are_paged(clerk: StandIn) -> None:
    ids = [call(clerk, "POST", "/v1/organizations", {"name": f"Page {number}"})["id"] for number in range(3)]
    total = call(clerk, "GET", "/v1/organizations?limit=1")["total_count"]
    offset = f"&offset={total - 3}"
    page = call(clerk, "GET", f"/v1/organizations?limit=500&order_by=%2Bcreated_at{offset}")
    assert [each["id"] for each in page["data"]] == ids
    assert code(request(clerk, "GET", "/v1/organizations?limit=501")) == (422, "form_param_value_invalid")
    assert code(request(clerk, "GET", "/v1/organization_memberships?limit=-1")) == (422, "form_param_value_invalid")


def test_invitation_is_accepted_or_revoked(clerk: StandIn, endpoint: Endpoint) -> None:
    harbor = call(clerk, "POST", "/v1/organizations", {"name": "Inviting"})
    path = f"/v1/organizations/{harbor['id']}/invitations"
    body = {"email_address": "Inga.org@example.com", "role": "org:member"}
    first = call(clerk, "POST", path, body)
    assert code(request(clerk, "POST", path, body)) == (400, "duplicate_record")
    call(clerk, "POST", f"{path}/{first['id']}/revoke")
    assert code(request(clerk, "POST", f"{path}/{first['id']}/revoke"))[0] == 400
    second = call(clerk, "POST", path, body)
    inga = clerk.create(email="inga.org@example.com")
    members = f"/v1/organizations/{harbor['id']}/memberships"
    call(clerk, "POST", members, {"user_id": inga["id"], "role": "org:member"})
    for query, ids in (("", [second["id"], first["id"]]), ("?status=revoked&status=pending", [first["id"]])):
        assert [each["id"] for each in call(clerk, "GET", f"{path}{query}")["data"]] == ids
    listed = call(clerk, "GET", "/v1/organization_invitations?status=accepted&order_by=-created_at")["data"][0]
    assert (listed["id"], listed["organization_id"], listed["status"]) == (second["id"], harbor["id"], "accepted")
    assert listed["public_organization_data"]["name"] == "Inviting"
    assert code(request(clerk, "GET", f"{path}?status=lost")) == (422, "form_param_value_invalid")
    received = events(endpoint, harbor["id"], 6)
    assert received["organizationInvitation.revoked"]["id"] == first["id"]
    accepted = received["organizationInvitation.accepted"]
    assert (accepted["id"], accepted["user_id"], accepted["status"]) == (second["id"], inga["id"], "accepted")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    (
        ("", {"name": ""}, 422),
        ("", {"name": 7}, 422),
        ("", {"name": "x" * 500}, 422),
        ("", {"name": "Harbor", "slug": "../x"}, 422),
        ("", {"name": "Harbor", "created_by": "user_nobody"}, 404),
        ("/org_nothing/memberships", {"user_id": "user_x", "role": "org:member"}, 404),
        ("/{id}/memberships", {"user_id": "user_nobody", "role": "org:member"}, 404),
        ("/{id}/invitations", {"email_address": "nowhere", "role": "org:member"}, 422),
        ("/{id}/invitations", {"email_address": "a@example.com", "role": "king"}, 422),
    ),
)
def test_bad_input_is_rejected(clerk: StandIn, path: str, body: dict[str, Any], status: int) -> None:
    harbor = call(clerk, "POST", "/v1/organizations", {"name": "Harbor"})
    response = request(clerk, "POST", f"/v1/organizations{path}".format(id=harbor["id"]), body)
    assert code(response)[0] == status


def test_organization_is_managed_on_the_pages(clerk: StandIn, endpoint: Endpoint) -> None:
    browser = Browser(clerk)
    vera = clerk.create(first_name="Vera", last_name="Pages")
    status, page = browser.post(
        "/organizations", {"name": "Harbor & Søn", "slug": "harbor-son", "creator": vera["id"]}, page="/organizations"
    )
    assert status == 302
    assert "Harbor &amp; Søn" in page
    assert "organization.created" in page
    organization_id = re.search(r"org_[0-9A-Za-z]{27}", page)
    assert organization_id
    path = f"/organizations/{organization_id[0]}"
    membership = re.search(r"orgmem_[0-9A-Za-z]{27}", page)
    assert membership
    member = {"membership": membership[0]}
    for action, fields, message in (
        ("change-role", member | {"role": "org:builder"}, "Role of Vera Pages saved"),
        ("rename", {"name": "Harbour", "slug": "harbor-son"}, "Changes saved"),
        ("invite", {"address": "inga.pages@example.com", "role": "org:member"}, "inga.pages@example.com invited"),
        ("invite", {"address": "nowhere", "role": "org:member"}, "Enter a valid email address"),
        ("remove-member", member, "Vera Pages removed"),
        ("add-member", {"user": vera["id"], "role": "org:member"}, "Vera Pages added"),
    ):
        status, page = browser.post(f"{path}/{action}", fields, page=path)
        assert (status, message in page) == (302, True), action
    assert "Harbour" in browser.get("/organizations")
    status, page = browser.post(f"{path}/delete", {}, page=path)
    assert (status, "Harbour deleted" in page) == (302, True)
    assert len(events(endpoint, organization_id[0], 8)) == 7


def test_invalid_name_is_not_saved(clerk: StandIn) -> None:
    status, page = Browser(clerk).post("/organizations", {"name": " ", "slug": ""}, page="/organizations")
    assert status == 422
    assert "Enter a name of at most 200 characters" in page
