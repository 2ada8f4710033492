"""Pages on which users change their own roles and admins change other users' roles."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from accounts.models import MetadataPush, User
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

ROLES_PAGE, USERS_ADMIN = "/account/roles/", "/admin/accounts/user/"
REASON = "Asked for it by phone"


class TestRolesPage:
    def test_client_becomes_a_builder_with_a_page(self) -> None:
        olive = UserFactory.create(client=True, name="Olive Owner")
        browser = signed_in(olive)
        assert browser.post(ROLES_PAGE, {"client": "on", "builder": "on"}, headers=PAGE).status_code == 302
        assert browser.get("/builders/olive-owner/").status_code == 200
        assert AuditLog.objects.get(action="ROLE_ADDED").actor == olive
        assert MetadataPush.objects.get().state == "pending"

    def test_removing_the_role_hides_the_page(self) -> None:
        olive = UserFactory.create(client=True, name="Olive Owner")
        browser = signed_in(olive)
        browser.post(ROLES_PAGE, {"client": "on", "builder": "on"}, headers=PAGE)
        browser.post(ROLES_PAGE, {"client": "on"}, headers=PAGE)
        assert Client().get("/builders/olive-owner/").status_code == 404
        assert BuilderProfile.objects.get().archived_at

    def test_returning_builder_is_prompted_to_publish_the_page(self) -> None:
        browser = signed_in(UserFactory.create(client=True, name="Olive Owner"))

        def text(path: str) -> str:
            return str(browser.get(path, headers=PAGE).content.decode())

        assert "It goes live when you publish it." in text(ROLES_PAGE)
        browser.post(ROLES_PAGE, {"client": "on", "builder": "on"}, headers=PAGE)
        browser.post("/builders/olive-owner/publish/", {"on": "1"}, headers=PAGE)
        hint = "Its content is kept, and you can publish it again later."
        assert hint in text("/account/")
        assert hint in text(f"{ROLES_PAGE}stop/builder/")
        browser.post(f"{ROLES_PAGE}stop/builder/", headers=PAGE)
        browser.post(ROLES_PAGE, {"client": "on", "builder": "on"}, headers=PAGE)
        for path in ("/account/", "/builders/olive-owner/"):
            assert "Only you and our team can see your page until you publish it." in text(path)
            assert 'action="/builders/olive-owner/publish/"' in text(path)
        browser.post("/builders/olive-owner/publish/", {"on": "1"}, headers=PAGE)
        assert "/publish/" not in text("/account/")

    def test_form_shows_current_roles(self) -> None:
        page = signed_in(UserFactory.create(builder=True)).get(ROLES_PAGE, headers=PAGE).content.decode()
        assert page.count("checked") == 1

    def test_form_does_not_change_the_admin_role(self) -> None:
        adam = UserFactory.create(admin=True)
        signed_in(adam).post(ROLES_PAGE, {"builder": "on", "ADMIN": "", "admin": "off"}, headers=PAGE)
        adam.refresh_from_db()
        assert adam.roles == ["BUILDER", "ADMIN"]

    def test_form_is_preserved_when_the_session_has_expired(self) -> None:
        olive = UserFactory.create(client=True)
        answer = signed_in(olive, expired=True).post(ROLES_PAGE, {"builder": "on"}, headers=PAGE)
        assert (answer.status_code, answer["Location"]) == (303, f"{ROLES_PAGE}?draft=1")
        page = signed_in(olive).get(answer["Location"], headers=PAGE).content.decode()
        assert "Your changes have not been saved yet" in page
        assert User.objects.get().roles == ["CLIENT"]


class TestAdmin:
    def test_admin_changes_roles_after_confirmation(self) -> None:
        adam = UserFactory.create(admin=True)
        olive, bob = UserFactory.create(client=True, name="Olive & <b>"), UserFactory.create(builder=True)
        browser = signed_in(adam)
        selected = {"action": "change_roles", "_selected_action": [olive.pk, bob.pk]}
        page = browser.post(USERS_ADMIN, selected).content.decode()
        assert "Olive &amp; &lt;b&gt;" in page
        assert "No change" in page
        changes = {"confirmed": "1", "BUILDER": "add", "CLIENT": "remove", "reason": REASON}
        browser.post(USERS_ADMIN, selected | changes)
        assert [User.objects.get(pk=user.pk).roles for user in (olive, bob)] == [["BUILDER"], ["BUILDER"]]
        assert set(AuditLog.objects.filter(action="ROLE_ADDED").values_list("actor", "subject")) == {
            (adam.pk, olive.pk)
        }

    def test_disallowed_changes_are_reported_and_others_applied(self) -> None:
        adam, olive = UserFactory.create(admin=True, name="Adam"), UserFactory.create(client=True)
        form = {
            "action": "change_roles",
            "_selected_action": [adam.pk, olive.pk],
            "confirmed": "1",
            "ADMIN": "remove",
            "reason": REASON,
        }
        answer = signed_in(adam).post(USERS_ADMIN, form)
        shown_messages = [str(message) for message in get_messages(answer.wsgi_request)]
        assert "Adam: You cannot remove your own Admin role. Ask another admin to do it." in shown_messages
        assert "Changed the roles of 0 users." in shown_messages

    @pytest.mark.parametrize("invalid", ({}, {"BUILDER": "double"}, {"BUILDER": ""}, {"BUILDER": "add", "reason": " "}))
    def test_invalid_choices_show_errors(self, invalid: dict[str, str]) -> None:
        olive = UserFactory.create(client=True)
        form = {"action": "change_roles", "_selected_action": [olive.pk], "confirmed": "1", "reason": REASON, **invalid}
        page = signed_in(UserFactory.create(admin=True)).post(USERS_ADMIN, form).content.decode()
        assert "errorlist" in page
        assert User.objects.get(pk=olive.pk).roles == ["CLIENT"]

    def test_other_users_cannot_open_the_admin(self) -> None:
        olive = UserFactory.create(client=True)
        form = {"action": "change_roles", "_selected_action": [olive.pk], "confirmed": "1", "ADMIN": "add"}
        assert signed_in(olive).post(USERS_ADMIN, form).status_code == 302
        assert User.objects.get().roles == ["CLIENT"]

    def test_stopped_push_can_be_retried(self) -> None:
        olive = UserFactory.create(client=True)
        push = MetadataPush.objects.create(
            user=olive,
            state="stopped",
            requested_at="2026-01-01T00:00Z",
            next_attempt_at="2026-01-01T00:00Z",
            bounces=3,
        )
        form = {"action": "push_again", "_selected_action": [push.pk]}
        signed_in(UserFactory.create(admin=True)).post("/admin/accounts/metadatapush/", form)
        push.refresh_from_db()
        assert (push.state, push.bounces) == ("pending", 0)
        assert AuditLog.objects.filter(action="PUSH_RETRIED").count() == 1

    def test_refused_push_is_retried_on_its_page(self) -> None:
        at = "2026-01-01T00:00Z"
        push = MetadataPush.objects.create(
            user=UserFactory.create(client=True), state="refused", requested_at=at, next_attempt_at=at
        )
        page, admin = f"/admin/accounts/metadatapush/{push.pk}", signed_in(UserFactory.create(admin=True))
        assert f'action="{page}/retry/"' in admin.get(f"{page}/change/").content.decode()
        admin.post(f"{page}/retry/")
        push.refresh_from_db()
        assert push.state == "pending"
        assert AuditLog.objects.filter(action="PUSH_RETRIED").count() == 1
