"""The list of users in the Backend API."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.local.clerk.standin import StandIn

API_KEY = "sk_test_of_the_stand_in"


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("listing"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture(scope="module")
def user_ids(stand_in: StandIn) -> list[str]:
    """Return the ids of five users in the order in which they signed up."""
    return [stand_in.create(first_name=f"Person {number}")["id"] for number in range(5)]


def get(stand_in: StandIn, path: str = "/v1/users", key: str = API_KEY, **query: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    status, _, text = stand_in.request("GET", f"{path}?{urlencode(query, doseq=True)}", None, headers)
    return status, json.loads(text)


def ids(response: tuple[int, Any]) -> list[str]:
    status, users = response
    assert status == 200
    return [user["id"] for user in users]


def test_order_of_creation_is_descending_by_default(stand_in: StandIn, user_ids: list[str]) -> None:
    assert ids(get(stand_in)) == user_ids[::-1]
    assert ids(get(stand_in, order_by="+created_at")) == user_ids


def test_pages_by_cursor_and_by_offset(stand_in: StandIn, user_ids: list[str]) -> None:
    assert ids(get(stand_in, order_by="+created_at", limit=2, starting_after=user_ids[1])) == user_ids[2:4]
    assert ids(get(stand_in, starting_after=user_ids[1])) == user_ids[:1]
    assert ids(get(stand_in, order_by="+created_at", limit=2, offset=4)) == user_ids[4:]


def test_order_of_updates(stand_in: StandIn, user_ids: list[str]) -> None:
    stand_in.call("PATCH", f"/local/users/{user_ids[1]}", {"username": "changed"})
    assert ids(get(stand_in, order_by="-updated_at", limit=2)) == [user_ids[1], user_ids[4]]


def test_filters_by_id_email_and_name(stand_in: StandIn, user_ids: list[str]) -> None:
    zofia = stand_in.create(first_name="Zofia", email="zofia@example.com")
    filters: dict[str, Any] = {"user_id[]": user_ids[:2]}
    assert ids(get(stand_in, **filters)) == user_ids[:2][::-1]
    assert ids(get(stand_in, email_address="zofia@example.com")) == [zofia["id"]]
    assert ids(get(stand_in, query="zof")) == [zofia["id"]]
    assert get(stand_in, "/v1/users/count", query="zof")[1]["total_count"] == 1
    stand_in.call("DELETE", f"/local/users/{zofia['id']}")


def test_count_of_users(stand_in: StandIn, user_ids: list[str]) -> None:
    assert get(stand_in, "/v1/users/count") == (200, {"object": "total_count", "total_count": 5})


@pytest.mark.parametrize(
    "query",
    (
        *({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"limit": "9" * 99}, {"offset": -1}, {"order_by": "name"}),
        {"order_by": "-updated_at", "starting_after": "user_x"},
    ),
)
def test_invalid_parameters_return_422(stand_in: StandIn, query: dict[str, Any]) -> None:
    status, response = get(stand_in, **query)
    assert (status, list(response)) == (422, ["errors", "clerk_trace_id"])


def test_cursor_and_offset_cannot_be_combined(stand_in: StandIn, user_ids: list[str]) -> None:
    assert get(stand_in, starting_after=user_ids[0], offset=1)[0] == 422


def test_wrong_secret_key_returns_401(stand_in: StandIn) -> None:
    assert get(stand_in, key="wrong")[0] == 401
    assert get(stand_in, "/v1/users/count", key="wrong")[0] == 401


def test_unknown_cursor_returns_404(stand_in: StandIn) -> None:
    assert get(stand_in, starting_after="user_unknown")[0] == 404
