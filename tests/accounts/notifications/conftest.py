"""A kind of email for tests, which users can turn off, and one that they cannot."""

from collections.abc import Iterator

import pytest

from accounts.models import Notification, User
from accounts.notifications import kinds
from accounts.notifications.content import Content, Link
from accounts.notifications.kinds import Kind
from tests.helpers.factories import UserFactory

OPTIONAL, REQUIRED = "test_news", "test_alarm"


def build(notification: Notification) -> Content:
    return Content(
        subject="News about your page",
        heading="Your page has news",
        paragraphs=["The first paragraph."],
        quote="Quoted <b>text</b>",
        facts=[("Browser", "Firefox")],
        button=Link("Open your page", "https://example.com/page"),
        notes=[str(notification.facts.get("note", ""))],
    )


@pytest.fixture(autouse=True)
def kinds_for_tests() -> Iterator[None]:
    registered = dict(kinds.kinds)
    kinds.register(
        Kind(OPTIONAL, "News", "When there is news.", build),
        Kind(REQUIRED, "Alarms", "When there is an alarm.", build, why_required="An alarm is important."),
    )
    yield
    kinds.kinds.clear()
    kinds.kinds.update(registered)


@pytest.fixture
def vera() -> User:
    user: User = UserFactory.create(name="Vera Visitor", email="vera@example.com", confirmed=True)
    return user
