"""Every URL of the admin, for every kind of person, with the answer written by hand; see tests/test_permissions.py."""

import pytest
from django.contrib.auth.models import Group
from django.urls import get_resolver
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from tests.config.test_headers import patterns
from tests.helpers.factories import UserFactory
from tests.test_permissions import FOUND, NO, NONE, OK, PEOPLE, VERB, ask, browser_of

pytestmark = pytest.mark.django_db

#: What the role ADMIN and what a local superuser gets, by GET and by POST. Everybody else is sent to the login page.
ADMIN: dict[str, tuple[int, int, int, int]] = {
    # address: ADMIN GET, superuser GET, ADMIN POST, superuser POST
    "/admin/": (OK, OK, OK, OK),
    "/admin/login/": (FOUND, FOUND, OK, OK),
    "/admin/logout/": (VERB, VERB, OK, OK),
    "/admin/password_change/": (OK, OK, OK, OK),
    "/admin/password_change/done/": (OK, OK, VERB, VERB),
    "/admin/autocomplete/": (NO, NO, VERB, VERB),  # it is not said of what
    "/admin/jsi18n/": (OK, OK, VERB, VERB),
    "/admin/r/1/{pk}/": (NONE, NONE, NONE, NONE),  # no model has a page of its own by this way
    "/admin/procrastinate/": (OK, OK, OK, OK),
    "/admin/procrastinate/procrastinatejob/": (OK, OK, OK, OK),
    "/admin/procrastinate/procrastinatejob/add/": (NO, NO, NO, NO),
    "/admin/procrastinate/procrastinatejob/{pk}/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/procrastinate/procrastinatejob/{pk}/change/": (OK, OK, NO, NO),
    "/admin/procrastinate/procrastinatejob/{pk}/delete/": (NO, NO, NO, NO),
    "/admin/procrastinate/procrastinatejob/{pk}/history/": (OK, OK, OK, OK),
    # The role ADMIN looks, and edits no permissions.
    "/admin/auth/group/": (OK, OK, OK, OK),
    "/admin/auth/group/add/": (NO, OK, NO, OK),
    "/admin/auth/group/{pk}/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/auth/group/{pk}/change/": (OK, OK, NO, OK),
    "/admin/auth/group/{pk}/delete/": (NO, OK, NO, OK),
    "/admin/auth/group/{pk}/history/": (OK, OK, OK, OK),
    "/admin/nowhere": (NONE, NONE, NONE, NONE),
}
STAFF = ("admin", "superuser")


@pytest.fixture
def pk() -> int:
    """Return the key of a job and of a group."""
    queue.configure_task("webhooks.tasks.retry_event").defer(event_id=0)
    key: int = ProcrastinateJob.objects.latest("pk").pk
    Group.objects.create(pk=key, name="Editors")
    return key


@pytest.fixture
def owner() -> User:
    user: User = UserFactory.create()
    return user


@pytest.mark.parametrize("address", ADMIN)
@pytest.mark.parametrize("person", STAFF)
def test_staff(address: str, person: str, pk: int, owner: User) -> None:
    path, place = address.format(pk=pk), STAFF.index(person)
    assert ask(browser_of(person, owner), "GET", path) == ADMIN[address][place]
    assert ask(browser_of(person, UserFactory.create()), "POST", path) == ADMIN[address][2 + place]


@pytest.mark.parametrize("person", [person for person in PEOPLE if person not in STAFF])
def test_everybody_else_gets_no_further_than_the_door(person: str, pk: int, owner: User) -> None:
    browser = browser_of(person, owner)
    for address in ADMIN:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            at_the_door = VERB if method in ("PATCH", "DELETE") else OK
            expected = at_the_door if address == "/admin/login/" else FOUND
            assert ask(browser, method, address.format(pk=pk)) == expected, (method, address)


def test_every_url_of_the_admin_is_in_the_matrix() -> None:
    found = {address for address, _ in patterns(get_resolver("config.urls")) if address.startswith("/admin/")}
    assert found == set(ADMIN)
