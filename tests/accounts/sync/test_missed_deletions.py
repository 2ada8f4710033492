"""Deletions whose webhook was lost: found in parts of Clerk's list, and approved by an admin if there are many."""

from datetime import timedelta
from io import StringIO
from typing import Any

import httpx
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import tasks
from accounts.clerk import api
from accounts.models import Reconciliation, User
from accounts.sync import reconciliation, sweep, unlisted
from audit.log import Actor
from audit.models import AuditLog
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db


def create_people(clerk: StandIn, count: int) -> list[str]:
    return [clerk.create(first_name=f"Person {number}")["id"] for number in range(count)]


def live_ids() -> set[str]:
    return {str(clerk_id) for clerk_id in User.objects.live().values_list("clerk_id", flat=True)}


class TestSweep:
    @pytest.fixture
    def people(self, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Return ten existing users on five pages."""
        people = create_people(clerk, 10)
        reconciliation.reconcile(full=True)
        monkeypatch.setattr(api, "PAGE_SIZE", 2)
        return people

    @pytest.fixture
    def masked_deletion(self, clerk: StandIn, people: list[str]) -> str:
        """Delete a user in Clerk and another user here, so that the user counts match."""
        clerk.call("DELETE", f"/local/users/{people[3]}")
        User.objects.filter(clerk_id=people[0]).update(deleted_at=timezone.now(), is_active=False)
        return people[3]

    def run_jobs(self, count: int, *, start: timedelta) -> None:
        """Run the periodic job as a worker does every 15 minutes."""
        for number in range(count):
            with time_machine.travel(timezone.now() + start + number * timedelta(minutes=15), tick=True):
                tasks.reconcile_recent(0)

    def test_masked_deletion_is_found_within_hours(self, masked_deletion: str) -> None:
        self.run_jobs(8, start=sweep.START_EVERY)
        assert masked_deletion not in live_ids()

    def test_job_reads_a_bounded_part_of_the_list(self, clerk: StandIn, masked_deletion: str, fake: FakeClerk) -> None:
        fake.handler = forward(clerk)
        self.run_jobs(1, start=sweep.START_EVERY)
        pages = [r for r in fake.requests if r.url.params.get("order_by") == "+created_at"]
        assert len(pages) == 1
        assert Reconciliation.objects.filter(state="paused").count() == 1
        assert masked_deletion in live_ids()

    def test_large_site_reads_no_more_than_the_maximum(
        self, people: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep, "START_EVERY", timedelta(0))
        recent = Reconciliation(clerk_total=10_000_000)
        monkeypatch.setattr(reconciliation, "count_local_users", lambda: 10_000_000)
        assert sweep.pages_due(recent) == sweep.MAX_PAGES
        recent.clerk_total = 33
        monkeypatch.setattr(reconciliation, "count_local_users", lambda: 33)
        assert sweep.pages_due(recent) == 3

    def test_no_sweep_starts_soon_after_the_last(self, masked_deletion: str) -> None:
        self.run_jobs(1, start=timedelta(minutes=30))
        assert not Reconciliation.objects.filter(state="paused").exists()
        assert masked_deletion in live_ids()

    def test_differing_counts_start_a_sweep_early(self, clerk: StandIn, people: list[str]) -> None:
        clerk.call("DELETE", f"/local/users/{people[3]}")
        self.run_jobs(1, start=timedelta(minutes=30))
        assert people[3] in live_ids()
        self.run_jobs(1, start=sweep.START_EARLY)
        assert people[3] not in live_ids()

    def test_command_compares_all_users_from_the_start(self, clerk: StandIn, masked_deletion: str) -> None:
        self.run_jobs(1, start=sweep.START_EVERY)
        with time_machine.travel(timezone.now() + sweep.START_EVERY + timedelta(minutes=20), tick=True):
            run = reconciliation.reconcile(full=True)
            assert (run.compared, run.deleted) == (9, 1)
            assert sweep.pages_due(Reconciliation(clerk_total=None)) == 0  # the paused sweep is obsolete

    def test_change_during_a_sweep_is_found_by_the_next_recent_run(self, clerk: StandIn, people: list[str]) -> None:
        """The sweep ends later, with a newer watermark, but it read the user's page before the change."""
        Reconciliation.objects.all().delete()
        run = Reconciliation(kind="full", started_at=timezone.now() - timedelta(hours=2), state="finished")
        run.finished_at = timezone.now()
        run.watermark = timezone.now() + timedelta(hours=1)
        run.save()
        clerk.call("PATCH", f"/local/users/{people[0]}", {"first_name": "Changed"})
        assert reconciliation.reconcile(full=False).stale == 1

    def test_paused_report_explains_the_next_step(self, masked_deletion: str) -> None:
        self.run_jobs(1, start=sweep.START_EVERY)
        run = Reconciliation.objects.get(state="paused")
        admin = signed_in(UserFactory.create(admin=True))
        page = admin.get(f"/admin/accounts/reconciliation/{run.pk}/change/").content.decode()
        assert "Paused. The next job continues" in page


class TestApproval:
    @pytest.fixture
    def run(self, clerk: StandIn) -> Reconciliation:
        """Return a report whose 12 deletions were skipped."""
        people = create_people(clerk, 14)
        reconciliation.reconcile(full=True)
        for clerk_id in people[:12]:
            clerk.call("DELETE", f"/local/users/{clerk_id}")
        run = reconciliation.reconcile(full=True)
        assert (run.skipped_deletions, len(live_ids())) == (12, 14)
        return run

    @pytest.fixture
    def adam(self) -> User:
        user: User = UserFactory.create(admin=True, name="Adam Admin", clerk_id=None, login="adam", superuser=True)
        return user

    def approve(
        self, run: Reconciliation, adam: User | None = None, *, count: int = 12, reason: str = "The trial ended."
    ) -> Reconciliation:
        return unlisted.approve(run, count=count, reason=reason, actor=Actor(AuditLog.Source.REQUEST, user=adam))

    def test_approved_users_are_deleted(self, run: Reconciliation, adam: User) -> None:
        unlisted.delete_approved(self.approve(run, adam))
        run.refresh_from_db()
        assert (run.deleted, run.skipped_deletions, run.unlisted_ids) == (12, 0, [])
        assert len(live_ids()) == 2 + 1  # and Adam, who has no Clerk ID

    def test_approval_and_deletions_are_audited_with_the_admin(self, run: Reconciliation, adam: User) -> None:
        ids = list(run.unlisted_ids)
        unlisted.delete_approved(self.approve(run, adam))
        [approval] = AuditLog.objects.filter(action="DELETIONS_APPROVED")
        assert (approval.actor_id, approval.target) == (adam.pk, f"accounts.reconciliation:{run.pk}")
        assert approval.details == {"deletions": 12, "reason": "The trial ended.", "clerk_ids": ids}
        deletions = AuditLog.objects.filter(action="USER_DELETED")
        assert set(deletions.values_list("actor_id", "source")) == {(adam.pk, "reconciliation")}
        assert deletions.count() == 12

    def test_user_who_exists_at_clerk_is_kept(self, clerk: StandIn, run: Reconciliation, fake: FakeClerk) -> None:
        spared = run.unlisted_ids[0]
        at_clerk = fake_user(clerk, spared)
        forward_request = forward(clerk)

        def handler(request: httpx.Request) -> httpx.Response:
            is_spared = request.url.path.endswith(spared)
            return httpx.Response(200, json=at_clerk) if is_spared else forward_request(request)

        fake.handler = handler
        unlisted.delete_approved(self.approve(run))
        assert spared in live_ids()
        run.refresh_from_db()
        assert (run.deleted, run.skipped_deletions) == (11, 0)

    def test_interrupted_deletion_continues(self, clerk: StandIn, run: Reconciliation, fake: FakeClerk) -> None:
        approved, broken = self.approve(run), run.unlisted_ids[5]
        forward_request = forward(clerk)
        fake.handler = lambda r: httpx.Response(502) if r.url.path.endswith(broken) else forward_request(r)
        with pytest.raises(api.ClerkApiError):
            unlisted.delete_approved(approved)
        run.refresh_from_db()
        assert (run.deleted, run.skipped_deletions) == (5, 7)
        fake.handler = forward_request
        unlisted.delete_approved(run)
        assert (run.deleted, run.skipped_deletions) == (12, 0)

    @pytest.mark.parametrize(
        ("values", "facts", "message"),
        (
            ({"count": 11}, {}, "Enter this number"),
            ({"reason": "  "}, {}, "Enter a reason"),
            ({}, {"skipped_deletions": 0}, "no skipped deletions"),
            ({}, {"dry_run": True}, "dry run"),
            ({}, {"started_at": timezone.now() - timedelta(days=8)}, "older than a week"),
            ({}, {"deletions_approved_at": timezone.now()}, "already been approved"),
        ),
    )
    def test_invalid_approval_is_rejected(
        self, run: Reconciliation, values: dict[str, Any], facts: dict[str, Any], message: str
    ) -> None:
        Reconciliation.objects.filter(pk=run.pk).update(**facts)
        with pytest.raises(unlisted.ApprovalError, match=message):
            self.approve(run, **values)
        assert not AuditLog.objects.filter(action="DELETIONS_APPROVED").exists()

    def test_unapproved_deletions_are_refused(self, run: Reconciliation) -> None:
        with pytest.raises(unlisted.ApprovalError, match="have not been approved"):
            unlisted.delete_approved(run)

    def test_approval_does_not_apply_to_later_reports(self, clerk: StandIn, run: Reconciliation) -> None:
        self.approve(run)
        assert reconciliation.reconcile(full=True).skipped_deletions == 12
        assert len(live_ids()) == 14

    def test_admin_approves_on_the_page_of_the_report(self, run: Reconciliation) -> None:
        adam = UserFactory.create(admin=True, name="Adam Admin")
        browser, url = signed_in(adam), f"/admin/accounts/reconciliation/{run.pk}/"
        page = browser.get(f"{url}change/").content.decode()
        assert "12 users are missing" in page
        assert run.unlisted_ids[0] in page
        response = browser.post(f"{url}approve/", {"count": "12", "reason": "The trial ended."}, follow=True)
        assert "Approved and recorded in the audit log." in response.content.decode()
        tasks.delete_approved(run.pk)
        page = browser.get(f"{url}change/").content.decode()
        assert "All users with an approved deletion have been checked with Clerk." in page
        assert "by Adam Admin" in page
        assert "Approve deletions" not in page

    @pytest.mark.parametrize(
        "typed", ({}, {"count": "11", "reason": "x"}, {"count": "x", "reason": "x"}, {"count": "12"})
    )
    def test_incomplete_approval_is_rejected(self, run: Reconciliation, typed: dict[str, str]) -> None:
        browser = signed_in(UserFactory.create(admin=True))
        url = f"/admin/accounts/reconciliation/{run.pk}/approve/"
        assert 'class="error"' in browser.post(url, typed, follow=True).content.decode()
        run.refresh_from_db()
        assert run.deletions_approved_at is None

    def test_command_approves_and_deletes(self, run: Reconciliation) -> None:
        output = StringIO()
        options = {"approve_deletions": run.pk, "deletions": 12, "reason": "The trial ended."}
        call_command("reconcile", stdout=output, **options)
        assert "12 users deleted" in output.getvalue()
        assert len(live_ids()) == 2
        assert AuditLog.objects.get(action="DELETIONS_APPROVED").source == "command"

    @pytest.mark.parametrize(
        ("options", "message"),
        (
            ({}, "Enter this number to approve them. Use --approve-deletions"),
            ({"deletions": 12}, "Enter a reason"),
            ({"approve_deletions": 999_999, "deletions": 12, "reason": "x"}, "There is no report 999999"),
        ),
    )
    def test_command_names_the_missing_option(self, run: Reconciliation, options: dict[str, Any], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("reconcile", **({"approve_deletions": run.pk} | options))

    def test_report_mentions_the_command(self, clerk: StandIn, run: Reconciliation) -> None:
        output = StringIO()
        call_command("reconcile", "--full", stdout=output)
        assert '--deletions 12 --reason "…"' in output.getvalue()


def fake_user(clerk: StandIn, clerk_id: str) -> dict[str, Any]:
    """Return a user payload in the format of Clerk's Backend API."""
    someone = clerk.create(first_name="Anyone")
    answer = httpx.get(
        f"http://127.0.0.1:{clerk.port}/v1/users/{someone['id']}", headers={"Authorization": f"Bearer {API_KEY}"}
    )
    payload: dict[str, Any] = answer.json()
    return payload | {"id": clerk_id}
