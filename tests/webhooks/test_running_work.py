"""Progress of long runs on every admin page."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Reconciliation
from audit.tasks import verify_audit_log
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from webhooks.admin.running_work import CACHE_KEY, QUERY, find_running_work
from webhooks.models import Replay

pytestmark = pytest.mark.django_db

URL = "/admin/webhooks/running/"


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.delete(CACHE_KEY)


def start_replay(**fields: Any) -> Replay:
    facts: dict[str, Any] = {"dry_run": False, "in_background": True, "state": "running", "total": 2000, "done": 500}
    return Replay.objects.create(requested_by=UserFactory.create(admin=True), reason="test", **facts | fields)


def progress(browser: Client) -> str:
    response = browser.get(URL)
    assert response.status_code == 200
    return str(response.content.decode())


class TestProgress:
    def test_running_replay_is_shown_with_progress_and_link(self) -> None:
        replay = start_replay()
        text = progress(with_password())
        assert f'<a href="/admin/webhooks/replay/{replay.pk}/change/">Replay</a>' in text
        assert '<progress aria-label="Replay" value="500" max="2000"></progress>' in text
        assert "500 of 2,000" in text

    @pytest.mark.parametrize("state", ("running", "paused"))
    def test_full_reconciliation_is_shown_with_progress(self, state: str) -> None:
        Reconciliation.objects.create(kind="full", state=state, compared=10, clerk_total=40, dry_run=True)
        text = progress(with_password())
        assert '<progress aria-label="Reconciliation (dry run)" value="10" max="40"></progress>' in text

    def test_running_audit_verification_is_shown(self) -> None:
        job_id = verify_audit_log.configure(queueing_lock=None).defer(timestamp=0)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
            [worker_id] = cursor.fetchone()
            cursor.execute(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s", [worker_id, job_id]
            )
        assert "Verification of the audit log" in progress(with_password())

    def test_inactive_work_is_not_shown(self) -> None:
        start_replay(state="done", finished_at=timezone.now())
        Reconciliation.objects.create(kind="full", state="finished", finished_at=timezone.now())
        Reconciliation.objects.create(kind="full", started_at=timezone.now() - timedelta(days=2))
        Reconciliation.objects.create(kind="user")
        verify_audit_log.configure(queueing_lock=None).defer(timestamp=0)
        assert find_running_work() == []
        assert with_password().get(URL).status_code == 204


class TestPages:
    def test_page_of_a_run_shows_no_other_run(self) -> None:
        """It has its own progress. The cached progress could also show a run that has just finished."""
        run = Reconciliation.objects.create(kind="full", state="finished", finished_at=timezone.now())
        replay = start_replay()
        operator = with_password()
        for url in (f"accounts/reconciliation/{run.pk}", f"webhooks/replay/{replay.pk}"):
            text = operator.get(f"/admin/{url}/change/").content.decode()
            assert 'id="running-work"' not in text, url
            assert "css/operators.css" in text, url
        assert 'id="running-work"' in operator.get("/admin/accounts/reconciliation/").content.decode()


class TestCost:
    def test_pages_execute_no_statement_and_requests_share_one(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        browser = with_password()
        with django_assert_num_queries(3) as captured:  # the session, the operator and the runs
            browser.get(URL)
        assert captured.captured_queries[-1]["sql"] == QUERY
        with django_assert_num_queries(2):
            browser.get(URL)
        assert f'data-url="{URL}"' in browser.get("/admin/webhooks/replay/").content.decode()

    def test_login_page_does_not_poll_for_progress(self) -> None:
        assert "running-work" not in Client().get("/admin/login/").content.decode()
