"""Changing roles: who may, what counts while Clerk does not know it yet, and what the log says."""

from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import MetadataPush, User
from accounts.role_changes import change_roles
from accounts.roles import RoleChangeError
from accounts.sync import outbox
from audit.log import SYSTEM, Origin
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

Role = User.Role
REQUEST = Origin(AuditLog.Source.REQUEST, ip_address="203.0.113.9")


def known(webhook: WebhookClient, *held: str, **facts: Any) -> User:
    """Return somebody Clerk has told of."""
    someone = person(roles=list(held), **facts)
    webhook.created(someone)
    found: User = User.objects.get(clerk_id=someone.clerk_id)
    return found


class TestWhoMay:
    """Olive owns, Adam is an admin, Vera is somebody else, Otto a local operator."""

    def test_people_become_and_stop_being_clients_and_builders(self, webhook: WebhookClient) -> None:
        olive = known(webhook, "CLIENT", first_name="Olive")
        assert change_roles(olive, add=[Role.BUILDER], remove=[Role.CLIENT], actor=olive, origin=REQUEST) == [
            Role.CLIENT,
            Role.BUILDER,
        ]
        assert olive.roles == ["BUILDER"]
        assert BuilderProfile.objects.get().unpublished_at  # it waits for olive to publish it
        assert ClientProfile.objects.get().archived_at

    def test_nobody_makes_themselves_an_admin(self, webhook: WebhookClient) -> None:
        olive = known(webhook, "CLIENT")
        with pytest.raises(RoleChangeError, match="Only an admin can change the role Admin"):
            change_roles(olive, add=[Role.ADMIN], actor=olive, origin=REQUEST)
        assert not MetadataPush.objects.exists()

    def test_nobody_changes_the_roles_of_others(self, webhook: WebhookClient) -> None:
        olive, vera = known(webhook, "CLIENT"), known(webhook, "BUILDER")
        with pytest.raises(RoleChangeError, match="Only an admin"):
            change_roles(olive, add=[Role.BUILDER], actor=vera, origin=REQUEST)

    def test_admins_change_the_roles_of_others(self, webhook: WebhookClient) -> None:
        olive, adam = known(webhook, "CLIENT"), known(webhook, "ADMIN")
        change_roles(olive, add=[Role.ADMIN], actor=adam, origin=REQUEST)
        change_roles(adam, remove=[Role.ADMIN], actor=olive, origin=REQUEST)
        assert (olive.is_staff, adam.is_staff) == (True, False)

    def test_an_admin_cannot_lock_the_door_behind_everybody(self, webhook: WebhookClient) -> None:
        adam = known(webhook, "ADMIN")
        with pytest.raises(RoleChangeError, match="Ask another admin"):
            change_roles(adam, remove=[Role.ADMIN], actor=adam, origin=REQUEST)
        change_roles(adam, add=[Role.BUILDER], actor=adam, origin=REQUEST)

    def test_local_operators_change_roles_and_have_none(self, webhook: WebhookClient) -> None:
        olive, otto = known(webhook, "CLIENT"), UserFactory.create(superuser=True)
        change_roles(olive, add=[Role.ADMIN], actor=otto, origin=REQUEST)
        with pytest.raises(RoleChangeError, match="not active at Clerk"):
            change_roles(otto, add=[Role.CLIENT], actor=otto, origin=REQUEST)

    @pytest.mark.parametrize("trait", ("banned", "deleted"))
    def test_whoever_is_gone_has_no_roles_to_change(self, webhook: WebhookClient, trait: str) -> None:
        adam, gone = known(webhook, "ADMIN"), UserFactory.create(**{trait: True})
        with pytest.raises(RoleChangeError, match="not active"):
            change_roles(gone, add=[Role.BUILDER], actor=adam, origin=REQUEST)
        with pytest.raises(RoleChangeError):
            change_roles(adam, add=[Role.BUILDER], actor=gone, origin=REQUEST)

    def test_a_provisional_person_waits_for_clerk(self) -> None:
        new = UserFactory.create(clerk_version="")
        with pytest.raises(RoleChangeError, match="not active at Clerk"):
            change_roles(new, add=[Role.BUILDER], actor=new, origin=REQUEST)


class TestTheLog:
    def test_each_role_is_a_row_with_the_actor(self, webhook: WebhookClient) -> None:
        olive, adam = known(webhook, "CLIENT"), known(webhook, "ADMIN")
        change_roles(olive, add=[Role.BUILDER], remove=[Role.CLIENT], actor=adam, origin=REQUEST)
        rows = AuditLog.objects.about(olive.pk).filter(actor=adam).order_by("id")
        assert [(row.action, row.details, row.ip_address) for row in rows] == [
            ("ROLE_ADDED", {"role": "BUILDER"}, "203.0.113.9"),
            ("ROLE_REMOVED", {"role": "CLIENT"}, "203.0.113.9"),
        ]

    def test_what_is_so_already_is_no_change(self, webhook: WebhookClient) -> None:
        olive = known(webhook, "CLIENT")
        before = AuditLog.objects.count()
        assert change_roles(olive, add=[Role.CLIENT], remove=[Role.BUILDER], actor=olive, origin=REQUEST) == []
        assert (AuditLog.objects.count(), MetadataPush.objects.count()) == (before, 0)


class TestWhilePending:
    def test_a_change_waits_in_the_outbox_with_a_job(self, webhook: WebhookClient, settings: Any) -> None:
        settings.CLERK_SECRET_KEY = "sk_test_x"
        olive = known(webhook, "CLIENT")
        change_roles(olive, add=[Role.BUILDER], actor=olive, origin=REQUEST)
        assert MetadataPush.objects.get().state == "pending"
        assert ProcrastinateJob.objects.get(task_name="accounts.tasks.push_metadata").args == {"user_id": olive.pk}

    def test_it_counts_although_events_without_it_arrive(self, webhook: WebhookClient) -> None:
        someone = person(roles=["CLIENT"], first_name="Olive")
        webhook.created(someone)
        olive = User.objects.get()
        change_roles(olive, add=[Role.BUILDER], actor=olive, origin=REQUEST)
        webhook.updated(someone.later(first_name="Oliva"))
        olive.refresh_from_db()
        assert (olive.name[:5], olive.roles, olive.clerk_roles) == ("Oliva", ["CLIENT", "BUILDER"], ["CLIENT"])

    def test_a_role_withdrawn_at_clerk_meanwhile_is_gone(self, webhook: WebhookClient) -> None:
        someone = person(roles=["ADMIN"])
        webhook.created(someone)
        adam = User.objects.get()
        change_roles(adam, add=[Role.BUILDER], actor=adam, origin=REQUEST)
        webhook.updated(someone.later(roles=[]))
        adam.refresh_from_db()
        assert (adam.roles, adam.is_staff) == (["BUILDER"], False)

    def test_the_last_word_wins(self, webhook: WebhookClient) -> None:
        olive = known(webhook, "CLIENT")
        for _ in range(2):
            change_roles(olive, add=[Role.BUILDER], actor=olive, origin=REQUEST)
            change_roles(olive, remove=[Role.BUILDER], actor=olive, origin=REQUEST)
        olive.refresh_from_db()
        assert (olive.roles_added, olive.roles_removed) == ([], ["BUILDER"])
        assert MetadataPush.objects.get().revision == 4

    def test_a_failure_halfway_changes_nothing(self, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
        olive = known(webhook, "CLIENT")
        monkeypatch.setattr(outbox, "queue_push", lambda user: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            change_roles(olive, add=[Role.BUILDER], actor=olive, origin=REQUEST)
        assert User.objects.get().roles == ["CLIENT"]
        assert not BuilderProfile.objects.exists()


def test_a_deletion_at_clerk_ends_what_is_pending(webhook: WebhookClient) -> None:
    someone = person(roles=["CLIENT"])
    webhook.created(someone)
    olive = User.objects.get()
    change_roles(olive, add=[Role.BUILDER], actor=olive, origin=SYSTEM)
    webhook.deleted(someone)
    assert not User.objects.get().is_active
