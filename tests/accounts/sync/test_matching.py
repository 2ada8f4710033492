"""Matching new Clerk users with existing accounts: linking, identity conflicts and their resolutions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.clerk import samples
from accounts.identity import conflicts
from accounts.identity.conflicts import ResolutionError
from accounts.models import IdentityConflict, MetadataPush, User
from accounts.privacy import deletion, erasure
from accounts.sync import matching
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
from tests.helpers.tokens import mint
from tests.helpers.webhooks import Svix, WebhookClient, new_svix_id, person

pytestmark = pytest.mark.django_db

State = IdentityConflict.State
EMAIL = "olive@example.com"


def local_account(**facts: Any) -> User:
    """Return an account from before Clerk."""
    facts = {"clerk_id": None, "login": "olive", "email": EMAIL, "name": "Olive", "builder": True} | facts
    account: User = UserFactory.create(**facts)
    return account


def conflict() -> IdentityConflict:
    return IdentityConflict.objects.get()


@pytest.fixture
def adam() -> User:
    admin: User = UserFactory.create(admin=True, name="Adam")
    return admin


class TestLinking:
    @pytest.mark.parametrize("event_type", ("user.created", "user.updated"))
    def test_verified_email_links_the_only_account_with_it(self, webhook: WebhookClient, event_type: str) -> None:
        account = local_account(email="Olive@Example.com")
        profile = BuilderProfileFactory.create(user=account, slug="olive", headline="Old")
        someone = person(email=EMAIL, first_name="Olivia", last_name="", roles=["CLIENT"])
        assert webhook.send(event_type, someone) == "processed"
        account.refresh_from_db()
        assert (User.objects.count(), account.clerk_id, account.name) == (1, someone.clerk_id, "Olivia")
        assert (account.roles, MetadataPush.objects.get().state) == (["CLIENT", "BUILDER"], "pending")
        profile.refresh_from_db()
        assert profile.archived_at is None
        assert not IdentityConflict.objects.exists()
        row = AuditLog.objects.get(action="IDENTITY_LINKED")
        assert row.details is not None
        assert row.details["email"] == ["Olive@Example.com", EMAIL]

    @pytest.mark.parametrize("email", ("\u212aim@example.com", "K\u0130m@example.com"), ids=("Kelvin sign", "dotted I"))
    def test_email_that_changes_in_lower_case_does_not_link_accounts(self, webhook: WebhookClient, email: str) -> None:
        """The lower case of the Kelvin sign is the ASCII letter k."""
        account = local_account(email="kim@example.com")
        mallory = person(email=email)
        assert webhook.created(mallory) == "processed"
        account.refresh_from_db()
        assert account.clerk_id is None
        assert User.objects.get(clerk_id=mallory.clerk_id).email is None

    def test_provisional_user_is_linked(self, webhook: WebhookClient) -> None:
        account, someone = local_account(), person(email=EMAIL)
        Client().get("/account/", headers={"authorization": f"Bearer {mint(someone.clerk_id)}"})
        webhook.created(someone)
        account.refresh_from_db()
        assert account.clerk_id == someone.clerk_id
        assert signed_in(someone).get("/account/").wsgi_request.user == account

    def test_linked_account_is_updated_by_later_events(self, webhook: WebhookClient) -> None:
        account, someone = local_account(), person(email=EMAIL)
        webhook.created(someone)
        webhook.updated(someone.with_changes(email="moved@example.com"))
        account.refresh_from_db()
        assert account.email == "moved@example.com"
        row = AuditLog.objects.about(account.pk).filter(action="USER_UPDATED").latest("id")
        assert row.details is not None
        assert row.details["email"] == [EMAIL, "moved@example.com"]

    def test_password_of_a_linked_account_stops_working(self, webhook: WebhookClient) -> None:
        account = local_account()
        browser = Client()
        browser.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
        webhook.created(person(email=EMAIL, roles=["ADMIN"]))
        assert browser.get("/admin/").status_code == 302

    def test_names_do_not_link_accounts(self, webhook: WebhookClient) -> None:
        local_account(email=None)
        webhook.created(person(username="olive", first_name="Olive", email=None))
        assert (User.objects.count(), IdentityConflict.objects.count()) == (2, 0)


class TestConflicts:
    @pytest.mark.parametrize(
        ("kind", "before", "verified"),
        (
            ("unverified", lambda: [local_account()], False),
            ("staff", lambda: [local_account(superuser=True, login="boss")], True),
            ("staff", lambda: [local_account(admin=True)], True),
            ("several", lambda: [local_account(), local_account(login="second")], True),
            ("other_id", lambda: [UserFactory.create(email=EMAIL)], True),
            ("recreated", lambda: [UserFactory.create(email=EMAIL, deleted=True)], True),
        ),
    )
    def test_uncertain_matches_open_a_conflict(
        self, webhook: WebhookClient, kind: str, before: Callable[[], list[User]], *, verified: bool
    ) -> None:
        others = before()
        someone = person(email=EMAIL, email_verified=verified, roles=["ADMIN"])
        assert webhook.created(someone) == "processed"
        new = User.objects.get(clerk_id=someone.clerk_id)
        found = IdentityConflict.objects.order_by("other_id")
        assert [(c.user, c.other, c.kind, c.state) for c in found] == [(new, other, kind, "open") for other in others]
        assert not new.is_superuser
        for other in others:
            stored = User.objects.get(pk=other.pk)
            assert (stored.clerk_id, stored.roles, stored.name) == (other.clerk_id, other.roles, other.name)

    def test_conflict_is_opened_once(self, webhook: WebhookClient) -> None:
        local_account()
        someone = person(email=EMAIL, email_verified=False)
        webhook.created(someone)
        webhook.updated(someone.with_changes(email_verified=True))
        webhook.updated(someone.with_changes(first_name="Else"))
        assert IdentityConflict.objects.count() == 1

    def test_changed_email_makes_the_conflict_obsolete(self, webhook: WebhookClient) -> None:
        first = person(email=EMAIL)
        webhook.created(first)
        webhook.created(person(email=EMAIL))
        assert conflict().is_open
        webhook.updated(first.with_changes(email="moved@example.com"))
        assert conflict().state == "obsolete"

    def test_returning_email_reopens_the_conflict(self, webhook: WebhookClient) -> None:
        first, second = person(email=EMAIL), person(email=EMAIL)
        webhook.created(first)
        webhook.created(second)
        for someone in (first, second):
            away, back = (
                someone.with_changes(email="moved@example.com"),
                someone.with_changes().with_changes(email=EMAIL),
            )
            webhook.updated(away)
            assert conflict().state == "obsolete"
            webhook.updated(back)
            assert (conflict().state, conflict().resolved_at, conflict().kind) == ("open", None, "other_id")
        assert AuditLog.objects.filter(action="CONFLICT_OPENED").count() == 3

    def test_later_change_of_email_opens_a_conflict(self, webhook: WebhookClient) -> None:
        account, someone = local_account(), person(email="other@example.com")
        webhook.created(someone)
        webhook.updated(someone.with_changes(email=EMAIL))
        assert (conflict().other, User.objects.count()) == (account, 2)

    def test_missing_conflicts_with_local_accounts_are_opened(self) -> None:
        someone, account = (
            UserFactory.create(email=EMAIL, email_verified_at=SINCE),
            local_account(email="Olive@example.com"),
        )
        assert matching.open_missing_conflicts(SYSTEM) == 1
        assert matching.open_missing_conflicts(SYSTEM) == 0
        assert (conflict().user, conflict().other, conflict().kind) == (someone, account, "separate")

    def test_missing_conflicts_between_clerk_users_are_opened(self) -> None:
        gone = UserFactory.create(email=EMAIL, deleted=True)
        first, second = UserFactory.create(email=EMAIL), UserFactory.create(email="OLIVE@example.com")
        UserFactory.create(email=EMAIL, clerk_id=None, is_active=False)
        assert (matching.open_missing_conflicts(SYSTEM), matching.open_missing_conflicts(SYSTEM)) == (3, 0)
        found = IdentityConflict.objects.order_by("user_id", "other_id").values_list("user_id", "other_id", "kind")
        assert list(found) == [
            (first.pk, gone.pk, "recreated"),
            (second.pk, gone.pk, "recreated"),
            (second.pk, first.pk, "other_id"),
        ]

    def test_finding_missing_conflicts_takes_one_query(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for number in range(5):
            local_account(login=f"local{number}", email=f"local{number}@example.com")
            UserFactory.create(email=f"person{number}@example.com")
        with django_assert_num_queries(1):
            assert matching.open_missing_conflicts(SYSTEM) == 0


class TestResolutions:
    def unverified_conflict(self, webhook: WebhookClient) -> tuple[User, User]:
        """Return a new user with an unverified email, and an older account with a page and the same email."""
        account = local_account()
        BuilderProfileFactory.create(user=account, slug="olive")
        someone = person(email=EMAIL, email_verified=False, first_name="Olivia", last_name="", roles=["CLIENT"])
        webhook.created(someone)
        return User.objects.get(clerk_id=someone.clerk_id), account

    def test_linking_moves_the_identity_to_the_older_account(self, webhook: WebhookClient, adam: User) -> None:
        new, account = self.unverified_conflict(webhook)
        clerk_id = new.clerk_id
        conflicts.resolve(conflict(), State.LINKED, actor=Actor(user=adam), note="She called.")
        new.refresh_from_db()
        account.refresh_from_db()
        assert (account.clerk_id, account.name, account.roles) == (clerk_id, "Olivia", ["CLIENT", "BUILDER"])
        assert (new.clerk_id, new.is_active) == (None, False)
        assert BuilderProfile.objects.published().get().user == account
        assert (conflict().state, conflict().resolved_by, conflict().note) == ("linked", adam, "She called.")
        moved = AuditLog.objects.filter(action="IDENTITY_MOVED", actor=adam)
        assert set(moved.values_list("subject", flat=True)) == {new.pk, account.pk}
        assert AuditLog.objects.filter(action="CONFLICT_RESOLVED", actor=adam).count() == 1

    def test_linking_can_be_undone(self, webhook: WebhookClient, adam: User) -> None:
        new, account = self.unverified_conflict(webhook)
        before = [matching.snapshot(user) for user in (new, account)]
        conflicts.resolve(conflict(), State.LINKED, actor=Actor(user=adam))
        conflicts.undo(conflict(), actor=Actor(user=adam))
        after = [matching.snapshot(User.objects.get(pk=user.pk)) for user in (new, account)]
        assert (after, conflict().state) == (before, "open")
        assert all(User.objects.filter(pk__in=[new.pk, account.pk]).values_list("is_active", flat=True))

    def test_user_who_signed_up_again_gets_the_old_profile_back(self, webhook: WebhookClient, adam: User) -> None:
        old = person(email=EMAIL, first_name="Olive", last_name="Owner", roles=["BUILDER"])
        webhook.created(old)
        profile = BuilderProfile.objects.get()
        BuilderProfile.objects.update(headline="Years of work")
        webhook.deleted(old)
        again = person(email=EMAIL, first_name="Olive", last_name="Owner")
        webhook.created(again)
        assert Client().get("/builders/olive-owner/").status_code == 404
        conflicts.resolve(conflict(), State.MOVED, actor=Actor(user=adam))
        page = signed_in(again).get("/builders/olive-owner/")
        assert "Years of work" in page.content.decode()
        assert page.wsgi_request.user == profile.user
        assert webhook.updated(old.with_changes()) == "stale"
        assert webhook.updated(again.with_changes(username="olive")) == "processed"
        assert User.objects.get(pk=profile.user_id).username == "olive"

    def test_admin_role_is_not_restored(self, webhook: WebhookClient, adam: User) -> None:
        old = person(email=EMAIL, roles=["ADMIN", "BUILDER"])
        webhook.created(old)
        webhook.deleted(old)
        again = person(email=EMAIL)
        webhook.created(again)
        conflicts.resolve(conflict(), State.MOVED, actor=Actor(user=adam))
        assert User.objects.get(clerk_id=again.clerk_id).roles == ["CLIENT", "BUILDER"]

    @pytest.mark.parametrize("state", (State.KEPT, State.DISMISSED))
    def test_accounts_kept_separate_stay_separate(self, webhook: WebhookClient, adam: User, state: State) -> None:
        new, _account = self.unverified_conflict(webhook)
        conflicts.resolve(conflict(), state, actor=Actor(user=adam))
        matching.open_conflicts(new, matching.refresh_conflicts([new]).get(EMAIL, []), SYSTEM)
        matching.open_missing_conflicts(SYSTEM)
        assert conflict().state == state
        conflicts.undo(conflict(), actor=Actor(user=adam))
        assert conflict().is_open

    def test_kept_conflict_is_not_reopened_by_a_returning_email(self, webhook: WebhookClient, adam: User) -> None:
        first, second = person(email=EMAIL), person(email=EMAIL)
        webhook.created(first)
        webhook.created(second)
        conflicts.resolve(conflict(), State.KEPT, actor=Actor(user=adam))
        for someone in (first, second):
            webhook.updated(someone.with_changes(email="moved@example.com"))
            webhook.updated(someone.with_changes().with_changes(email=EMAIL))
            assert conflict().state == "kept"

    def test_scheduled_deletion_moves_with_the_identity(self, webhook: WebhookClient, adam: User) -> None:
        new, account = self.unverified_conflict(webhook)
        due_at = deletion.request_deletion(new, actor=Actor(user=new)).deletion_due_at
        conflicts.resolve(conflict(), State.LINKED, actor=Actor(user=adam))
        for user in (new, account):
            user.refresh_from_db()
        assert (new.deletion_due_at, account.deletion_due_at) == (None, due_at)

    def test_erased_account_cannot_be_joined_or_separated(self, webhook: WebhookClient, adam: User) -> None:
        old = person(email=EMAIL)
        webhook.created(old)
        webhook.deleted(old)
        webhook.created(person(email=EMAIL))
        gone = conflict().other
        erasure.erase_user(gone.pk)
        assert (conflict().state, conflict().email, conflicts.available_resolutions(conflict())) == (
            "obsolete",
            "",
            [],
        )
        IdentityConflict.objects.update(state="open")
        with pytest.raises(ResolutionError, match="has been erased"):
            conflicts.resolve(conflict(), State.MOVED, actor=Actor(user=adam))
        IdentityConflict.objects.update(state="moved")
        with pytest.raises(ResolutionError, match="has been erased"):
            conflicts.undo(conflict(), actor=Actor(user=adam))

    def test_superuser_cannot_be_linked(self, webhook: WebhookClient, adam: User) -> None:
        local_account(superuser=True, login="boss")
        webhook.created(person(email=EMAIL))
        with pytest.raises(ResolutionError, match="local superuser"):
            conflicts.resolve(conflict(), State.LINKED, actor=Actor(user=adam))
        assert conflicts.available_resolutions(conflict()) == [State.KEPT, State.DISMISSED]

    def test_resolved_conflict_cannot_be_resolved_again(self, webhook: WebhookClient, adam: User) -> None:
        self.unverified_conflict(webhook)
        seen = conflict()
        conflicts.resolve(conflict(), State.KEPT, actor=Actor(user=adam))
        with pytest.raises(ResolutionError, match="already been resolved: Kept separate"):
            conflicts.resolve(seen, State.LINKED, actor=Actor(user=adam))

    def test_deleted_identity_cannot_be_moved(self, webhook: WebhookClient, adam: User) -> None:
        local_account()
        someone = person(email=EMAIL, email_verified=False)
        webhook.created(someone)
        webhook.deleted(someone)
        with pytest.raises(ResolutionError, match="no longer exists in Clerk"):
            conflicts.resolve(conflict(), State.LINKED, actor=Actor(user=adam))


class TestAdmin:
    def test_admin_sees_both_accounts_and_resolves_the_conflict(self, webhook: WebhookClient, adam: User) -> None:
        TestResolutions().unverified_conflict(webhook)
        browser, pk = signed_in(adam), conflict().pk
        page = browser.get(f"/admin/accounts/identityconflict/{pk}/change/").content.decode()
        assert "not verified in Clerk" in page
        assert [
            label in page for label in ("Link accounts</button>", "Move profile</button>", "Keep separate</button>")
        ] == [
            True,
            False,
            True,
        ]
        answer = browser.post(f"/admin/accounts/identityconflict/{pk}/resolve/", {"resolution": "linked", "note": "x"})
        assert answer.status_code == 302
        assert (conflict().state, conflict().resolved_by) == ("linked", adam)
        assert "Undo</button>" in browser.get(answer["Location"]).content.decode()

    @pytest.mark.parametrize("invalid", ({}, {"resolution": "open"}, {"resolution": "linked", "note": "x" * 3000}))
    def test_invalid_resolution_changes_nothing(
        self, webhook: WebhookClient, adam: User, invalid: dict[str, str]
    ) -> None:
        TestResolutions().unverified_conflict(webhook)
        answer = signed_in(adam).post(f"/admin/accounts/identityconflict/{conflict().pk}/resolve/", invalid)
        assert (answer.status_code, conflict().state) == (302, "open")


@pytest.mark.django_db(transaction=True)
def test_concurrent_events_link_an_account_once(svix: Svix) -> None:
    account, someone = local_account(), person(email=EMAIL)
    events = [samples.user_event("user.created", someone), samples.user_event("user.updated", someone.with_changes())]
    answers = svix.deliver_all([(event, new_svix_id()) for event in events * 3], threads=6)
    assert {answer.status_code for answer in answers} == {200}
    account.refresh_from_db()
    assert (account.clerk_id, User.objects.count()) == (someone.clerk_id, 1)


@pytest.mark.django_db(transaction=True)
def test_concurrent_new_users_do_not_share_an_account(svix: Svix) -> None:
    account = local_account()
    people = [person(email=EMAIL) for _ in range(4)]
    messages = [(samples.user_event("user.created", one), new_svix_id()) for one in people]
    svix.deliver_all(messages, threads=4)
    account.refresh_from_db()
    assert account.clerk_id in {one.clerk_id for one in people}
    assert User.objects.count() == 4
