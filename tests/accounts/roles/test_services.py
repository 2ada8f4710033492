"""Role changes: permissions, audit rows and pending changes that Clerk has not confirmed."""

import threading
from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import MetadataPush, User
from accounts.roles.permissions import RoleChangeError
from accounts.roles.services import change_roles
from accounts.sync import outbox
from audit.log import Actor
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

Role = User.Role
REQUEST = Actor(AuditLog.Source.REQUEST, ip_address="203.0.113.9")


def create_from_clerk(webhook: WebhookClient, *clerk_roles: str, **facts: Any) -> User:
    """Return a user created by a webhook."""
    someone = person(roles=list(clerk_roles), **facts)
    webhook.created(someone)
    found: User = User.objects.get(clerk_id=someone.clerk_id)
    return found


def remove_admins_at_once(*pairs: tuple[User, User]) -> list[str]:
    """Let the first user of each pair remove the role Admin from the second, and return the results."""
    ready, results = threading.Barrier(len(pairs)), list[str]()

    def remove(actor: User, user: User) -> None:
        try:
            ready.wait(10)
            change_roles(user, remove=[Role.ADMIN], actor=REQUEST.with_user(actor))
            results.append("removed")
        except RoleChangeError as error:
            results.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


class TestPermissions:
    """Olive is the user, Adam an admin, Vera another user and Otto a local operator."""

    def test_users_change_their_own_client_and_builder_roles(self, webhook: WebhookClient) -> None:
        olive = create_from_clerk(webhook, "CLIENT", first_name="Olive")
        assert change_roles(olive, add=[Role.BUILDER], remove=[Role.CLIENT], actor=REQUEST.with_user(olive)) == [
            Role.CLIENT,
            Role.BUILDER,
        ]
        assert olive.roles == ["BUILDER"]
        assert BuilderProfile.objects.get().unpublished_at  # Olive must publish it first.
        assert ClientProfile.objects.get().archived_at

    def test_users_cannot_make_themselves_admins(self, webhook: WebhookClient) -> None:
        olive = create_from_clerk(webhook, "CLIENT")
        with pytest.raises(RoleChangeError, match="Only an admin can change the role Admin"):
            change_roles(olive, add=[Role.ADMIN], actor=REQUEST.with_user(olive))
        assert not MetadataPush.objects.exists()

    def test_users_cannot_change_the_roles_of_others(self, webhook: WebhookClient) -> None:
        olive, vera = create_from_clerk(webhook, "CLIENT"), create_from_clerk(webhook, "BUILDER")
        with pytest.raises(RoleChangeError, match="Only an admin"):
            change_roles(olive, add=[Role.BUILDER], actor=REQUEST.with_user(vera))

    def test_admins_can_change_the_roles_of_others(self, webhook: WebhookClient) -> None:
        olive, adam = create_from_clerk(webhook, "CLIENT"), create_from_clerk(webhook, "ADMIN")
        change_roles(olive, add=[Role.ADMIN], actor=REQUEST.with_user(adam))
        change_roles(adam, remove=[Role.ADMIN], actor=REQUEST.with_user(olive))
        assert (olive.is_staff, adam.is_staff) == (True, False)

    def test_admins_cannot_remove_their_own_admin_role(self, webhook: WebhookClient) -> None:
        adam = create_from_clerk(webhook, "ADMIN")
        with pytest.raises(RoleChangeError, match="Ask another admin"):
            change_roles(adam, remove=[Role.ADMIN], actor=REQUEST.with_user(adam))
        change_roles(adam, add=[Role.BUILDER], actor=REQUEST.with_user(adam))

    @pytest.mark.parametrize("change", ({"add": [Role.ADMIN]}, {"remove": [Role.ADMIN]}, {"add": [Role.BUILDER]}))
    def test_admins_who_lost_the_role_meanwhile_change_nothing(self, change: dict[str, Any]) -> None:
        """The role is removed after the request was authenticated, and before the change is stored."""
        adam, bert = UserFactory.create(admin=True), UserFactory.create(admin="remove" in change, client=True)
        User.objects.filter(pk=adam.pk).update(roles=[])
        before = list(bert.roles)
        with pytest.raises(RoleChangeError, match="Only an admin"):
            change_roles(bert, actor=REQUEST.with_user(adam), **change)
        bert.refresh_from_db()
        assert (bert.roles, MetadataPush.objects.count()) == (before, 0)

    @pytest.mark.django_db(transaction=True)
    def test_admins_who_remove_each_other_leave_one_admin(self) -> None:
        adam, bert = UserFactory.create(admin=True), UserFactory.create(admin=True)
        results = remove_admins_at_once((adam, bert), (bert, adam))
        assert sorted(results) == ["Only an admin can change the role Admin.", "removed"]
        assert sum(user.is_staff for user in User.objects.all()) == 1

    def test_local_operators_change_roles_but_have_none(self, webhook: WebhookClient) -> None:
        olive, otto = create_from_clerk(webhook, "CLIENT"), UserFactory.create(superuser=True)
        change_roles(olive, add=[Role.ADMIN], actor=REQUEST.with_user(otto))
        with pytest.raises(RoleChangeError, match="not active in Clerk"):
            change_roles(otto, add=[Role.CLIENT], actor=REQUEST.with_user(otto))

    @pytest.mark.parametrize("trait", ("banned", "deleted"))
    def test_roles_of_inactive_users_cannot_be_changed(self, webhook: WebhookClient, trait: str) -> None:
        adam, gone = create_from_clerk(webhook, "ADMIN"), UserFactory.create(**{trait: True})
        with pytest.raises(RoleChangeError, match="not active"):
            change_roles(gone, add=[Role.BUILDER], actor=REQUEST.with_user(adam))
        with pytest.raises(RoleChangeError):
            change_roles(adam, add=[Role.BUILDER], actor=REQUEST.with_user(gone))

    def test_roles_of_provisional_users_cannot_be_changed(self) -> None:
        new = UserFactory.create(clerk_version="")
        with pytest.raises(RoleChangeError, match="not active in Clerk"):
            change_roles(new, add=[Role.BUILDER], actor=REQUEST.with_user(new))


class TestAudit:
    def test_each_role_change_is_audited_with_its_actor(self, webhook: WebhookClient) -> None:
        olive, adam = create_from_clerk(webhook, "CLIENT"), create_from_clerk(webhook, "ADMIN")
        change_roles(olive, add=[Role.BUILDER], remove=[Role.CLIENT], actor=REQUEST.with_user(adam))
        rows = AuditLog.objects.about(olive.pk).filter(actor=adam).order_by("id")
        roles = [row for row in rows if row.action.startswith("ROLE_")]
        assert [(row.action, row.details, row.ip_address) for row in roles] == [
            ("ROLE_ADDED", {"role": "BUILDER"}, "203.0.113.9"),
            ("ROLE_REMOVED", {"role": "CLIENT"}, "203.0.113.9"),
        ]
        profiles = [(row.action, row.changed_fields) for row in rows if row.action.startswith("PROFILE_")]
        assert profiles == [("PROFILE_CREATED", []), ("PROFILE_UPDATED", ["archived_at"])]

    def test_roles_that_already_match_are_ignored(self, webhook: WebhookClient) -> None:
        olive = create_from_clerk(webhook, "CLIENT")
        before = AuditLog.objects.count()
        assert change_roles(olive, add=[Role.CLIENT], remove=[Role.BUILDER], actor=REQUEST.with_user(olive)) == []
        assert (AuditLog.objects.count(), MetadataPush.objects.count()) == (before, 0)


class TestPendingChanges:
    def test_change_queues_a_push(self, webhook: WebhookClient, settings: Any) -> None:
        settings.CLERK_SECRET_KEY = "sk_test_x"
        olive = create_from_clerk(webhook, "CLIENT")
        change_roles(olive, add=[Role.BUILDER], actor=REQUEST.with_user(olive))
        assert MetadataPush.objects.get().state == "pending"
        assert ProcrastinateJob.objects.get(task_name="accounts.tasks.push_metadata").args == {"user_id": olive.pk}

    def test_pending_role_survives_events_without_it(self, webhook: WebhookClient) -> None:
        someone = person(roles=["CLIENT"], first_name="Olive")
        webhook.created(someone)
        olive = User.objects.get()
        change_roles(olive, add=[Role.BUILDER], actor=REQUEST.with_user(olive))
        webhook.updated(someone.with_changes(first_name="Oliva"))
        olive.refresh_from_db()
        assert (olive.name[:5], olive.roles, olive.clerk_roles) == ("Oliva", ["CLIENT", "BUILDER"], ["CLIENT"])

    def test_role_removed_at_clerk_is_removed_here(self, webhook: WebhookClient) -> None:
        someone = person(roles=["ADMIN"])
        webhook.created(someone)
        adam = User.objects.get()
        change_roles(adam, add=[Role.BUILDER], actor=REQUEST.with_user(adam))
        webhook.updated(someone.with_changes(roles=[]))
        adam.refresh_from_db()
        assert (adam.roles, adam.is_staff) == (["BUILDER"], False)

    def test_latest_change_wins(self, webhook: WebhookClient) -> None:
        olive = create_from_clerk(webhook, "CLIENT")
        for _ in range(2):
            change_roles(olive, add=[Role.BUILDER], actor=REQUEST.with_user(olive))
            change_roles(olive, remove=[Role.BUILDER], actor=REQUEST.with_user(olive))
        olive.refresh_from_db()
        assert (olive.roles_added, olive.roles_removed) == ([], ["BUILDER"])
        assert MetadataPush.objects.get().revision == 4

    def test_failure_rolls_everything_back(self, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
        olive = create_from_clerk(webhook, "CLIENT")
        monkeypatch.setattr(outbox, "queue_push", lambda user: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            change_roles(olive, add=[Role.BUILDER], actor=REQUEST.with_user(olive))
        assert User.objects.get().roles == ["CLIENT"]
        assert not BuilderProfile.objects.exists()


def test_deletion_at_clerk_with_pending_roles(webhook: WebhookClient) -> None:
    someone = person(roles=["CLIENT"])
    webhook.created(someone)
    olive = User.objects.get()
    change_roles(olive, add=[Role.BUILDER], actor=Actor(user=olive))
    webhook.deleted(someone)
    assert not User.objects.get().is_active
