"""The list of a sender's own messages."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from profiles.contact.message_lists import PAGE_SIZE
from profiles.models import BuilderProfile, ContactMessage
from profiles.personal_data import erase
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

URL = "/account/messages/"


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(
        slug="olive-owner", user__name="Olive Owner", user__email="olive@example.com", reachable=True
    )
    return profile


@pytest.fixture
def vera() -> User:
    user: User = UserFactory.create(name="Vera Visitor", email="vera@example.com", confirmed=True)
    return user


def read(user: User, params: str = "") -> str:
    response = signed_in(user).get(URL + params)
    assert response.status_code == 200
    return str(response.content.decode())


def write(sender: User, builder: BuilderProfile, subject: str = "An app", **values: object) -> ContactMessage:
    return ContactMessage.objects.create(builder=builder, sender=sender, subject=subject, body="By <May>.", **values)


def test_sent_message_is_listed_with_text(olive: BuilderProfile, vera: User) -> None:
    browser = signed_in(vera)
    browser.post("/builders/olive-owner/contact/", {"subject": "A shop & a café", "body": "By <May>.\n\nThanks"})
    text = read(vera)
    assert "A shop &amp; a café" in text
    assert "<p>By &lt;May&gt;.</p>" in text
    assert '<a href="/builders/olive-owner/" dir="auto">Olive Owner</a>' in text
    assert "Not emailed yet" in text
    ContactMessage.objects.update(mailed_at=timezone.now())
    assert "Not emailed yet" not in read(vera)
    assert 'href="/account/messages/"' in browser.get("/account/").content.decode()


def test_messages_from_other_senders_are_not_listed(olive: BuilderProfile, vera: User) -> None:
    write(UserFactory.create(), olive, "Not Vera’s")
    for user in (vera, olive.user):
        assert "Not Vera’s" not in read(user)
        assert "You have not sent a message yet." in read(user)


@pytest.mark.parametrize("field", ("hidden_at", "unpublished_at", "deleted_at", "archived_at"))
def test_hidden_builder_is_not_named(olive: BuilderProfile, vera: User, field: str) -> None:
    write(vera, olive)
    BuilderProfile.objects.update(**{field: SINCE})
    text = read(vera)
    assert "This builder’s page is no longer available." in text
    assert "An app" in text
    assert "Olive" not in text
    assert "olive-owner" not in text


def test_erasure_clears_the_sent_message(olive: BuilderProfile, vera: User) -> None:
    write(vera, olive, "Secret plan")
    erase(vera)
    assert "Secret plan" not in read(vera)
    erase(olive.user)
    assert not ContactMessage.objects.exists()


def test_list_of_messages_is_paginated(olive: BuilderProfile, vera: User) -> None:
    now = timezone.now()
    for number in range(PAGE_SIZE + 2):
        write(vera, olive, f"Subject {number}.", sent_at=now - timedelta(hours=number))
    first = signed_in(vera).get(URL)
    assert len(first.context["sent_messages"]) == PAGE_SIZE
    second = read(vera, f"?after={first.context['next_cursor']}")
    assert [f"Subject {number}." in second for number in (PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1)] == [
        False,
        True,
        True,
    ]
    assert "Older messages" not in second


@pytest.mark.parametrize("after", ("x", "0", "9" * 40, "1.2.3", "%00"))
def test_invalid_cursor_shows_the_first_page(olive: BuilderProfile, vera: User, after: str) -> None:
    write(vera, olive, "The only one")
    assert "The only one" in read(vera, f"?after={after}")


def test_page_executes_two_queries(
    olive: BuilderProfile, vera: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        write(vera, olive, f"Subject {number}")
    with django_assert_num_queries(2):  # One query for the user and one for the messages.
        read(vera)
