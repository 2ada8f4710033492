"""The Backend API's list of users, as servers read it."""

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
def people(stand_in: StandIn) -> list[str]:
    """Return the ids of five people in the order in which they signed up."""
    return [stand_in.create(first_name=f"Person {number}")["id"] for number in range(5)]


def ask(stand_in: StandIn, path: str = "/v1/users", key: str = API_KEY, **query: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    status, _, text = stand_in.request("GET", f"{path}?{urlencode(query, doseq=True)}", None, headers)
    return status, json.loads(text)


def ids(answer: tuple[int, Any]) -> list[str]:
    status, users = answer
    assert status == 200
    return [user["id"] for user in users]


def test_the_newest_come_first_and_the_oldest_where_asked(stand_in: StandIn, people: list[str]) -> None:
    assert ids(ask(stand_in)) == people[::-1]
    assert ids(ask(stand_in, order_by="+created_at")) == people


def test_pages_by_key_and_by_number(stand_in: StandIn, people: list[str]) -> None:
    assert ids(ask(stand_in, order_by="+created_at", limit=2, starting_after=people[1])) == people[2:4]
    assert ids(ask(stand_in, starting_after=people[1])) == people[:1]
    assert ids(ask(stand_in, order_by="+created_at", limit=2, offset=4)) == people[4:]


def test_whoever_changed_last_comes_first(stand_in: StandIn, people: list[str]) -> None:
    stand_in.call("PATCH", f"/local/users/{people[1]}", {"username": "changed"})
    assert ids(ask(stand_in, order_by="-updated_at", limit=2)) == [people[1], people[4]]


def test_users_are_found_by_id_address_and_name(stand_in: StandIn, people: list[str]) -> None:
    moved = stand_in.create(first_name="Zofia", email="zofia@example.com")
    several: dict[str, Any] = {"user_id[]": people[:2]}
    assert ids(ask(stand_in, **several)) == people[:2][::-1]
    assert ids(ask(stand_in, email_address="zofia@example.com")) == [moved["id"]]
    assert ids(ask(stand_in, query="zof")) == [moved["id"]]
    assert ask(stand_in, "/v1/users/count", query="zof")[1]["total_count"] == 1
    stand_in.call("DELETE", f"/local/users/{moved['id']}")


def test_the_count(stand_in: StandIn, people: list[str]) -> None:
    assert ask(stand_in, "/v1/users/count") == (200, {"object": "total_count", "total_count": 5})


@pytest.mark.parametrize(
    "query",
    (
        *({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"limit": "9" * 99}, {"offset": -1}, {"order_by": "name"}),
        {"order_by": "-updated_at", "starting_after": "user_x"},
    ),
)
def test_what_cannot_be_listed_is_422(stand_in: StandIn, query: dict[str, Any]) -> None:
    status, answer = ask(stand_in, **query)
    assert (status, list(answer)) == (422, ["errors", "clerk_trace_id"])


def test_a_key_and_a_number_exclude_each_other(stand_in: StandIn, people: list[str]) -> None:
    assert ask(stand_in, starting_after=people[0], offset=1)[0] == 422


def test_only_whoever_knows_the_secret_key_may_ask(stand_in: StandIn) -> None:
    assert ask(stand_in, key="wrong")[0] == 401
    assert ask(stand_in, "/v1/users/count", key="wrong")[0] == 401


def test_somebody_unknown_is_404(stand_in: StandIn) -> None:
    assert ask(stand_in, starting_after="user_nobody")[0] == 404
