"""Every URL of the admin, for every kind of person, with the answer written by hand; see tests/test_permissions.py."""

import pytest
from django.test import Client
from django.urls import get_resolver

from tests.config.test_headers import patterns
from tests.helpers.factories import UserFactory
from tests.test_permissions import FOUND, NO, NONE, OK, PEOPLE, VERB, ask, browser_of, unused

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
    # The role ADMIN looks, and edits no permissions.
    "/admin/auth/group/": (OK, OK, OK, OK),
    "/admin/auth/group/add/": (NO, OK, NO, OK),
    "/admin/auth/group/{pk}/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/auth/group/{pk}/change/": (OK, OK, NO, OK),
    "/admin/auth/group/{pk}/delete/": (NO, OK, NO, OK),
    "/admin/auth/group/{pk}/history/": (OK, OK, OK, OK),
    # Whoever is an admin switches parts of the product; which there are, the code says.
    "/admin/accounts/flag/": (OK, OK, OK, OK),
    "/admin/accounts/flag/add/": (NO, NO, NO, NO),
    "/admin/accounts/flag/{pk}/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/accounts/flag/{pk}/change/": (OK, OK, FOUND, FOUND),  # nothing in the form has to be filled in
    "/admin/accounts/flag/{pk}/delete/": (NO, NO, NO, NO),
    "/admin/accounts/flag/{pk}/history/": (OK, OK, OK, OK),
    "/admin/audit/": (OK, OK, OK, OK),  # and the same for every other app
    # Where deeds are posted to, whoever only looks is led back to the form.
    "/admin/accounts/identityconflict/{pk}/resolve/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/webhooks/alert/{pk}/action/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/webhooks/webhookevent/repair/": (OK, OK, FOUND, FOUND),  # it is not said why
    "/admin/webhooks/webhookevent/{pk}/repair/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/webhooks/replay/{pk}/progress/": (OK, OK, VERB, VERB),
    "/admin/webhooks/replay/{pk}/control/": (FOUND, FOUND, FOUND, FOUND),
    "/admin/webhooks/webhookevent/{pk}/reveal/": (FOUND, FOUND, NO, OK),  # by a permission of its own
    "/admin/webhooks/alert/runbooks/": (OK, OK, OK, OK),
    "/admin/webhooks/alert/runbooks/silence/": (OK, OK, OK, OK),
    "/admin/audit/auditlog/export/": (FOUND, FOUND, FOUND, FOUND),  # it is not said in which form
    "/admin/webhooks/webhookevent/export/": (FOUND, FOUND, OK, OK),
    "/admin/webhooks/dashboard/": (OK, OK, VERB, VERB),
    "/admin/accounts/user/{pk}/timeline/": (OK, OK, VERB, VERB),
    "/admin/nowhere": (NONE, NONE, NONE, NONE),
}
#: Models whose rows come from the code only: nobody makes, changes or deletes them here.
READ_ONLY = (
    "accounts/dataexport",
    "accounts/endedsession",
    "accounts/identityconflict",
    "accounts/metadatapush",
    "accounts/reconciliation",
    "accounts/user",
    "audit/auditlog",
    "audit/auditseal",
    "audit/auditverification",
    "audit/checkpointtarget",
    "procrastinate/procrastinatejob",
    "profiles/badge",
    "profiles/builderprofile",
    "profiles/clientprofile",
    "profiles/contactmessage",
    "profiles/formerslug",
    "profiles/project",
    "webhooks/alert",
    "webhooks/replay",
    "webhooks/webhookevent",
)
for model in READ_ONLY:
    ADMIN |= {
        f"/admin/{model}/": (OK, OK, OK, OK),
        f"/admin/{model}/add/": (NO, NO, NO, NO),
        f"/admin/{model}/{{pk}}/": (FOUND, FOUND, FOUND, FOUND),
        f"/admin/{model}/{{pk}}/change/": (OK, OK, NO, NO),
        f"/admin/{model}/{{pk}}/delete/": (NO, NO, NO, NO),
        f"/admin/{model}/{{pk}}/history/": (OK, OK, OK, OK),
    }
STAFF = ("admin", "superuser")
OTHER_METHODS = ("HEAD", "PUT", "PATCH", "DELETE")


@pytest.fixture
def pk(one_of_each_pk: int) -> int:
    return one_of_each_pk


@pytest.fixture(scope="module")
def browsers(module_rows: None) -> dict[str, Client]:
    """Return a browser of each of PEOPLE."""
    owner = UserFactory.create()
    return {person: browser_of(person, owner) for person in PEOPLE}


@pytest.mark.parametrize("address", ADMIN)
@pytest.mark.parametrize("person", STAFF)
def test_staff(address: str, person: str, pk: int, browsers: dict[str, Client]) -> None:
    path, place = address.format(pk=pk), STAFF.index(person)
    assert ask(unused(browsers[person]), "GET", path) == ADMIN[address][place]
    assert ask(unused(browsers[person]), "POST", path) == ADMIN[address][2 + place]


@pytest.mark.parametrize("person", [person for person in PEOPLE if person not in STAFF])
def test_everybody_else_gets_no_further_than_the_door(person: str, pk: int, browsers: dict[str, Client]) -> None:
    for number, address in enumerate(ADMIN):
        # Of the other methods one for each address and person; with nine people each address is asked by all of them.
        for method in ("GET", "POST", OTHER_METHODS[(PEOPLE.index(person) + number) % len(OTHER_METHODS)]):
            at_the_door = VERB if method in ("PATCH", "DELETE") else OK
            expected = at_the_door if address == "/admin/login/" else FOUND
            assert ask(unused(browsers[person]), method, address.format(pk=pk)) == expected, (method, address)


def test_every_url_of_the_admin_is_in_the_matrix() -> None:
    found = {address for address, _ in patterns(get_resolver("config.urls")) if address.startswith("/admin/")}
    assert found == set(ADMIN)
