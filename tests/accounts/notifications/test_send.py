"""Notifications are sent once per cause, in the user's language, and only to the right people."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from email import message_from_bytes, policy
from email.policy import SMTP
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models import Notification, User
from accounts.notifications import preferences, send
from accounts.notifications.kinds import Kind, Obsolete, kinds
from config.environment import mailer_config
from core.db import joined_writes
from core.mail_policy import EmailWithLinks
from tests.accounts.notifications.conftest import OPTIONAL, REQUIRED, build
from tests.helpers.factories import SINCE
from tests.helpers.servers.mail_server import mail_server
from tests.helpers.servers.processes import free_port

pytestmark = pytest.mark.django_db
State = Notification.State


def jobs() -> list[dict[str, Any]]:
    task = "accounts.notifications.send.send_notification"
    return list(ProcrastinateJob.objects.filter(task_name=task).order_by("pk").values_list("args", flat=True))


def deliver() -> list[mail.EmailMessage]:
    """Run the queued jobs as a worker would, and return the sent emails."""
    for arguments in jobs():
        send.send_notification(**arguments)
    return list(mail.outbox)


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(self: object) -> int:
        raise error

    monkeypatch.setattr(EmailWithLinks, "send", raise_error)


class TestSending:
    def test_email_has_text_and_html(self, vera: User) -> None:
        send.notify(vera, OPTIONAL, "news:1")
        [email] = deliver()
        raw = message_from_bytes(email.message().as_bytes(), policy=policy.default)
        assert (raw["To"], raw["Subject"]) == ("vera@example.com", "News about your page")
        plain, html = raw.get_body(("plain",)), raw.get_body(("html",))
        assert plain
        assert html
        for text in ("Your page has news", "The first paragraph.", "Firefox", "https://example.com/page"):
            assert text in plain.get_content()
            assert text in html.get_content()
        assert "Hello Vera Visitor," in plain.get_content()
        assert "Quoted <b>text</b>" in plain.get_content()
        assert "Quoted &lt;b&gt;text&lt;/b&gt;" in html.get_content()
        notification = Notification.objects.get()
        assert (notification.state, notification.facts) == (State.SENT, {})

    def test_cause_is_notified_once(self, vera: User) -> None:
        assert send.notify(vera, OPTIONAL, "news:1")
        assert send.notify(vera, OPTIONAL, "news:1") is None
        assert send.notify(vera, OPTIONAL, "news:2")
        assert len(deliver()) == 2

    def test_job_that_runs_twice_sends_one_email(self, vera: User) -> None:
        send.notify(vera, OPTIONAL, "news:1")
        deliver()
        assert len(deliver()) == 1

    def test_notification_is_rolled_back_with_its_cause(self, vera: User) -> None:
        with transaction.atomic():
            send.notify(vera, OPTIONAL, "news:1")
            transaction.set_rollback(True)
        assert (Notification.objects.count(), jobs()) == (0, [])

    @pytest.mark.parametrize(("language", "direction"), (("en", "ltr"), ("de", "ltr"), ("ar", "rtl")))
    def test_email_is_in_the_language_of_the_user(self, vera: User, language: str, direction: str) -> None:
        preferences.save(vera, turned_off=[], language=language)
        send.notify(vera, OPTIONAL, "news:1")
        email: Any
        [email] = deliver()
        assert f'<html lang="{language}" dir="{direction}">' in str(email.alternatives[0].content)

    def test_retries_have_the_same_message_id(self, vera: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server may have accepted the email although the connection broke."""
        send.notify(vera, OPTIONAL, "news:1")
        ids = []
        real_send = EmailWithLinks.send

        def send_and_break(self: EmailWithLinks) -> int:
            ids.append(self.message()["Message-ID"])
            raise ConnectionResetError

        monkeypatch.setattr(EmailWithLinks, "send", send_and_break)
        with pytest.raises(ConnectionResetError):
            deliver()
        monkeypatch.setattr(EmailWithLinks, "send", real_send)
        [email] = deliver()
        assert [email.message()["Message-ID"]] == ids


class TestSkipping:
    @pytest.mark.parametrize(
        ("facts", "reason"),
        (
            ({"email": None}, "The user has no verified email address."),
            ({"email_verified_at": None}, "The user has no verified email address."),
            ({"email": "jürgen@example.de"}, "The email address has characters that many mail servers reject."),
            ({"banned": True, "is_active": False}, "The account is deleted, banned or inactive."),
            ({"deleted_at": SINCE, "is_active": False}, "The account is deleted, banned or inactive."),
        ),
    )
    @pytest.mark.parametrize("key", (OPTIONAL, REQUIRED))
    def test_email_is_skipped_with_a_reason(self, vera: User, facts: dict[str, Any], reason: str, key: str) -> None:
        send.notify(vera, key, "news:1")
        User.objects.update(**facts)
        assert deliver() == []
        notification = Notification.objects.get()
        assert (notification.state, notification.result) == (State.SKIPPED, reason)

    def test_only_optional_kinds_can_be_turned_off(self, vera: User) -> None:
        for key in (OPTIONAL, REQUIRED):
            preferences.turn_off(vera, kinds[key])
            send.notify(vera, key, "news:1")
        [email] = deliver()
        assert "An alarm is important." in email.body
        assert "List-Unsubscribe" not in email.extra_headers
        assert "unsubscribe" not in email.body

    def test_obsolete_email_is_skipped(self, vera: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(notification: Notification) -> Any:
            raise Obsolete("The page was deleted.")

        monkeypatch.setitem(kinds, OPTIONAL, Kind(OPTIONAL, "News", "", refuse))
        send.notify(vera, OPTIONAL, "news:1")
        assert (deliver(), Notification.objects.get().result) == ([], "The page was deleted.")

    def test_kind_of_another_release_is_skipped(self, vera: User) -> None:
        send.notify(vera, OPTIONAL, "news:1")
        Notification.objects.update(kind="unknown")
        assert (deliver(), Notification.objects.get().state) == ([], State.SKIPPED)

    def test_deleted_users_get_the_email_about_the_deletion(self, vera: User, monkeypatch: pytest.MonkeyPatch) -> None:
        kind = Kind(REQUIRED, "Deletion", "", build, why_required="It is final.", for_deleted_users=True)
        monkeypatch.setitem(kinds, REQUIRED, kind)
        send.notify_later(vera, REQUIRED, "deletion", email="vera@example.com")
        User.objects.update(deleted_at=SINCE, is_active=False, email=None)
        assert send.queue_due() == 1
        [email] = deliver()
        assert (email.to, Notification.objects.get().email) == (["vera@example.com"], None)


class TestRefusedRecipients:
    @pytest.mark.parametrize(
        ("code", "answer"),
        ((550, b"5.1.1 <vera@example.com>: no such user"), (550, b"Mailbox unavailable"), (552, b"5.2.2 Full")),
    )
    def test_refused_recipient_ends_the_job_with_the_reason(
        self, vera: User, monkeypatch: pytest.MonkeyPatch, code: int, answer: bytes
    ) -> None:
        send.notify(vera, OPTIONAL, "news:1")
        fail_with(SMTPRecipientsRefused({"vera@example.com": (code, answer)}), monkeypatch)
        deliver()
        notification = Notification.objects.get()
        assert (notification.state, notification.result) == (State.REFUSED, f"{code} {answer.decode()}")

    @pytest.mark.parametrize(
        "error",
        (
            pytest.param(SMTPRecipientsRefused({"v": (450, b"4.2.1 Try again later")}), id="temporary"),
            pytest.param(SMTPRecipientsRefused({"v": (554, b"5.7.1 Relay access denied")}), id="our configuration"),
            pytest.param(SMTPDataError(554, b"Looks like spam"), id="content"),
            pytest.param(ConnectionRefusedError(), id="no server"),
        ),
    )
    def test_other_errors_are_retried(self, vera: User, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        send.notify(vera, OPTIONAL, "news:1")
        fail_with(error, monkeypatch)
        with pytest.raises(type(error)):
            deliver()
        assert Notification.objects.get().state == State.PENDING


class TestMailServer:
    """The same over SMTP."""

    def test_refused_recipient_is_not_retried(self, vera: User, settings: Settings) -> None:
        port = free_port()
        settings.MAILERS = {"default": mailer_config(f"smtp://127.0.0.1:{port}")}
        send.notify(vera, OPTIONAL, "news:1")
        with mail_server(port, refusal="550 5.1.1 <vera@example.com>: No such user") as received:
            deliver()
        notification = Notification.objects.get()
        assert (notification.state, received) == (State.REFUSED, [])
        assert notification.result == "550 5.1.1 <vera@example.com>: No such user"

    def test_refused_relay_is_retried(self, vera: User, settings: Settings) -> None:
        port = free_port()
        settings.MAILERS = {"default": mailer_config(f"smtp://127.0.0.1:{port}")}
        send.notify(vera, OPTIONAL, "news:1")
        with mail_server(port, refusal="554 5.7.1 Relay access denied"), pytest.raises(SMTPRecipientsRefused):
            deliver()
        with mail_server(port) as received:
            deliver()
        assert (Notification.objects.get().state, len(received)) == (State.SENT, 1)
        assert b"\r\nList-Unsubscribe: <http://" in received[0]


class TestQueueing:
    def test_notifications_of_events_need_no_additional_statement(self, vera: User) -> None:
        with transaction.atomic(), joined_writes.joined():
            with CaptureQueriesContext(connection) as queries:
                send.notify_later(vera, OPTIONAL, "news:1")
            assert len(queries) == 0
        assert (send.queue_due(), send.queue_due()) == (1, 0)
        assert len(deliver()) == 1

    def test_failed_callback_delays_only_its_own_kind(
        self, vera: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(notifications: Sequence[Notification]) -> None:
            User.objects.update(name="Changed")
            raise ValueError("no such admin")

        for cause in ("news:1", "news:2"):
            send.notify_later(vera, REQUIRED, cause)
        send.notify_later(vera, OPTIONAL, "news:3")
        with monkeypatch.context() as patch:
            patch.setitem(kinds, REQUIRED, replace(kinds[REQUIRED], on_queued=fail))
            assert (send.queue_due(), send.queue_due()) == (1, 0)
        assert "could not be queued. The next run tries again." in caplog.text
        assert not User.objects.filter(name="Changed").exists()
        assert {due.kind for due in Notification.objects.filter(queued_at=None)} == {REQUIRED}
        assert send.queue_due() == 2
        assert len(deliver()) == 3

    def test_repeated_cause_in_an_event_is_ignored(self, vera: User) -> None:
        send.notify(vera, OPTIONAL, "news:1")
        with transaction.atomic(), joined_writes.joined():
            send.notify_later(vera, OPTIONAL, "news:1")
            send.notify_later(vera, OPTIONAL, "news:1")
            send.notify_later(vera, OPTIONAL, "news:2")
        assert Notification.objects.count() == 2


class TestHeaders:
    def test_unsubscribe_link_is_not_encoded(self, vera: User) -> None:
        """Python encodes long words in headers, and mail providers do not decode URLs."""
        send.notify(vera, OPTIONAL, "news:1")
        [email] = deliver()
        [line] = [
            line
            for line in email.message(policy=SMTP).as_bytes().split(b"\r\n")
            if line.startswith(b"List-Unsubscribe:")
        ]
        assert line.startswith(b"List-Unsubscribe: <http")
        assert line.endswith(b">")
        assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in email.message(policy=SMTP).as_bytes()
        assert len(line) < 998


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_one_email(vera: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job can be restarted while its first worker still waits for the mail server."""
    notification = send.notify(vera, OPTIONAL, "news:1")
    assert notification
    is_sending, may_finish, sent = threading.Event(), threading.Event(), []

    def send_slowly(self: EmailWithLinks) -> int:
        is_sending.set()
        assert may_finish.wait(10)
        sent.append(self.subject)
        return 1

    def work() -> None:
        send.send_notification(notification.pk)
        connection.close()

    monkeypatch.setattr(EmailWithLinks, "send", send_slowly)
    first, second = threading.Thread(target=work), threading.Thread(target=work)
    first.start()
    assert is_sending.wait(10)
    second.start()
    may_finish.set()
    for worker in (first, second):
        worker.join(30)
    assert sent == ["News about your page"]
    assert Notification.objects.get().state == State.SENT
