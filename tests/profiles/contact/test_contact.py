"""Messages to builders: permissions, rate limits and emails."""

import html
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.core import checks, mail
from django.core.mail.backends.smtp import EmailBackend
from django.test import Client
from django.utils import timezone, translation
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Notification, PreservedForm, User
from accounts.notifications import preferences, rendering
from accounts.notifications.send import send_notification
from profiles.contact import emails
from profiles.contact.services import RATE_LIMITS
from profiles.models import BuilderProfile, ContactMessage
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

URL = "/builders/olive-owner/contact/"
TYPED = {"subject": "An app for my shop", "body": "Can you build it?\n\nBy May."}


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", user__name="Olive Owner", user__email="olive@example.com", reachable=True
    )
    return profile


@pytest.fixture
def vera() -> User:
    user: User = UserFactory.create(name="Vera Visitor", email="vera@example.com", confirmed=True)
    return user


def send(sender: User, typed: dict[str, str] | None = None, url: str = URL) -> Any:
    return signed_in(sender).post(url, TYPED if typed is None else typed)


def rejection(response: Any) -> str:
    """Check that the response is the form with the submitted values, and return it."""
    text = response.content.decode()
    assert response.status_code == 422
    assert 'value="An app for my shop"' in text
    assert "Can you build it?" in text
    return str(text)


def deliver() -> list[mail.EmailMessage]:
    """Run the queued jobs as a worker would, and return the sent emails."""
    for job in ProcrastinateJob.objects.filter(task_name="accounts.notifications.send.send_notification"):
        assert set(job.args) == {"notification_id"}
        send_notification(**job.args)
    return list(mail.outbox)


@pytest.mark.parametrize(
    ("page_language", "subject"),
    (
        ("de", "Vera Visitor hat Ihnen eine Nachricht gesendet: An app for my shop"),
        ("", "Vera Visitor sent you a message: An app for my shop"),
        ("pl", "Vera Visitor sent you a message: An app for my shop"),
    ),
)
def test_email_is_in_the_language_of_the_page(
    olive: BuilderProfile, vera: User, page_language: str, subject: str
) -> None:
    """The sender's language does not matter, and the message stays as written."""
    BuilderProfile.objects.update(page_language=page_language)
    signed_in(vera).post(URL, TYPED, headers={"accept-language": "ar"})
    translation.activate("en")
    [email] = deliver()
    assert email.subject == subject
    assert "Can you build it?" in email.body


def test_email_offers_to_turn_these_emails_off(olive: BuilderProfile, vera: User) -> None:
    send(vera)
    [email] = deliver()
    assert "/account/notifications/unsubscribe/" in email.extra_headers["List-Unsubscribe"]
    assert "Stop these emails: " in email.body


def test_message_is_kept_if_the_builder_turned_the_emails_off(olive: BuilderProfile, vera: User) -> None:
    preferences.turn_off(olive.user, emails.MESSAGE_RECEIVED)
    send(vera)
    assert deliver() == []
    assert ContactMessage.objects.get().mailed_at is None
    assert Notification.objects.get().result == "The user has turned these emails off."
    assert TYPED["subject"] in signed_in(olive.user).get("/account/messages/received/").content.decode()


def test_job_of_an_earlier_release_sends_one_email(olive: BuilderProfile, vera: User) -> None:
    message = ContactMessage.objects.create(builder=olive, sender=vera, **TYPED)
    for _ in range(2):
        emails.mail_contact_message(message.pk)
    assert len(mail.outbox) == 1
    message.refresh_from_db()
    assert message.mailed_at


# --- The page ---


def test_page_explains_who_sees_which_email_address(olive: BuilderProfile, vera: User) -> None:
    text = signed_in(vera).get(URL).content.decode()
    assert "include your email address (vera@example.com)" in text
    assert "Message Olive Owner" in text
    assert "olive@example.com" not in text


def test_browser_gets_rules_and_messages(olive: BuilderProfile, vera: User) -> None:
    text = html.unescape(signed_in(vera).get(URL).content.decode())
    assert '"valueMissing": "Enter a subject."' in text
    assert 'id="id_subject_error"' in text
    assert "js/editing-validity.js" in text


def test_anonymous_visitor_is_sent_to_sign_in(olive: BuilderProfile) -> None:
    response = Client().get(URL)
    assert (response.status_code, response["Location"]) == (302, f"/sign-in/?next={quote(URL, safe='')}")
    assert Client().post(URL, TYPED).status_code == 303  # The message is preserved.
    assert not ContactMessage.objects.exists()


@pytest.mark.parametrize("facts", ({"available_for_hire": False}, {"availability": "unavailable"}))
def test_unavailable_builder_can_be_contacted(olive: BuilderProfile, vera: User, facts: dict[str, Any]) -> None:
    BuilderProfile.objects.update(**facts)
    assert send(vera).status_code == 302


@pytest.mark.parametrize("reason", ("hidden_at", "unpublished_at", "archived_at", "deleted_at"))
def test_builder_without_public_page_cannot_be_contacted(olive: BuilderProfile, vera: User, reason: str) -> None:
    BuilderProfile.objects.update(**{reason: SINCE})
    assert send(vera).status_code == 404
    assert not ContactMessage.objects.exists()


def test_builder_without_verified_email_cannot_be_contacted(olive: BuilderProfile, vera: User) -> None:
    User.objects.filter(pk=olive.user.pk).update(email_verified_at=None)
    assert send(vera).status_code == 403


def test_owner_who_clicks_the_contact_button_gets_an_explanation(olive: BuilderProfile) -> None:
    browser = signed_in(olive.user)
    shown = browser.get("/builders/olive-owner/?as=visitor").content.decode()
    assert f'href="{URL}"' in shown
    response = browser.get(URL)
    text = response.content.decode()
    assert response.status_code == 200
    assert "This is your own page" in text
    assert 'href="/builders/olive-owner/?as=visitor"' in text
    assert 'href="/builders/olive-owner/"' in text
    assert send(olive.user).status_code == 403
    assert not ContactMessage.objects.exists()


@pytest.mark.parametrize("facts", ({"email": None}, {"email_verified_at": None}))
def test_sender_without_verified_email_is_rejected_and_text_is_kept(
    olive: BuilderProfile, vera: User, facts: dict[str, Any]
) -> None:
    User.objects.filter(pk=vera.pk).update(**facts)
    assert "has no verified email address" in signed_in(vera).get(URL).content.decode()
    assert "Verify an email address in your account" in rejection(send(vera))
    assert not ContactMessage.objects.exists()


# --- Sending ---


def test_message_is_stored_and_emailed(olive: BuilderProfile, vera: User) -> None:
    response = send(vera)
    assert (response.status_code, response["Location"]) == (302, "/builders/olive-owner/")
    text = signed_in(vera).get("/builders/olive-owner/")
    message = ContactMessage.objects.get()
    assert (message.builder, message.sender, message.subject, message.body) == (olive, vera, *TYPED.values())
    [sent] = deliver()
    assert (sent.to, sent.reply_to) == (["olive@example.com"], ["Vera Visitor <vera@example.com>"])
    assert sent.subject == "Vera Visitor sent you a message: An app for my shop"
    assert "vera@example.com" not in sent.from_email
    assert TYPED["body"] in sent.body
    message.refresh_from_db()
    assert message.mailed_at
    assert text.status_code == 200


def test_sender_sees_own_email_address_and_not_the_builders(olive: BuilderProfile, vera: User) -> None:
    browser = signed_in(vera)
    text = browser.post(URL, TYPED, follow=True).content.decode()
    assert "Your message to Olive Owner was sent. Replies go to vera@example.com." in text
    assert "olive@example.com" not in text


def test_job_that_runs_twice_sends_one_email(olive: BuilderProfile, vera: User) -> None:
    send(vera)
    deliver()
    assert len(deliver()) == 1


@pytest.mark.parametrize(
    "gone", ("builder hidden", "builder banned", "sender banned", "sender unconfirmed", "message gone")
)
def test_no_email_is_sent_if_either_user_cannot_be_contacted(olive: BuilderProfile, vera: User, gone: str) -> None:
    send(vera)
    match gone:
        case "builder hidden":
            BuilderProfile.objects.update(hidden_at=SINCE)
        case "builder banned" | "sender banned":
            person = olive.user if gone.startswith("builder") else vera
            User.objects.filter(pk=person.pk).update(banned=True, is_active=False)
        case "sender unconfirmed":
            User.objects.filter(pk=vera.pk).update(email_verified_at=None)
        case "message gone":
            ContactMessage.objects.all().delete()
    assert deliver() == []


HOSTILE = "Re\r\nBcc: all@example.com\n\n<script>alert(1)</script> & Sons"


@pytest.mark.parametrize("field", ("subject", "body", "name"))
def test_hostile_text_is_not_interpreted_as_header_or_markup(olive: BuilderProfile, vera: User, field: str) -> None:
    if field == "name":
        User.objects.filter(pk=vera.pk).update(name=HOSTILE)
        vera.refresh_from_db()
    assert send(vera, TYPED | ({field: HOSTILE} if field != "name" else {})).status_code == 302
    [sent] = deliver()
    raw = message_from_bytes(sent.message().as_bytes(), policy=policy.default)
    assert raw["Bcc"] is None
    assert raw["To"] == "olive@example.com"
    assert [address.addr_spec for address in raw["Reply-To"].addresses] == ["vera@example.com"]
    html = raw.get_body(("html",))
    assert html
    assert "<script" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()
    plain = raw.get_body(("plain",))
    assert plain
    assert "<script>alert(1)</script> & Sons" in plain.get_content()


@pytest.mark.parametrize("name", ('O\'Brien, "Jr." <x@y>', "高橋 美咲", "Zofia Łęcka", "a@b", ";:,", "x" * 200))
def test_any_name_is_valid_in_reply_to(olive: BuilderProfile, vera: User, name: str) -> None:
    User.objects.filter(pk=vera.pk).update(name=name)
    vera.refresh_from_db()
    send(vera)
    [sent] = deliver()
    raw = message_from_bytes(sent.message().as_bytes(), policy=policy.default)
    [address] = raw["Reply-To"].addresses
    assert (address.display_name, address.addr_spec) == (name, "vera@example.com")


@pytest.mark.parametrize(
    ("email", "header"),
    (
        ("a..b.@ezweb.ne.jp", '"a..b."@ezweb.ne.jp'),
        (".a@docomo.ne.jp", '".a"@docomo.ne.jp'),
        ('"a b"@example.com', '"a b"@example.com'),
        ("a,b@example.com", '"a,b"@example.com'),
        ("a@münchen.de", "a@xn--mnchen-3ya.de"),
    ),
)
def test_unusual_email_addresses_are_valid_in_headers(
    olive: BuilderProfile, vera: User, email: str, header: str
) -> None:
    User.objects.filter(pk__in=[vera.pk, olive.user.pk]).update(email=email)
    assert send(User.objects.get(pk=vera.pk)).status_code == 302
    [sent] = deliver()
    raw = sent.message().as_string()
    assert f"\nTo: {header}\n" in raw
    assert f"\nReply-To: Vera Visitor <{header}>\n" in raw
    assert EmailBackend(alias="default", host="localhost").prep_address(sent.to[0])


@pytest.mark.parametrize("email", ("jürgen@example.de", "用户@例子.广告", "a@faß.de", "a@x..de"))
def test_sender_whose_email_address_cannot_be_a_header_is_named_in_the_text(
    olive: BuilderProfile, vera: User, email: str
) -> None:
    User.objects.filter(pk=vera.pk).update(email=email)
    assert send(User.objects.get(pk=vera.pk)).status_code == 302
    [sent] = deliver()
    assert sent.reply_to == []
    assert f"To reply, email Vera Visitor at {email}. Replies to this email will not reach them." in sent.body
    assert sent.message().as_bytes().isascii()


def test_builder_whose_email_address_mail_servers_reject_cannot_be_contacted(olive: BuilderProfile, vera: User) -> None:
    User.objects.filter(pk=olive.user.pk).update(email="jürgen@example.de")
    assert send(vera).status_code == 403
    assert not ContactMessage.objects.exists()


@pytest.mark.parametrize("field", ("subject", "name"))
def test_encoded_line_breaks_are_sent_as_text(olive: BuilderProfile, vera: User, field: str) -> None:
    encoded = "=?utf-8?q?Hello=0D=0ABcc:_all@example.com?="
    if field == "name":
        User.objects.filter(pk=vera.pk).update(name=encoded)
        vera.refresh_from_db()
    assert send(vera, TYPED | ({field: encoded} if field == "subject" else {})).status_code == 302
    [sent] = deliver()
    raw = message_from_bytes(sent.message().as_bytes(), policy=policy.default)
    assert raw["Bcc"] is None
    assert "= ?utf-8?q?Hello=0D=0ABcc:_all@example.com?=" in raw["Subject"]


def test_message_whose_email_cannot_be_built_is_not_confirmed(
    olive: BuilderProfile, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "header_text", lambda text: f"{text}\r\nBcc: all@example.com")
    assert "Nothing was sent. Change the text, or contact us." in rejection(send(vera))
    assert not ContactMessage.objects.exists()
    assert not ProcrastinateJob.objects.exists()


@pytest.mark.parametrize(
    ("typed", "error"),
    (
        ({"subject": ""}, "Enter a subject."),
        ({"subject": " \n\t"}, "Enter a subject."),
        ({"body": ""}, "Enter a message."),
        ({"subject": "x" * 121}, "Use 120 characters or fewer. You entered 121."),
        ({"body": "x" * 4001}, "Use 4000 characters or fewer. You entered 4001."),
    ),
)
def test_invalid_message_is_not_sent(olive: BuilderProfile, vera: User, typed: dict[str, str], error: str) -> None:
    response = send(vera, TYPED | typed)
    assert response.status_code == 422
    assert error in response.content.decode()
    assert not ContactMessage.objects.exists()


@pytest.mark.parametrize("typed", ("a\x00b", "\u202eabc", "\x1b[31m", "x\u2028y"))
def test_unprintable_characters_are_removed(olive: BuilderProfile, vera: User, typed: str) -> None:
    assert send(vera, {"subject": typed, "body": typed}).status_code in (302, 422)
    deliver()


def test_form_posted_with_expired_session_is_preserved(olive: BuilderProfile, vera: User) -> None:
    response = signed_in(vera, expired=True).post(URL, TYPED)
    assert (response.status_code, response["Location"]) == (303, f"{URL}?draft=1")
    browser = signed_in(vera)
    assert TYPED["subject"] in browser.get(f"{URL}?draft=1").content.decode()
    browser.post(URL, TYPED)
    assert not PreservedForm.objects.exists()


# --- Limits ---


def test_repeated_message_is_rejected(olive: BuilderProfile, vera: User) -> None:
    send(vera)
    assert "You have already sent this message to Olive Owner." in rejection(send(vera))
    assert send(UserFactory.create(confirmed=True)).status_code == 302  # from another sender
    assert ContactMessage.objects.count() == 2


@pytest.mark.parametrize(
    ("limit", "age", "wait"),
    (
        (5, timedelta(0), "1\u00a0hour"),
        (5, timedelta(minutes=57), "4\u00a0minutes"),
        (20, timedelta(hours=2), "22\u00a0hours"),
    ),
)
def test_sender_over_the_limit_has_to_wait(
    olive: BuilderProfile, vera: User, limit: int, age: timedelta, wait: str
) -> None:
    now = timezone.now()
    for number in range(limit):
        other = BuilderProfileFactory.create()
        ContactMessage.objects.create(builder=other, sender=vera, subject=f"{number}", body="x", sent_at=now - age)
    with time_machine.travel(now, tick=False):
        assert f"You can send this one in {wait}." in rejection(send(vera))
    with time_machine.travel(now - age + dict(RATE_LIMITS)[limit], tick=False):
        assert send(vera).status_code == 302


def test_limit_applies_per_sender(olive: BuilderProfile, vera: User) -> None:
    for number in range(5):
        ContactMessage.objects.create(builder=olive, sender=vera, subject=f"{number}", body="x")
    assert send(UserFactory.create(confirmed=True)).status_code == 302


def test_page_executes_two_queries(
    olive: BuilderProfile, vera: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = signed_in(vera)
    with django_assert_num_queries(2):
        browser.get(URL)


# --- Settings ---


@pytest.mark.parametrize(("url", "ids"), (("", ["profiles.W001"]), ("smtp+tls://u:p@mail.example.com:587", [])))
def test_deployment_without_mail_server_gets_a_warning(settings: Settings, url: str, ids: list[str]) -> None:
    settings.EMAIL_URL = url
    found = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    assert [message.id for message in found if message.id and message.id.startswith("profiles.")] == ids


@pytest.mark.parametrize(
    ("sender", "ids"),
    (
        ("Buildappswith <hello@example.com>", []),
        ("hello@example.com", []),
        ("grüße@example.com", ["profiles.E004"]),
        ("Buildappswith", ["profiles.E004"]),
    ),
)
def test_sender_of_emails_must_be_an_email_address(settings: Settings, sender: str, ids: list[str]) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    found = checks.run_checks(tags=[checks.Tags.security])
    assert [message.id for message in found if message.id and message.id.startswith("profiles.")] == ids


class TestSessionThatEndsWhileTyping:
    def test_sign_in_page_names_the_builder(self, olive: BuilderProfile, client: Client) -> None:
        redirect = client.get(URL)
        text = client.get(redirect["Location"]).content.decode()
        assert "Sign in to write to Olive Owner" in text
        BuilderProfile.objects.filter(pk=olive.pk).update(hidden_at=SINCE)
        text = client.get(redirect["Location"]).content.decode()
        assert "Olive" not in text
        assert "Welcome back" in text

    def test_message_is_restored_after_sign_in(self, olive: BuilderProfile, vera: User) -> None:
        browser = Client()
        preserved = browser.post(URL, TYPED)
        assert (preserved.status_code, preserved["Location"]) == (303, f"{URL}?draft=1")
        sign_in = browser.get(preserved["Location"])
        text = browser.get(sign_in["Location"]).content.decode()
        assert "You were signed out. Your text is saved. Sign in to continue." in text
        assert "Sign in to write to Olive Owner" in text
        signed = signed_in(vera)
        signed.cookies["visitor_form"] = browser.cookies["visitor_form"].value
        shown = signed.get(f"{URL}?draft=1")
        assert shown.context["form"].data["body"] == TYPED["body"]
        assert signed.post(URL, TYPED).status_code == 302
        assert not PreservedForm.objects.exists()

    def test_message_is_restored_only_in_the_same_browser(self, olive: BuilderProfile, vera: User) -> None:
        Client().post(URL, TYPED)
        browser = signed_in(vera)
        for cookie in ("", "guessed", "\0"):
            browser.cookies["visitor_form"] = cookie
            assert not browser.get(f"{URL}?draft=1").context["form"].is_bound

    def test_oversized_visitor_forms_are_not_stored(self, olive: BuilderProfile, client: Client) -> None:
        assert client.post(URL, TYPED | {"body": "x" * 70_000}).status_code == 302
        assert not PreservedForm.objects.exists()
