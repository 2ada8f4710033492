"""Users get emails about their roles, data exports and the deletion of their account."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Notification, User
from accounts.privacy import deletion, exports
from accounts.roles.services import change_roles
from audit.log import SYSTEM, Actor
from tests.helpers.factories import UserFactory
from tests.helpers.notifications import deliver
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam() -> User:
    user: User = UserFactory.create(admin=True)
    return user


def subjects() -> list[str]:
    return [email.subject for email in deliver()]


def stored(user: Any) -> User:
    return User.objects.get(clerk_id=user.clerk_id)


class TestRoles:
    def test_change_by_an_admin_is_emailed(self, vera: User, adam: User) -> None:
        change_roles(vera, add=[User.Role.BUILDER], actor=Actor(user=adam), reason="Asked")
        assert deliver() == []  # The first role is part of the sign-up.
        change_roles(vera, add=[User.Role.CLIENT], remove=[User.Role.BUILDER], actor=Actor(user=adam), reason="Asked")
        [email] = deliver()
        assert email.subject == "Your roles were changed"
        assert "Added: Client\nRemoved: Builder" in email.body

    def test_own_change_is_not_emailed(self, vera: User) -> None:
        for role in (User.Role.BUILDER, User.Role.CLIENT):
            change_roles(vera, add=[role], actor=Actor(user=vera))
        assert deliver() == []

    def test_change_by_an_impersonator_is_emailed(self, vera: User) -> None:
        for role in (User.Role.BUILDER, User.Role.CLIENT):
            change_roles(vera, add=[role], actor=Actor(user=vera, impersonator="user_2admin"))
        assert subjects() == ["Your roles were changed"]

    def test_change_in_clerk_is_emailed_once(self, webhook: WebhookClient) -> None:
        user = person(roles=["CLIENT"], email="vera@example.com")
        webhook.created(user)
        assert deliver() == []
        changed = user.with_changes(roles=["CLIENT", "BUILDER"])
        webhook.updated(changed, svix_id="msg_1")
        webhook.updated(changed, svix_id="msg_1")
        webhook.updated(changed.with_changes(first_name="Vera"), svix_id="msg_2")
        assert subjects() == ["Your roles were changed"]
        assert Notification.objects.get().cause == "msg_1 +BUILDER"

    @pytest.mark.parametrize(
        ("before", "after", "subject"),
        ((["CLIENT"], ["CLIENT", "ADMIN"], "You are now an admin"), (["ADMIN"], [], "You are no longer an admin")),
    )
    def test_role_admin_cannot_be_turned_off(
        self, webhook: WebhookClient, before: list[str], after: list[str], subject: str
    ) -> None:
        user = person(roles=before, email="adam@example.com")
        webhook.created(user)
        deliver()
        mail.outbox.clear()
        webhook.updated(user.with_changes(roles=after))
        [email] = deliver()
        assert email.subject == subject
        assert "You cannot turn this email off, because admins can see other people’s data." in email.body

    def test_user_who_is_created_as_an_admin_is_notified(self, webhook: WebhookClient) -> None:
        webhook.created(person(roles=["ADMIN"], email="adam@example.com"))
        assert subjects() == ["You are now an admin"]


class TestExports:
    def test_user_is_notified_when_the_copy_is_ready(self, vera: User) -> None:
        export = exports.request_export(vera, actor=SYSTEM)
        assert deliver() == []
        exports.build_export(export.pk)
        exports.build_export(export.pk)
        [email] = deliver()
        assert email.subject == "The copy of your data is ready"
        assert "/account/" in email.body
        assert str(export.public_id) not in email.body  # Only the signed-in user can download it.

    def test_expired_copy_is_not_announced(self, vera: User) -> None:
        export = exports.request_export(vera, actor=SYSTEM)
        exports.build_export(export.pk)
        export.__class__.objects.update(expires_at=timezone.now() - timedelta(hours=1))
        assert (deliver(), Notification.objects.get().result) == ([], "The copy of the data has expired.")


class TestDeletion:
    def test_request_is_emailed_once(self, vera: User) -> None:
        for _ in range(2):
            due_at = deletion.request_deletion(vera, actor=SYSTEM).deletion_due_at
        [email] = deliver()
        assert due_at
        assert email.subject.startswith("Your account will be deleted on ")
        assert str(due_at.year) in email.subject

    def test_cancelled_request_is_not_emailed(self, vera: User) -> None:
        deletion.request_deletion(vera, actor=SYSTEM)
        deletion.cancel_deletion(vera, actor=SYSTEM)
        assert (deliver(), Notification.objects.get().result) == ([], "The deletion was cancelled.")

    @pytest.mark.parametrize("is_banned", (False, True))
    def test_deletion_is_emailed_once(self, webhook: WebhookClient, *, is_banned: bool) -> None:
        user = person(email="vera@example.com", roles=["CLIENT"])
        webhook.created(user)
        if is_banned:
            user = user.with_changes(banned=True)
            webhook.updated(user)
        webhook.deleted(user.with_changes())
        webhook.deleted(user.with_changes())
        assert Notification.objects.get().email == "vera@example.com"
        [email] = deliver()
        assert (email.to, email.subject) == (["vera@example.com"], "Your account was deleted")
        assert Notification.objects.get().email is None

    def test_deletion_without_verified_address_is_skipped(self, webhook: WebhookClient) -> None:
        user = person(email=None, roles=["CLIENT"])
        webhook.created(user)
        webhook.deleted(user.with_changes())
        assert (deliver(), Notification.objects.get().result) == ([], "The user has no verified email address.")

    def test_deletion_of_an_unknown_user_is_not_emailed(self, webhook: WebhookClient) -> None:
        webhook.deleted(person(email="vera@example.com"))
        assert not Notification.objects.exists()

    def test_pending_emails_of_a_deleted_user_are_skipped(self, webhook: WebhookClient) -> None:
        user = person(roles=["CLIENT"], email="vera@example.com")
        webhook.created(user)
        changed = user.with_changes(roles=["CLIENT", "BUILDER"])
        webhook.updated(changed)
        webhook.deleted(changed.with_changes())
        assert subjects() == ["Your account was deleted"]
