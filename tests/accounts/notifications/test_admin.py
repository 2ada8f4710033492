"""Admins see the state of emails to users, and why an email was not sent, but not its content."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Notification, User
from accounts.notifications import preferences, send
from accounts.notifications.kinds import kinds
from tests.accounts.notifications.conftest import OPTIONAL
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.notifications import deliver

pytestmark = pytest.mark.django_db
URL = "/admin/accounts/notification/"


@pytest.fixture
def adam() -> User:
    user: User = UserFactory.create(admin=True)
    return user


def test_list_shows_why_an_email_was_not_sent(vera: User, adam: User) -> None:
    preferences.turn_off(vera, kinds[OPTIONAL])
    send.notify(vera, OPTIONAL, "news:1", note="Confidential text")
    text = signed_in(adam).get(URL).content.decode()
    assert "Confidential text" not in text
    assert "Pending" in text
    deliver()
    text = signed_in(adam).get(f"{URL}?q={vera.clerk_id}&state=skipped&kind={OPTIONAL}").content.decode()
    for shown in ("Vera Visitor", "News", "Not sent", "The user has turned these emails off."):
        assert shown in text
    page = signed_in(adam).get(f"{URL}{Notification.objects.get().pk}/change/").content.decode()
    assert "news:1" in page


def test_user_page_links_to_the_emails(vera: User, adam: User) -> None:
    text = signed_in(adam).get(f"/admin/accounts/user/{vera.pk}/change/").content.decode()
    assert f'href="{URL}?q={vera.clerk_id}"' in text


def test_list_executes_four_queries(vera: User, adam: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        send.notify(vera, OPTIONAL, f"news:{number}")
    browser = signed_in(adam)
    with django_assert_num_queries(4):  # the admin, two for permissions, and the rows
        browser.get(URL)
