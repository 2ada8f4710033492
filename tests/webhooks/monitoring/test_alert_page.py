"""The page of an alert begins with the cause, the affected people and the most likely action."""

import re

import pytest
from django.utils import timezone

from accounts.models import Reconciliation
from core.db.locked_tables import LockedTable
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import Alert

pytestmark = pytest.mark.django_db


def page_of(rule: str = "dead_events", **facts: object) -> str:
    numbers = {"value": 1, "notified_value": 1, "worst_value": 1}
    Alert.objects.filter(rule=rule).delete()
    alert = Alert.objects.create(rule=rule, summary="Events are dead.", facts=facts, **numbers)
    return str(with_password().get(f"/admin/webhooks/alert/{alert.pk}/change/").content.decode())


class TestAlertPage:
    def test_cause_people_and_runbook_come_before_the_form(self) -> None:
        dead = event(state="dead", processed_at=None, clerk_user_id="user_1", last_error="ValueError: broken")
        text = page_of(events=[dead.pk])
        order = [
            "ValueError: broken",
            "1 affected person",
            "Open the runbook",
            'value="acknowledge"',
            "<h2>Notifications<",
        ]
        assert order == sorted(order, key=text.index)

    def test_each_affected_person_is_listed_once_with_events(self) -> None:
        ids = ["user_1", "user_2", "user_1", ""]
        text = page_of(events=[event(state="dead", processed_at=None, clerk_user_id=clerk_id).pk for clerk_id in ids])
        assert "2 affected people" in text
        found = re.findall(r'href="/admin/webhooks/webhookevent/\?user=(\w+)"', text)
        assert sorted(found) == ["user_1", "user_2"]

    def test_affected_users_are_named_and_linked(self) -> None:
        user = UserFactory.create(name="Olive & Owner")
        text = page_of(events=[event(state="dead", processed_at=None, clerk_user_id=user.clerk_id).pk])
        assert f'<a href="/admin/accounts/user/{user.pk}/change/"><bdi>Olive &amp; Owner</bdi></a>' in text

    def test_failed_checks_have_the_names_of_the_diagnostics_page(self) -> None:
        text = page_of(rule="diagnostics", checks="key_server, mail")
        assert "Public keys, Mail server" in text
        assert "key_server" not in text

    def test_alert_without_events_lists_no_people(self) -> None:
        assert "affected" not in page_of()

    def test_alert_about_rejections_waits_for_a_delivery_from_clerk(self) -> None:
        text = "Waiting for a delivery from Clerk. Test deliveries do not count."
        assert text in page_of(rule="clock", causes={"stale_timestamp": 3})
        assert text not in page_of(rule="dead_events")

    def test_causes_of_rejected_requests_are_explained_and_linked(self) -> None:
        text = page_of("rejected_requests", causes={"too_large": 1, "bad_signature": 6})
        assert '<a href="/admin/webhooks/rejections/?cause=bad_signature">bad_signature</a> 6' in text
        assert "No configured secret matches. Either the secret is wrong here" in text
        assert text.index("bad_signature") < text.index("too_large")

    def test_locked_table_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        locked = LockedTable("profiles_clientprofile", 4711, timezone.now())
        monkeypatch.setattr("webhooks.admin.alerts.find_locked_tables", lambda: [locked])
        text = page_of("unavailable_requests", causes={"locked_row": 3})
        assert "The table profiles_clientprofile is locked" in text
        assert "The database process 4711 has held the lock" in text
        assert "4711" not in page_of("dead_events")

    def test_times_are_readable(self) -> None:
        text = page_of("clerk_outage", refused_since="2026-11-30T11:46:00.746579+00:00")
        assert "<span>30 Nov 2026 11:46:00</span>" in text

    @pytest.mark.parametrize(
        ("rule", "fact", "query"),
        (
            ("pending_pushes", "stopped_pushes", "accounts/metadatapush/?state=given_up"),
            ("pending_pushes", "late_pushes", "accounts/metadatapush/?state=pending"),
            ("background_jobs", "failed_jobs", "webhooks/job/?state=failed&amp;state=given_up"),
            ("background_jobs", "retrying_jobs", "webhooks/job/?state=retrying&amp;state=running"),
            ("background_jobs", "stuck_jobs", "webhooks/job/?state=running"),
            ("background_jobs", "overdue_jobs", "webhooks/job/?overdue=1"),
            ("background_jobs", "counted_until", "webhooks/job/?task=webhooks.tasks.aggregate_counts"),
        ),
    )
    def test_alert_leads_to_the_rows_that_it_is_about(self, rule: str, fact: str, query: str) -> None:
        link = f'href="/admin/{query}"'
        assert link in page_of(rule, **{fact: 1})
        assert link not in page_of(rule)

    def test_alert_about_conflicts_leads_to_them(self) -> None:
        assert 'href="/admin/accounts/identityconflict/?state__exact=open"' in page_of("identity_conflict")

    @pytest.mark.parametrize("rule", ("silence", "rejected_requests", "drift", "other_instance"))
    def test_alert_about_the_endpoint_links_to_clerk(self, rule: str) -> None:
        assert 'href="https://dashboard.clerk.com/last-active?path=webhooks">Open Clerk’s dashboard' in page_of(rule)

    def test_alert_links_and_names_the_rows_behind_it(self) -> None:
        now = timezone.now()
        run = Reconciliation.objects.create(kind="recent", state="finished", started_at=now, finished_at=now)
        text = page_of(rule="drift", reconciliation=run.pk)
        assert f'<a href="/admin/accounts/reconciliation/{run.pk}/change/" dir="auto">{run}</a>' in text

    def test_deleted_rows_behind_an_alert_have_no_link(self) -> None:
        assert "<span>42</span>" in page_of(rule="drift", reconciliation=42)
