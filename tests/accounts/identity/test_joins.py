"""Joining two accounts by hand: preview, reason, audit and undo."""

from typing import Any

import pytest

from accounts.identity import conflicts, joins
from accounts.identity.conflicts import ResolutionError
from accounts.models import IdentityConflict, MetadataPush, User
from audit.log import Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

URL = "/admin/accounts/identityconflict/join/"


@pytest.fixture
def adam() -> User:
    admin: User = UserFactory.create(admin=True, name="Adam")
    return admin


@pytest.fixture
def new_account(webhook: WebhookClient) -> User:
    """Return Olive's account in Clerk."""
    someone = person(email="olive@company.ai", first_name="Olive", last_name="Owner", roles=["CLIENT"])
    webhook.created(someone)
    user: User = User.objects.get(clerk_id=someone.clerk_id)
    return user


@pytest.fixture
def old_account() -> User:
    """Return Olive's account from before Clerk, with her page."""
    user: User = UserFactory.create(
        clerk_id=None, login="olive", email="olive@company.com", name="Olive O.", builder=True
    )
    BuilderProfileFactory.create(user=user, slug="olive", headline="Years of work")
    return user


def user_rows(*users: User) -> list[dict[str, Any]]:
    return [dict(row) for row in User.objects.filter(pk__in=[user.pk for user in users]).order_by("pk").values()]


def shown_profiles() -> set[tuple[str, int]]:
    builders, clients = BuilderProfile.objects.not_hidden(), ClientProfile.objects.not_hidden()
    return {("builder", profile.user_id) for profile in builders} | {("client", profile.user_id) for profile in clients}


def join(user: User, other: User, adam: User, note: str = "She called.") -> IdentityConflict:
    return joins.join(user, other, actor=Actor(user=adam), note=note)


class TestJoin:
    def test_older_account_gets_the_identity_and_keeps_its_profile(
        self, new_account: User, old_account: User, adam: User
    ) -> None:
        clerk_id = new_account.clerk_id
        join(new_account, old_account, adam)
        old_account.refresh_from_db()
        new_account.refresh_from_db()
        assert (old_account.clerk_id, old_account.email, old_account.roles) == (
            clerk_id,
            "olive@company.ai",
            ["CLIENT", "BUILDER"],
        )
        assert (new_account.clerk_id, new_account.is_active) == (None, False)
        assert BuilderProfile.objects.published().get().user == old_account
        assert MetadataPush.objects.filter(user=old_account, state="pending").exists()

    def test_join_is_audited_with_reason(self, new_account: User, old_account: User, adam: User) -> None:
        conflict = join(new_account, old_account, adam)
        assert (conflict.kind, IdentityConflict.objects.get().state) == ("manual", "linked")
        row = AuditLog.objects.get(action="CONFLICT_RESOLVED")
        assert row.details is not None
        assert (row.actor_id, row.details["note"]) == (adam.pk, "She called.")
        assert AuditLog.objects.filter(action="IDENTITY_MOVED", actor=adam).count() == 2

    def test_profile_moves_between_two_clerk_accounts(
        self, webhook: WebhookClient, new_account: User, adam: User
    ) -> None:
        webhook.created(second := person(email="other@example.com", roles=["BUILDER"]))
        user = User.objects.get(clerk_id=second.clerk_id)
        clerk_id = new_account.clerk_id
        assert join(new_account, user, adam).kind == "manual"
        assert IdentityConflict.objects.get().state == "moved"
        user.refresh_from_db()
        assert user.clerk_id == clerk_id

    def test_undo_restores_both_accounts(self, new_account: User, old_account: User, adam: User) -> None:
        before = user_rows(new_account, old_account)
        conflict = join(new_account, old_account, adam)
        assert user_rows(new_account, old_account) != before
        conflicts.undo(conflict, actor=Actor(user=adam), note="Wrong Olive.")
        assert user_rows(new_account, old_account) == before
        assert IdentityConflict.objects.get().state == "dismissed"

    def test_undo_restores_the_profiles(self, new_account: User, old_account: User, adam: User) -> None:
        before = shown_profiles()
        conflicts.undo(join(new_account, old_account, adam), actor=Actor(user=adam))
        assert shown_profiles() == before

    def test_undo_removes_roles_that_were_pushed_meanwhile(
        self, webhook: WebhookClient, new_account: User, old_account: User, adam: User
    ) -> None:
        conflict = join(new_account, old_account, adam)
        User.objects.filter(pk=old_account.pk).update(
            clerk_roles=["CLIENT", "BUILDER"], roles_added=[]
        )  # Clerk confirmed
        conflicts.undo(conflict, actor=Actor(user=adam))
        new_account.refresh_from_db()
        assert (new_account.roles, new_account.roles_removed) == (["CLIENT"], ["BUILDER"])
        assert MetadataPush.objects.filter(user=new_account, state="pending").exists()

    def test_undone_join_cannot_be_undone_again(self, new_account: User, old_account: User, adam: User) -> None:
        conflict = join(new_account, old_account, adam)
        conflicts.undo(conflict, actor=Actor(user=adam))
        with pytest.raises(ResolutionError, match="undone already"):
            conflicts.undo(conflict, actor=Actor(user=adam))

    def test_accounts_can_be_joined_again_after_undo(self, new_account: User, old_account: User, adam: User) -> None:
        conflicts.undo(join(new_account, old_account, adam), actor=Actor(user=adam))
        new_account.refresh_from_db()
        old_account.refresh_from_db()
        join(new_account, old_account, adam)
        assert IdentityConflict.objects.get().state == "linked"

    def test_joined_accounts_cannot_be_joined_again(self, new_account: User, old_account: User, adam: User) -> None:
        join(new_account, old_account, adam)
        new_account.refresh_from_db()
        old_account.refresh_from_db()
        with pytest.raises(ResolutionError, match="already joined"):
            join(old_account, new_account, adam)

    def test_open_conflict_is_resolved_instead(self, webhook: WebhookClient, adam: User) -> None:
        for _ in range(2):
            webhook.created(person(email="same@example.com"))
        one, two = User.objects.filter(email="same@example.com").order_by("pk")
        with pytest.raises(ResolutionError, match="already open"):
            join(two, one, adam)

    @pytest.mark.parametrize(
        ("values", "message"),
        (
            ({"is_superuser": True}, "local superuser"),
            ({"is_active": False}, "empty account of an earlier join"),
        ),
    )
    def test_impossible_joins_are_refused(
        self, new_account: User, old_account: User, adam: User, values: dict[str, Any], message: str
    ) -> None:
        User.objects.filter(pk=old_account.pk).update(**values)
        old_account.refresh_from_db()
        with pytest.raises(ResolutionError, match=message):
            join(new_account, old_account, adam)
        assert not IdentityConflict.objects.exists()

    def test_account_without_clerk_id_cannot_be_joined(self, new_account: User, old_account: User, adam: User) -> None:
        with pytest.raises(ResolutionError, match="no longer exists in Clerk"):
            join(old_account, new_account, adam)

    def test_account_cannot_be_joined_with_itself(self, new_account: User, adam: User) -> None:
        with pytest.raises(ResolutionError, match="two different accounts"):
            join(new_account, new_account, adam)

    def test_reason_is_required(self, new_account: User, old_account: User, adam: User) -> None:
        with pytest.raises(ResolutionError, match="Enter a reason"):
            join(new_account, old_account, adam, note=" ")


class TestPreview:
    def test_preview_shows_pages_that_become_hidden(self, new_account: User, old_account: User) -> None:
        BuilderProfileFactory.create(user=new_account, slug="olive-again")
        pages = [changes[-1] for _account, changes in joins.preview(new_account, old_account)]
        assert pages == [
            ("Builder page", "/builders/olive-again/", "/builders/olive-again/ (not public)"),
            ("Builder page", "/builders/olive/", "/builders/olive/"),
        ]

    def test_preview_equals_the_join_and_changes_nothing(
        self, new_account: User, old_account: User, adam: User
    ) -> None:
        before, audited = user_rows(new_account, old_account), AuditLog.objects.count()
        preview = joins.preview(new_account, old_account)
        assert (user_rows(new_account, old_account), AuditLog.objects.count()) == (before, audited)
        assert not IdentityConflict.objects.exists()
        join(new_account, old_account, adam)
        for account, changes in preview:
            stored = User.objects.get(pk=account.pk)
            after = {label: value for label, _before, value in changes}
            assert after["Email"] == (stored.email or "–")
            assert after["Roles"] == ", ".join(stored.role_labels)
            assert after["Clerk ID"] == (stored.clerk_id or "–")
            assert (after["Status"] == "Active") == stored.is_active


class TestAdmin:
    def test_admin_previews_joins_and_undoes(self, new_account: User, old_account: User, adam: User) -> None:
        browser = signed_in(adam)
        before = user_rows(new_account, old_account)
        query = f"?user={new_account.clerk_id}&other=olive@COMPANY.com"
        page = browser.get(URL + query).content.decode()
        assert "<del" in page
        assert "Join accounts</button>" in page
        assert user_rows(new_account, old_account) == before
        response = browser.post(URL + query, {"note": "She called."}, follow=True)
        page = response.content.decode()
        assert "Joined and recorded in the audit log." in page
        assert "Undo</button>" in page
        conflict = IdentityConflict.objects.get()
        url = f"/admin/accounts/identityconflict/{conflict.pk}/resolve/"
        page = browser.post(url, {"resolution": "undo", "note": "Wrong Olive."}, follow=True).content.decode()
        assert user_rows(new_account, old_account) == before
        assert "Undo</button>" not in page

    def test_join_without_a_reason_is_rejected(self, new_account: User, old_account: User, adam: User) -> None:
        page = (
            signed_in(adam).post(f"{URL}?user={new_account.pk}&other={old_account.pk}", {"note": " "}).content.decode()
        )
        assert "Enter a reason." in page
        assert "Join accounts</button>" in page
        assert not IdentityConflict.objects.exists()

    @pytest.mark.parametrize(
        ("typed", "message"),
        (
            ("nobody@example.com", "No account has this"),
            ("9" * 40, "No account has this"),
            ("\x00", "Null characters are not allowed"),
            ("twin@example.com", "Several accounts match. Enter one of these IDs"),
            ("", "This field is required"),
        ),
    )
    def test_unknown_accounts_are_reported(self, new_account: User, adam: User, typed: str, message: str) -> None:
        UserFactory.create_batch(2, email="twin@example.com")
        page = signed_in(adam).get(URL, {"user": str(new_account.pk), "other": typed}).content.decode()
        assert message in page

    def test_user_page_links_to_the_form(self, old_account: User, adam: User) -> None:
        page = signed_in(adam).get(f"/admin/accounts/user/{old_account.pk}/change/").content.decode()
        assert f"{URL}?other={old_account.pk}" in page
        assert f'value="{old_account.pk}"' in signed_in(adam).get(f"{URL}?other={old_account.pk}").content.decode()
