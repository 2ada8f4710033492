"""The admin page for a user's access: bans, locks and sessions in Clerk."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries

from accounts.models import EndedSession, User
from audit.models import AuditLog
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, ClientProfileFactory, ProjectFactory, UserFactory
from tests.local.clerk.standin import StandIn
from tests.local.clerk.test_sessions import Visitor

pytestmark = pytest.mark.django_db
REASON = "Sent spam to three builders"


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("access"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


def url(user: User) -> str:
    return f"/admin/accounts/user/{user.pk}/access/"


def act(browser: Client, user: User, **data: str) -> str:
    response = browser.post(url(user), {"reason": REASON} | data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def offered(browser: Client, user: User) -> set[str]:
    return set(re.findall(r'name="change" value="(\w+)"', browser.get(url(user)).content.decode()))


def audit_details() -> list[dict[str, Any]]:
    rows = AuditLog.objects.filter(action="ACCESS_CHANGED").order_by("pk")
    return [row.details for row in rows if row.details is not None]


class TestWithStandIn:
    """The page changes the stand-in over HTTP."""

    @pytest.fixture
    def olive(self, shared_api: StandIn, fake: FakeClerk) -> User:
        fake.handler = forward(shared_api)
        clerk_id = shared_api.create(first_name="Olive", public_metadata={"roles": ["CLIENT"]})["id"]
        olive: User = UserFactory.create(name="Olive", clerk_id=clerk_id, client=True)
        return olive

    def test_ban_and_unban_change_clerk_and_the_account(
        self, olive: User, browser: Client, shared_api: StandIn, adam: User
    ) -> None:
        assert "Banned in Clerk" in act(browser, olive, change="ban")
        olive.refresh_from_db()
        assert (olive.banned, olive.is_active) == (True, False)
        assert shared_api.call("GET", f"/local/users/{olive.clerk_id}")[1]["banned"] is True
        assert "The ban was removed" in act(browser, olive, change="unban")
        olive.refresh_from_db()
        assert (olive.banned, olive.is_active) == (False, True)
        assert audit_details() == [{"change": "ban", "note": REASON}, {"change": "unban", "note": REASON}]
        row = AuditLog.objects.filter(action="ACCESS_CHANGED").latest("pk")
        assert (row.actor, row.subject) == (adam, olive)

    def test_lock_and_unlock_change_clerk(self, olive: User, browser: Client, shared_api: StandIn) -> None:
        path = f"/local/users/{olive.clerk_id}"
        assert offered(browser, olive) == {"ban", "lock", "sign_out"}
        assert "Locked in Clerk" in act(browser, olive, change="lock")
        olive.refresh_from_db()
        assert (shared_api.call("GET", path)[1]["locked"], olive.locked, olive.is_active) == (True, True, True)
        assert offered(browser, olive) == {"ban", "unlock", "sign_out"}
        assert "The lock was removed" in act(browser, olive, change="unlock")
        olive.refresh_from_db()
        assert (shared_api.call("GET", path)[1]["locked"], olive.locked) == (False, False)

    def test_sessions_end_here_and_a_job_ends_them_in_clerk(
        self, olive: User, browser: Client, shared_api: StandIn
    ) -> None:
        for _ in range(2):
            Visitor(shared_api).sign_in({"id": olive.clerk_id})
        page = browser.get(url(olive), {"sessions": "1"})
        first, second = page.context["sessions"]
        assert "1 session ended." in act(browser, olive, session=first.session_id)
        assert EndedSession.objects.get().session_id == first.session_id
        assert "2 sessions ended." in act(browser, olive, change="sign_out")
        ended = set(EndedSession.objects.values_list("session_id", flat=True))
        assert ended == {first.session_id, second.session_id}
        jobs = ProcrastinateJob.objects.filter(task_name__endswith=".revoke_session")
        assert {job.args["session_id"] for job in jobs} == ended


@pytest.mark.parametrize("change", ("ban", "unban", "lock", "unlock", "sign_out"))
@pytest.mark.parametrize(
    ("response", "text"),
    (
        (httpx.ConnectError("connection refused"), "could not reach Clerk"),
        (httpx.Response(429, headers={"Retry-After": "60"}), "429"),
        (httpx.Response(404), "404"),
        (httpx.Response(422, json={"errors": [{"code": "no", "message": "Not on this plan"}]}), "Not on this plan"),
    ),
)
def test_failed_request_changes_nothing_and_is_audited(
    browser: Client, fake: FakeClerk, change: str, response: Any, text: str
) -> None:
    olive = UserFactory.create(name="Olive", banned=change == "unban")
    fake.respond_with(response)
    assert text in act(browser, olive, change=change)
    after = User.objects.get(pk=olive.pk)
    assert (after.banned, after.is_active) == (olive.banned, olive.is_active)
    assert not EndedSession.objects.exists()
    [details] = audit_details()
    assert (details["change"], details["note"]) == (change, REASON)
    assert text in details["error"]


@pytest.mark.parametrize(
    "data", ({"change": "ban", "reason": ""}, {"reason": REASON}, {"change": "erase"}, {"session": "x" * 65})
)
def test_invalid_form_sends_no_request(browser: Client, fake: FakeClerk, data: dict[str, str]) -> None:
    act(browser, UserFactory.create(), **data)
    assert (fake.requests, audit_details()) == ([], [])


def test_admin_cannot_ban_the_own_account(browser: Client, adam: User, fake: FakeClerk) -> None:
    assert "your own account" in act(browser, adam, change="ban")
    assert fake.requests == []


def test_account_without_clerk_is_explained(browser: Client, fake: FakeClerk) -> None:
    for user in (UserFactory.create(superuser=True), UserFactory.create(deleted=True)):
        assert "does not exist in Clerk" in act(browser, user, change="ban")
    assert fake.requests == []


def test_session_of_another_user_is_not_ended(browser: Client, fake: FakeClerk) -> None:
    fake.respond_with(httpx.Response(200, json=[]))
    assert "no such active session" in act(browser, UserFactory.create(), session="sess_2other")
    assert not EndedSession.objects.exists()


def test_missing_secret_key_is_explained(browser: Client) -> None:
    assert "CLERK_SECRET_KEY is not set" in act(browser, UserFactory.create(), change="ban")
    assert "CLERK_SECRET_KEY is not set" in browser.get(url(UserFactory.create()), {"sessions": "1"}).content.decode()


def test_admin_who_lost_the_role_changes_nothing(browser: Client, adam: User, fake: FakeClerk) -> None:
    olive = UserFactory.create()
    assert browser.get(url(olive)).status_code == 200
    User.objects.filter(pk=adam.pk).update(roles=[])
    assert browser.post(url(olive), {"change": "ban", "reason": REASON}).status_code == 302
    assert (fake.requests, audit_details()) == ([], [])


def test_page_needs_a_fixed_number_of_queries(
    browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    olive = UserFactory.create()
    browser.get(url(olive))
    with django_assert_num_queries(4):  # The admin, the admin's permissions and the user.
        browser.get(url(olive))


def test_pages_about_a_person_link_to_each_other(browser: Client) -> None:
    builder = BuilderProfileFactory.create(slug="olive-owner")
    client = ClientProfileFactory.create(user=builder.user)
    project = ProjectFactory.create(builder=builder)
    account = f"/admin/accounts/user/{builder.user_id}/change/"
    page = browser.get(account).content.decode()
    record, clerk_id = f"/admin/profiles/builderprofile/{builder.pk}/change/", builder.user.clerk_id
    client_page, client_record = f"/clients/{client.pk}/edit/", f"/admin/profiles/clientprofile/{client.pk}/change/"
    for link in (url(builder.user), "/builders/olive-owner/", record, client_page, f"contactmessage/?q={clerk_id}"):
        assert f'{link}"' in page
    assert f'identityconflict/?q={clerk_id}"' in page
    about_builder = ("/builders/olive-owner/", "/builders/olive-owner/history/", project.get_absolute_url(), record)
    for link in (*about_builder, client_page, client_record):
        assert f'href="{account}"' in browser.get(link).content.decode(), link
    moderation = browser.get(record).content.decode()
    for link in ("/builders/olive-owner/hide/", "/builders/olive-owner/verify/"):
        assert f'href="{link}"' in moderation


def test_public_pages_do_not_link_to_the_admin_for_their_owner() -> None:
    builder = BuilderProfileFactory.create(slug="olive-owner")
    project, client = ProjectFactory.create(builder=builder), ClientProfileFactory.create(user=builder.user)
    for link in ("/builders/olive-owner/", project.get_absolute_url(), f"/clients/{client.pk}/edit/"):
        assert "/admin/" not in signed_in(builder.user).get(link).content.decode(), link
