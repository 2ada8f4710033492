"""Links to repairs from the sidebar, alerts, runbooks and dashboard figures."""

import html
import re

import pytest
from django.test import Client
from django.urls import Resolver404, resolve
from django.utils import timezone

from accounts.models import MetadataPush
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.webhooks.monitoring.test_hourly_counts import NOW, event
from webhooks.admin.dashboard import _list_urls
from webhooks.admin.repairs.overview import BY_RUNBOOK, GROUPS
from webhooks.inbox.rejections import RejectionCounter
from webhooks.models import Alert, Replay
from webhooks.monitoring import runbooks

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
