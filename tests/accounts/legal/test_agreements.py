"""Record which versions users agreed to: at sign-up, and when they accept a newer version."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import personal_data
from accounts.legal import sign_up
from accounts.models import Agreement, LegalVersion, User
from audit.models import AuditLog
from tests.accounts.legal.conftest import Document, Publish
from tests.helpers.clients import impersonating, signed_in, with_token
from tests.helpers.factories import UserFactory
from tests.helpers.tokens import mint

pytestmark = pytest.mark.django_db

NOTICE = "Please read these texts, and confirm that you agree to them."


def agreed(user: User) -> list[tuple[str, int, str]]:
    rows = Agreement.objects.filter(user=user).order_by("version__document", "version__number")
    return list(rows.values_list("version__document", "version__number", "source"))


@pytest.fixture
def both(publish: Publish) -> list[LegalVersion]:
    """Publish terms and a privacy policy, which require agreement, and a contact page, which does not."""
    publish("Contact", Document.CONTACT)
    return [publish("Terms"), publish("Privacy", Document.PRIVACY)]


class TestSignUp:
    def sign_up(self, next_page: str = "") -> Client:
        """Open the sign-up page, sign up as a new user, and return to the site."""
        visitor = Client()
        shown = visitor.get("/sign-up/", {"next": next_page} if next_page else {}).text
        assert "By signing up, you agree to the" in shown
        browser = signed_in(UserFactory.create())
        browser.cookies.load({name: morsel.value for name, morsel in visitor.cookies.items()})
        return browser

    def test_without_published_texts_the_page_only_links_to_them(self) -> None:
        response = Client().get("/sign-up/")
        assert "before you sign up." in response.text
        assert 'data-target="/welcome/"' in response.text
        assert sign_up.COOKIE not in response.cookies

    def test_agreement_to_the_shown_versions_is_recorded(self, both: list[LegalVersion], publish: Publish) -> None:
        browser = self.sign_up("/builders/?q=a&b")
        publish("Newer terms")
        response = browser.get("/sign-up/complete/?next=%2Fbuilders%2F%3Fq%3Da%26b")
        assert (response.status_code, response["Location"]) == (302, "/builders/?q=a&b")
        user = User.objects.latest("pk")
        assert agreed(user) == [("privacy", 1, "sign_up"), ("terms", 1, "sign_up")]
        assert AuditLog.objects.filter(action="LEGAL_TEXT_AGREED", subject_id=user.pk, actor_id=user.pk).count() == 2
        assert not response.cookies[sign_up.COOKIE].value
        shown = browser.get("/account/").text
        assert "Terms of use, version 2" in shown
        assert "Privacy policy, version" not in shown

    def test_target_is_the_page_that_records_the_agreement(self, both: list[LegalVersion]) -> None:
        shown = Client().get("/sign-up/", {"next": "/builders/"}).text
        assert 'data-target="/sign-up/complete/?next=%2Fbuilders%2F"' in shown
        assert 'data-sign-in="/sign-in/?next=%2Fbuilders%2F"' in shown

    def test_page_in_next_must_be_on_this_site(self, both: list[LegalVersion]) -> None:
        response = self.sign_up().get("/sign-up/complete/?next=https://evil.example/")
        assert response["Location"] == "/welcome/"

    def test_provisional_user_agrees_too(self, both: list[LegalVersion]) -> None:
        """The webhook can arrive later than the user."""
        visitor = Client()
        visitor.get("/sign-up/")
        browser = with_token(mint("user_2justSignedUp"))
        browser.cookies.load({name: morsel.value for name, morsel in visitor.cookies.items()})
        browser.get("/sign-up/complete/")
        assert len(agreed(User.objects.get(clerk_id="user_2justSignedUp"))) == 2

    def test_user_who_signed_up_earlier_has_not_agreed(self, both: list[LegalVersion]) -> None:
        """A link to the sign-up page on another site must not record an agreement."""
        browser = self.sign_up()
        user = User.objects.latest("pk")
        User.objects.filter(pk=user.pk).update(created_at=timezone.now() - timedelta(minutes=1))
        browser.get("/sign-up/complete/")
        assert agreed(user) == []
        assert NOTICE in browser.get("/account/").text

    @pytest.mark.parametrize("cookie", ("", "x", "W10:1vPP:x", "a:b:c:d", "\x00"))
    def test_invalid_cookie_is_ignored(self, both: list[LegalVersion], cookie: str) -> None:
        browser = self.sign_up()
        browser.cookies[sign_up.COOKIE] = cookie
        assert browser.get("/sign-up/complete/").status_code == 302
        assert not Agreement.objects.exists()

    def test_visitor_who_does_not_sign_up_is_redirected(self, both: list[LegalVersion]) -> None:
        visitor = Client()
        visitor.get("/sign-up/")
        assert visitor.get("/sign-up/complete/")["Location"] == "/welcome/"

    def test_support_staff_do_not_agree_for_a_user(self, both: list[LegalVersion], adam: User) -> None:
        visitor, user = Client(), UserFactory.create
        visitor.get("/sign-up/")
        browser = impersonating(new := user(), adam)
        browser.cookies.load({name: morsel.value for name, morsel in visitor.cookies.items()})
        browser.get("/sign-up/complete/")
        assert agreed(new) == []


class TestNotice:
    def test_user_agrees_to_the_shown_versions(self, both: list[LegalVersion], publish: Publish) -> None:
        user = UserFactory.create()
        browser = signed_in(user)
        shown = browser.get("/account/").text
        assert NOTICE in shown
        assert "Contact, version" not in shown
        publish("Newer", changes="We changed the <law>.")
        for _ in range(2):  # pressed twice
            response = browser.post("/account/agreement/", {"version": [version.pk for version in both]})
            assert (response.status_code, response["Location"]) == (302, "/account/")
        assert agreed(user) == [("privacy", 1, "notice"), ("terms", 1, "notice")]
        shown = browser.get("/account/").text
        assert "Your agreement is recorded." in shown
        assert "We changed the &lt;law&gt;." in shown
        browser.post("/account/agreement/", {"version": LegalVersion.objects.latest("pk").pk})
        assert NOTICE not in browser.get("/account/").text

    @pytest.mark.parametrize("ids", (["0"], ["x", "-1", "1.5", "٣"], ["9" * 18], ["9" * 5000], ["9" * 19], []))
    def test_unknown_versions_are_ignored(self, both: list[LegalVersion], ids: list[str]) -> None:
        user = UserFactory.create()
        assert signed_in(user).post("/account/agreement/", {"version": ids}).status_code == 302
        assert agreed(user) == []

    def test_contact_page_needs_no_agreement(self, publish: Publish) -> None:
        user, version = UserFactory.create(), publish("Text", Document.CONTACT)
        signed_in(user).post("/account/agreement/", {"version": [version.pk]})
        assert agreed(user) == []

    def test_support_staff_cannot_agree(self, both: list[LegalVersion], adam: User) -> None:
        user = UserFactory.create()
        browser = impersonating(user, adam)
        assert NOTICE not in browser.get("/account/").text
        assert browser.post("/account/agreement/", {"version": [both[0].pk]}).status_code == 403
        assert agreed(user) == []

    def test_notice_costs_no_query_per_version(
        self, both: list[LegalVersion], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        browser = signed_in(UserFactory.create())
        browser.get("/account/")
        with django_assert_num_queries(5):
            browser.get("/account/")


class TestPersonalData:
    def test_agreements_are_exported_and_erased(self, both: list[LegalVersion]) -> None:
        user, other = UserFactory.create(), UserFactory.create()
        for each in (user, other):
            signed_in(each).post("/account/agreement/", {"version": [version.pk for version in both]})
        exported = personal_data.export(user).data["agreements"]
        assert [(row["document"], row["number"], row["source"]) for row in exported] == [
            ("privacy", 1, "notice"),
            ("terms", 1, "notice"),
        ]
        personal_data.erase(user)
        assert agreed(user) == []
        assert len(agreed(other)) == 2
