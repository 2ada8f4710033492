"""The role Admin: given by one admin, or with ADMIN_APPROVAL by two, within a day, and known to all admins."""

import threading
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts import tasks
from accounts.models import AdminGrant, User
from accounts.privacy.erasure import erase_user
from accounts.roles import admin_grants, admin_mail
from accounts.roles.admin_mail import mail_admins
from accounts.roles.permissions import RoleChangeError
from audit.log import Actor
from audit.models import AuditLog
from tests.helpers.clients import signed_in, with_password, with_token
from tests.helpers.factories import UserFactory
from tests.helpers.notifications import deliver
from tests.helpers.tokens import mint
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db
REASON = "Joined the support team"
CHAIN = ("ADMIN_REQUESTED", "ADMIN_APPROVED", "ADMIN_REFUSED", "ADMIN_EXPIRED", "ROLE_ADDED", "ROLES_CHANGED")


@pytest.fixture
def approval(settings: Settings) -> None:
    settings.ADMIN_APPROVAL = True


def create_admin(name: str) -> User:
    admin: User = UserFactory.create(name=name, admin=True, confirmed=True)
    return admin


@pytest.fixture
def adam() -> User:
    return create_admin("Adam")


@pytest.fixture
def bert() -> User:
    return create_admin("Bert")


@pytest.fixture
def olive() -> User:
    olive: User = UserFactory.create(name="Olive", client=True)
    return olive


def ask(admin: User, user: User, **changes: str) -> str:
    data = {"ADMIN": "add", "reason": REASON} | changes
    response = signed_in(admin).post(f"/admin/accounts/user/{user.pk}/roles/", data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def decide(browser: Client, decision: str = "approve", note: str = "") -> str:
    path = f"/admin/accounts/admingrant/{AdminGrant.objects.get().pk}/decide/"
    response = browser.post(path, {"decision": decision, "note": note}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def roles(user: User) -> list[str]:
    return list(User.objects.get(pk=user.pk).roles)


def chain() -> list[tuple[str, Any, Any]]:
    """Return the action, actor and details of each audit row about the grant."""
    rows = AuditLog.objects.filter(action__in=CHAIN).order_by("pk").select_related("actor")
    return [(row.action, str(row.actor) if row.actor else None, row.details) for row in rows]


def states_to_mail() -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name__endswith=".mail_admins").order_by("pk")
    return [job.args["state"] for job in jobs]


class TestWithoutApproval:
    def test_role_is_given_at_once_and_admins_are_notified(self, adam: User, olive: User) -> None:
        assert "Roles changed" in ask(adam, olive)
        assert "ADMIN" in roles(olive)
        grant = AdminGrant.objects.get()
        assert (grant.state, grant.decided_by, grant.reason) == ("approved", adam, REASON)
        assert chain() == [("ROLE_ADDED", "Adam", {"role": "ADMIN"}), ("ROLES_CHANGED", "Adam", {"note": REASON})]
        assert states_to_mail() == ["approved"]

    def test_second_request_for_an_admin_changes_nothing(self, adam: User, olive: User) -> None:
        ask(adam, olive)
        assert "already has these roles" in ask(adam, olive)
        assert AdminGrant.objects.count() == 1


@pytest.mark.usefixtures("approval")
class TestApproval:
    def test_second_admin_approves_and_the_log_shows_the_chain(self, adam: User, bert: User, olive: User) -> None:
        assert "needs the approval of another admin" in ask(adam, olive)
        assert roles(olive) == ["CLIENT"]
        assert "Adam asked to make this user an admin." in (
            signed_in(bert).get(f"/admin/accounts/user/{olive.pk}/roles/").content.decode()
        )
        assert "Olive is now an admin" in decide(signed_in(bert), note="Spoke to Adam")
        assert "ADMIN" in roles(olive)
        assert chain() == [
            ("ADMIN_REQUESTED", "Adam", {"note": REASON}),
            ("ADMIN_APPROVED", "Bert", {"note": "Spoke to Adam"}),
            ("ROLE_ADDED", "Bert", {"role": "ADMIN"}),
            ("ROLES_CHANGED", "Bert", {"note": REASON}),
        ]
        assert states_to_mail() == ["pending", "approved"]

    def test_other_roles_are_given_at_once(self, adam: User, olive: User) -> None:
        page = ask(adam, olive, BUILDER="add")
        assert "Roles changed" in page
        assert "needs the approval" in page
        assert roles(olive) == ["CLIENT", "BUILDER"]

    def test_admin_cannot_approve_the_own_request(self, adam: User, olive: User) -> None:
        ask(adam, olive)
        assert "Another admin has to approve it." in decide(signed_in(adam))
        assert roles(olive) == ["CLIENT"]

    def test_approval_needs_a_recent_verification(self, adam: User, bert: User, olive: User) -> None:
        ask(adam, olive)
        grant = AdminGrant.objects.get()
        page, path = f"/admin/accounts/admingrant/{grant.pk}/change/", f"/admin/accounts/admingrant/{grant.pk}/decide/"
        stale = with_token(mint(str(bert.clerk_id), fva=[10, -1]))
        response = stale.post(path, {"decision": "approve", "note": "Spoke to Adam"})
        assert response["Location"].startswith("/admin/verify/")
        assert roles(olive) == ["CLIENT"]
        assert 'value="Spoke to Adam"' in signed_in(bert).get(f"{page}?draft=1").content.decode()
        assert "Refused." in decide(stale, "refuse")

    @pytest.mark.parametrize("name", ("Bert", "Adam"))
    def test_request_can_be_refused_or_withdrawn(self, adam: User, bert: User, olive: User, name: str) -> None:
        ask(adam, olive)
        decide(signed_in({"Adam": adam, "Bert": bert}[name]), "refuse", "A mistake")
        assert chain()[1:] == [("ADMIN_REFUSED", name, {"note": "A mistake"})]
        assert "already closed: Refused" in decide(signed_in(bert))
        assert roles(olive) == ["CLIENT"]
        ask(adam, olive)
        assert AdminGrant.objects.filter(state="pending").count() == 1

    def test_second_request_is_explained(self, adam: User, bert: User, olive: User) -> None:
        ask(adam, olive)
        assert "Another request to make Olive an admin is waiting" in ask(bert, olive)
        assert AdminGrant.objects.count() == 1

    def test_request_expires_after_a_day(self, adam: User, bert: User, olive: User) -> None:
        ask(adam, olive)
        with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
            assert "already closed: Expired" in decide(signed_in(bert))
            assert 'name="decision"' not in (
                signed_in(bert)
                .get(f"/admin/accounts/admingrant/{AdminGrant.objects.get().pk}/change/")
                .content.decode()
            )
            tasks.expire_admin_requests(0)
            tasks.expire_admin_requests(0)
            assert AdminGrant.objects.get().state == "expired"
            assert chain()[1:] == [("ADMIN_EXPIRED", None, {})]
            assert states_to_mail() == ["pending", "expired"]
            assert "needs the approval" in ask(adam, olive)
        assert roles(olive) == ["CLIENT"]

    def test_admin_who_lost_the_role_cannot_approve(self, adam: User, bert: User, olive: User) -> None:
        ask(adam, olive)
        actor, grant = Actor(user=bert), AdminGrant.objects.get()
        User.objects.filter(pk=bert.pk).update(roles=[])  # After the request of Bert was authenticated.
        for action in (admin_grants.approve, admin_grants.refuse):
            with pytest.raises(RoleChangeError, match="You are no longer an admin"):
                action(grant, actor=actor)
        with pytest.raises(RoleChangeError, match="You are no longer an admin"):
            admin_grants.give_admin(create_admin("Vera"), reason=REASON, actor=actor)
        assert roles(olive) == ["CLIENT"]

    @pytest.mark.parametrize("change", ({"roles": []}, {"banned": True, "is_active": False}))
    def test_request_of_an_admin_who_lost_the_role_is_not_approved(
        self, adam: User, bert: User, olive: User, change: dict[str, Any]
    ) -> None:
        ask(adam, olive)
        User.objects.filter(pk=adam.pk).update(**change)
        assert "Adam, who made this request, is no longer an admin." in decide(signed_in(bert))
        assert roles(olive) == ["CLIENT"]

    def test_user_who_left_clerk_does_not_become_an_admin(self, adam: User, bert: User, olive: User) -> None:
        ask(adam, olive)
        User.objects.filter(pk=olive.pk).update(is_active=False, banned=True)
        assert "Olive is not active in Clerk" in decide(signed_in(bert))
        assert AdminGrant.objects.get().state == "pending"

    @pytest.mark.parametrize("data", ({}, {"decision": "maybe"}, {"decision": "approve", "note": "x" * 501}))
    def test_invalid_decision_changes_nothing(self, adam: User, bert: User, olive: User, data: dict[str, str]) -> None:
        ask(adam, olive)
        path = f"/admin/accounts/admingrant/{AdminGrant.objects.get().pk}/decide/"
        assert "Nothing was changed." in signed_in(bert).post(path, data, follow=True).content.decode()
        assert AdminGrant.objects.get().state == "pending"

    def test_local_operator_also_needs_a_second_admin(self, bert: User, olive: User) -> None:
        operator = with_password()
        operator.post(f"/admin/accounts/user/{olive.pk}/roles/", {"ADMIN": "add", "reason": REASON})
        assert roles(olive) == ["CLIENT"]
        assert "Another admin has to approve it." in decide(operator)
        assert "Approved." in decide(with_password())
        assert "ADMIN" in roles(olive)


class TestMail:
    """Every admin with a verified address receives one email per step."""

    @pytest.fixture
    def send(self, adam: User, bert: User, olive: User, approval: None) -> Callable[[str], list[Any]]:
        create_admin("Vera")
        UserFactory.create(name="Una", admin=True)
        UserFactory.create(name="Banned", admin=True, confirmed=True, banned=True)
        ask(adam, olive)

        def send_emails(state: str) -> list[Any]:
            """Run the job twice, as after a lost connection."""
            for _ in range(2):
                mail_admins(grant_id=AdminGrant.objects.get().pk, state=state)
            return [email for email in deliver() if "Requested by" in email.body]

        return send_emails

    def test_request_is_sent_to_all_admins_with_a_link(
        self, send: Callable[[str], list[Any]], adam: User, bert: User
    ) -> None:
        operator = UserFactory.create(superuser=True, email="operator@example.com")
        messages = send("pending")
        vera = User.objects.get(name="Vera")
        assert sorted(message.to[0] for message in messages) == sorted(
            str(user.email) for user in (adam, bert, vera, operator)
        )
        for message in messages:
            assert message.subject == "Adam asks to make Olive an admin"
            for text in (REASON, "within a day", f"/admin/accounts/admingrant/{AdminGrant.objects.get().pk}/change/"):
                assert text in message.body

    def test_result_names_the_second_admin(self, send: Callable[[str], list[Any]], bert: User) -> None:
        decide(signed_in(bert), note="Spoke to Adam")
        message, *_ = send("approved")
        assert message.subject == "Olive is now an admin"
        assert "Decided by: Bert, Spoke to Adam" in message.body

    def test_former_admin_gets_no_email(self, send: Callable[[str], list[Any]], bert: User) -> None:
        mail_admins(grant_id=AdminGrant.objects.get().pk, state="pending")
        User.objects.filter(pk=bert.pk).update(roles=[])
        assert bert.email not in {message.to[0] for message in send("pending")}

    def test_hostile_name_stays_in_one_header_line(self, send: Callable[[str], list[Any]], olive: User) -> None:
        User.objects.filter(pk=olive.pk).update(name="Olive\r\nBcc: eve@example.com =?utf-8?q?=0A?= %(url)s {url}")
        message, *_ = send("pending")
        assert "\n" not in message.subject
        raw = message_from_bytes(message.message().as_bytes(), policy=policy.default)
        assert (raw["Bcc"], "eve@example.com" in raw["Subject"]) == (None, True)


def test_reasons_are_erased_with_the_user(adam: User, olive: User) -> None:
    ask(adam, olive)
    User.objects.filter(pk=olive.pk).update(is_active=False, deleted_at=timezone.now())
    erase_user(olive.pk)
    assert AdminGrant.objects.get().reason == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("approval")
def test_two_simultaneous_approvals_make_one_admin(adam: User, bert: User, olive: User) -> None:
    ask(adam, olive)
    grant, ready, results = AdminGrant.objects.get(), threading.Barrier(2), []

    def approve(admin: User) -> None:
        try:
            ready.wait(10)
            admin_grants.approve(grant, actor=Actor(AuditLog.Source.REQUEST, user=admin))
            results.append("approved")
        except admin_grants.AlreadyDecidedError:
            results.append("already decided")
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=(admin,)) for admin in (bert, create_admin("Vera"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["already decided", "approved"]
    assert AuditLog.objects.filter(action="ROLE_ADDED").count() == 1
    assert states_to_mail() == ["pending", "approved"]


class TestGrantInClerk:
    """Admins are also notified if the role Admin was given in Clerk, and not on this site."""

    def queued(self) -> list[dict[str, Any]]:
        tasks.queue_notifications(0)
        jobs = ProcrastinateJob.objects.filter(task_name__endswith=".mail_admins_about_clerk").order_by("pk")
        return [job.args for job in jobs]

    def test_all_admins_are_notified_once(self, webhook: WebhookClient, adam: User, bert: User) -> None:
        zofia = person(first_name="Zofia", last_name="<Łęcka>", roles=["CLIENT"])
        webhook.created(zofia)
        assert self.queued() == []
        zofia = zofia.with_changes(roles=["CLIENT", "ADMIN"])
        for _ in range(2):
            webhook.updated(zofia, svix_id="msg_admin")
        [arguments] = self.queued()
        for _ in range(2):
            admin_mail.mail_admins_about_clerk(**arguments)
        messages = [email for email in deliver() if email.subject == "Zofia <Łęcka> is now an admin"]
        recipients = [email.to[0] for email in messages]
        assert {adam.email, bert.email} <= set(recipients)
        assert len(recipients) == len(set(recipients))
        for message in messages:
            assert "given in Clerk" in message.body
            assert f"/admin/accounts/user/{User.objects.get(clerk_id=zofia.clerk_id).pk}/change/" in message.body
        assert len(self.queued()) == 1

    def test_new_user_with_the_role_is_reported(self, webhook: WebhookClient, adam: User) -> None:
        webhook.created(person(roles=["ADMIN"]))
        assert len(self.queued()) == 1

    @pytest.mark.parametrize("roles", (["CLIENT"], ["BUILDER"], []))
    def test_other_roles_and_the_end_of_the_role_are_not_reported(
        self, webhook: WebhookClient, adam: User, roles: list[str]
    ) -> None:
        zofia = person(roles=["ADMIN"])
        webhook.created(zofia)
        assert len(self.queued()) == 1
        webhook.updated(zofia.with_changes(roles=roles))
        assert len(self.queued()) == 1

    def test_grant_on_this_site_is_reported_only_as_a_grant(self, adam: User, olive: User) -> None:
        admin_grants.give_admin(olive, reason=REASON, actor=Actor(AuditLog.Source.REQUEST, user=adam))
        assert self.queued() == []
        assert states_to_mail() == ["approved"]

    def test_erased_notification_is_ignored(self) -> None:
        admin_mail.mail_admins_about_clerk(notification_ids=[1])
        assert deliver() == []

    def test_many_new_admins_are_reported_in_one_email(self, webhook: WebhookClient, adam: User) -> None:
        count = admin_mail.MAX_LISTED + 5
        for _ in range(count):
            webhook.created(person(roles=["ADMIN"]))
        [arguments] = self.queued()
        for _ in range(2):
            admin_mail.mail_admins_about_clerk(**arguments)
        [message] = [email for email in deliver() if email.to == [adam.email]]
        assert message.subject == f"{count} users are now admins"
        assert message.body.count("(user_") == admin_mail.MAX_LISTED
        assert f"lists the first {admin_mail.MAX_LISTED} of them" in message.body
        assert "/admin/accounts/user/?role=ADMIN" in message.body
