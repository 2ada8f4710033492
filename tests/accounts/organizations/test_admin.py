"""Organizations and memberships in the admin."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import Organization, OrganizationMembership, User
from tests.accounts.organizations.test_apply import receive
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.organizations import SampleInvitation, SampleMembership, SampleOrganization
from tests.helpers.webhooks import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return signed_in(UserFactory.create(admin=True))


@pytest.fixture
def zofia() -> User:
    return UserFactory.create(name="Zofia <b>Łęcka")


@pytest.fixture
def harbor(zofia: User) -> Organization:
    harbor = SampleOrganization(name="Harbor & Søn")
    member = SampleMembership(harbor, str(zofia.clerk_id))
    receive(harbor.event("created"), member.event("created"), member.with_changes(role="org:admin").event("updated"))
    receive(SampleInvitation(harbor).event("created"))
    return Organization.objects.get()


def text(browser: Client, path: str) -> str:
    response = browser.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_list_can_be_searched_and_filtered(browser: Client, harbor: Organization) -> None:
    gone = SampleOrganization(name="Gone Ltd", slug="gone")
    receive(gone.event("created"), gone.event("deleted"))
    page = text(browser, "/admin/accounts/organization/")
    assert page.index("Gone Ltd") < page.index("Harbor &amp; Søn")
    for query in ("q=søn", f"q={harbor.clerk_id}", "state=active", "q=harbor-st"):
        page = text(browser, f"/admin/accounts/organization/?{query}")
        assert ("Harbor &amp; Søn" in page, "Gone Ltd" in page) == (True, False), query
    assert "Gone Ltd" in text(browser, "/admin/accounts/organization/?state=deleted")


def test_list_needs_no_query_per_organization(browser: Client, harbor: Organization) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            browser.get("/admin/accounts/organization/")
        counts.append(len(queries))
        for _ in range(3):
            member = SampleMembership(SampleOrganization(slug=None), str(UserFactory.create().clerk_id))
            receive(member.event("created"))
    assert counts[0] == counts[1]


def test_page_shows_members_invitations_and_changes(browser: Client, harbor: Organization, zofia: User) -> None:
    page = text(browser, f"/admin/accounts/organization/{harbor.pk}/change/")
    assert f'<a href="/admin/accounts/user/{zofia.pk}/change/" dir="auto">Zofia &lt;b&gt;Łęcka</a>' in page
    assert "invited@example.com" in page
    for label in ("Organization created", "Member added", "Role changed", "org:member → org:admin"):
        assert label in page
    assert f"?target=accounts.organization%3A{harbor.pk}" in page
    assert "ORGANIZATION_CREATED" in text(browser, f"/admin/audit/auditlog/?target=accounts.organization:{harbor.pk}")


def test_deleted_organization_has_no_members(browser: Client, harbor: Organization) -> None:
    receive(SampleOrganization(clerk_id=harbor.clerk_id).with_changes().event("deleted"))
    page = text(browser, f"/admin/accounts/organization/{harbor.pk}/change/")
    assert "its memberships have no effect" in page
    assert "No members." in page


def test_user_page_links_to_memberships(browser: Client, harbor: Organization, zofia: User) -> None:
    path = f"/admin/accounts/organizationmembership/?q={zofia.clerk_id}"
    assert f'href="{path}"' in text(browser, f"/admin/accounts/user/{zofia.pk}/change/")
    assert "Harbor &amp; Søn" in text(browser, path)
    membership = OrganizationMembership.objects.get(user=zofia)
    page = text(browser, f"/admin/accounts/organizationmembership/{membership.pk}/change/")
    assert f"/admin/accounts/organization/{harbor.pk}/change/" in page
    assert f"/admin/accounts/user/{zofia.pk}/change/" in page


def test_members_of_one_organization_are_listed(browser: Client, harbor: Organization) -> None:
    other = UserFactory.create(name="Olive Other")
    receive(SampleMembership(SampleOrganization(slug=None), str(other.clerk_id)).event("created"))
    path = "/admin/accounts/organizationmembership/"
    assert "Olive Other" in text(browser, path)
    page = text(browser, f"{path}?organization={harbor.pk}")
    assert ("Olive Other" in page, "Zofia &lt;b&gt;Łęcka" in page) == (False, True)
    for query in ("organization=x", "organization=99999999999999999999"):
        assert "Olive Other" in text(browser, f"{path}?{query}")
    membership = OrganizationMembership.objects.first()
    assert membership
    assert membership.role in text(browser, f"{path}{membership.pk}/change/")


def test_membership_without_a_user_is_listed_and_shown(browser: Client, settings: Settings) -> None:
    """Its deletion arrived before its user, who is still unknown."""
    settings.CLERK_SECRET_KEY = "sk_test_example"
    member = SampleMembership(SampleOrganization(), person().clerk_id)
    receive(member.event("deleted"))
    [membership] = OrganizationMembership.objects.all()
    path = f"/admin/accounts/organizationmembership/{membership.pk}/"
    for query in ("", f"q={member.clerk_id}", f"q={member.user_id}", f"q={member.organization.clerk_id}"):
        assert f"{path}change/" in text(browser, f"/admin/accounts/organizationmembership/?{query}"), query
    assert member.user_id in text(browser, f"{path}change/")
    response = browser.post(f"{path}remove/", {"reason": "Left"}, follow=True)
    assert "The member is already being removed." in response.content.decode()
    OrganizationMembership.objects.update(deleted_at=None)
    assert browser.post(f"{path}remove/", {"reason": "Left"}, follow=True).status_code == 200
    harbor = f"/admin/accounts/organization/{membership.organization_id}/change/"
    assert "No members." in text(browser, harbor)


def test_memberships_are_found_by_email_and_name(browser: Client, harbor: Organization, zofia: User) -> None:
    receive(
        SampleMembership(SampleOrganization(slug=None), str(UserFactory.create(name="Olive").clerk_id)).event("created")
    )
    path = "/admin/accounts/organizationmembership/"
    for query in (str(zofia.email), "zofia", str(zofia.clerk_id)):
        page = text(browser, f"{path}?q={query}")
        assert ("Zofia &lt;b&gt;Łęcka" in page, "Olive" in page) == (True, False), query


def test_account_page_shows_a_new_membership(harbor: Organization, zofia: User) -> None:
    page = signed_in(zofia).get("/account/").content.decode()
    assert "Joined an organization" in page
    assert "Role in an organization changed" in page
