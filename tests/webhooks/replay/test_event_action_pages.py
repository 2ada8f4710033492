"""Admin pages for repairing events: actions need a POST, a current permission and a reason."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models import Reconciliation, User
from audit.models import AuditLog
from tests.helpers.clerk import FakeClerk
from tests.helpers.clients import HTMX, signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import ZOFIA, failed_event, failing_handlers
from tests.webhooks.replay.test_bulk import create_failed_events, insert_ignored_events, run_jobs
from webhooks.admin.events import actions as event_actions
from webhooks.models import Replay, WebhookEvent

pytestmark = pytest.mark.django_db

EVENTS = "/admin/webhooks/webhookevent/"
REASON = "the profiles were broken"


@pytest.fixture
def ngozi() -> User:
    user: User = UserFactory.create(name="Ngozi", admin=True)
    return user


@pytest.fixture
def browser(ngozi: User) -> Client:
    return signed_in(ngozi)


def text_of(response: Any) -> str:
    """Return the visible text of a page on one line."""
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(text).split())


def act(browser: Client, event: WebhookEvent, action: str, **data: str) -> Any:
    return browser.post(f"{EVENTS}{event.pk}/repair/", {"action": action, "reason": REASON, **data}, follow=True)


def control(browser: Client, replay: Replay, action: str, **data: str) -> Any:
    return browser.post(
        f"/admin/webhooks/replay/{replay.pk}/control/", {"action": action, "reason": REASON, **data}, follow=True
    )


def start(browser: Client, query: str = "", **data: Any) -> Any:
    data = {"action": "replay", "reason": REASON, "rate_limit": "0", "newest": str(2**62)} | data
    return browser.post(f"{EVENTS}repair/{query}", data, follow=True)


# --- One event ---


def test_dry_run_of_one_event_shows_changes(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    page = text_of(act(browser, event, "dry_run"))
    assert "Done: 1 event. Nothing was changed." in page
    assert "user.name : Zofia Wąs" in page
    assert REASON in page
    event.refresh_from_db()
    assert event.state == "failed"


def test_replay_of_one_event_runs_immediately(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    assert "Done: 1 event." in text_of(act(browser, event, "replay"))
    assert User.objects.filter(name="Zofia Wąs").exists()
    row = AuditLog.objects.get(action="EVENT_REPLAYED")
    assert (row.actor_label, (row.details or {})["note"]) == ("Ngozi", REASON)


def test_second_admin_sees_the_action_of_the_first(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    assert "Event resolved and recorded in the audit log." in text_of(act(browser, event, "resolve"))
    page = text_of(act(signed_in(UserFactory.create(name="Adam", admin=True)), event, "resolve"))
    assert "The event is already settled, so there is nothing to resolve. Event Resolved: Ngozi, 20" in page
    assert AuditLog.objects.filter(action="EVENT_RESOLVED").count() == 1


@pytest.mark.parametrize(
    "data", ({}, {"action": "dry_run"}, {"action": "nonsense", "reason": "x"}, {"action": "replay", "reason": " "})
)
def test_action_and_reason_are_required(webhook: WebhookClient, browser: Client, data: dict[str, str]) -> None:
    event = failed_event(webhook)
    response = browser.post(f"{EVENTS}{event.pk}/repair/", data, follow=True)
    assert "Nothing was changed. Enter a reason of up to 500 characters." in text_of(response)
    assert not Replay.objects.exists()


@pytest.mark.parametrize("pk", ("999999999", "nonsense", "99999999999999999999999"))
def test_unknown_event_or_replay_returns_404(browser: Client, pk: str) -> None:
    assert browser.post(f"{EVENTS}{pk}/repair/", {"action": "replay", "reason": REASON}).status_code == 404
    assert (
        browser.post(f"/admin/webhooks/replay/{pk}/control/", {"action": "cancel", "reason": REASON}).status_code == 404
    )


@pytest.mark.parametrize(
    "payload", (None, "{", '{"type": "user.created"}', '{"type": "x", "data": "' + "y" * 500_000 + '"}')
)
@pytest.mark.parametrize("action", ("dry_run", "replay", "fixture"))
def test_actions_work_with_any_payload(
    webhook: WebhookClient, browser: Client, payload: str | None, action: str
) -> None:
    event = failed_event(webhook)
    WebhookEvent.objects.update(payload=payload)
    assert act(browser, event, action).status_code == 200


def test_fetch_queues_a_job_and_shows_the_report(webhook: WebhookClient, browser: Client, fake: FakeClerk) -> None:
    event = failed_event(webhook)
    ProcrastinateJob.objects.all().delete()
    page = text_of(act(browser, event, "fetch"))
    assert "Fetching the user from Clerk. Reload this report in a moment." in page
    assert fake.requests == []
    job, report = ProcrastinateJob.objects.get(), Reconciliation.objects.get()
    assert (job.task_name, job.args) == (
        "accounts.sync.on_demand_fetch.reconcile_user",
        {"clerk_id": ZOFIA.clerk_id, "report_id": report.pk},
    )
    row = AuditLog.objects.get(action="PERSON_FETCHED")
    assert (row.actor_label, row.details) == ("Ngozi", {"note": REASON, "report": report.pk})


def test_fetch_without_secret_key_is_rejected(webhook: WebhookClient, browser: Client) -> None:
    page = text_of(act(browser, failed_event(webhook), "fetch"))
    assert "The user cannot be fetched from Clerk: CLERK_SECRET_KEY is not set." in page
    assert not Reconciliation.objects.exists()


def test_fetch_of_event_without_user_is_rejected(webhook: WebhookClient, browser: Client, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_any"
    webhook.post('{"type": "role.created"}')
    assert "does not contain a user ID" in text_of(act(browser, WebhookEvent.objects.get(), "fetch"))


def test_fixture_can_be_copied_and_downloaded(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    page = act(browser, event, "fixture")
    assert '"type": "user.created"' in text_of(page)
    [text] = re.findall(r"<textarea.*</textarea>", page.content.decode(), re.DOTALL)
    assert "Zofia" not in text
    file = act(browser, event, "fixture", download="1")
    assert file["Content-Disposition"] == f'attachment; filename="user-created-{event.pk}.json"'
    assert file.json()["type"] == "user.created"
    assert AuditLog.objects.filter(action="EVENT_COPIED").count() == 2


# --- Several events ---


def test_selected_events_are_confirmed_and_replayed(webhook: WebhookClient, browser: Client) -> None:
    first, second, _ = create_failed_events(webhook, 3)
    ids = [first.pk, second.pk]
    asked = browser.post(EVENTS, {"action": "repair_selected", "_selected_action": ids})
    assert "2 events." in text_of(asked)
    assert not Replay.objects.exists()
    assert re.findall(r'name="events" value="(\d+)"', asked.content.decode()) == [str(pk) for pk in ids]
    start(browser, events=ids)
    replay = run_jobs(Replay.objects.get())
    assert (replay.description, replay.counts) == ("2 selected events", {"processed": 2})
    assert WebhookEvent.objects.unsettled().count() == 1


def test_selected_events_are_resolved(webhook: WebhookClient, browser: Client) -> None:
    first, second, _ = create_failed_events(webhook, 3)
    webhook.created(person(), svix_id="msg_good")
    good = WebhookEvent.objects.get(svix_id="msg_good")
    page = text_of(start(browser, action="resolve", events=[first.pk, second.pk, good.pk]))
    assert "2 events were resolved. 1 was already settled." in page
    assert "State: Ignored" in page
    good.refresh_from_db()
    assert good.state == "processed"
    assert WebhookEvent.objects.unsettled().count() == 1


def test_list_shows_old_events_after_they_were_resolved(webhook: WebhookClient, browser: Client) -> None:
    first, second = create_failed_events(webhook, 2)
    insert_ignored_events(60)
    for days, event in ((40, first), (20, second)):
        WebhookEvent.objects.filter(pk=event.pk).update(received_at=timezone.now() - timedelta(days=days))
    query = (
        f"?state=unsettled&event_type=user.created&error_class={first.error_class}&error_group={first.error_group_id}"
    )
    query += "&sort=-received&before=9999999999999999.1"
    asked = browser.post(f"{EVENTS}{query}", {"action": "repair_selected", "_selected_action": [first.pk, second.pk]})
    [url] = re.findall(r'class="resolutions" method="post" action="([^"]*)"', asked.content.decode())
    data = {"action": "resolve", "reason": REASON, "newest": "0", "events": [first.pk, second.pk]}
    response = browser.post(html.unescape(url), data, follow=True)
    assert [row.pk for row in response.context["cl"].result_list] == [second.pk, first.pk]
    parameters = QueryDict(response.redirect_chain[0][0].partition("?")[2])
    assert parameters.getlist("state") == ["ignored"]
    assert (parameters["event_type"], parameters["sort"]) == ("user.created", "-received")


def test_filtered_events_are_replayed_without_later_ones(webhook: WebhookClient, browser: Client) -> None:
    create_failed_events(webhook, 2)
    webhook.post("{}")
    asked = browser.get(f"{EVENTS}repair/?state=failed")
    assert "2 events. State: Failed" in text_of(asked)
    [newest] = re.findall(r'name="newest" value="(\d+)"', asked.content.decode())
    create_failed_events(webhook, 1)
    start(browser, "?state=failed", newest=newest)
    replay = run_jobs(Replay.objects.get())
    assert (replay.description, replay.total, replay.counts) == ("State: Failed", 2, {"processed": 2})


def test_list_and_event_page_link_to_the_actions(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    page = browser.get(f"{EVENTS}?state=failed").content.decode()
    assert f'href="{EVENTS}repair/?state=failed"' in page
    assert '<option value="repair_selected">Replay or resolve selected events…</option>' in page
    assert f'action="{EVENTS}{event.pk}/repair/"' in browser.get(f"{EVENTS}{event.pk}/change/").content.decode()


def test_invalid_filter_is_reported(browser: Client) -> None:
    page = text_of(browser.get(f"{EVENTS}repair/?nonsense=1", follow=True))
    assert "Nothing was changed. There is no filter “nonsense”." in page


@pytest.mark.parametrize("query", ("?nonsense=1", "?received_at__gte=yesterday", "?state__foo=x", "?id__in=a"))
@pytest.mark.parametrize("method", ("GET", "POST"))
def test_invalid_filter_starts_no_replay(browser: Client, query: str, method: str) -> None:
    insert_ignored_events(3)
    response = start(browser, query) if method == "POST" else browser.get(f"{EVENTS}repair/{query}", follow=True)
    assert response.status_code == 200
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    "data",
    (
        {"reason": ""},
        {"reason": "x" * 501},
        {"rate_limit": "-1"},
        {"rate_limit": "x"},
        {"action": "x"},
        {"newest": "x"},
    ),
)
def test_invalid_form_starts_no_replay(browser: Client, data: dict[str, str]) -> None:
    insert_ignored_events(3)
    assert "Nothing was changed. Enter a reason" in text_of(start(browser, **data))
    assert not Replay.objects.exists()


def test_blank_rate_limit_means_no_limit(browser: Client) -> None:
    insert_ignored_events(1)
    assert start(browser, rate_limit="").status_code == 200
    assert Replay.objects.get().rate_limit == 0


@pytest.mark.parametrize("ids", (["x"], ["999999999"], ["99999999999999999999"]))
def test_unknown_event_ids_start_no_replay(browser: Client, ids: list[str]) -> None:
    insert_ignored_events(3)
    assert start(browser, events=ids, newest="0").status_code == 200
    assert not Replay.objects.exists()


def test_description_contains_no_email_address(browser: Client) -> None:
    page = text_of(browser.get(f"{EVENTS}repair/?q=zofia@example.com"))
    assert "(an email address)" in page
    assert "zofia@example.com" not in page


def test_second_bulk_replay_is_rejected_and_names_the_first(browser: Client) -> None:
    insert_ignored_events(3)
    start(browser)
    page = text_of(start(signed_in(UserFactory.create(admin=True))))
    assert "requested by Ngozi, is still running. Wait until it is done, or cancel it." in page
    assert Replay.objects.count() == 1


# --- The page of a replay ---


def test_page_polls_while_running_and_reloads_at_the_end(browser: Client) -> None:
    insert_ignored_events(3)
    page = start(browser, action="dry_run").content.decode()
    replay = Replay.objects.get()
    address = f"/admin/webhooks/replay/{replay.pk}/progress/"
    assert f'hx-get="{address}"' in page
    part = browser.get(address, headers=HTMX)
    assert "<html" not in part.content.decode()
    assert "Waiting: 0 of 3 events." in text_of(part)
    run_jobs(replay)
    assert browser.get(address, headers=HTMX)["HX-Refresh"] == "true"
    over = browser.get(f"/admin/webhooks/replay/{replay.pk}/change/").content.decode()
    assert "hx-get" not in over
    assert "Replay events" in over


def test_number_of_queries_is_independent_of_findings(browser: Client) -> None:
    counts = []
    for number in (2, 12):
        many_more = WebhookEvent.objects.count()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE webhooks_webhookevent SET svix_id = 'old_' || id")
        insert_ignored_events(number)
        start(browser, action="dry_run")
        replay = run_jobs(Replay.objects.latest("pk"))
        assert replay.total == many_more + number
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"/admin/webhooks/replay/{replay.pk}/change/")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


def test_dry_run_can_be_run_for_real(webhook: WebhookClient, browser: Client) -> None:
    create_failed_events(webhook, 2)
    start(browser, action="dry_run")
    preview = run_jobs(Replay.objects.get())
    page = text_of(control(browser, preview, "run", rate_limit="5"))
    replay = Replay.objects.get(dry_run=False)
    assert f"Dry run {preview.pk}" in page
    assert (replay.previous_run, replay.rate_limit, run_jobs(replay).counts) == (preview, 5, {"processed": 2})


def test_only_a_finished_dry_run_can_be_run_for_real(browser: Client) -> None:
    insert_ignored_events(2)
    start(browser, action="dry_run")
    preview = Replay.objects.get()
    assert "Only a dry run that ended" in text_of(control(browser, preview, "run"))
    run_jobs(preview)
    start(browser)
    real = run_jobs(Replay.objects.get(dry_run=False))
    assert "Only a dry run that ended" in text_of(control(browser, real, "run"))
    assert Replay.objects.count() == 2


def test_stopped_replay_can_be_resumed_once(browser: Client) -> None:
    insert_ignored_events(3)
    start(browser)
    stopped = Replay.objects.get()
    assert "Resume" not in text_of(browser.get(f"/admin/webhooks/replay/{stopped.pk}/change/"))
    assert "This replay cannot be resumed" in text_of(control(browser, stopped, "resume"))
    page = text_of(control(browser, stopped, "cancel"))
    assert "Resume Replays the remaining 3 events." in page
    page = text_of(control(browser, stopped, "resume", rate_limit="5"))
    rest = Replay.objects.get(previous_run=stopped)
    assert f"Resumes Replay {stopped.pk}" in page
    assert (rest.rate_limit, rest.total, run_jobs(rest).done) == (5, 3, 3)
    assert "Resume" not in text_of(browser.get(f"/admin/webhooks/replay/{stopped.pk}/change/"))
    assert "has already been resumed" in text_of(control(browser, stopped, "resume"))


def test_cancelled_dry_run_runs_all_events_for_real(browser: Client) -> None:
    insert_ignored_events(3)
    start(browser, action="dry_run")
    preview = Replay.objects.get()
    assert "Replays all 3 events, including those that the dry run did not reach." in text_of(
        control(browser, preview, "cancel")
    )
    assert "A dry run cannot be resumed." in text_of(control(browser, preview, "resume"))
    assert Replay.objects.count() == 1


def test_replay_with_failed_event_is_not_marked_as_successful(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    assert "states.svg#good" in act(browser, event, "replay").content.decode()
    WebhookEvent.objects.update(payload="{")
    assert "states.svg#good" not in act(browser, event, "dry_run").content.decode()


def test_rate_limit_can_be_changed_and_replay_cancelled(browser: Client) -> None:
    insert_ignored_events(3)
    start(browser)
    replay = Replay.objects.get()
    assert "Rate limit changed." in text_of(control(browser, replay, "set_rate", rate_limit="7"))
    assert "7 events per second" in text_of(control(browser, replay, "cancel"))
    assert Replay.objects.get().state == "cancelled"
    assert "the replay has ended" in text_of(control(browser, replay, "cancel"))
    assert "Nothing was changed." in text_of(control(browser, replay, "set_rate", rate_limit="many"))
    assert "Nothing was changed." in text_of(control(browser, replay, "cancel", reason=""))


@pytest.mark.parametrize(
    ("name", "args", "redirect"),
    (
        ("webhooks_webhookevent_repair_one", [7], "/admin/webhooks/webhookevent/7/change/"),
        ("webhooks_webhookevent_reveal", [7], "/admin/webhooks/webhookevent/7/change/"),
        ("webhooks_replay_control", [7], "/admin/webhooks/replay/7/change/"),
        ("webhooks_alert_action", [7], "/admin/webhooks/alert/7/change/"),
        ("accounts_identityconflict_resolve", [7], "/admin/accounts/identityconflict/7/change/"),
        ("webhooks_alert_test_channel", [], "/admin/webhooks/alert/?state=dead"),
        ("webhooks_webhookevent_export", [], "/admin/webhooks/webhookevent/?state=dead"),
        ("audit_auditlog_export", [], "/admin/audit/auditlog/?state=dead"),
    ),
)
def test_get_of_an_action_url_redirects_to_its_form(browser: Client, name: str, args: list[int], redirect: str) -> None:
    """After login, users are redirected to the action's URL, which accepts only POST."""
    address = reverse(f"admin:{name}", args=args) + ("" if args else "?state=dead")
    response = browser.get(address)
    assert (response.status_code, response["Location"]) == (302, redirect)
    assert "Nothing was done" in text_of(browser.get("/admin/"))
    assert browser.put(address).status_code == 405


# --- Permissions ---


def test_former_admin_is_rejected(webhook: WebhookClient, browser: Client, ngozi: User) -> None:
    event = failed_event(webhook, svix_id="msg_zofia")
    insert_ignored_events(2)
    start(browser, events=list(WebhookEvent.objects.exclude(pk=event.pk).values_list("pk", flat=True)))
    replay, rows = Replay.objects.get(), AuditLog.objects.count()
    User.objects.filter(pk=ngozi.pk).update(roles=["CLIENT"])
    for response in (act(browser, event, "replay"), start(browser), control(browser, replay, "cancel")):
        assert response.redirect_chain[0][0].startswith("/admin/login/")
        assert "You are authenticated as Ngozi, but are not authorized to access this page" in text_of(response)
    part = browser.get(f"/admin/webhooks/replay/{replay.pk}/progress/", headers=HTMX)
    assert part["HX-Redirect"].startswith("/admin/login/")
    event.refresh_from_db()
    assert event.state == "failed"
    assert Replay.objects.get().state == "waiting"
    assert AuditLog.objects.count() == rows


def test_view_permission_does_not_allow_actions(webhook: WebhookClient) -> None:
    """Groups can grant only view permissions. Repairing is limited to admins and local superusers."""
    event, browser = failed_event(webhook), with_password()
    User.objects.update(is_superuser=False)
    for response in (act(browser, event, "replay"), start(browser)):
        assert response.redirect_chain[0][0].startswith("/admin/login/")
    assert not Replay.objects.exists()


@pytest.mark.parametrize("address", (f"{EVENTS}1/repair/", f"{EVENTS}repair/", "/admin/webhooks/replay/1/control/"))
def test_form_without_csrf_token_is_rejected(ngozi: User, address: str) -> None:
    browser = signed_in(ngozi, enforce_csrf_checks=True)
    assert browser.post(address, {"action": "replay", "reason": REASON}).status_code == 403


def test_error_of_a_dry_run_is_escaped(webhook: WebhookClient, browser: Client) -> None:
    event = failed_event(webhook)
    with failing_handlers(ValueError("<script>")):
        page = act(browser, event, "dry_run").content.decode()
    assert "ValueError: &lt;script&gt;" in page


@pytest.mark.parametrize(
    ("facts", "allowed"), (({"admin": True}, True), ({"superuser": True}, True), ({"builder": True}, False))
)
def test_only_admins_and_superusers_can_repair(
    rf: RequestFactory, monkeypatch: pytest.MonkeyPatch, facts: dict[str, bool], *, allowed: bool
) -> None:
    """A group's permission to view events is not sufficient."""
    monkeypatch.setattr(event_actions, "may_view_events", lambda request: True)
    request = rf.post("/")
    request.user = UserFactory.create(**facts)
    assert event_actions.can_repair(request) is allowed


def test_replay_links_to_its_events(webhook: WebhookClient, browser: Client) -> None:
    first, second, _other = create_failed_events(webhook, 3)
    page = text_of(start(browser, events=[first.pk, second.pk]))
    assert "Show the events of this replay" in page
    replay = Replay.objects.get()
    response = browser.get(f"{EVENTS}?replay={replay.pk}")
    assert {event.pk for event in response.context["cl"].result_list} == {first.pk, second.pk}
    assert f"Replay: Replay {replay.pk}" in text_of(response)
