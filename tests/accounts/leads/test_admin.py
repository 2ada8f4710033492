"""The admin pages of the waitlist and of invitations: decisions in Clerk, search and links."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.clerk import rate_limiter
from accounts.leads import decisions
from accounts.leads.decisions import Decision, DecisionError
from accounts.models import Lead, User
from audit.log import Actor
from audit.models import AuditLog
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db
REASON, LIST = "Runs a studio in Bologna", "/admin/accounts/lead/"


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("leads"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


def create_lead(lead_id: str = "wle_2lena", **fields: Any) -> Lead:
    now = timezone.now()
    kind = "waitlist" if lead_id.startswith("wle_") else "invitation"
    values = {"kind": kind, "state": "pending", "email": "lena@example.com", "version": "0", **fields}
    return Lead.objects.create(lead_id=lead_id, clerk_created_at=now, clerk_updated_at=now, **values)


def url(lead: Lead, action: str = "change") -> str:
    return f"{LIST}{lead.pk}/{action}/"


def decide(browser: Client, lead: Lead, decision: str, reason: str = REASON) -> str:
    response = browser.post(url(lead, "decide"), {"decision": decision, "reason": reason}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def audit_details() -> list[dict[str, Any]]:
    rows = AuditLog.objects.filter(action="LEAD_DECIDED").order_by("pk")
    return [row.details for row in rows if row.details is not None]


class TestWithStandIn:
    """The pages change the stand-in over HTTP."""

    @pytest.fixture
    def api(self, shared_api: StandIn, fake: FakeClerk, settings: Settings) -> StandIn:
        settings.SITE_URL = "https://site.example"
        fake.handler = forward(shared_api)
        return shared_api

    def join(self, api: StandIn, email: str) -> Lead:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        body = httpx.Request("POST", "http://x/", json={"email_address": email}).content
        _, _, text = api.request("POST", "/v1/waitlist_entries", body, headers)
        return create_lead(httpx.Response(200, text=text).json()["id"], email=email)

    def test_approval_creates_the_invitation(self, api: StandIn, browser: Client, adam: User) -> None:
        lead = self.join(api, "ada@example.com")
        page = decide(browser, lead, "approve")
        assert "New state: Invited." in page
        lead.refresh_from_db()
        assert (lead.state, lead.reason, lead.decided_by) == ("invited", REASON, adam)
        invitation = Lead.objects.get(lead_id=lead.invitation_id)
        assert (invitation.state, invitation.email) == ("pending", "ada@example.com")
        assert url(invitation) in page
        assert url(lead) in browser.get(url(invitation)).content.decode()
        row = AuditLog.objects.get(action="LEAD_DECIDED")
        assert (row.actor, row.target_label, row.details) == (
            adam,
            lead.lead_id,
            {"decision": "approve", "state": "invited"},
        )

    def test_rejected_entry_can_be_approved_later(self, api: StandIn, browser: Client) -> None:
        lead = self.join(api, "ben@example.com")
        assert "New state: Rejected." in decide(browser, lead, "reject")
        assert "New state: Invited." in decide(browser, lead, "approve")
        assert [row["decision"] for row in audit_details()] == ["reject", "approve"]

    def test_invitation_is_sent_and_revoked(self, api: StandIn, browser: Client) -> None:
        data = {"email": " Carl@Example.com ", "roles": ["BUILDER"], "reason": REASON}
        page = browser.post(f"{LIST}invite/", data, follow=True)
        assert "Invitation created. Clerk sends it by email." in page.content.decode()
        lead = Lead.objects.get()
        assert (lead.email, lead.state, lead.reason) == ("carl@example.com", "pending", REASON)
        assert "New state: Revoked." in decide(browser, lead, "revoke")
        repeated = decide(browser, lead, "revoke")
        assert "the state is now: Revoked" in repeated
        assert [row["decision"] for row in audit_details()] == ["invite", "revoke"]

    def test_second_invitation_shows_clerks_answer(self, api: StandIn, browser: Client) -> None:
        data = {"email": "dora@example.com", "reason": REASON}
        browser.post(f"{LIST}invite/", data)
        response = browser.post(f"{LIST}invite/", data)
        assert "already a pending invitation" in response.content.decode()
        assert Lead.objects.count() == 1
        assert "duplicate_record" in audit_details()[-1]["error"]


@pytest.mark.parametrize("decision", ("approve", "reject", "revoke"))
@pytest.mark.parametrize(
    ("response", "text"),
    (
        (httpx.ConnectError("connection refused"), "could not reach Clerk"),
        (httpx.Response(404), "404"),
        (httpx.Response(409, json={"errors": [{"code": "no", "message": "Not lena@example.com"}]}), "Not lena@"),
        (httpx.Response(200, json={"object": "waitlist_entry"}), "cannot be parsed"),
        (httpx.Response(200, json=[]), "cannot be parsed"),
    ),
)
def test_failed_request_changes_nothing_and_is_audited(
    browser: Client, fake: FakeClerk, decision: str, response: Any, text: str
) -> None:
    lead = create_lead("inv_2lena" if decision == "revoke" else "wle_2lena")
    fake.respond_with(response)
    assert text in decide(browser, lead, decision)
    lead.refresh_from_db()
    assert (lead.state, lead.reason) == ("pending", "")
    [details] = audit_details()
    assert details["decision"] == decision
    assert "@" not in details["error"]


@pytest.mark.parametrize(
    ("lead_id", "state", "decision"),
    (
        ("wle_2a", "invited", "approve"),
        ("wle_2a", "completed", "reject"),
        ("wle_2a", "rejected", "reject"),
        ("wle_2a", "pending", "revoke"),
        ("inv_2a", "pending", "approve"),
        ("inv_2a", "accepted", "revoke"),
        ("wle_2a", "pending", "invite"),
    ),
)
def test_impossible_decision_sends_no_request(
    browser: Client, fake: FakeClerk, lead_id: str, state: str, decision: str
) -> None:
    lead = create_lead(lead_id, state=state)
    assert "Nothing was changed" in decide(browser, lead, decision)
    assert (fake.requests, audit_details()) == ([], [])


@pytest.mark.parametrize("data", ({}, {"decision": "approve"}, {"decision": "erase", "reason": REASON}))
def test_invalid_form_sends_no_request(browser: Client, fake: FakeClerk, data: dict[str, str]) -> None:
    response = browser.post(url(create_lead(), "decide"), data, follow=True)
    assert "Nothing was changed" in response.content.decode()
    assert fake.requests == []


@pytest.mark.parametrize(
    "data",
    (
        {"reason": REASON},
        {"email": "nobody", "reason": REASON},
        {"email": "\u200elena@example.com@", "reason": REASON},
        {"email": "lena@example.com"},
        {"email": "lena@example.com", "reason": REASON, "roles": ["ADMIN"]},
    ),
)
def test_invalid_invitation_sends_no_request(browser: Client, fake: FakeClerk, data: dict[str, Any]) -> None:
    response = browser.post(f"{LIST}invite/", data)
    assert response.status_code == 200
    assert (fake.requests, audit_details()) == ([], [])


def test_used_up_limit_of_invitations_is_explained(
    browser: Client, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "acquire", lambda *args, **options: None)
    assert "limit of invitations" in decide(browser, create_lead(), "approve")
    assert fake.requests == []


def test_missing_secret_key_is_explained(browser: Client) -> None:
    assert "CLERK_SECRET_KEY is not set" in decide(browser, create_lead(), "approve")
    response = browser.post(f"{LIST}invite/", {"email": "lena@example.com", "reason": REASON})
    assert "CLERK_SECRET_KEY is not set" in response.content.decode()


def test_admin_who_lost_the_role_changes_nothing(browser: Client, adam: User, fake: FakeClerk) -> None:
    lead = create_lead()
    assert browser.get(url(lead)).status_code == 200
    User.objects.filter(pk=adam.pk).update(roles=[])
    assert browser.post(url(lead, "decide"), {"decision": "approve", "reason": REASON}).status_code == 302
    assert browser.post(f"{LIST}invite/", {"email": "lena@example.com", "reason": REASON}).status_code == 302
    assert (fake.requests, audit_details()) == ([], [])


def test_erased_lead_offers_no_decision(browser: Client, fake: FakeClerk) -> None:
    lead = create_lead(email="", erased_at=timezone.now())
    page = browser.get(url(lead)).content.decode()
    assert 'name="decision"' not in page
    assert "Erased" in browser.get(LIST).content.decode()
    assert "Nothing was changed" in decide(browser, lead, "approve")


def test_lead_that_is_erased_during_the_request_stays_erased(browser: Client, fake: FakeClerk) -> None:
    lead = create_lead()

    def handler(request: httpx.Request) -> httpx.Response:
        Lead.objects.update(email="", erased_at=timezone.now())
        data = {"id": lead.lead_id, "email_address": "lena@example.com", "status": "rejected"}
        return httpx.Response(200, json=data | {"created_at": 1716883200000, "updated_at": 1916883200000})

    fake.handler = handler
    decide(browser, lead, "reject")
    lead.refresh_from_db()
    assert (lead.email, lead.reason) == ("", "")


def test_admin_who_loses_the_role_while_waiting_cannot_decide(
    adam: User, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*args: object, **options: object) -> bool:
        return bool(User.objects.filter(pk=adam.pk).update(roles=[]))

    monkeypatch.setattr(rate_limiter, "acquire", wait)
    with pytest.raises(DecisionError, match="no longer an admin"):
        decisions.decide(create_lead(), Decision.APPROVE, reason=REASON, actor=Actor(user=adam))
    with pytest.raises(DecisionError, match="no longer an admin"):
        decisions.invite("lena@example.com", roles=[], reason=REASON, actor=Actor(user=adam))
    assert fake.requests == []


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_decisions_reaches_clerk(fake: FakeClerk) -> None:
    lead, admins = create_lead(), [UserFactory.create(admin=True) for _ in range(2)]

    def approve() -> str:
        try:
            decisions.decide(lead, Decision.APPROVE, reason=REASON, actor=Actor(user=admins[1]))
        except DecisionError as error:
            return str(error)
        finally:
            connection.close()
        return ""

    def handler(request: httpx.Request) -> httpx.Response:
        if len(fake.requests) == 1:
            with ThreadPoolExecutor(1) as pool:
                answers.append(pool.submit(approve).result())
        data = {"id": lead.lead_id, "email_address": "lena@example.com", "status": "rejected"}
        return httpx.Response(200, json=data | {"created_at": 1716883200000, "updated_at": 1916883200000})

    answers: list[str] = []
    fake.handler = handler
    decisions.decide(lead, Decision.REJECT, reason=REASON, actor=Actor(user=admins[0]))
    assert answers == ["Nothing was changed, because another admin is deciding at the same time."]
    assert len(fake.requests) == 1
    with pytest.raises(DecisionError, match="the state is now: Rejected"):
        decisions.decide(lead, Decision.REJECT, reason=REASON, actor=Actor(user=admins[1]))


@pytest.mark.parametrize(
    ("query", "expected"),
    (
        ("q=lena", {"wle_2lena"}),
        ("q=inv_2max", {"inv_2max"}),
        ("q=user_2max", {"inv_2max"}),
        ("kind__exact=waitlist", {"wle_2lena"}),
        ("state__exact=accepted", {"inv_2max"}),
        ("account=no", {"wle_2lena"}),
        ("account=yes", {"inv_2max"}),
        ("account=x", {"wle_2lena", "inv_2max"}),
    ),
)
def test_leads_are_searched_and_filtered(browser: Client, query: str, expected: set[str]) -> None:
    create_lead()
    create_lead("inv_2max", email="max@example.com", state="accepted", user=UserFactory.create(clerk_id="user_2max"))
    response = browser.get(f"{LIST}?{query}")
    assert {lead.lead_id for lead in response.context["cl"].result_list} == expected


def test_lead_and_user_link_to_each_other(browser: Client) -> None:
    olive = UserFactory.create(name="Olive")
    lead = create_lead(user=olive)
    assert f"/admin/accounts/user/{olive.pk}/change/" in browser.get(url(lead)).content.decode()
    assert f"{LIST}?q={olive.clerk_id}" in browser.get(f"/admin/accounts/user/{olive.pk}/change/").content.decode()


def test_page_shows_a_user_who_is_not_linked_yet(browser: Client) -> None:
    olive = UserFactory.create(name="Olive <b>", email="Lena@example.com", confirmed=True)
    lead = create_lead()
    page = browser.get(url(lead)).content.decode()
    assert f'<a href="/admin/accounts/user/{olive.pk}/change/">Olive &lt;b&gt;</a>' in page


def test_list_needs_a_fixed_number_of_queries(
    browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        create_lead(f"wle_2{number}", email=f"p{number}@example.com", user=UserFactory.create())
    browser.get(LIST)
    with django_assert_num_queries(5):  # The admin, the admin's permissions, two counts and the rows.
        browser.get(LIST)
