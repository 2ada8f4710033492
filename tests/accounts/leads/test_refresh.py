"""An hourly job reads Clerk's waitlist and invitations, because there are no events about invitations."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import tasks
from accounts.clerk import leads_api
from accounts.leads import refresh
from accounts.models import Lead
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn
from tests.local.clerk.test_sessions import Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("refresh"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def api(shared_api: StandIn, fake: FakeClerk) -> StandIn:
    fake.handler = forward(shared_api)
    return shared_api


def post(api: StandIn, path: str, **body: Any) -> dict[str, Any]:
    content = httpx.Request("POST", "http://x/", json=body).content
    status, _, text = api.request("POST", path, content, {"Authorization": f"Bearer {API_KEY}"})
    assert status == 200, text
    return dict(httpx.Response(200, text=text).json())


def states(*leads: dict[str, Any]) -> list[str]:
    known = dict(Lead.objects.values_list("lead_id", "state"))
    return [known[lead["id"]] for lead in leads]


def test_leads_whose_events_never_arrive_are_read(api: StandIn) -> None:
    entry = post(api, "/v1/waitlist_entries", email_address="edna@example.com")
    invitation = post(api, "/v1/invitations", email_address="igor@example.com")
    revoked = post(api, "/v1/invitations", email_address="rita@example.com")
    tasks.refresh_leads(0)
    assert states(entry, invitation, revoked) == ["pending"] * 3
    post(api, f"/v1/invitations/{revoked['id']}/revoke")
    post(api, f"/v1/waitlist_entries/{entry['id']}/invite")
    Visitor(api).request("POST", "/v1/client/sign_ups", {"email": "igor@example.com"})
    user = UserFactory.create(email="igor@example.com", confirmed=True)
    tasks.refresh_leads(0)
    assert states(entry, invitation, revoked) == ["invited", "accepted", "revoked"]
    assert Lead.objects.get(lead_id=invitation["id"]).user == user


def test_second_run_writes_nothing(api: StandIn) -> None:
    post(api, "/v1/waitlist_entries", email_address="otto@example.com")
    assert refresh.refresh() > 0
    with CaptureQueriesContext(connection) as queries:
        assert refresh.refresh() == 0
    assert not [query["sql"] for query in queries if query["sql"].startswith("INSERT INTO accounts_lead ")]


def test_erased_lead_stays_erased(api: StandIn) -> None:
    entry = post(api, "/v1/waitlist_entries", email_address="erna@example.com")
    refresh.refresh()
    Lead.objects.filter(lead_id=entry["id"]).update(email="", erased_at=timezone.now())
    assert refresh.refresh() == 0
    assert Lead.objects.get(lead_id=entry["id"]).email == ""


def test_all_pages_are_read(fake: FakeClerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leads_api, "PAGE_SIZE", 2)
    rows = [lead(f"wle_2{number}") for number in range(5)]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/invitations":
            return httpx.Response(200, json=[])
        start = int(request.url.params["offset"])
        return httpx.Response(200, json={"data": rows[start : start + 2], "total_count": len(rows)})

    fake.handler = handler
    assert refresh.refresh() == len(rows)


def lead(lead_id: str) -> dict[str, Any]:
    times = {"created_at": 1716883200000, "updated_at": 1716883200000}
    return {"id": lead_id, "email_address": f"{lead_id}@example.com", "status": "pending", **times}


def test_unreadable_entry_does_not_stop_the_others(fake: FakeClerk, caplog: pytest.LogCaptureFixture) -> None:
    entries = {"data": [lead("wle_2a"), None, lead("user_2b"), lead("wle_2c")]}
    fake.respond_with(httpx.Response(200, json=entries), then=lambda request: httpx.Response(200, json=[]))
    with caplog.at_level(logging.WARNING, "accounts.leads.refresh"):
        assert refresh.refresh() == 2
    assert "2 leads that cannot be parsed" in caplog.text


@pytest.mark.parametrize("response", (httpx.Response(200, json={}), httpx.Response(404), httpx.ConnectError("refused")))
def test_failure_is_logged_and_changes_nothing(
    fake: FakeClerk, caplog: pytest.LogCaptureFixture, response: Any
) -> None:
    fake.respond_with(response)
    with caplog.at_level(logging.WARNING, "accounts.tasks"):
        tasks.refresh_leads(0)
    assert "Comparing leads with Clerk failed" in caplog.text
    assert not Lead.objects.exists()


def test_missing_secret_key_sends_no_request() -> None:
    tasks.refresh_leads(0)
    assert not Lead.objects.exists()
