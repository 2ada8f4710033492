"""Changing roles by hand: one's own on a page, and others' in the admin."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from accounts.models import MetadataPush, User
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.clients import PAGE, signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

OWN, PEOPLE = "/account/roles/", "/admin/accounts/user/"


class TestOnesOwn:
    def test_a_client_becomes_a_builder_with_a_page_at_once(self) -> None:
        olive = UserFactory.create(client=True, name="Olive Owner")
        browser = signed_in(olive)
        assert browser.post(OWN, {"client": "on", "builder": "on"}, headers=PAGE).status_code == 302
        assert browser.get("/builders/olive-owner/").status_code == 200
        assert AuditLog.objects.get(action="ROLE_ADDED").actor == olive
        assert MetadataPush.objects.get().state == "pending"

    def test_giving_a_role_up_takes_the_page_down(self) -> None:
        olive = UserFactory.create(client=True, name="Olive Owner")
        browser = signed_in(olive)
        browser.post(OWN, {"client": "on", "builder": "on"}, headers=PAGE)
        browser.post(OWN, {"client": "on"}, headers=PAGE)
        assert Client().get("/builders/olive-owner/").status_code == 404
        assert BuilderProfile.objects.get().archived_at

    def test_whoever_comes_back_reads_everywhere_that_the_page_waits_to_be_published(self) -> None:
        browser = signed_in(UserFactory.create(client=True, name="Olive Owner"))

        def text(path: str) -> str:
            return str(browser.get(path, headers=PAGE).content.decode())

        assert "It is public when you publish it." in text(OWN)
        browser.post(OWN, {"client": "on", "builder": "on"}, headers=PAGE)
        browser.post("/builders/olive-owner/publish/", {"on": "1"}, headers=PAGE)
        waits = "Its content is kept, and you can publish it again later."
        assert waits in text("/account/")
        assert waits in text(f"{OWN}stop/builder/")
        browser.post(f"{OWN}stop/builder/", headers=PAGE)
        browser.post(OWN, {"client": "on", "builder": "on"}, headers=PAGE)
        for path in ("/account/", "/builders/olive-owner/"):
            assert "Only you and our team can see your page until you publish it." in text(path)
            assert 'action="/builders/olive-owner/publish/"' in text(path)
        browser.post("/builders/olive-owner/publish/", {"on": "1"}, headers=PAGE)
        assert "/publish/" not in text("/account/")

    def test_the_form_shows_what_one_is(self) -> None:
        page = signed_in(UserFactory.create(builder=True)).get(OWN, headers=PAGE).content.decode()
        assert page.count("checked") == 1

    def test_the_admins_role_stays_what_it_is(self) -> None:
        adam = UserFactory.create(admin=True)
        signed_in(adam).post(OWN, {"builder": "on", "ADMIN": "", "admin": "off"}, headers=PAGE)
        adam.refresh_from_db()
        assert adam.roles == ["BUILDER", "ADMIN"]

    def test_nothing_is_lost_when_the_session_is_over(self) -> None:
        olive = UserFactory.create(client=True)
        answer = signed_in(olive, expired=True).post(OWN, {"builder": "on"}, headers=PAGE)
        assert (answer.status_code, answer["Location"]) == (303, f"{OWN}?draft=1")
        page = signed_in(olive).get(answer["Location"], headers=PAGE).content.decode()
        assert "Nothing is lost" in page
        assert User.objects.get().roles == ["CLIENT"]


class TestOthers:
    def test_an_admin_gives_and_takes_roles_after_looking_at_whom(self) -> None:
        adam = UserFactory.create(admin=True)
        olive, bob = UserFactory.create(client=True, name="Olive & <b>"), UserFactory.create(builder=True)
        browser = signed_in(adam)
        selected = {"action": "change_roles", "_selected_action": [olive.pk, bob.pk]}
        page = browser.post(PEOPLE, selected).content.decode()
        assert "Olive &amp; &lt;b&gt;" in page
        assert "leave as it is" in page
        browser.post(PEOPLE, {**selected, "confirmed": "1", "BUILDER": "add", "CLIENT": "remove"})
        assert [User.objects.get(pk=user.pk).roles for user in (olive, bob)] == [["BUILDER"], ["BUILDER"]]
        assert set(AuditLog.objects.filter(action="ROLE_ADDED").values_list("actor", "subject")) == {
            (adam.pk, olive.pk)
        }

    def test_what_may_not_be_is_told_and_the_rest_done(self) -> None:
        adam, olive = UserFactory.create(admin=True, name="Adam"), UserFactory.create(client=True)
        chosen = {
            "action": "change_roles",
            "_selected_action": [adam.pk, olive.pk],
            "confirmed": "1",
            "ADMIN": "remove",
        }
        answer = signed_in(adam).post(PEOPLE, chosen)
        told = [str(message) for message in get_messages(answer.wsgi_request)]
        assert "Adam: You cannot remove your own Admin role. Ask another admin to do it." in told
        assert "The roles of 0 people were changed." in told

    @pytest.mark.parametrize("nonsense", ({}, {"BUILDER": "double"}, {"BUILDER": ""}))
    def test_nonsense_is_asked_about_again(self, nonsense: dict[str, str]) -> None:
        olive = UserFactory.create(client=True)
        chosen = {"action": "change_roles", "_selected_action": [olive.pk], "confirmed": "1", **nonsense}
        page = signed_in(UserFactory.create(admin=True)).post(PEOPLE, chosen).content.decode()
        assert "errorlist" in page
        assert User.objects.get(pk=olive.pk).roles == ["CLIENT"]

    def test_whoever_is_no_admin_gets_no_further_than_the_door(self) -> None:
        olive = UserFactory.create(client=True)
        chosen = {"action": "change_roles", "_selected_action": [olive.pk], "confirmed": "1", "ADMIN": "add"}
        assert signed_in(olive).post(PEOPLE, chosen).status_code == 302
        assert User.objects.get().roles == ["CLIENT"]

    def test_a_push_that_was_given_up_begins_anew(self) -> None:
        olive = UserFactory.create(client=True)
        push = MetadataPush.objects.create(
            user=olive,
            state="stopped",
            requested_at="2026-01-01T00:00Z",
            next_attempt_at="2026-01-01T00:00Z",
            bounces=3,
        )
        chosen = {"action": "push_again", "_selected_action": [push.pk]}
        signed_in(UserFactory.create(admin=True)).post("/admin/accounts/metadatapush/", chosen)
        push.refresh_from_db()
        assert (push.state, push.bounces) == ("pending", 0)
