"""A session.created event adds one audit row with the user's IP address and browser."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.models import User
from accounts.privacy import erasure
from audit import personal_data
from audit.models import AuditLog
from tests.helpers.webhooks import WebhookClient, person
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

ADDRESS, BROWSER, SESSION = "203.0.113.7", "Firefox", "sess_2g7np7Hrk0SN6kj5EDMLDaKNL0S"
SIGNED_IN = AuditLog.Action.USER_SIGNED_IN


def signed_in(user: SampleUser, *, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    data = {"object": "session", "id": SESSION, "user_id": user.clerk_id, "actor": None, "status": "active"} | fields
    return samples.event(
        "session.created", data, occurred_at=at or timezone.now(), client_ip=ADDRESS, user_agent=BROWSER
    )


def outcome(webhook: WebhookClient, event: dict[str, Any], **options: Any) -> str:
    return str(webhook.post(event, **options).json()["outcome"])


def rows() -> list[AuditLog]:
    return list(AuditLog.objects.filter(action=SIGNED_IN))


@pytest.fixture
def olive(webhook: WebhookClient) -> SampleUser:
    user = person(first_name="Olive")
    webhook.created(user)
    return user


def test_sign_in_is_recorded_with_address_and_browser(webhook: WebhookClient, olive: SampleUser) -> None:
    assert outcome(webhook, signed_in(olive), svix_id="msg_1") == "processed"
    user, [row] = User.objects.get(), rows()
    assert (row.actor_id, row.subject_id, row.target) == (user.pk, user.pk, f"accounts.user:{user.pk}")
    assert (row.ip_address, row.user_agent, row.delivery) == (ADDRESS, BROWSER, "msg_1")
    assert (row.source, row.details) == (AuditLog.Source.WEBHOOK, {"session": SESSION})


def test_repeats_and_replays_add_no_row(webhook: WebhookClient, olive: SampleUser) -> None:
    webhook.post(signed_in(olive), svix_id="msg_1")
    assert outcome(webhook, signed_in(olive), svix_id="msg_1") == "duplicate"
    inbox.replay(WebhookEvent.objects.get(svix_id="msg_1").pk, audit=lambda event: None)
    assert len(rows()) == 1


def test_impersonator_is_recorded(webhook: WebhookClient, olive: SampleUser) -> None:
    webhook.post(signed_in(olive, actor={"sub": "user_2admin"}))
    assert rows()[0].impersonator == "user_2admin"


@pytest.mark.parametrize("actor", (None, {}, {"sub": 7}, "user_2admin", []))
def test_other_actors_are_not_impersonators(webhook: WebhookClient, olive: SampleUser, actor: object) -> None:
    assert outcome(webhook, signed_in(olive, actor=actor)) == "processed"
    assert rows()[0].impersonator is None


@pytest.mark.parametrize(
    ("fields", "error"),
    (
        pytest.param({"id": None}, "The session has no id that starts with sess_.", id="session"),
        pytest.param({"user_id": None}, "user_", id="user"),
    ),
)
def test_invalid_session_is_dead(webhook: WebhookClient, olive: SampleUser, fields: dict[str, Any], error: str) -> None:
    webhook.post(signed_in(olive, **fields), svix_id="msg_bad")
    event = WebhookEvent.objects.get(svix_id="msg_bad")
    assert (event.state, rows()) == (WebhookEvent.State.DEAD, [])
    assert error in event.last_error


def test_sign_in_that_arrives_before_its_user_is_recorded(webhook: WebhookClient, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    user = person(first_name="Olive")
    assert outcome(webhook, signed_in(user)) == "processed"
    assert ProcrastinateJob.objects.filter(task_name="accounts.sessions.services.fetch_user").count() == 1
    assert webhook.created(user) == "processed"
    stored = User.objects.get()
    assert (stored.name.partition(" ")[0], stored.is_provisional) == ("Olive", False)
    assert [row.subject_id for row in rows()] == [stored.pk]


def test_old_sign_in_of_an_unknown_user_is_ignored(webhook: WebhookClient) -> None:
    """Otherwise, resending old events would create users who no longer exist."""
    assert outcome(webhook, signed_in(person(), at=timezone.now() - timedelta(days=2))) == "ignored"
    assert WebhookEvent.objects.get().last_error == "The user is not known here."
    assert not User.objects.exists()


def test_sign_in_of_a_deleted_user_is_ignored(webhook: WebhookClient, olive: SampleUser) -> None:
    """An erased user must not get personal data again."""
    webhook.deleted(olive.with_changes())
    assert outcome(webhook, signed_in(olive), svix_id="msg_late") == "ignored"
    assert WebhookEvent.objects.get(svix_id="msg_late").last_error == "The user was deleted."
    assert rows() == []


def test_person_can_export_and_erase_sign_ins(webhook: WebhookClient, olive: SampleUser) -> None:
    webhook.post(signed_in(olive))
    [exported] = [row for row in personal_data.export(User.objects.get()).data["log"] if row["action"] == SIGNED_IN]
    assert (exported["actor"], exported["ip_address"], exported["user_agent"]) == ("you", ADDRESS, BROWSER)
    webhook.deleted(olive.with_changes())
    User.objects.update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    erasure.erase_user(User.objects.get().pk)
    [row] = rows()
    assert (row.ip_address, row.user_agent, row.actor_label, row.details) == (None, None, None, None)


@pytest.mark.django_db(transaction=True)
def test_sign_in_takes_five_queries(webhook: WebhookClient, olive: SampleUser) -> None:
    """BEGIN, the repeat count, the user, the event with its audit row, and COMMIT. Nothing is locked."""
    webhook.post(signed_in(olive))
    with CaptureQueriesContext(connection) as queries:
        webhook.post(signed_in(olive))
    assert len(queries) == 5, [query["sql"] for query in queries.captured_queries]
    assert not [query for query in queries.captured_queries if " FOR " in query["sql"]]
