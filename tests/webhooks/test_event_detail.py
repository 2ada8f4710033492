"""The page of one event: status, attempts, changes, and the audited reveal of personal data."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from tests.helpers.clients import signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failed_event, failing_handlers
from webhooks import event_status
from webhooks.inbox import service as inbox
from webhooks.inbox import signatures
from webhooks.models import Alert, Attempt, Replay, WebhookEvent

pytestmark = pytest.mark.django_db

State, ErrorClass = WebhookEvent.State, WebhookEvent.ErrorClass
ZOFIA = person(first_name="Zofia", last_name="<Wąs>", email="zofia@example.com", username="zofka", roles=["BUILDER"])
#: Olive's personal data, which must be hidden.
HIDDEN = ("zofia@example.com", "zofka", "https://img.clerk.com/")


@pytest.fixture
def operator() -> Client:
    return with_password()


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam")
    return adam


def page_url(event: WebhookEvent, page: str = "change") -> str:
    return f"/admin/webhooks/webhookevent/{event.pk}/{page}/"


def html(browser: Client, event: WebhookEvent) -> str:
    response = browser.get(page_url(event))
    assert response.status_code == 200
    return str(response.content.decode())


def text(browser: Client, event: WebhookEvent) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html(browser, event)))


def payload_part(content: str) -> str:
    return content.partition('id="payload"')[2]


def received_event(webhook: WebhookClient, svix_id: str = "msg_1") -> WebhookEvent:
    webhook.created(ZOFIA, svix_id=svix_id)
    return WebhookEvent.objects.get(svix_id=svix_id)


# --- Status ---


def test_processed_event_needs_no_action(webhook: WebhookClient, operator: Client) -> None:
    page = text(operator, received_event(webhook))
    assert "Processed. Applied on the first attempt. No action needed." in page
    assert "attempt 1, triggered by delivery" in page


def test_state_has_a_colour_an_icon_and_a_label(webhook: WebhookClient, operator: Client) -> None:
    page = html(operator, failed_event(webhook))
    assert re.search(
        r'<strong class="is-attention"><svg[^>]*><use href="[^"]*states\.[^"]*#failed" /></svg>\s*Failed', page
    )


@pytest.mark.parametrize(
    ("change", "description"),
    (
        ({"attempts": 3, "in": 480}, "Tried 3 times. The next attempt is in 8 min."),
        ({"in": -60}, "Tried once. The next attempt is due and starts when a worker is free."),
        (
            {"state": "dead", "error_class": "permanent"},
            "Tried once. Needs attention: the payload is invalid",
        ),
        (
            {"state": "dead", "error_class": "permanent", "clerk_user_id": "user_1"},
            "Fetch the user from Clerk instead.",
        ),
        ({"state": "dead", "error_class": "configuration"}, "correct the setting named in the error"),
        ({"state": "dead", "error_class": "internal"}, "an internal error occurred"),
        (
            {"state": "dead", "error_class": "transient", "attempts": 10},
            "Tried 10 times. Needs attention: all retries failed.",
        ),
        ({"state": "processed", "attempts": 2}, "Applied on attempt 2."),
        ({"state": "stale"}, "Newer data or a deletion was already stored"),
        ({"state": "ignored"}, "Events of this type are not handled"),
        (
            {"state": "ignored", "last_error": "Sent by another Clerk instance (ins_2)."},
            "another Clerk instance (ins_2).",
        ),
    ),
)
def test_description_contains_the_next_step(change: dict[str, Any], description: str) -> None:
    now = datetime(2026, 11, 25, 9, tzinfo=UTC)
    event = WebhookEvent(state="failed", next_attempt_at=now + timedelta(seconds=change.pop("in", 0)))
    for name, value in change.items():
        setattr(event, name, value)
    assert description in event_status.status_of(event, now).description


# --- Attempts and deliveries ---


def test_attempts_are_listed_with_errors_and_collapsed_tracebacks(webhook: WebhookClient, operator: Client) -> None:
    event = failed_event(webhook, error=ImproperlyConfigured("<unset>"))
    inbox.retry(event.pk)
    page = html(operator, event)
    assert page.index("ImproperlyConfigured: &lt;unset&gt;") < page.index("attempt 2, triggered by retry")
    assert "<details><summary>Traceback</summary><pre" in page
    assert "attempt 1, triggered by delivery" in page
    assert "configuration" in page
    assert "<unset>" not in page


def test_missing_attempts_are_counted(webhook: WebhookClient, operator: Client) -> None:
    event = failed_event(webhook)
    failed_event(webhook)
    Attempt.objects.filter(number=1).delete()
    assert "1 earlier attempt is not shown" in text(operator, event)


def test_deleted_error_message_is_explained(webhook: WebhookClient, operator: Client) -> None:
    event = failed_event(webhook)
    Attempt.objects.update(error="", traceback="")
    assert "The error message has been deleted." in text(operator, event)


def test_repeated_deliveries_are_counted(webhook: WebhookClient, operator: Client) -> None:
    received_event(webhook)
    page = text(operator, received_event(webhook))
    assert re.search(r"Deliveries ?2, first \d.*, last \d", page)


# --- Sender ---


def test_sender_is_shown_without_the_signature(webhook: WebhookClient, operator: Client, settings: Settings) -> None:
    event = received_event(webhook)
    WebhookEvent.objects.update(headers=event.headers | {"Svix-Signature": "v1,stolen"})
    page = text(operator, event)
    assert "Svix-Webhooks/1.60" in page
    assert "127.0.0.1" in page
    assert "stolen" not in page
    assert f"{event.secret_fingerprint} (number 1 of 2 in CLERK_WEBHOOK_SECRET)" in page
    settings.CLERK_WEBHOOK_SECRETS = settings.CLERK_WEBHOOK_SECRETS[:1]
    assert f"{event.secret_fingerprint} (the only one in CLERK_WEBHOOK_SECRET)" in text(operator, event)


def test_removed_secret_is_reported(webhook: WebhookClient, operator: Client, settings: Settings) -> None:
    event = received_event(webhook)
    settings.CLERK_WEBHOOK_SECRETS = ["whsec_bmV3"]
    assert "(no longer in CLERK_WEBHOOK_SECRET)" in text(operator, event)
    settings.CLERK_WEBHOOK_SECRETS = ["whsec_bmV3", "whsec_b2xk"]
    assert signatures.position(signatures.fingerprint("whsec_b2xk")) == 2


# --- Changes and related objects ---


def test_changes_are_shown_with_old_and_new_values(webhook: WebhookClient, operator: Client) -> None:
    webhook.created(ZOFIA)
    webhook.updated(ZOFIA.with_changes(last_name="& Nowa"), svix_id="msg_2")
    page = html(operator, WebhookEvent.objects.get(svix_id="msg_2"))
    assert re.search(
        r"<del[^>]*>Zofia &lt;Wąs&gt;</del> <span class=\"arrow\">→</span> <ins[^>]*>Zofia &amp; Nowa</ins>", page
    )
    row = AuditLog.objects.get(delivery="msg_2")
    assert f"/admin/audit/auditlog/{row.pk}/change/" in page
    assert "/admin/audit/auditlog/?delivery=msg_2" in page


def test_event_links_to_user_timeline_profile_and_page(webhook: WebhookClient, operator: Client) -> None:
    page = html(operator, received_event(webhook))
    user = User.objects.get(clerk_id=ZOFIA.clerk_id)
    builder = user.builderprofile
    for link in (
        f"/admin/accounts/user/{user.pk}/change/",
        f"/admin/accounts/user/{user.pk}/timeline/",
        f"/admin/profiles/builderprofile/{builder.pk}/change/",
        builder.get_absolute_url(),
    ):
        assert f'href="{link}"' in page


def test_event_links_to_neighbouring_events_of_the_user(webhook: WebhookClient, operator: Client) -> None:
    for number in range(3):
        webhook.updated(ZOFIA.with_changes(delay=timedelta(seconds=1 + number)), svix_id=f"msg_{number}")
        webhook.created(person())
    before, event, after = WebhookEvent.objects.filter(clerk_user_id=ZOFIA.clerk_id).order_by("pk")
    page = html(operator, event)
    assert re.search(rf'href="{page_url(before)}" rel="prev"', page)
    assert re.search(rf'href="{page_url(after)}" rel="next"', page)
    assert 'rel="next"' not in html(operator, after)


def test_admin_actions_are_listed(webhook: WebhookClient, operator: Client, adam: User) -> None:
    event = received_event(webhook)
    log.record(AuditLog.Action.EVENT_RETRIED, actor=Actor(user=adam), target=event, note="Fixed <it>")
    assert "Event retried, by Adam: Fixed &lt;it&gt;" in text(operator, event)


def test_event_without_user_has_a_page(webhook: WebhookClient, operator: Client) -> None:
    webhook.post('{"type": "role.created", "data": {}, "timestamp": 1793534400000}')
    page = text(operator, WebhookEvent.objects.get())
    assert re.search(r"Clerk user ID ?none", page)
    assert "No changes." in page


def test_dead_event_links_to_its_runbook(webhook: WebhookClient, operator: Client) -> None:
    event = received_event(webhook)
    runbook_url = reverse("admin:webhooks_runbook", args=["dead_events"])
    assert runbook_url not in html(operator, event)
    WebhookEvent.objects.update(state="dead", error_class="permanent", processed_at=None)
    assert runbook_url in html(operator, event)


def test_unknown_event_returns_not_found(operator: Client) -> None:
    for pk in ("404", "nonsense", "9" * 40):
        response = operator.get(f"/admin/webhooks/webhookevent/{pk}/change/")
        assert response.status_code == 404
        response = operator.post(f"/admin/webhooks/webhookevent/{pk}/reveal/", {"reason": "x"}, follow=True)
        assert "There is no event with the ID" in response.content.decode()


# --- Payload ---


def test_personal_data_is_hidden(webhook: WebhookClient, operator: Client) -> None:
    part = payload_part(html(operator, received_event(webhook)))
    assert ZOFIA.clerk_id in part
    assert not [value for value in HIDDEN if value in part]
    assert "Wąs" not in part


@pytest.mark.parametrize(
    "event",
    [event for events in samples.examples().values() for event in events] + samples.captured(),
    ids=lambda event: event["type"],
)
def test_every_event_type_has_a_page(webhook: WebhookClient, operator: Client, event: dict[str, Any]) -> None:
    webhook.post(event)
    part = payload_part(html(operator, WebhookEvent.objects.get()))
    assert not re.findall(r"[\w.]+@[\w.]+", part)
    assert "img.clerk.com" not in part


@pytest.mark.parametrize(
    ("change", "why"),
    (
        ({"event_type": "email.created"}, "events of this type contain one-time codes"),
        ({"event_type": "invitation.revoked"}, "erased with the personal data of this waitlist entry or invitation"),
        ({"received_at": timezone.now() - timedelta(days=100)}, "The payload was deleted after 90 days"),
    ),
)
def test_missing_payload_is_explained(
    webhook: WebhookClient, operator: Client, change: dict[str, Any], why: str
) -> None:
    event = received_event(webhook)
    WebhookEvent.objects.update(payload=None, **change)
    page = text(operator, event)
    assert why in page
    assert "Show personal data" not in page


def test_erased_payload_is_explained(webhook: WebhookClient, operator: Client) -> None:
    event = received_event(webhook)
    WebhookEvent.objects.update(payload=None)
    User.objects.update(erased_at=timezone.now())
    assert "The payload was erased" in text(operator, event)


def test_large_payload_is_truncated(webhook: WebhookClient, operator: Client) -> None:
    body = samples.encode({"type": "role.created", "timestamp": 1, "data": [{"id": "role_1234"}] * 27_000})
    webhook.post(body)
    page = html(operator, WebhookEvent.objects.get())
    assert len(page) < 400_000
    assert "and 26900 more" in page


# --- Reveal ---


def reveal(browser: Client, event: WebhookEvent, reason: str = "Ticket 17") -> Any:
    return browser.post(page_url(event, "reveal"), {"reason": reason})


def reveal_rows() -> list[tuple[int | None, str, int | None, str]]:
    rows = AuditLog.objects.filter(action=AuditLog.Action.PAYLOAD_REVEALED)
    return [(row.actor_id, row.target, row.subject_id, row.details["note"]) for row in rows if row.details]


def test_reveal_shows_personal_data_once_and_is_audited(webhook: WebhookClient, operator: Client) -> None:
    event = received_event(webhook)
    response = reveal(operator, event)
    part = payload_part(response.content.decode())
    assert response.status_code == 200
    assert all(value in part for value in HIDDEN)
    assert "&lt;Wąs&gt;" in part
    assert "no-store" in response["Cache-Control"]
    superuser, zofia = User.objects.get(is_superuser=True), User.objects.get(clerk_id=ZOFIA.clerk_id)
    assert reveal_rows() == [(superuser.pk, f"webhooks.webhookevent:{event.pk}", zofia.pk, "Ticket 17")]
    part = payload_part(html(operator, event))
    assert not [value for value in HIDDEN if value in part]
    assert "Payload revealed" in html(operator, event)


DUPLICATE_EMAIL = IntegrityError(
    'duplicate key value violates unique constraint "accounts_user_email"\n'
    "DETAIL:  Key (email)=(olive@example.com) already exists.\nFailing row contains (7, Olive, +48600700800)."
)
PERSONAL_DATA_OF_OLIVE = ("olive@example.com", "Olive", "48600700800")


def test_values_in_errors_are_shown_only_with_the_revealed_payload(
    webhook: WebhookClient, operator: Client, adam: User
) -> None:
    event = failed_event(webhook, error=DUPLICATE_EMAIL)
    browser = signed_in(adam)
    replay = Replay.objects.create(requested_by=adam, reason="x", description="x", dry_run=True, total=1, done=1)
    replay.findings.create(event=event, outcome="failed", note=event.last_error)
    alert = Alert.objects.create(
        rule="dead_events", value=1, notified_value=1, worst_value=1, facts={"events": [event.pk]}
    )
    WebhookEvent.objects.update(state="dead", next_attempt_at=None)
    person = UserFactory.create(clerk_id=event.clerk_user_id)
    urls = [
        *(page_url(event), "/admin/webhooks/webhookevent/", "/admin/webhooks/dashboard/"),
        *(f"/admin/webhooks/replay/{replay.pk}/change/", f"/admin/webhooks/alert/{alert.pk}/change/"),
        reverse("webhooks:timeline", args=[person.pk]),
    ]
    for url in urls:
        page = browser.get(url).content.decode()
        assert "duplicate key value violates unique constraint" in page, url
        assert not [value for value in PERSONAL_DATA_OF_OLIVE if value in page], url
    assert "DETAIL: Key (email)=(…)" in html(browser, event)
    assert ", in fail" in html(browser, event)  # the traceback's call lines are shown
    page = reveal(operator, event).content.decode()
    assert all(
        page.count(value) >= 2 for value in PERSONAL_DATA_OF_OLIVE
    )  # once in the error and once in the traceback


@pytest.mark.parametrize("reason", ("", "   ", "x" * 501))
def test_reveal_requires_a_reason(webhook: WebhookClient, operator: Client, reason: str) -> None:
    response = reveal(operator, received_event(webhook), reason)
    assert response.status_code == 200
    assert 'class="errorlist"' in response.content.decode()
    assert "zofia@example.com" not in payload_part(response.content.decode())
    assert reveal_rows() == []


def test_admin_without_permission_sees_how_to_request_it(webhook: WebhookClient, adam: User) -> None:
    event, browser = received_event(webhook), signed_in(adam)
    page = text(browser, event)
    assert "Show personal data" not in page
    assert "Can reveal personal data in payloads" in page
    assert reveal(browser, event).status_code == 403
    assert reveal_rows() == []


def test_group_members_have_the_permission(webhook: WebhookClient, adam: User) -> None:
    event, browser = received_event(webhook), signed_in(adam)
    group = Group.objects.create(name="Privacy")
    group.permissions.add(Permission.objects.get(codename="reveal_payload"))
    adam.groups.add(group)
    assert "Show personal data" in html(browser, event)
    assert "zofia@example.com" in payload_part(reveal(browser, event).content.decode())
    adam.groups.clear()
    assert reveal(browser, event).status_code == 403


def test_permission_without_admin_role_is_not_enough(webhook: WebhookClient, adam: User) -> None:
    event = received_event(webhook)
    adam.user_permissions.add(Permission.objects.get(codename="reveal_payload"))
    browser = signed_in(adam)
    User.objects.filter(pk=adam.pk).update(roles=[])
    assert reveal(browser, event).status_code == 302
    assert reveal_rows() == []


def test_reveal_requires_a_post_with_csrf_token(webhook: WebhookClient) -> None:
    event = received_event(webhook)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(UserFactory.create(superuser=True))
    assert reveal(strict, event).status_code == 403
    response = strict.get(page_url(event, "reveal"))
    assert (response.status_code, response["Location"]) == (302, page_url(event, "change"))
    assert reveal_rows() == []


def test_reveal_fails_if_it_cannot_be_audited(
    webhook: WebhookClient, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = received_event(webhook)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise DataError("The log is full.")

    monkeypatch.setattr(log, "record", fail)
    with pytest.raises(DataError):
        reveal(operator, event)


def test_reveal_without_payload_is_not_audited(webhook: WebhookClient, operator: Client) -> None:
    event = received_event(webhook)
    WebhookEvent.objects.update(payload=None)
    assert reveal(operator, event).status_code == 200
    assert reveal_rows() == []


def test_invalid_json_is_revealed_as_text(webhook: WebhookClient, operator: Client) -> None:
    webhook.post("<b>zofia@example.com")
    event = WebhookEvent.objects.get()
    assert "The text is hidden" in html(operator, event)
    assert "zofia@" not in payload_part(html(operator, event))
    assert "&lt;b&gt;zofia@example.com" in reveal(operator, event).content.decode()


# --- Queries ---


@pytest.mark.parametrize("attempts", (1, 8))
def test_number_of_queries_is_constant(webhook: WebhookClient, operator: Client, attempts: int) -> None:
    with time_machine.travel(timezone.now(), tick=False), failing_handlers():
        webhook.created(ZOFIA, svix_id="msg_1")
        event = WebhookEvent.objects.get()
        for _ in range(attempts - 1):
            inbox.retry(event.pk)
    for number in range(attempts):
        webhook.updated(ZOFIA.with_changes(delay=timedelta(seconds=1 + number)))
    with CaptureQueriesContext(connection) as queries:
        html(operator, event)
    # Session, operator, event, user, builder page, neighbouring events (2), attempts, changes and admin actions.
    assert len(queries) == 10, [query["sql"] for query in queries.captured_queries]
