"""Users report pages and messages, block senders, and admins decide about reports."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from audit.log import Actor
from audit.models import AuditLog
from profiles import personal_data
from profiles.contact import blocking, emails
from profiles.models import BlockedSender, BuilderProfile, ContactMessage, Report
from profiles.reports import services as reports
from profiles.reports.services import MAX_REPORTS, ReportRejectedError
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

PAGE = "/builders/olive-owner/report/"
RECEIVED = "/account/messages/received/"
ADMIN = "/admin/profiles/report/"


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


@pytest.fixture
def message(olive: BuilderProfile, vera: User) -> ContactMessage:
    return ContactMessage.objects.create(builder=olive, sender=vera, subject="Cheap <links>", body="Buy 1,000 links.")


@pytest.fixture
def adam() -> Client:
    return signed_in(UserFactory.create(admin=True))


def report_url(message: ContactMessage) -> str:
    return f"/account/messages/{message.pk}/report/"


class TestPages:
    def test_visitor_reports_a_page(self, olive: BuilderProfile, vera: User) -> None:
        browser = signed_in(vera)
        assert f'href="{PAGE}"' in browser.get("/builders/olive-owner/").content.decode()
        assert browser.get(PAGE).status_code == 200
        response = browser.post(PAGE, {"reason": "false_claims", "text": "The shop is mine."}, follow=True)
        assert "Thank you. We will review your report." in response.content.decode()
        report = Report.objects.get()
        assert (report.builder, report.message, report.reporter) == (olive, None, vera)
        assert (report.reason, report.text, report.state) == ("false_claims", "The shop is mine.", "open")

    def test_signed_out_visitor_sees_the_link_and_has_to_sign_in(self, olive: BuilderProfile) -> None:
        assert f'href="{PAGE}"' in Client().get("/builders/olive-owner/").content.decode()
        assert Client().get(PAGE).status_code == 302

    def test_owner_cannot_report_the_own_page(self, olive: BuilderProfile) -> None:
        owner = signed_in(olive.user)
        assert PAGE not in owner.get("/builders/olive-owner/").content.decode()
        assert owner.post(PAGE, {"reason": "spam"}).status_code == 403

    @pytest.mark.parametrize(
        ("typed", "error"),
        (
            ({}, "Choose what is wrong."),
            ({"reason": "nonsense"}, "Select a valid choice"),
            ({"reason": "other", "text": " \u200b"}, "Describe what is wrong."),
            ({"reason": "spam", "text": "x" * 2001}, "Use 2000 characters or fewer. You entered 2001."),
        ),
    )
    def test_invalid_report_is_explained(
        self, olive: BuilderProfile, vera: User, typed: dict[str, str], error: str
    ) -> None:
        response = signed_in(vera).post(PAGE, typed)
        assert (response.status_code, Report.objects.count()) == (422, 0)
        assert error in response.content.decode()

    def test_same_page_cannot_be_reported_again_while_the_report_is_open(
        self, olive: BuilderProfile, vera: User
    ) -> None:
        browser = signed_in(vera)
        for status in (302, 422):
            assert browser.post(PAGE, {"reason": "spam"}).status_code == status
        Report.objects.update(state="dismissed")
        assert browser.post(PAGE, {"reason": "spam"}).status_code == 302

    def test_flood_of_reports_is_stopped(self, vera: User) -> None:
        for page in BuilderProfileFactory.create_batch(MAX_REPORTS):
            reports.report(page, vera, reason="spam", text="")
        page = BuilderProfileFactory.create()
        with pytest.raises(ReportRejectedError, match="too many reports today"):
            reports.report(page, vera, reason="spam", text="")
        Report.objects.update(reported_at=timezone.now() - timedelta(days=1, seconds=1))
        reports.report(page, vera, reason="spam", text="")


class TestMessages:
    def test_builder_reads_received_messages(self, olive: BuilderProfile, message: ContactMessage) -> None:
        text = signed_in(olive.user).get(RECEIVED).content.decode()
        assert "Cheap &lt;links&gt;" in text
        assert "Vera Visitor" in text
        assert f'href="{RECEIVED}"' in signed_in(olive.user).get("/account/").content.decode()

    def test_other_users_do_not_see_the_message(self, message: ContactMessage, vera: User) -> None:
        for user in (vera, UserFactory.create(admin=True)):
            browser = signed_in(user)
            assert "Cheap" not in browser.get(RECEIVED).content.decode()
            assert browser.get(report_url(message)).status_code == 404
            assert browser.post(report_url(message), {"reason": "spam"}).status_code == 404
            assert browser.post(f"/account/messages/{message.pk}/block/").status_code == 404

    def test_report_also_blocks_the_sender(self, olive: BuilderProfile, message: ContactMessage, vera: User) -> None:
        browser = signed_in(olive.user)
        assert "Cheap &lt;links&gt;" in browser.get(report_url(message)).content.decode()
        browser.post(report_url(message), {"reason": "spam", "block": "on"})
        assert Report.objects.get().message == message
        assert blocking.is_blocked(olive, vera)
        listed = browser.get(RECEIVED).content.decode()
        assert "Sender blocked" in listed
        assert "Reported" in listed
        assert "Report message" not in listed

    def test_blocking_is_optional_and_follows_only_a_stored_report(
        self, olive: BuilderProfile, message: ContactMessage
    ) -> None:
        browser = signed_in(olive.user)
        browser.post(report_url(message), {"reason": "spam"})
        assert browser.post(report_url(message), {"reason": "spam", "block": "on"}).status_code == 422
        assert (Report.objects.count(), BlockedSender.objects.count()) == (1, 0)

    def test_blocked_sender_cannot_write_until_unblocked(
        self, olive: BuilderProfile, message: ContactMessage, vera: User
    ) -> None:
        owner, sender = signed_in(olive.user), signed_in(vera)
        block = f"/account/messages/{message.pk}/block/"
        typed = {"subject": "Please", "body": "Answer me."}
        for _ in range(2):
            owner.post(block, {"on": "1"})
        response = sender.post("/builders/olive-owner/contact/", typed)
        assert response.status_code == 422
        assert "Olive Owner does not accept messages from you." in response.content.decode()
        owner.post(block, {"on": "0"})
        assert sender.post("/builders/olive-owner/contact/", typed).status_code == 302

    def test_message_waiting_for_its_email_is_not_sent_after_a_block(
        self, olive: BuilderProfile, message: ContactMessage, vera: User
    ) -> None:
        blocking.block(olive, vera)
        emails.mail_contact_message(message.pk)
        assert mail.outbox == []

    def test_email_links_to_the_report_form(self, message: ContactMessage) -> None:
        emails.mail_contact_message(message.pk)
        email: Any = mail.outbox[0]
        for body in (email.body, email.alternatives[0].content):
            assert report_url(message) in body


class TestQueue:
    def test_only_reported_messages_can_be_read(
        self, adam: Client, olive: BuilderProfile, message: ContactMessage
    ) -> None:
        assert "1,000 links" not in adam.get(f"/admin/profiles/contactmessage/{message.pk}/change/").content.decode()
        report = reports.report(message, olive.user, reason="spam", text="He does this daily.")
        text = adam.get(f"{ADMIN}{report.pk}/change/").content.decode()
        assert "Buy 1,000 links." in text
        assert "He does this daily." in text

    def test_decision_closes_the_report_and_is_audited(self, adam: Client, olive: BuilderProfile, vera: User) -> None:
        report = reports.report(olive, vera, reason="spam", text="")
        assert f"{ADMIN}{report.pk}/change/" in adam.get(f"{ADMIN}?state__exact=open").content.decode()
        adam.post(f"{ADMIN}{report.pk}/decide/", {"state": "upheld", "note": "Hidden until the links are gone."})
        report.refresh_from_db()
        assert (report.state, report.note) == ("upheld", "Hidden until the links are gone.")
        row = AuditLog.objects.get(action="REPORT_DECIDED")
        assert (row.subject_id, row.details) == (olive.user_id, {"state": ["open", "upheld"]})
        assert 'name="note"' not in adam.get(f"{ADMIN}{report.pk}/change/").content.decode()

    @pytest.mark.parametrize("values", ({"state": "upheld"}, {"state": "open", "note": "x"}, {"note": "x"}))
    def test_decision_needs_a_reason(
        self, adam: Client, olive: BuilderProfile, vera: User, values: dict[str, str]
    ) -> None:
        report = reports.report(olive, vera, reason="spam", text="")
        response = adam.post(f"{ADMIN}{report.pk}/decide/", values, follow=True)
        assert "Enter a reason, and choose a decision." in response.content.decode()
        assert Report.objects.get().state == "open"

    def test_second_decision_is_rejected(self, adam: Client, olive: BuilderProfile, vera: User) -> None:
        report = reports.report(olive, vera, reason="spam", text="")
        reports.decide(report, Report.State.DISMISSED, "No.", actor=Actor(user=UserFactory.create(admin=True)))
        response = adam.post(f"{ADMIN}{report.pk}/decide/", {"state": "upheld", "note": "Yes."}, follow=True)
        assert "Another admin has already decided." in response.content.decode()
        assert Report.objects.get().note == "No."

    def test_history_of_the_reported_user_and_of_the_reporter(
        self, adam: Client, olive: BuilderProfile, vera: User, message: ContactMessage
    ) -> None:
        about_page = reports.report(olive, vera, reason="abuse", text="")
        other = reports.report(olive, UserFactory.create(), reason="fraud", text="")
        Report.objects.filter(pk=other.pk).update(state="dismissed", reporter=vera)
        text = adam.get(f"{ADMIN}{about_page.pk}/change/").content.decode()
        assert f'href="{ADMIN}{other.pk}/change/"' in text
        assert "1 report by this reporter was dismissed." in text


def test_report_has_exactly_one_target(olive: BuilderProfile, vera: User, message: ContactMessage) -> None:
    for target in ({}, {"builder": olive, "message": message}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Report.objects.create(reporter=vera, reason="spam", **target)


def test_erasure_removes_text_about_and_by_the_person(
    olive: BuilderProfile, vera: User, message: ContactMessage
) -> None:
    by_vera = reports.report(BuilderProfileFactory.create(), vera, reason="spam", text="I know her.")
    about_vera = reports.report(message, olive.user, reason="spam", text="Vera again.")
    blocking.block(olive, vera)
    assert [row["text"] for row in personal_data.export(vera).data["reports"]] == ["I know her."]
    personal_data.erase(vera)
    texts = dict(Report.objects.values_list("pk", "text"))
    assert texts == {by_vera.pk: "", about_vera.pk: ""}
    assert not BlockedSender.objects.exists()
