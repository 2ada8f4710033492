"""Links to repairs from the sidebar, alerts, runbooks and dashboard figures."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from django.utils import timezone

from accounts.models import IdentityConflict, MetadataPush, Reconciliation
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.jobs.rows import create_job
from tests.webhooks.monitoring.test_hourly_counts import NOW, event
from tests.webhooks.replay.test_bulk import run_jobs
from webhooks.admin.dashboard import _list_urls
from webhooks.admin.repairs.overview import BY_RUNBOOK, GROUPS
from webhooks.inbox.rejections import RejectionCounter
from webhooks.models import Alert, Replay, WebhookEvent
from webhooks.monitoring import alerts, runbooks

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    return with_password()


def links(text: str) -> list[str]:
    return [html.unescape(url) for url in re.findall(r'href="([^"]*)"', text)]


def test_every_repair_links_to_a_filtered_page(operator: Client) -> None:
    page = operator.get("/admin/webhooks/repairs/").content.decode()
    for _label, entries in GROUPS:
        for entry in entries:
            url = f"{entry.url}{entry.query}"
            assert url in links(page)
            response = operator.get(url)
            assert response.status_code == 200, url
            assert "There is no filter" not in response.content.decode()


@pytest.mark.parametrize("rule", Alert.Rule)
def test_alert_links_to_its_repairs(operator: Client, rule: Alert.Rule) -> None:
    figures = {"value": 1, "notified_value": 1, "worst_value": 1, "facts": {}}
    alert = Alert.objects.create(rule=rule, summary="x", **figures)
    found = links(operator.get(f"/admin/webhooks/alert/{alert.pk}/change/").content.decode())
    assert "/admin/webhooks/repairs/" in found
    assert {str(url) for _label, url in BY_RUNBOOK.get(rule, ())} <= set(found)


@pytest.mark.parametrize("name", BY_RUNBOOK)
def test_runbook_links_to_its_repairs(operator: Client, name: str) -> None:
    assert runbooks.exists(name)
    found = links(operator.get(f"/admin/webhooks/alert/runbooks/{name}/").content.decode())
    assert {str(url) for _label, url in BY_RUNBOOK[name]} <= set(found)


@pytest.mark.parametrize("book", sorted(path.stem for path in runbooks.FOLDER.glob("*.md")))
def test_admin_links_in_runbooks_exist(operator: Client, book: str) -> None:
    found = links(operator.get(f"/admin/webhooks/alert/runbooks/{book}/").content.decode())
    for url in found:
        if url.startswith("/admin/"):
            try:
                resolve(url.partition("?")[0])
            except Resolver404:
                pytest.fail(f"{book} links to {url}, which does not exist.")


def test_dashboard_figures_link_to_their_lists(operator: Client) -> None:
    event(NOW)
    counter = RejectionCounter()
    counter.count("bad_signature")
    counter.flush()
    page = operator.get("/admin/webhooks/dashboard/").content.decode()
    tiles = dict(re.findall(r'<a id="tile-(\w+)" href="([^"]*)"', page))
    assert tiles.keys() == {"received", "unsettled", "rejected", "lag"}
    assert tiles["rejected"] == "/admin/webhooks/rejections/"
    for url in tiles.values():
        response = operator.get(html.unescape(url))
        assert response.status_code == 200
        assert "cannot be sorted" not in response.content.decode()
    assert 'id="rejected-1" href="/admin/webhooks/rejections/"' in page


def test_lists_linked_from_figures_are_filtered(operator: Client) -> None:
    now = timezone.now()
    for state in MetadataPush.State:
        MetadataPush.objects.create(
            user=UserFactory.create(name=state.label),
            state=state,
            requested_at=now,
            next_attempt_at=now,
            done_at=now if state == "done" else None,
        )
    for name, url in _list_urls().items():
        response = operator.get(url)
        assert response.status_code == 200
        assert response.context["cl"].warnings == [], name
    listed = operator.get(_list_urls()["stopped"]).context["cl"].result_list
    assert {push.state for push in listed} == {"refused", "stopped"}


def test_rejected_requests_offer_no_test_delivery() -> None:
    """This site signs test deliveries with its own secret, so they cannot show that the secret is wrong."""
    urls = [str(url) for _label, url in BY_RUNBOOK["rejected_requests"]]
    assert "/admin/webhooks/repairs/test-delivery/" not in urls


def test_replay_form_is_prefilled_with_the_dry_run_reason(operator: Client) -> None:
    replay = Replay.objects.create(
        requested_by=UserFactory.create(admin=True),
        reason="The handler was fixed",
        description="x",
        dry_run=True,
        in_background=True,
        total=2,
        state=Replay.State.RUNNING,
    )
    page = operator.get(f"/admin/webhooks/replay/{replay.pk}/change/").content.decode()
    assert re.search(r'<input type="text" name="reason" value="The handler was fixed"', page)


def create_rows_in_every_state() -> None:
    """Create jobs, pushes, conflicts and events. The number of rows is different for each figure of the dashboard."""
    now = timezone.now()
    for _ in range(3):
        create_job(queued=timedelta(minutes=5))
        create_job("doing")
    create_job("todo", scheduled_at=now + timedelta(hours=1))
    for _ in range(4):
        create_job("failed", attempts=4)
    create_job("succeeded")
    for number, state in enumerate(["pending"] * 5 + ["refused", "done"]):
        user = UserFactory.create(name=f"Person {number}")
        done_at = now if state == "done" else None
        MetadataPush.objects.create(user=user, state=state, requested_at=now, next_attempt_at=now, done_at=done_at)
    for state in ["open"] * 2 + ["kept"]:
        users = {"user": UserFactory.create(), "other": UserFactory.create()}
        resolved_at = None if state == "open" else now
        IdentityConflict.objects.create(
            kind="several", email="olive@example.com", state=state, resolved_at=resolved_at, **users
        )
    for state in ["failed"] * 2 + ["dead"]:
        next_attempt_at = now if state == "failed" else None
        unsettled = {"processed_at": None, "next_attempt_at": next_attempt_at}
        event(now, state=state, last_error="x", error_class="transient", **unsettled)
    for _ in range(6):
        event(now)


def test_dashboard_figures_are_the_numbers_of_rows_in_their_lists(operator: Client) -> None:
    create_rows_in_every_state()
    alerts.check()
    page = operator.get("/admin/webhooks/dashboard/").content.decode()
    figures = re.findall(r'<a id="([\w-]+)" href="([^"]+)"[^>]*>(\d+)</a>', page)
    figures += re.findall(r'<a id="(tile-\w+)" href="([^"]+)"[^>]*><span title="(\d+)">', page)
    listed = {}
    for name, url, _number in figures:
        response = operator.get(html.unescape(url))
        if "cl" in (response.context or {}):
            listed[name] = len(response.context["cl"].result_list)
    shown = {name: int(number) for name, _url, number in figures}
    assert {"jobs", "failed-jobs", "pending", "conflicts", "alerts", "tile-received"} <= listed.keys()
    assert listed == {name: shown[name] for name in listed}


def test_drift_links_to_the_users_of_the_last_report(operator: Client) -> None:
    for number in range(2):
        user = UserFactory.create(name=f"Drifted {number}")
        examples = [{"clerk_id": user.clerk_id, "kind": "stale", "fields": ["name"], "since": None}]
        finished_at = timezone.now() + timedelta(seconds=number)
        Reconciliation.objects.create(
            kind="recent", state="finished", finished_at=finished_at, stale=1, repaired=1, examples=examples
        )
    page = operator.get("/admin/webhooks/dashboard/").content.decode()
    [(url, number)] = re.findall(r'<a id="drift" href="([^"]+)">(\d+) differed', page)
    listed = operator.get(html.unescape(url)).context["cl"].result_list
    assert [user.name for user in listed] == ["Drifted 1"]
    assert int(number) == len(listed)


@pytest.mark.parametrize("is_bulk", (False, True))
def test_reason_of_a_dry_run_is_kept_for_the_replay(operator: Client, webhook: WebhookClient, *, is_bulk: bool) -> None:
    """The reason is typed once, on the event's page or for all matching events."""
    with failing_handlers():
        for _ in range(2):
            webhook.created(person())
    newest = WebhookEvent.objects.latest("pk").pk
    typed = {"action": "dry_run", "reason": "The handler was fixed", "rate_limit": "0", "newest": newest}
    events = "/admin/webhooks/webhookevent"
    url = f"{events}/repair/?state=failed" if is_bulk else f"{events}/{newest}/repair/"
    response = operator.post(url, typed, follow=True)
    replay = run_jobs(Replay.objects.get())
    page = operator.get(response.request["PATH_INFO"]).content.decode()
    [reason] = re.findall(r'<input type="text" name="reason" value="([^"]*)"', page)
    operator.post(f"/admin/webhooks/replay/{replay.pk}/control/", {"action": "run", "reason": reason})
    repetition = run_jobs(Replay.objects.get(previous_run=replay))
    assert (repetition.reason, repetition.dry_run) == ("The handler was fixed", False)
    assert not WebhookEvent.objects.unsettled().filter(pk=newest).exists()
