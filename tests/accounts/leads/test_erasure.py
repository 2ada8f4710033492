"""An admin erases a lead. Entries that were deleted in Clerk are noticed and erased after the retention period."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import tasks
from accounts.clerk import instance_guard, leads_api
from accounts.leads import decisions, refresh
from accounts.leads.decisions import DecisionError
from accounts.leads.erasure import ErasureReason, erase_deleted, erase_lead
from accounts.models import Lead, User
from accounts.privacy import erasure
from audit.log import Actor
from audit.models import AuditLog
from core.db.locks import try_lock
from tests.accounts.leads.test_admin import LIST, create_lead, url
from tests.accounts.leads.test_refresh import lead as lead_payload
from tests.accounts.leads.test_refresh import post, states
from tests.accounts.leads.test_webhooks import COMPLETED, EMAIL, INVITED, JOINED, deliver, lead_event
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient
from tests.local.clerk.standin import StandIn
from webhooks.models import Attempt, WebhookEvent

pytestmark = pytest.mark.django_db
ENTRIES = "/v1/waitlist_entries"


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("erasure"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def api(shared_api: StandIn, fake: FakeClerk) -> StandIn:
    fake.handler = forward(shared_api)
    return shared_api


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


def erase(browser: Client, lead: Lead, reason: str = "requested") -> str:
    response = browser.post(url(lead, "erase"), {"reason": reason}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def delete_in_clerk(api: StandIn, entry: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    assert api.request("DELETE", f"{ENTRIES}/{entry['id']}", None, headers)[0] == 200


def audit_details() -> list[Any]:
    return list(AuditLog.objects.filter(action="LEAD_ERASED").order_by("pk").values_list("details", flat=True))


class TestAdmin:
    def test_page_explains_the_effect_before_anything_is_changed(self, browser: Client, fake: FakeClerk) -> None:
        lead = create_lead(invitation_id="inv_2lena")
        create_lead("inv_2lena", state="accepted")
        assert url(lead, "erase") in browser.get(url(lead)).content.decode()
        page = browser.get(url(lead, "erase")).content.decode()
        assert "The entry is also deleted in Clerk." in page
        assert "Clerk keeps its own record" in page
        assert (fake.requests, set(Lead.objects.values_list("email", flat=True))) == ([], {"lena@example.com"})

    def test_pending_entry_is_deleted_in_clerk_and_erased(self, api: StandIn, browser: Client, adam: User) -> None:
        entry = post(api, ENTRIES, email_address="petra@example.com")
        refresh.refresh()
        lead = Lead.objects.get(lead_id=entry["id"])
        Lead.objects.update(reason="Asked by phone")
        assert "The personal data was erased" in erase(browser, lead)
        lead.refresh_from_db()
        assert (lead.email, lead.reason) == ("", "")
        assert lead.erased_at
        row = AuditLog.objects.get(action="LEAD_ERASED")
        assert (row.actor, row.target_label, row.details) == (adam, lead.lead_id, {"reason": "requested"})
        assert entry["id"] not in listing(api)

    def test_invited_entry_is_erased_with_its_invitation(self, api: StandIn, browser: Client) -> None:
        entry = post(api, ENTRIES, email_address="ines@example.com")
        post(api, f"{ENTRIES}/{entry['id']}/invite")
        refresh.refresh()
        erase(browser, Lead.objects.get(lead_id=entry["id"]))
        assert refresh.refresh() == 0
        assert not Lead.objects.filter(email="ines@example.com").exists()
        assert len(audit_details()) == 2

    def test_invitation_is_erased_with_its_entry(self, browser: Client, fake: FakeClerk) -> None:
        create_lead(invitation_id="inv_2lena", state="completed")
        erase(browser, create_lead("inv_2lena", state="accepted"))
        assert set(Lead.objects.values_list("email", flat=True)) == {""}
        assert fake.requests == []

    def test_payloads_of_its_events_are_cleared(self, webhook: WebhookClient) -> None:
        deliver(webhook, JOINED)
        deliver(webhook, JOINED, id="wle_2other", email_address="other@example.com")
        Lead.objects.update(state="completed")
        erase_lead(Lead.objects.get(lead_id="wle_2lena"), reason=ErasureReason.MISTAKE, actor=_admin())
        kept = WebhookEvent.objects.exclude(payload=None)
        assert ["wle_2other" in (event.payload or "") for event in kept] == [True]
        assert deliver(webhook, JOINED, updated_at=JOINED["data"]["updated_at"] + 1) == "stale"
        assert Lead.objects.get(lead_id="wle_2lena").email == ""

    def test_payloads_of_later_events_are_not_stored(self, webhook: WebhookClient, fake: FakeClerk) -> None:
        deliver(webhook, INVITED)
        fake.handler = revoke
        erase_lead(Lead.objects.get(lead_id="inv_2lena"), reason=ErasureReason.REQUESTED, actor=_admin())
        deliver(webhook, lead_event("invitation.revoked", "revoked", minute=2))
        deliver(webhook, COMPLETED)
        deliver(webhook, lead_event("waitlistEntry.updated", "completed", minute=3), status=None)
        deliver(webhook, JOINED, id="wle_2other", email_address="other@example.com")
        assert not Lead.objects.filter(email=EMAIL).exists()
        events = WebhookEvent.objects.order_by("id")
        assert [event.payload is None for event in events] == [True] * 4 + [False]
        assert not [event for event in events if EMAIL in str(vars(event))]
        assert not [attempt for attempt in Attempt.objects.all() if EMAIL in str(vars(attempt))]

    def test_entry_that_is_missing_in_clerk_is_erased(self, browser: Client, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(404))
        lead = create_lead()
        erase(browser, lead)
        lead.refresh_from_db()
        assert lead.erased_at

    def test_missing_entry_of_another_instance_is_not_erased(
        self, browser: Client, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(instance_guard, "verify_secret_key", raise_wrong_instance)
        fake.respond_with(httpx.Response(404))
        lead = create_lead()
        assert "belongs to another instance" in erase(browser, lead)
        assert Lead.objects.get().erased_at is None

    @pytest.mark.parametrize("lead_id", ("wle_2lena", "inv_2lena"))
    @pytest.mark.parametrize(
        ("response", "text"),
        (
            (httpx.ConnectError("connection refused"), "could not reach Clerk"),
            (httpx.Response(409, json={"errors": [{"code": "no", "message": "Not lena@example.com"}]}), "Not lena@"),
        ),
    )
    def test_failed_request_erases_nothing_and_is_audited(
        self, browser: Client, fake: FakeClerk, lead_id: str, response: Any, text: str
    ) -> None:
        fake.respond_with(response)
        assert text in erase(browser, create_lead(lead_id))
        assert Lead.objects.get().email == "lena@example.com"
        [details] = audit_details()
        assert "@" not in details["error"]

    @pytest.mark.parametrize("reason", ("", "x", "lena@example.com asked"))
    def test_reason_is_one_of_the_choices(self, browser: Client, fake: FakeClerk, reason: str) -> None:
        erase(browser, create_lead(), reason)
        assert (fake.requests, audit_details(), Lead.objects.get().erased_at) == ([], [], None)

    def test_repeated_erasure_changes_nothing(self, browser: Client, fake: FakeClerk) -> None:
        lead = create_lead(email="", erased_at=timezone.now())
        assert "already been erased" in erase(browser, lead)
        assert url(lead, "erase") not in browser.get(url(lead)).content.decode()
        assert (fake.requests, audit_details()) == ([], [])

    def test_missing_secret_key_is_explained(self, browser: Client) -> None:
        lead = create_lead()
        assert "CLERK_SECRET_KEY is not set" in erase(browser, lead)
        assert Lead.objects.get().erased_at is None

    def test_admin_who_lost_the_role_erases_nothing(self, adam: User, browser: Client, fake: FakeClerk) -> None:
        lead = create_lead()
        User.objects.filter(pk=adam.pk).update(roles=[])
        assert browser.post(url(lead, "erase"), {"reason": "requested"}).status_code == 302
        with pytest.raises(DecisionError, match="no longer an admin"):
            erase_lead(lead, reason=ErasureReason.REQUESTED, actor=Actor(user=adam))
        assert (fake.requests, Lead.objects.get().erased_at) == ([], None)

    @pytest.mark.django_db(transaction=True)
    def test_simultaneous_decision_prevents_the_erasure(self, fake: FakeClerk) -> None:
        lead = create_lead()
        with try_lock(decisions._LOCKS + lead.pk), pytest.raises(DecisionError, match="at the same time"):
            erase_lead(lead, reason=ErasureReason.REQUESTED, actor=_admin())
        assert fake.requests == []

    @pytest.mark.parametrize("erased_id", ("wle_2lena", "inv_2lena"))
    @pytest.mark.parametrize("locked_id", ("wle_2lena", "inv_2lena"))
    @pytest.mark.django_db(transaction=True)
    def test_decision_about_the_entry_or_its_invitation_prevents_the_erasure_of_both(
        self, fake: FakeClerk, erased_id: str, locked_id: str
    ) -> None:
        create_lead(invitation_id="inv_2lena", state="rejected")
        create_lead("inv_2lena")
        erased, locked = (Lead.objects.get(lead_id=lead_id) for lead_id in (erased_id, locked_id))
        with try_lock(decisions._LOCKS + locked.pk), pytest.raises(DecisionError, match="at the same time"):
            erase_lead(erased, reason=ErasureReason.REQUESTED, actor=_admin())
        assert (fake.requests, Lead.objects.exclude(erased_at=None).count()) == ([], 0)

    def test_state_is_read_again_before_requests_are_sent(self, fake: FakeClerk) -> None:
        lead = create_lead()
        Lead.objects.update(state="invited", invitation_id="inv_2lena")
        create_lead("inv_2lena", state="accepted")
        with pytest.raises(DecisionError, match="changed at the same time"):
            erase_lead(lead, reason=ErasureReason.REQUESTED, actor=_admin())
        erase_lead(lead, reason=ErasureReason.REQUESTED, actor=_admin())
        assert (fake.requests, Lead.objects.filter(erased_at=None).count()) == ([], 0)


class TestDeletedInClerk:
    def test_comparison_notices_a_deleted_entry(self, api: StandIn, browser: Client) -> None:
        kept, gone = (post(api, ENTRIES, email_address=f"{name}@example.com") for name in ("kept", "gone"))
        refresh.refresh()
        delete_in_clerk(api, gone)
        assert refresh.refresh() == 1
        assert states(kept, gone) == ["pending", "deleted"]
        assert refresh.refresh() == 0
        lead = Lead.objects.get(lead_id=gone["id"])
        page = browser.get(url(lead)).content.decode()
        assert "Deleted in Clerk" in page
        assert 'name="decision"' not in page
        assert browser.get(f"{LIST}?state__exact=deleted").context["cl"].result_count == 1

    def test_deleted_entry_is_erased_after_the_retention_period(self, webhook: WebhookClient) -> None:
        deliver(webhook, JOINED)
        Lead.objects.update(state="deleted", clerk_updated_at=timezone.now())
        for days, emails in ((-1, {"lena.lead@example.com"}), (1, {""})):
            with time_machine.travel(timezone.now() + erasure.RETENTION + timedelta(days=days), tick=False):
                tasks.erase_deleted_users(0)
            assert set(Lead.objects.values_list("email", flat=True)) == emails
        assert not WebhookEvent.objects.exclude(payload=None).exists()

    @pytest.mark.django_db(transaction=True)
    def test_entry_that_is_listed_again_during_the_erasure_is_kept(self) -> None:
        lead = create_lead(state="deleted")
        Lead.objects.update(clerk_updated_at=timezone.now() - erasure.RETENTION)
        with ThreadPoolExecutor() as pool:
            with transaction.atomic():
                Lead.objects.update(state="pending")
                erasing = pool.submit(in_own_connection, erase_deleted)
                wait_for_a_blocked_transaction()
            erasing.result()
        lead.refresh_from_db()
        assert lead.erased_at is None

    def test_entry_that_is_listed_again_gets_its_state_back(self, fake: FakeClerk) -> None:
        answer_with_pages(fake, [lead_payload("wle_2a")])
        refresh.refresh()
        Lead.objects.update(state="deleted", clerk_updated_at=timezone.now())
        assert refresh.refresh() == 1
        assert Lead.objects.get().state == "pending"

    def test_entry_that_moved_between_pages_is_not_deleted(self, fake: FakeClerk) -> None:
        create_lead("wle_2a")
        answer_with_pages(fake, [], [lead_payload("wle_2a")])
        refresh.refresh()
        assert Lead.objects.get().state == "pending"

    @pytest.mark.parametrize("entries", ([None], [{"id": "wle_2b", "status": "pending"}]))
    def test_incomplete_list_deletes_nothing(self, fake: FakeClerk, entries: list[Any]) -> None:
        create_lead()
        answer_with_pages(fake, entries)
        refresh.refresh()
        assert Lead.objects.get().state == "pending"

    def test_list_with_too_many_pages_deletes_nothing(self, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leads_api, "PAGE_SIZE", 1)
        monkeypatch.setattr(refresh, "MAX_PAGES", 1)
        create_lead()
        answer_with_pages(fake, [lead_payload("wle_2a")])
        refresh.refresh()
        assert Lead.objects.get(lead_id="wle_2lena").state == "pending"

    def test_list_of_another_instance_deletes_nothing(self, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(instance_guard, "verify_secret_key", raise_wrong_instance)
        create_lead()
        answer_with_pages(fake, [])
        tasks.refresh_leads(0)
        assert Lead.objects.get().state == "pending"

    @pytest.mark.parametrize(("listed", "missing"), ((0, 1), (0, 30), (12, 13), (20, 11), (240, 13)))
    def test_unusually_many_missing_entries_are_reported_and_kept(
        self, fake: FakeClerk, caplog: pytest.LogCaptureFixture, listed: int, missing: int
    ) -> None:
        for number in range(missing):
            create_lead(f"wle_2gone{number}")
        answer_with_pages(fake, [lead_payload(f"wle_2kept{number}") for number in range(listed)])
        refresh.refresh()
        assert set(Lead.objects.values_list("state", flat=True)) == {"pending"}
        [record] = [record for record in caplog.records if record.levelname == "ERROR"]
        assert f"{missing} entries are missing" in record.message
        assert "Check CLERK_SECRET_KEY" in record.message

    @pytest.mark.parametrize(("listed", "missing"), ((1, 1), (20, 10), (240, 12)))
    def test_few_missing_entries_are_marked_as_deleted(self, fake: FakeClerk, listed: int, missing: int) -> None:
        for number in range(missing):
            create_lead(f"wle_2gone{number}")
        answer_with_pages(fake, [lead_payload(f"wle_2kept{number}") for number in range(listed)])
        refresh.refresh()
        assert Lead.objects.filter(state="deleted").count() == missing

    def test_missing_invitations_are_not_deleted(self, fake: FakeClerk) -> None:
        create_lead("inv_2a")
        answer_with_pages(fake, [])
        refresh.refresh()
        assert Lead.objects.get().state == "pending"


def revoke(request: httpx.Request) -> httpx.Response:
    data = lead_event("invitation.revoked", "revoked", minute=2)["data"]
    return httpx.Response(200, json=data)


def in_own_connection(function: Callable[[], None]) -> None:
    try:
        function()
    finally:
        connection.close()


def wait_for_a_blocked_transaction() -> None:
    for _attempt in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)
    pytest.fail("No transaction was blocked.")


def _admin() -> Actor:
    return Actor(user=UserFactory.create(admin=True))


def listing(api: StandIn) -> str:
    return api.request("GET", ENTRIES, None, {"Authorization": f"Bearer {API_KEY}"})[2]


def raise_wrong_instance() -> None:
    raise instance_guard.WrongInstanceError("The key belongs to another instance.")


def answer_with_pages(fake: FakeClerk, *readings: list[Any]) -> None:
    """Answer each reading of the waitlist with one page, and repeat the last one. There are no invitations."""
    pages = list(readings)

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/invitations":
            return httpx.Response(200, json=[])
        return httpx.Response(200, json={"data": pages.pop(0) if len(pages) > 1 else pages[0]})

    fake.handler = handler
