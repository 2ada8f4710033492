"""Accounts of one person that the events could not match: simultaneous sign-ups, and different emails."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import tasks
from accounts.identity import conflicts, late_conflicts, suggestions
from accounts.models import IdentityConflict, User
from accounts.sync import matching
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from profiles.models import ClientProfile
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, ClientProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person
from webhooks.monitoring import health

pytestmark = pytest.mark.django_db

State = IdentityConflict.State
EMAIL = "olive@example.com"


def local_account(**facts: Any) -> User:
    """Return an account from before Clerk."""
    account: User = UserFactory.create(**{"clerk_id": None, "login": "olive", "name": "Olive Owner"} | facts)
    return account


def clerk_account(**facts: Any) -> User:
    account: User = UserFactory.create(**{"name": "Olive Owner"} | facts)
    return account


def conflict() -> IdentityConflict:
    return IdentityConflict.objects.get()


class TestSimultaneousSignUps:
    @pytest.fixture
    def hide_other_accounts(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        """Hide other accounts from an event, as a concurrent transaction does."""
        monkeypatch.setattr(matching, "users_with_emails", lambda emails, **exclude: {})
        return monkeypatch

    def sign_up_twice(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch, **facts: Any
    ) -> list[User]:
        people = [person(email=EMAIL, **facts), person(email="Olive@Example.com", **facts)]
        for someone in people:
            assert webhook.created(someone) == "processed"
        hide_other_accounts.undo()
        return [User.objects.get(clerk_id=someone.clerk_id) for someone in people]

    def test_conflict_is_opened_within_minutes(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch
    ) -> None:
        first, second = self.sign_up_twice(webhook, hide_other_accounts)
        assert not IdentityConflict.objects.exists()
        tasks.open_late_conflicts(0)
        assert (conflict().user, conflict().other, conflict().kind) == (second, first, "other_id")
        assert (conflict().state, conflict().email) == ("open", "olive@example.com")
        assert AuditLog.objects.filter(action="CONFLICT_OPENED").count() == 1

    def test_job_opens_a_conflict_once(self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch) -> None:
        self.sign_up_twice(webhook, hide_other_accounts)
        opened = [late_conflicts.open_late_conflicts(SYSTEM) for _ in range(3)]
        assert (opened, IdentityConflict.objects.count()) == ([1, 0, 0], 1)

    def test_simultaneous_changes_of_email_are_found(
        self, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        people = [person(email="one@example.com"), person(email="two@example.com")]
        for someone in people:
            webhook.created(someone)
        monkeypatch.setattr(matching, "users_with_emails", lambda emails, **exclude: {})
        for someone in people:
            webhook.updated(someone.with_changes(email=EMAIL))
        monkeypatch.undo()
        assert not IdentityConflict.objects.exists()
        assert late_conflicts.open_late_conflicts(SYSTEM) == 1

    def test_unverified_emails_open_no_conflict(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch
    ) -> None:
        self.sign_up_twice(webhook, hide_other_accounts, email_verified=False)
        assert late_conflicts.open_late_conflicts(SYSTEM) == 0

    def test_inactive_users_open_no_conflict(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch
    ) -> None:
        first, _second = self.sign_up_twice(webhook, hide_other_accounts)
        User.objects.filter(pk=first.pk).update(banned=True, is_active=False)
        assert late_conflicts.open_late_conflicts(SYSTEM) == 0

    @pytest.mark.parametrize("state", (State.KEPT, State.DISMISSED))
    def test_resolved_conflict_is_not_reopened_by_the_job(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch, state: State
    ) -> None:
        self.sign_up_twice(webhook, hide_other_accounts)
        late_conflicts.open_late_conflicts(SYSTEM)
        conflicts.resolve(conflict(), state, actor=SYSTEM)
        assert late_conflicts.open_late_conflicts(SYSTEM) == 0
        assert conflict().state == state

    def test_account_from_before_clerk_is_found(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch
    ) -> None:
        account = local_account(email=EMAIL)
        someone = person(email=EMAIL)
        webhook.created(someone)
        hide_other_accounts.undo()
        assert late_conflicts.open_late_conflicts(SYSTEM) == 1
        assert (conflict().user.clerk_id, conflict().other, conflict().kind) == (someone.clerk_id, account, "separate")

    def test_number_of_compared_accounts_is_bounded(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.sign_up_twice(webhook, hide_other_accounts)
        monkeypatch.setattr(late_conflicts, "MAX_ACCOUNTS", 0)
        assert late_conflicts.open_late_conflicts(SYSTEM) == 0

    def test_old_changes_are_left_to_reconciliation(
        self, webhook: WebhookClient, hide_other_accounts: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.sign_up_twice(webhook, hide_other_accounts)
        monkeypatch.setattr(late_conflicts, "LOOK_BACK", timedelta(seconds=-1))
        assert late_conflicts.open_late_conflicts(SYSTEM) == 0
        assert matching.open_missing_conflicts(SYSTEM) == 1

    def test_job_without_conflicts_takes_one_query(
        self, webhook: WebhookClient, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(5):
            webhook.created(person(email=f"person{number}@example.com"))
        with django_assert_num_queries(1):
            assert late_conflicts.open_late_conflicts(SYSTEM) == 0


class TestDifferentEmails:
    def suggested_pairs(self) -> list[tuple[User, User, list[str]]]:
        suggestions.suggest(SYSTEM)
        found = IdentityConflict.objects.filter(kind="possible").order_by("pk")
        return [(one.user, one.other, one.evidence["signals"]) for one in found]

    def test_same_name_and_local_part_is_suggested(self) -> None:
        account, someone = local_account(email="name@company.com"), clerk_account(email="Name@company.ai")
        assert self.suggested_pairs() == [(someone, account, ["company_domain", "name_and_local_part"])]
        assert (conflict().state, conflict().email) == ("open", "")

    def test_same_name_and_local_part_at_any_provider_is_suggested(self) -> None:
        first, second = clerk_account(email="olive.owner@gmail.com"), clerk_account(email="olive.owner@firm.example")
        assert self.suggested_pairs() == [(second, first, ["name_and_local_part"])]

    def test_same_company_domain_is_suggested_without_a_name(self) -> None:
        account, someone = local_account(email="name@company.com", name=""), clerk_account(email="name@company.ai")
        assert self.suggested_pairs() == [(someone, account, ["company_domain"])]

    def test_same_name_and_company_is_suggested(self) -> None:
        first, second = clerk_account(email="olive@one.example"), clerk_account(email="oo@two.example")
        for user in (first, second):
            ClientProfileFactory.create(user=user, company_name="Acme ")
        assert self.suggested_pairs() == [(second, first, ["name_and_company"])]

    @pytest.mark.parametrize(
        ("one", "two"),
        (
            pytest.param({"email": "info@one.com"}, {"email": "info@two.com", "name": "Vera"}, id="other name"),
            pytest.param({"email": "o@gmail.com", "name": ""}, {"email": "o@gmail.de", "name": ""}, id="provider"),
            pytest.param({"email": "o@company.com"}, {"email": "o@company.ai", "name": "Vera"}, id="colleague"),
            pytest.param({"email": "olive@one.com"}, {"email": "owner@two.com"}, id="only the name"),
            pytest.param({"email": None}, {"email": None}, id="no email"),
            pytest.param({"email": "o@one.com"}, {"email": "o@two.com", "banned": True}, id="banned"),
            pytest.param({"email": "o@one.com"}, {"email": "o@two.com", "deleted": True}, id="deleted"),
        ),
    )
    def test_other_accounts_are_not_suggested(self, one: dict[str, Any], two: dict[str, Any]) -> None:
        clerk_account(**one), clerk_account(**two)
        assert self.suggested_pairs() == []

    def test_large_groups_of_similar_accounts_are_not_suggested(self) -> None:
        for number in range(suggestions.MAX_ACCOUNTS + 1):
            clerk_account(email=f"test@site{number}.example", name="Test")
        assert self.suggested_pairs() == []

    def test_suggestion_changes_no_account(self) -> None:
        local_account(email="name@company.com", builder=True), clerk_account(email="name@company.ai")
        before = list(User.objects.order_by("pk").values())
        tasks.suggest_same_person(0)
        matching.open_missing_conflicts(SYSTEM)
        assert list(User.objects.order_by("pk").values()) == before
        assert conflict().is_open

    def test_suggestion_raises_no_alert(self) -> None:
        local_account(email="name@company.com"), clerk_account(email="name@company.ai")
        suggestions.suggest(SYSTEM)
        assert health.measure().open_conflicts == 0

    @pytest.mark.parametrize("state", (State.KEPT, State.DISMISSED))
    def test_decided_suggestion_is_not_repeated(self, state: State) -> None:
        local_account(email="name@company.com"), clerk_account(email="name@company.ai")
        suggestions.suggest(SYSTEM)
        conflicts.resolve(conflict(), state, actor=SYSTEM)
        assert suggestions.suggest(SYSTEM) == 0
        assert conflict().state == state

    @pytest.mark.parametrize(("state", "kind"), ((State.DISMISSED, "other_id"), (State.KEPT, "possible")))
    def test_same_email_replaces_a_dismissed_suggestion(self, webhook: WebhookClient, state: State, kind: str) -> None:
        people = [
            person(email=f"name@company.{ending}", first_name="Olive", last_name="Owner") for ending in ("com", "ai")
        ]
        for someone in people:
            webhook.created(someone)
        suggestions.suggest(SYSTEM)
        conflicts.resolve(conflict(), state, actor=SYSTEM)
        webhook.updated(people[1].with_changes(email="name@company.com"))
        assert conflict().kind == kind
        assert conflict().is_open is (kind == "other_id")

    def test_admin_sees_and_dismisses_suggestions(self) -> None:
        account, someone = local_account(email="name@company.com"), clerk_account(email="name@company.ai")
        suggestions.suggest(SYSTEM)
        adam = UserFactory.create(admin=True)
        browser, url = signed_in(adam), "/admin/accounts/identityconflict/"
        assert "Possibly the same person" in browser.get(f"{url}?kind__exact=possible").content.decode()
        page = browser.get(f"{url}{conflict().pk}/change/").content.decode()
        assert "This is only a suggestion" in page
        assert "Same name, and the same email address before the @" in page
        selected = {"action": "dismiss", "_selected_action": [str(conflict().pk)]}
        assert "1 suggestion dismissed." in browser.post(url, selected, follow=True).content.decode()
        assert (conflict().state, conflict().resolved_by) == ("dismissed", adam)
        assert (account.clerk_id, someone.is_active) == (None, True)

    def test_bulk_dismissal_leaves_other_conflicts_open(self, webhook: WebhookClient) -> None:
        for _ in range(2):
            webhook.created(person(email=EMAIL))
        browser = signed_in(UserFactory.create(admin=True))
        selected = {"action": "dismiss", "_selected_action": [str(conflict().pk)]}
        page = browser.post("/admin/accounts/identityconflict/", selected, follow=True)
        assert "0 suggestions dismissed." in page.content.decode()
        assert conflict().is_open

    def test_admin_links_a_suggestion_and_undoes_it(self) -> None:
        account, someone = local_account(email="name@company.com"), clerk_account(email="name@company.ai")
        suggestions.suggest(SYSTEM)
        adam = Actor(user=UserFactory.create(admin=True))
        conflicts.resolve(conflict(), State.LINKED, actor=adam)
        account.refresh_from_db()
        assert account.email == "name@company.ai"
        conflicts.undo(conflict(), actor=adam)
        account.refresh_from_db()
        someone.refresh_from_db()
        assert (account.email, someone.email) == ("name@company.com", "name@company.ai")

    def test_number_of_suggestions_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(suggestions, "MAX_SUGGESTIONS", 2)
        for number in range(3):
            for ending in ("com", "ai"):
                clerk_account(email=f"name{number}@company.{ending}", created_at=SINCE)
        assert [suggestions.suggest(SYSTEM) for _ in range(3)] == [2, 1, 0]

    def test_erased_user_has_no_suggestions(self) -> None:
        assert not ClientProfile.objects.exists()
        account = local_account(email="name@company.com", erased_at=timezone.now(), name="")
        User.objects.filter(pk=account.pk).update(email=None)
        clerk_account(email="name@company.ai", name="")
        assert self.suggested_pairs() == []
