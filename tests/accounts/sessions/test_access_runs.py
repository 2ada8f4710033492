"""Bulk actions that ban users, remove bans and end sessions in Clerk, with a preview and an answer per user."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import AccessRun, EndedSession, User
from accounts.sessions import access_runs
from audit.models import AuditLog
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db
REASON = "Sent spam to three builders"
USERS = "/admin/accounts/user/"


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("runs"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


def select(browser: Client, action: str, users: list[User], **data: str) -> str:
    form = {"action": action, "_selected_action": [user.pk for user in users], **data}
    response = browser.post(USERS, form, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def confirm(browser: Client, action: str, users: list[User], reason: str = REASON) -> str:
    return select(browser, action, users, confirmed="1", reason=reason)


def create_users(number: int, **traits: Any) -> list[User]:
    users: list[User] = UserFactory.create_batch(number, **traits)
    return users


def job_ids() -> list[int]:
    jobs = ProcrastinateJob.objects.filter(task_name__endswith=".change_access_of_users").order_by("pk")
    return [job.args["run_id"] for job in jobs]


def answers(run: AccessRun) -> list[tuple[bool, str]]:
    return [(result["done"], result["answer"]) for _, result in sorted(run.results.items())]


class TestPreview:
    def test_preview_explains_each_user_and_changes_nothing(self, browser: Client, adam: User, fake: FakeClerk) -> None:
        olive = UserFactory.create(name="Olive & <b>", client=True)
        others = [UserFactory.create(banned=True), UserFactory.create(deleted=True), UserFactory.create(superuser=True)]
        page = select(browser, "ban", [olive, adam, *others])
        assert "1 user will be changed in Clerk." in page
        assert "Olive &amp; &lt;b&gt;" in page
        for text in ("Will be banned and signed out", "Your own account", "Already banned", "No account in Clerk"):
            assert text in page
        assert (fake.requests, AccessRun.objects.count()) == ([], 0)

    def test_preview_without_users_to_change_has_no_button(self, browser: Client) -> None:
        page = select(browser, "unban", create_users(1))
        assert "Not banned" in page
        assert 'name="reason"' not in page

    @pytest.mark.parametrize("reason", ("", " ", "x" * 501))
    def test_reason_is_required(self, browser: Client, fake: FakeClerk, reason: str) -> None:
        assert "is-bad" in confirm(browser, "ban", create_users(1), reason)
        assert (fake.requests, AccessRun.objects.count()) == ([], 0)

    def test_missing_secret_key_is_explained(self, browser: Client) -> None:
        assert "CLERK_SECRET_KEY is not set" in confirm(browser, "ban", create_users(1))

    def test_number_of_users_is_limited(self, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(access_runs, "MAX_USERS", 2)
        assert "Select at most 2 users." in select(browser, "ban", create_users(3))


class TestRuns:
    @pytest.fixture
    def users(self, shared_api: StandIn, fake: FakeClerk) -> list[User]:
        fake.handler = forward(shared_api)
        ids = [shared_api.create(first_name=name)["id"] for name in ("Olive", "Vera")]
        return [UserFactory.create(name=f"User {clerk_id}", clerk_id=clerk_id) for clerk_id in ids]

    def test_few_users_are_changed_at_once_with_an_answer_each(
        self, browser: Client, adam: User, users: list[User], fake: FakeClerk
    ) -> None:
        page = confirm(browser, "ban", users)
        assert "2 of 2 changes succeeded." in page
        assert page.count("Banned.") == 2
        assert list(User.objects.filter(banned=True).order_by("pk")) == users
        rows = AuditLog.objects.filter(action="ACCESS_CHANGED")
        assert {(row.actor, row.details["note"]) for row in rows if row.details} == {(adam, REASON)}
        run = AccessRun.objects.get()
        assert job_ids() == [run.pk]  # For the case that the request is stopped. It does nothing now.
        sent = len(fake.requests)
        access_runs.change_access_of_users(run_id=run.pk)
        assert len(fake.requests) == sent
        assert "2 of 2 changes succeeded." in confirm(browser, "unban", users)
        assert not User.objects.filter(banned=True).exists()

    def test_user_without_sessions_counts_as_signed_out(self, browser: Client, users: list[User]) -> None:
        page = confirm(browser, "sign_out", users)
        assert page.count("No active sessions.") == 2
        assert "2 of 2 changes succeeded." in page
        assert not EndedSession.objects.exists()

    def test_failure_is_shown_and_can_be_repeated(
        self, browser: Client, users: list[User], fake: FakeClerk, shared_api: StandIn
    ) -> None:
        to_clerk = forward(shared_api)

        def handler(request: httpx.Request) -> httpx.Response:
            return to_clerk(request) if str(users[0].clerk_id) in request.url.path else httpx.Response(402)

        fake.handler = handler
        page = confirm(browser, "ban", users)
        assert "1 of 2 changes succeeded." in page
        assert "402" in page
        run = AccessRun.objects.get()
        fake.handler = to_clerk
        browser.post(f"/admin/accounts/accessrun/{run.pk}/retry/")
        browser.post(f"/admin/accounts/accessrun/{run.pk}/retry/")
        assert job_ids() == [run.pk, run.pk]  # One of the request, and one of the two clicks.
        access_runs.change_access_of_users(run_id=run.pk)
        run.refresh_from_db()
        assert (run.state, run.changed, answers(run)) == ("finished", 2, [(True, "Banned.")] * 2)

    def test_job_completes_the_run_of_a_stopped_request(
        self, browser: Client, users: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(access_runs, "process", lambda run, actor: None)
            assert "0 of 2 users processed." in confirm(browser, "ban", users)
        run = AccessRun.objects.get()
        access_runs.change_access_of_users(run_id=run.pk)
        run.refresh_from_db()
        assert (run.state, run.changed) == ("finished", 2)


class TestJobs:
    def test_many_users_are_changed_by_a_job(self, browser: Client, fake: FakeClerk) -> None:
        page = confirm(browser, "ban", create_users(6))
        assert "0 of 6 users processed." in page
        run = AccessRun.objects.get()
        assert job_ids() == [run.pk]
        assert fake.requests == []
        progress = f"/admin/accounts/accessrun/{run.pk}/progress/"
        assert "0 of 6 users processed." in browser.get(progress).content.decode()
        AccessRun.objects.update(state="finished", finished_at=run.created_at)
        assert browser.get(progress)["HX-Refresh"] == "true"

    def test_run_stops_after_three_failures_in_a_row(self, browser: Client, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(402))
        confirm(browser, "ban", create_users(6))
        run = AccessRun.objects.get()
        access_runs.change_access_of_users(run_id=run.pk)
        run.refresh_from_db()
        assert (run.state, run.error) == ("stopped", "Clerk rejected 3 requests in a row.")
        assert (len(run.results), run.changed, len(run.remaining_ids())) == (3, 0, 3)
        page = browser.get(f"/admin/accounts/accessrun/{run.pk}/change/").content.decode()
        assert page.count("Not processed yet.") == 3
        assert "Try again" in page

    def test_run_stops_if_the_admin_lost_the_role(self, browser: Client, adam: User, fake: FakeClerk) -> None:
        confirm(browser, "ban", create_users(6))
        User.objects.filter(pk=adam.pk).update(roles=[])
        run = AccessRun.objects.get()
        access_runs.change_access_of_users(run_id=run.pk)
        run.refresh_from_db()
        assert (run.state, run.results) == ("stopped", {})
        assert "no longer an admin" in run.error
        assert fake.requests == []

    def test_interrupted_run_continues_and_skips_users_who_changed_meanwhile(
        self, browser: Client, fake: FakeClerk
    ) -> None:
        users = create_users(6)
        confirm(browser, "ban", users)
        run = AccessRun.objects.get()
        run.results = {str(user.pk): {"done": True, "answer": "Banned."} for user in users[:4]}
        run.save()
        User.objects.filter(pk=users[4].pk).update(banned=True, is_active=False)
        User.objects.filter(pk=users[5].pk).update(deleted_at=run.created_at, is_active=False)
        access_runs.change_access_of_users(run_id=run.pk)
        access_runs.change_access_of_users(run_id=run.pk)
        run.refresh_from_db()
        assert run.state == "finished"
        assert [run.result_of(user.pk)["answer"] for user in users[4:]] == ["Already banned", "No account in Clerk"]
        assert fake.requests == []

    def test_admin_who_lost_the_role_starts_no_run(self, browser: Client, adam: User) -> None:
        users = create_users(1)
        User.objects.filter(pk=adam.pk).update(roles=[])
        form = {"action": "ban", "_selected_action": [users[0].pk], "confirmed": "1", "reason": REASON}
        assert browser.post(USERS, form).status_code == 302
        assert not AccessRun.objects.exists()
