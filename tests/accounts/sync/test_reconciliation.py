"""Reconciliation with the running Clerk stand-in, which drops all webhooks."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import httpx
import psycopg
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import tasks
from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.models import MetadataPush, Reconciliation, User
from accounts.roles.services import change_roles
from accounts.sync import reconciliation, repairs
from accounts.sync.apply import Outcome, apply_user, apply_users
from audit.log import Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.admin import one_of_each
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db


def reconcile(*options: str) -> str:
    output = StringIO()
    call_command("reconcile", *(options if "--user" in options else ("--full", *options)), stdout=output)
    return output.getvalue()


def test_missing_users_are_created_with_roles_and_profiles(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive", last_name="Owner", roles=["BUILDER"])
    assert f"1 missing here, repaired: {olive['id']}" in reconcile()
    user = User.objects.get()
    assert (user.clerk_id, user.name, user.roles) == (olive["id"], "Olive Owner", ["BUILDER"])
    assert BuilderProfile.objects.get().user == user
    assert set(AuditLog.objects.values_list("source", flat=True)) == {"reconciliation"}


def test_restored_copy_catches_up_with_clerk_and_changes_nothing_there(clerk: StandIn, settings: Settings) -> None:
    """After the restore of a backup, Clerk's users have been created, changed and deleted since the backup."""
    olive, vera = (clerk.create(first_name=name, roles=["BUILDER"]) for name in ("Olive", "Vera"))
    reconcile()
    rosa = clerk.create(first_name="Rosa", roles=["CLIENT"])
    clerk.call("PATCH", f"/local/users/{olive['id']}", {"first_name": "Oliva"})
    clerk.call("DELETE", f"/local/users/{vera['id']}")
    change_roles(user := User.objects.get(clerk_id=olive["id"]), add=[User.Role.CLIENT], actor=Actor(user=user))
    settings.LIVE_SITE = False
    before = clerk.call("GET", "/local/users")
    reconcile()
    assert clerk.call("GET", "/local/users") == before
    users = {user.clerk_id: user for user in User.objects.all()}
    assert (users[rosa["id"]].name, users[olive["id"]].name) == ("Rosa", "Oliva")
    assert users[vera["id"]].deleted_at
    assert MetadataPush.objects.get().attempts == 0


def test_outdated_users_are_updated(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive", roles=["BUILDER"])
    reconcile()
    clerk.call("PATCH", f"/local/users/{olive['id']}", {"first_name": "Oliva", "roles": ["CLIENT"], "banned": True})
    assert f"1 out of date here, repaired: {olive['id']}" in reconcile()
    user = User.objects.get()
    assert (user.name, user.roles, user.banned, user.is_active) == ("Oliva", ["CLIENT"], True, False)


def test_users_deleted_at_clerk_are_deleted_here(clerk: StandIn) -> None:
    olive, other = clerk.create(first_name="Olive"), clerk.create(first_name="Other")
    reconcile()
    clerk.call("DELETE", f"/local/users/{olive['id']}")
    assert f"1 deleted in Clerk, repaired: {olive['id']}" in reconcile()
    assert [user.clerk_id for user in User.objects.live()] == [other["id"]]


def test_second_run_finds_and_writes_nothing(clerk: StandIn, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for name in ("Ann", "Bea", "Cleo"):
        clerk.create(first_name=name, roles=["CLIENT"])
    reconcile()
    # Most of these run once per run, regardless of the number of users.
    with django_assert_num_queries(15) as captured:
        run = reconciliation.reconcile(full=True)
    assert (run.compared, run.differed, run.repaired, run.match_rate) == (3, 0, 0, 100)
    user_queries = [
        query["sql"] for query in captured if "accounts_user" in query["sql"] or "profiles_" in query["sql"]
    ]
    # One page of users, their profiles' metadata, users without a sign-up time, and accounts created before Clerk.
    assert len(user_queries) == 4


def test_dry_run_changes_nothing(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive")
    assert f"1 missing here, would be repaired: {olive['id']}" in reconcile("--dry-run")
    assert not User.objects.exists()


def test_single_user_can_be_reconciled(clerk: StandIn) -> None:
    olive, _ = clerk.create(first_name="Olive"), clerk.create(first_name="Other")
    reconcile("--user", olive["id"])
    assert User.objects.get().name == "Olive"
    clerk.call("DELETE", f"/local/users/{olive['id']}")
    assert f"1 deleted in Clerk, repaired: {olive['id']}" in reconcile("--user", olive["id"])
    assert not User.objects.live().exists()


def test_progress_bar_is_shown_on_a_terminal_only(clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk.create(first_name="Olive")
    for is_terminal in (True, False):
        shown = StringIO()
        monkeypatch.setattr(shown, "isatty", lambda answer=is_terminal: answer)
        monkeypatch.setattr("sys.stderr", shown)
        reconcile()
        assert ("100%" in shown.getvalue()) is is_terminal


def test_every_page_of_the_list_is_read(clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    people = {clerk.create(first_name=f"Person {number}")["id"] for number in range(5)}
    reconcile()
    assert set(User.objects.values_list("clerk_id", flat=True)) == people


def test_users_listed_on_another_page_are_not_fetched(
    fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 3)
    # These users signed up one millisecond apart.
    assert clerk.call("POST", "/local/users/crowd", {"count": 10})[0] == 201
    fake.handler = same_sign_up_time(forward(clerk))  # All except the first few signed up in the same millisecond.
    reconciliation.reconcile(full=True)
    fake.requests.clear()
    run = reconciliation.reconcile(full=True)
    assert (run.compared, run.differed) == (10, 0)
    assert {request.url.path for request in fake.requests} == {"/v1/users", "/v1/users/count"}


def same_sign_up_time(
    forward_request: Callable[[httpx.Request], httpx.Response],
) -> Callable[[httpx.Request], httpx.Response]:
    """Give all users after the first of the second page the same sign-up time."""

    def handler(request: httpx.Request) -> httpx.Response:
        people = forward_request(request).json()
        if isinstance(people, list):
            for person in people:
                person["created_at"] = min(person["created_at"], edge.setdefault("at", person["created_at"] + 3))
        return httpx.Response(200, json=people)

    edge: dict[str, int] = {}
    return handler


# --- Implausible deletions ---


def test_empty_list_deletes_no_user(clerk: StandIn) -> None:
    UserFactory.create()
    assert "Does CLERK_SECRET_KEY belong to the right instance? user_" in reconcile()
    assert User.objects.live().count() == 1


def test_key_of_another_instance_deletes_no_user(clerk: StandIn) -> None:
    UserFactory.create_batch(12)
    for number in range(12):
        clerk.create(first_name=f"Stranger {number}")
    output = reconcile()
    assert "12 missing from Clerk's list, not deleted because there are suspiciously many" in output
    assert Reconciliation.objects.get().match_rate == 0
    assert "and 2 more" in output
    assert User.objects.live().count() == 24


@pytest.mark.parametrize("kept", (1, 4), ids=("almost all missing", "almost all listed"))
def test_incomplete_list_deletes_no_user(fake: FakeClerk, clerk: StandIn, kept: int) -> None:
    """The number of missing users is plausible, so each user is checked."""
    for number in range(6):
        clerk.create(first_name=f"Person {number}")
    fake.handler = forward_request = forward(clerk)
    reconciliation.reconcile(full=True)

    def handler(request: httpx.Request) -> httpx.Response:
        people = forward_request(request).json()
        return httpx.Response(200, json=people[:kept] if isinstance(people, list) else people)

    fake.handler = handler
    run = reconciliation.reconcile(full=True)
    assert (run.deleted, User.objects.live().count()) == (0, 6)


def test_local_operators_are_not_compared(clerk: StandIn) -> None:
    operator = UserFactory.create(superuser=True)
    clerk.create(first_name="Olive")
    reconcile()
    operator.refresh_from_db()
    assert operator.is_active


# --- Recent runs ---


def recent(*, dry_run: bool = False) -> Reconciliation:
    return reconciliation.reconcile(full=False, dry_run=dry_run)


class TestRecentChanges:
    @pytest.fixture
    def people(self, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Return the Clerk IDs of eight known users, and use small pages."""
        people = [clerk.create(first_name=f"Person {number}")["id"] for number in range(8)]
        assert recent().kind == "full"  # There is no previous run.
        monkeypatch.setattr(api, "PAGE_SIZE", 4)
        monkeypatch.setattr(reconciliation, "OVERLAP", timedelta(0))
        return people

    def test_only_pages_with_changes_are_read(self, clerk: StandIn, people: list[str]) -> None:
        clerk.call("PATCH", f"/local/users/{people[3]}", {"first_name": "Changed"})
        run = recent()
        assert (run.kind, run.compared, run.stale, run.repaired) == ("recent", 4, 1, 1)
        assert User.objects.get(clerk_id=people[3]).name == "Changed"

    def test_many_changes_are_read_from_overlapping_pages(self, clerk: StandIn, people: list[str]) -> None:
        for number, clerk_id in enumerate(people):
            clerk.call("PATCH", f"/local/users/{clerk_id}", {"username": f"name{number}"})
        run = recent()
        assert (run.compared, run.stale) == (8, 8)
        assert recent().stale == 0

    def test_new_user_is_found(self, clerk: StandIn, people: list[str]) -> None:
        new = clerk.create(first_name="New")
        assert recent().missing == 1
        assert User.objects.get(clerk_id=new["id"]).name == "New"

    def test_deletion_during_the_run_hides_no_other_user(
        self, clerk: StandIn, people: list[str], fake: FakeClerk
    ) -> None:
        for number, clerk_id in enumerate(people):
            clerk.call("PATCH", f"/local/users/{clerk_id}", {"username": f"name{number}"})
        forward_request = forward(clerk)

        def handler(request: httpx.Request) -> httpx.Response:
            answer = forward_request(request)
            if request.url.params.get("offset") == "0":
                clerk.call("DELETE", f"/local/users/{people[7]}")
            return answer

        fake.handler = handler
        assert recent().stale == 8

    def test_dry_run_does_not_move_the_watermark(self, clerk: StandIn, people: list[str]) -> None:
        clerk.call("PATCH", f"/local/users/{people[0]}", {"first_name": "Changed"})
        recent(dry_run=True)
        assert recent().stale == 1

    def test_differing_counts_trigger_a_full_run(self, clerk: StandIn, people: list[str]) -> None:
        clerk.call("DELETE", f"/local/users/{people[0]}")
        Reconciliation.objects.update(started_at="2026-01-01T00:00:00Z")
        tasks.reconcile_recent(0)
        assert not User.objects.live().filter(clerk_id=people[0]).exists()
        clerk.call("DELETE", f"/local/users/{people[1]}")
        tasks.reconcile_recent(0)  # at most once an hour
        assert User.objects.live().filter(clerk_id=people[1]).exists()


# --- Pushes ---


class TestPushes:
    @pytest.fixture
    def olive(self, clerk: StandIn) -> User:
        at_clerk = clerk.create(first_name="Olive", public_metadata={"roles": ["BUILDER"], "plan": "pro"})
        reconcile()
        found: User = User.objects.get(clerk_id=at_clerk["id"])
        return found

    def public_metadata(self, clerk: StandIn, user: User) -> dict[str, Any]:
        metadata: dict[str, Any] = clerk.call("GET", f"/local/users/{user.clerk_id}")[1]["public_metadata"]
        return metadata

    def test_lost_push_is_repeated(self, clerk: StandIn, olive: User) -> None:
        change_roles(olive, add=[User.Role.CLIENT], actor=Actor(user=olive))
        MetadataPush.objects.update(next_attempt_at="2030-01-01T00:00:00Z")
        assert f"1 not pushed to Clerk, repaired: {olive.clerk_id}" in reconcile()
        assert self.public_metadata(clerk, olive) == {"roles": ["CLIENT", "BUILDER"], "plan": "pro"}
        assert reconciliation.reconcile(full=True).differed == 0

    def test_unpushed_metadata_is_found(self, clerk: StandIn, olive: User) -> None:
        BuilderProfile.objects.update(validation_tier=3)
        run = reconciliation.reconcile(full=True)
        assert (run.unpushed, run.pushed, run.fields) == (1, 1, {"validationTier": 1})
        assert self.public_metadata(clerk, olive)["validationTier"] == 3

    def test_role_removed_at_clerk_removes_its_metadata(self, clerk: StandIn, olive: User) -> None:
        BuilderProfile.objects.update(validation_tier=3)
        reconcile()
        clerk.call("PATCH", f"/local/users/{olive.clerk_id}", {"roles": ["CLIENT"]})
        run = reconciliation.reconcile(full=True)
        assert (run.stale, run.pushed) == (1, 1)
        assert "validationTier" not in self.public_metadata(clerk, olive)
        assert reconciliation.reconcile(full=True).differed == 0

    def test_refused_push_is_retried_by_full_runs_only(self, clerk: StandIn, olive: User) -> None:
        BuilderProfile.objects.update(validation_tier=3)
        clerk.call("PATCH", "/local/settings", {"api_reject_metadata": True})
        run = reconciliation.reconcile(full=True)
        assert (run.pushed, run.unrepaired) == (0, 1)
        assert "rejected by fault injection" in run.examples[-1]["reason"]
        clerk.call("PATCH", "/local/settings", {"api_reject_metadata": False})
        assert recent().unrepaired == 1
        assert reconciliation.reconcile(full=True).pushed == 1

    def test_dry_run_pushes_nothing(self, clerk: StandIn, olive: User) -> None:
        BuilderProfile.objects.update(validation_tier=3)
        assert "1 not pushed to Clerk, would be repaired" in reconcile("--dry-run")
        assert "validationTier" not in self.public_metadata(clerk, olive)
        assert not MetadataPush.objects.exists()


# --- Interrupted runs ---


class TestInterruptedRun:
    @pytest.fixture
    def people(self, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr(api, "PAGE_SIZE", 2)
        return [clerk.create(first_name=f"Person {number}")["id"] for number in range(6)]

    def interrupt(self, fake: FakeClerk, clerk: StandIn, at: str, failure: Exception) -> None:
        """Make the request for the page after user `at` fail."""
        forward_request = forward(clerk)

        def handler(request: httpx.Request) -> httpx.Response:
            if request.url.params.get("starting_after") == at:
                raise failure
            return forward_request(request)

        fake.handler = handler

    @pytest.mark.parametrize("failure", (KeyboardInterrupt(), httpx.ConnectError("away")))
    def test_next_run_resumes_at_the_cursor(
        self, fake: FakeClerk, clerk: StandIn, people: list[str], failure: Exception
    ) -> None:
        self.interrupt(fake, clerk, people[3], failure)
        with pytest.raises((KeyboardInterrupt, ClerkApiError)):
            reconciliation.reconcile(full=True)
        fake.handler = forward(clerk)
        fake.requests.clear()
        run = reconciliation.reconcile(full=True)
        asked = [r.url.params["starting_after"] for r in fake.requests if "starting_after" in r.url.params]
        assert asked[0] == people[3]
        assert (run.compared, run.missing, Reconciliation.objects.count()) == (6, 6, 1)

    def test_deletions_on_earlier_pages_are_not_forgotten(
        self, fake: FakeClerk, clerk: StandIn, people: list[str]
    ) -> None:
        fake.handler = forward(clerk)
        reconciliation.reconcile(full=True)
        clerk.call("DELETE", f"/local/users/{people[1]}")
        self.interrupt(fake, clerk, people[4], httpx.ReadTimeout("slow"))
        with pytest.raises(ClerkApiError):
            reconciliation.reconcile(full=True)
        assert User.objects.live().count() == 6
        fake.handler = forward(clerk)
        assert reconciliation.reconcile(full=True).deleted == 1
        assert User.objects.live().count() == 5

    def test_user_at_the_cursor_may_be_deleted(self, fake: FakeClerk, clerk: StandIn, people: list[str]) -> None:
        self.interrupt(fake, clerk, people[3], httpx.ConnectError("away"))
        with pytest.raises(ClerkApiError):
            reconciliation.reconcile(full=True)
        clerk.call("DELETE", f"/local/users/{people[3]}")
        fake.handler = forward(clerk)
        run = reconciliation.reconcile(full=True)
        assert (run.state, User.objects.filter(clerk_id__in=people).count()) == ("finished", 6)
        assert reconciliation.reconcile(full=True).deleted == 1

    def test_old_interrupted_run_is_not_resumed(self, fake: FakeClerk, clerk: StandIn, people: list[str]) -> None:
        self.interrupt(fake, clerk, people[3], httpx.ConnectError("away"))
        with pytest.raises(ClerkApiError):
            reconciliation.reconcile(full=True)
        Reconciliation.objects.update(started_at="2026-01-01T00:00:00Z")
        fake.handler = forward(clerk)
        assert reconciliation.reconcile(full=True).compared == 6
        assert Reconciliation.objects.count() == 2

    def test_failed_run_stores_the_error(self, fake: FakeClerk) -> None:
        fake.respond_with(httpx.Response(502))
        tasks.reconcile_all(0)
        run = Reconciliation.objects.get()
        assert run.state == "failed"
        assert "GET /v1/users" in run.error


@pytest.mark.django_db(transaction=True)
def test_concurrent_run_is_rejected(clerk: StandIn, database_url: str) -> None:
    with psycopg.connect(database_url) as other_connection:
        other_connection.execute("SELECT pg_advisory_lock(%s)", [reconciliation.LOCK])
        with pytest.raises(CommandError, match="Another reconciliation is already running"):
            reconcile()
        # Closing the connection would also release the lock, but with a delay.
        other_connection.execute("SELECT pg_advisory_unlock(%s)", [reconciliation.LOCK])
    assert "Users compared in Clerk: 0" in reconcile()


# --- The report ---


def test_report_lists_differences_and_their_age(clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive", email="olive@example.com")
    reconcile()
    clerk.call("PATCH", f"/local/users/{olive['id']}", {"first_name": "Oliva", "email": "new@example.com"})
    with time_machine.travel(timezone.now() + timedelta(hours=3), tick=False):
        run = reconciliation.reconcile(full=True)
    assert run.fields == {"name": 1, "email": 1}
    assert run.examples[0]["clerk_id"] == olive["id"]
    assert run.longest_drift is not None
    assert run.longest_drift > timedelta(hours=2, minutes=59)
    assert run.match_rate == 0


def test_admin_shows_match_rate_and_differences(client: Client) -> None:
    pk = one_of_each()
    operator = with_password()
    page = operator.get("/admin/accounts/reconciliation/").content.decode()
    assert "88.89%" in page
    assert page.count("<rect") == 1
    report = operator.get(f"/admin/accounts/reconciliation/{pk}/change/").content.decode()
    assert "88.89%" in report
    assert "Olive &lt;script&gt; &amp; Sons</code>" in report
    assert "out of date here" in report
    assert (
        "1 user differed: 1 was out of date here. Fields that differed: name. All differences were repaired." in report
    )


@pytest.mark.parametrize(
    ("facts", "sentence"),
    (
        ({"state": "failed", "error": "Clerk is <away>"}, "Failed: Clerk is &lt;away&gt;"),
        ({}, "No differences found."),
        (
            {"stale": 1, "fields": {"name": 1}},
            "1 user differed: 1 was out of date here. Fields that differed: name. All differences were repaired.",
        ),
        ({"missing": 1}, "1 user differed: 1 was missing here. All differences were repaired."),
        (
            {"missing": 3, "stale": 1, "deleted": 1, "fields": {"name": 1}},
            "5 users differed: 3 were missing here, 1 was out of date here, 1 was deleted in Clerk. Fields that differed: name.",
        ),
        (
            {"unpushed": 2, "unreadable": 1, "skipped_deletions": 2},
            "5 users differed: 2 had changes that were not pushed to Clerk, 1 was unreadable, 2 were missing from Clerk’s list. 3 users",
        ),
        (
            {"stale": 2, "fields": {"roles": 1, "name": 1}, "dry_run": True},
            "2 users differed: 2 were out of date here. Fields that differed: name, roles. Nothing was changed.",
        ),
        (
            {"stale": 2, "fields": {"name": 2}, "unrepaired": 1},
            "Fields that differed: name. 1 user still differs. See the examples for the reasons.",
        ),
        (
            {"stale": 2, "fields": {"name": 2}, "unrepaired": 2},
            "Fields that differed: name. 2 users still differ. See the examples for the reasons.",
        ),
    ),
)
def test_report_page_shows_a_summary(facts: dict[str, Any], sentence: str) -> None:
    now = timezone.now()
    run = Reconciliation.objects.create(**{"kind": "user", "state": "finished", "finished_at": now} | facts)
    page = with_password().get(f"/admin/accounts/reconciliation/{run.pk}/change/").content.decode()
    [summary] = re.findall(r'<p class="status-summary.*?</p>', page, re.DOTALL)
    assert sentence in summary


def test_report_page_separates_corrected_and_open_differences() -> None:
    olive, vera = UserFactory.create(name="Olive & Owner"), UserFactory.create(name="Vera")
    stale = {"kind": "stale", "fields": ["name"], "since": "2026-11-20T09:30:00+00:00"}
    run = Reconciliation.objects.create(
        kind="full",
        state="finished",
        finished_at=timezone.now(),
        compared=10,
        clerk_total=10,
        stale=3,
        repaired=2,
        unrepaired=1,
        fields={"name": 3},
        examples=[
            *({"clerk_id": user, **stale} for user in (olive.clerk_id, vera.clerk_id, "user_unknown")),
            {"clerk_id": vera.clerk_id, "kind": "unrepaired", "fields": [], "reason": "Clerk refused <this>"},
        ],
    )
    operator = with_password()
    response = operator.get(f"/admin/accounts/reconciliation/{run.pk}/change/")
    assert [(str(example.user), example.fields) for example in response.context["still_open"]] == [("Vera", "name")]
    assert [example.clerk_id for example in response.context["others"]] == [olive.clerk_id, "user_unknown"]
    text = response.content.decode()
    assert f'<a href="/admin/accounts/user/{olive.pk}/change/" dir="auto">Olive &amp; Owner</a>' in text
    assert "Clerk refused &lt;this&gt;" in text
    assert [tile.figure for tile in response.context["tiles"]] == ["10", "70.00%", "3", "1"]
    assert 'href="#open" aria-label="Still differ: 1"' in text
    users = f"/admin/accounts/user/?report={run.pk}"
    assert f'href="{users}"' in text
    changelist = operator.get(users).context["cl"]
    assert {user.name for user in changelist.result_list} == {"Olive & Owner", "Vera"}
    assert [chip.value for chip in changelist.chips()] == [str(run)]


@pytest.mark.parametrize("report", ("x", "0", "99999999999999999999", "²", "\x00"))
def test_unknown_report_selects_no_users(report: str) -> None:
    response = with_password().get("/admin/accounts/user/", {"report": report}, follow=True)
    assert response.status_code == 200
    cl = response.context["cl"]
    assert list(cl.result_list) == [] or "report" not in response.request["QUERY_STRING"]


def test_page_of_a_running_comparison_shows_its_progress() -> None:
    run = Reconciliation.objects.create(kind="full", compared=5, clerk_total=10)
    page = with_password().get(f"/admin/accounts/reconciliation/{run.pk}/change/").content.decode()
    assert "5 of 10 people compared." in page
    assert "<dd>Running or interrupted</dd>" in page


def test_old_reports_are_deleted() -> None:
    Reconciliation.objects.create(kind="full", started_at="2026-01-01T00:00:00Z")
    Reconciliation.objects.create(kind="full")
    assert reconciliation.delete_old() == 1


# --- Unusual responses ---


def test_changes_during_the_run_are_handled(fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    people = [clerk.create(first_name=f"Person {number}")["id"] for number in range(6)]
    forward_request = forward(clerk)
    turns: list[Callable[[], object]] = [
        lambda: clerk.call("DELETE", f"/local/users/{people[1]}"),
        lambda: clerk.create(first_name="Late"),
        lambda: clerk.call("PATCH", f"/local/users/{people[0]}", {"first_name": "Changed"}),
    ]

    def handler(request: httpx.Request) -> httpx.Response:
        answer = forward_request(request)
        if "starting_after" in request.url.params and turns:
            turns.pop()()
        return answer

    fake.handler = handler
    reconciliation.reconcile(full=True)
    fake.handler = forward_request
    assert reconciliation.reconcile(full=True).unrepaired == 0
    at_clerk = {user["id"]: user["first_name"] for user in clerk.call("GET", "/local/users")[1]}
    assert {user.clerk_id: user.name for user in User.objects.live()} == at_clerk


@pytest.mark.parametrize("page_size", (1, 2))
def test_last_user_of_a_page_may_be_deleted_before_the_next_page(
    fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    """With one user per page no earlier user is known, so the list is read from the beginning."""
    monkeypatch.setattr(api, "PAGE_SIZE", page_size)
    people = [clerk.create(first_name=f"Person {number}")["id"] for number in range(5)]
    forward_request = forward(clerk)

    def handler(request: httpx.Request) -> httpx.Response:
        answer = forward_request(request)
        if request.url.params.get("order_by") and "starting_after" not in request.url.params:
            clerk.call("DELETE", f"/local/users/{people[page_size - 1]}")
        return answer

    fake.handler = handler
    run = reconciliation.reconcile(full=True)
    assert (run.state, run.missing, run.skipped_deletions) == ("finished", 5, 0)
    fake.handler = forward_request
    reconciliation.reconcile(full=True)
    assert set(User.objects.live().values_list("clerk_id", flat=True)) == set(people) - {people[page_size - 1]}


def test_list_that_does_not_advance_raises(fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 1)
    olive = clerk.create(first_name="Olive")
    one = fetch_from_backend_api(clerk, olive)
    fake.respond_with(httpx.Response(200, json={"total_count": 1}), httpx.Response(200, json=[one]))
    with pytest.raises(CommandError, match=f"does not advance past {olive['id']}"):
        reconcile()


def test_user_on_two_pages_is_created_once(fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    for number in range(5):
        clerk.create(first_name=f"Person {number}")
    users_at_clerk = clerk.call("GET", "/local/users")[1][::-1]
    pages = [users_at_clerk[0:2], users_at_clerk[1:3], users_at_clerk[2:4], users_at_clerk[4:]]
    fake.respond_with(httpx.Response(200, json={"total_count": 5}), *(httpx.Response(200, json=page) for page in pages))
    assert reconciliation.reconcile(full=True).missing == 5
    assert sorted(User.objects.values_list("name", flat=True)) == [f"Person {number}" for number in range(5)]


def test_failing_repair_does_not_stop_the_others(clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [clerk.create(first_name=name)["id"] for name in ("Ann", "Bea", "Cleo")]

    def stumble(payload: Any, **options: Any) -> Any:
        if payload.clerk_id == people[1]:
            User.objects.create(clerk_id=people[1], name="\x00 that PostgreSQL does not take")
        return apply_user(payload, **options)

    def fail(payloads: Any, **options: Any) -> Any:
        raise ValueError("one of these users cannot be repaired")

    monkeypatch.setattr(repairs, "apply_users", fail)
    monkeypatch.setattr(repairs, "apply_user", stumble)
    output = reconcile()
    assert re.search(f"{people[1]} still differs: [A-Z][A-Za-z]+, see the log", output)
    assert set(User.objects.values_list("name", flat=True)) == {"Ann", "Cleo"}
    run = Reconciliation.objects.get()
    assert (run.state, run.missing, run.repaired, run.unrepaired) == ("finished", 3, 2, 1)


def test_dry_run_does_not_report_listed_users_as_deleted(clerk: StandIn) -> None:
    """Before the first run, no sign-up times are stored, and a dry run does not store them."""
    people = [clerk.create(first_name=f"Person {number}")["id"] for number in range(15)]
    for clerk_id in people:
        UserFactory.create(clerk_id=clerk_id, clerk_created_at=None)
    run = reconciliation.reconcile(full=True, dry_run=True)
    assert (run.compared, run.deleted, run.skipped_deletions) == (15, 0, 0)


def test_user_listed_twice_is_created_once(fake: FakeClerk, clerk: StandIn) -> None:
    olive = clerk.create(first_name="Olive")
    one = fetch_from_backend_api(clerk, olive)
    fake.respond_with(httpx.Response(200, json={"total_count": 1}), httpx.Response(200, json=[one, one]))
    reconciliation.reconcile(full=True)
    assert User.objects.get().name == "Olive"


def test_user_deleted_after_the_list_was_read_is_deleted(fake: FakeClerk, clerk: StandIn) -> None:
    clerk.create(first_name="Other")
    UserFactory.create(clerk_created_at="2026-01-01T00:00:00Z")
    fake.handler = forward(clerk)
    assert reconciliation.reconcile(full=True).deleted == 1


def test_user_without_an_email_is_created(clerk: StandIn) -> None:
    clerk.create(phone="+4915112345678")
    reconcile()
    assert User.objects.get().email is None


@pytest.mark.parametrize(
    "response",
    (
        httpx.Response(500, text="oops"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"data": []}),
        httpx.Response(404, json=[]),
    ),
)
def test_unusable_list_changes_nothing(fake: FakeClerk, response: httpx.Response) -> None:
    UserFactory.create()
    fake.respond_with(response)
    with pytest.raises(CommandError, match="No users were deleted"):
        reconcile()
    assert User.objects.live().count() == 1


def test_interrupted_list_keeps_completed_repairs(
    fake: FakeClerk, clerk: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 1)
    clerk.create(first_name="First"), clerk.create(first_name="Second")
    UserFactory.create(name="Unlisted")
    forward_request = forward(clerk)
    fake.handler = lambda r: httpx.Response(502) if "starting_after" in r.url.params else forward_request(r)
    with pytest.raises(CommandError, match="502"):
        reconcile()
    assert set(User.objects.live().values_list("name", flat=True)) == {"First", "Unlisted"}


def test_unreadable_user_is_reported_and_skipped(fake: FakeClerk, clerk: StandIn) -> None:
    olive, odd = clerk.create(first_name="Olive"), UserFactory.create()
    listing = [fetch_from_backend_api(clerk, olive), {"id": odd.clerk_id}, 7]
    fake.respond_with(httpx.Response(200, json=listing))
    output = reconcile()
    assert f"{odd.clerk_id} is unreadable and was skipped" in output
    assert "7 is unreadable" in output
    assert set(User.objects.live().values_list("clerk_id", flat=True)) == {olive["id"], odd.clerk_id}


def test_missing_secret_key_is_reported(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = ""
    with pytest.raises(CommandError, match="CLERK_SECRET_KEY is not set"):
        reconcile()


KEY = {"Authorization": f"Bearer {API_KEY}"}


def fetch_from_backend_api(clerk: StandIn, person: dict[str, Any]) -> Any:
    return json.loads(clerk.request("GET", f"/v1/users/{person['id']}", None, KEY)[2])


def test_page_is_repaired_with_few_statements(clerk: StandIn) -> None:
    for number in range(20):
        clerk.create(first_name=f"Person {number}")
    with CaptureQueriesContext(connection) as queries:
        run = reconciliation.reconcile(full=True)
    assert (run.missing, run.repaired, run.unrepaired) == (20, 20, 0)
    assert len(queries) < 45, [query["sql"][:80] for query in queries.captured_queries]
    assert ClientProfile.objects.count() == 20


def test_locked_user_is_repaired_alone(clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [clerk.create(first_name=name)["id"] for name in ("Ann", "Bea", "Cleo")]
    together = apply_users

    def leave_out(payloads: Any, **options: Any) -> Any:
        outcomes = together([pair for pair in payloads if pair[0].clerk_id != people[1]], **options)
        return [outcomes.pop(0) if pair[0].clerk_id != people[1] else Outcome.LEFT_OUT for pair in payloads]

    monkeypatch.setattr(repairs, "apply_users", leave_out)
    run = reconciliation.reconcile(full=True)
    assert (run.missing, run.repaired, run.unrepaired) == (3, 3, 0)
    assert set(User.objects.values_list("name", flat=True)) == {"Ann", "Bea", "Cleo"}
