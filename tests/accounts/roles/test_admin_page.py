"""The admin page for a user's roles: each change needs a reason, which is in the audit log until the user is erased."""

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.privacy.erasure import erase_user
from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db
REASON = "Asked for it by phone"


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


@pytest.fixture
def olive() -> User:
    olive: User = UserFactory.create(name="Olive", client=True)
    return olive


def url(user: User) -> str:
    return f"/admin/accounts/user/{user.pk}/roles/"


def change(browser: Client, user: User, **data: str) -> str:
    response = browser.post(url(user), {"reason": REASON} | data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_admin_gives_and_takes_roles_with_a_reason(browser: Client, adam: User, olive: User) -> None:
    assert "Roles changed" in change(browser, olive, BUILDER="add", CLIENT="remove")
    olive.refresh_from_db()
    assert olive.roles == ["BUILDER"]
    row = AuditLog.objects.get(action="ROLES_CHANGED")
    assert (row.actor, row.subject, row.details) == (adam, olive, {"note": REASON})


def test_page_of_the_user_links_to_the_form(browser: Client, olive: User) -> None:
    assert f'href="{url(olive)}"' in browser.get(f"/admin/accounts/user/{olive.pk}/change/").content.decode()


def test_form_offers_only_changes_with_an_effect(browser: Client, olive: User) -> None:
    page = browser.get(url(olive)).content.decode()
    assert (page.count('value="remove"'), page.count('value="add"')) == (1, 2)


@pytest.mark.parametrize("data", ({"BUILDER": "add", "reason": " "}, {}, {"BUILDER": "both"}, {"reason": "x" * 501}))
def test_invalid_form_changes_nothing(browser: Client, olive: User, data: dict[str, str]) -> None:
    change(browser, olive, **data)
    olive.refresh_from_db()
    assert olive.roles == ["CLIENT"]
    assert not AuditLog.objects.exists()


def test_change_that_was_already_made_is_explained(browser: Client, olive: User) -> None:
    assert "already has these roles" in change(browser, olive, CLIENT="add")
    assert not AuditLog.objects.filter(action="ROLES_CHANGED").exists()


def test_forbidden_change_is_explained_and_the_reason_is_kept(browser: Client, adam: User) -> None:
    page = change(browser, adam, ADMIN="remove")
    assert "You cannot remove your own Admin role" in page
    assert f'value="{REASON}"' in page


def test_user_who_is_not_in_clerk_is_explained(browser: Client) -> None:
    assert "is not active in Clerk" in change(browser, UserFactory.create(deleted=True), BUILDER="add")


def test_admin_who_lost_the_role_changes_nothing(browser: Client, adam: User, olive: User) -> None:
    assert browser.get(url(olive)).status_code == 200
    User.objects.filter(pk=adam.pk).update(roles=[])
    assert browser.post(url(olive), {"BUILDER": "add", "reason": REASON}).status_code == 302
    olive.refresh_from_db()
    assert olive.roles == ["CLIENT"]


def test_reason_is_erased_with_the_user(browser: Client, olive: User) -> None:
    change(browser, olive, BUILDER="add")
    User.objects.filter(pk=olive.pk).update(is_active=False, deleted_at=timezone.now())
    erase_user(olive.pk)
    assert AuditLog.objects.get(action="ROLES_CHANGED").details is None
    assert AuditLog.objects.get(action="ROLE_ADDED").details == {"role": "BUILDER"}
