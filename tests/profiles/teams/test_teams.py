"""Organizations on builder pages, and their public pages."""

import re

import pytest
from django.core.cache import caches
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Organization, OrganizationMembership
from audit.models import AuditLog
from profiles.models import BuilderProfile
from profiles.teams import views
from tests.accounts.organizations.test_apply import receive
from tests.helpers.clients import signed_in
from tests.helpers.factories import SINCE, BuilderProfileFactory, UserFactory
from tests.helpers.organizations import SampleMembership, SampleOrganization

pytestmark = pytest.mark.django_db

HARBOR = SampleOrganization(name="Harbor & Søn", slug="harbor-son", clerk_id="org_2harbor")
PAGE, CHOICE, TEAM = "/builders/olive-owner/", "/builders/olive-owner/organizations/", "/teams/harbor-son/"
LINK = '<a href="/teams/harbor-son/" dir="auto">Harbor &amp; Søn</a>'


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    caches["fragments"].clear()


@pytest.fixture
def olive() -> BuilderProfile:
    profile: BuilderProfile = BuilderProfileFactory.create(slug="olive-owner", introduced=True)
    join(profile)
    return profile


def join(profile: BuilderProfile, organization: SampleOrganization = HARBOR) -> OrganizationMembership:
    """Make the builder a member."""
    receive(SampleMembership(organization, str(profile.user.clerk_id)).event("created"))
    return OrganizationMembership.objects.latest("pk")


def show(profile: BuilderProfile) -> None:
    OrganizationMembership.objects.filter(user=profile.user).update(shown_at=SINCE)


def text(path: str, browser: Client | None = None) -> str:
    response = (browser or visitor()).get(path)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def visitor() -> Client:
    browser = Client()
    browser.cookies["__clerk_db_jwt"] = "dvb_any"  # has completed a handshake
    return browser


# --- The owner's choice ---


def test_page_shows_no_organization_until_the_owner_chooses_it(olive: BuilderProfile) -> None:
    browser = signed_in(olive.user)
    assert "Harbor" not in text(PAGE)
    assert f'href="{CHOICE}"' in text(PAGE, browser)
    [membership] = OrganizationMembership.objects.all()
    response = browser.post(CHOICE, {"memberships": [membership.pk]}, follow=True)
    assert "Saved." in response.content.decode()
    assert LINK in text(PAGE)
    row = AuditLog.objects.get(action="PROFILE_UPDATED")
    assert (row.details or {})["organizations"] == [[], ["Harbor & Søn"]]
    assert "checked" in text(CHOICE, browser)
    browser.post(CHOICE, {}, follow=True)
    assert "Harbor" not in text(PAGE)


def test_saving_without_changes_records_nothing(olive: BuilderProfile) -> None:
    response = signed_in(olive.user).post(CHOICE, {}, follow=True)
    assert "There were no changes." in response.content.decode()
    assert not AuditLog.objects.filter(action="PROFILE_UPDATED").exists()


@pytest.mark.parametrize("value", ("0", "x", "99999999999999999999", "\x00"))
def test_other_memberships_cannot_be_chosen(olive: BuilderProfile, value: str) -> None:
    other = join(BuilderProfileFactory.create())
    browser = signed_in(olive.user)
    for choice in (value, str(other.pk)):
        assert browser.post(CHOICE, {"memberships": [choice]}).status_code == 422
    assert not OrganizationMembership.objects.filter(shown_at__isnull=False).exists()


def test_user_without_organizations_sees_a_note() -> None:
    profile = BuilderProfileFactory.create()
    assert "You are not a member of an organization." in text(
        f"/builders/{profile.slug}/organizations/", signed_in(profile.user)
    )


def test_admin_cannot_choose_for_an_owner(olive: BuilderProfile) -> None:
    assert signed_in(UserFactory.create(admin=True)).get(CHOICE).status_code == 403


# --- The builder page ---


def test_page_is_updated_at_once(olive: BuilderProfile) -> None:
    show(olive)
    assert LINK in text(PAGE)
    receive(HARBOR.with_changes(name="Harbour").event("updated"))
    assert "Harbour" in text(PAGE)
    receive(HARBOR.with_changes(name="Harbour").event("deleted"))
    assert "Harbour" not in text(PAGE)


def test_former_member_does_not_show_the_organization(olive: BuilderProfile) -> None:
    membership = OrganizationMembership.objects.get()
    show(olive)
    member = SampleMembership(HARBOR, str(olive.user.clerk_id), clerk_id=membership.clerk_id)
    receive(member.with_changes().event("deleted"))
    assert "Harbor" not in text(PAGE)
    receive(SampleMembership(HARBOR, str(olive.user.clerk_id)).event("created"))
    assert "Harbor" not in text(PAGE)  # a new membership is hidden until it is chosen


def test_page_needs_no_additional_query(
    olive: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    show(olive)
    browser = visitor()
    with django_assert_num_queries(3):  # the profile with its organizations, projects and badges
        assert LINK in text(PAGE, browser)
    with django_assert_num_queries(1):
        response = browser.get(PAGE)
    with django_assert_num_queries(1):
        assert browser.get(PAGE, headers={"If-None-Match": response["ETag"]}).status_code == 304
    receive(HARBOR.with_changes(name="Harbour").event("updated"))
    assert browser.get(PAGE, headers={"If-None-Match": response["ETag"]}).status_code == 200


# --- The organization's page ---


def test_page_lists_the_members_who_show_the_organization(olive: BuilderProfile) -> None:
    show(olive)
    hidden = BuilderProfileFactory.create(introduced=True, hidden=True)
    unlisted = BuilderProfileFactory.create(introduced=True, unlisted=True)
    private = BuilderProfileFactory.create(introduced=True)
    for profile in (hidden, unlisted, private):
        join(profile)
    for profile in (hidden, unlisted):
        show(profile)
    page = text(TEAM)
    assert "Harbor &amp; Søn" in page
    assert PAGE in page
    for profile in (hidden, unlisted, private):
        assert f"/builders/{profile.slug}/" not in page


def test_every_member_is_on_a_page(olive: BuilderProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_SIZE", 2)
    profiles = [olive, *(BuilderProfileFactory.create(introduced=True) for _ in range(4))]
    for profile in profiles[1:]:
        join(profile)
    for profile in profiles:
        show(profile)
    BuilderProfile.objects.filter(pk__in=[profiles[1].pk, profiles[2].pk]).update(score=0)
    pages, path = [], TEAM
    while path:
        page = text(path)
        pages.append([profile.slug for profile in profiles if f'"/builders/{profile.slug}/"' in page])
        cursor = re.search(r'rel="next" href="(.+?)"', page)
        path = TEAM + cursor[1] if cursor else ""
    assert [len(slugs) for slugs in pages] == [2, 2, 1]
    assert {slug for slugs in pages for slug in slugs} == {profile.slug for profile in profiles}
    assert "There are no more builders." in text(f"{TEAM}?after=0.1")
    for cursor_text in ("x", "99999999999999999999.1", "1.2.3"):
        assert 'rel="next"' in text(f"{TEAM}?after={cursor_text}")


def test_organization_without_public_members_has_no_page(olive: BuilderProfile) -> None:
    """The page would otherwise reveal which organizations exist."""
    browser = visitor()
    for path in (TEAM, "/teams/org_2harbor/", "/teams/nothing/", "/teams/a%00b/", "/teams/%F0%9F%8C%B1/"):
        assert browser.get(path).status_code == 404


def test_page_of_unlisted_members_names_no_one(olive: BuilderProfile) -> None:
    show(olive)
    BuilderProfile.objects.update(searchable=False)
    page = text(TEAM)
    assert "No member of this organization is listed in the directory." in page
    assert 'content="noindex"' in page
    assert "olive-owner" not in page


def test_id_redirects_to_the_slug_and_works_without_one(olive: BuilderProfile) -> None:
    show(olive)
    response = visitor().get("/teams/org_2harbor/")
    assert (response.status_code, response["Location"]) == (302, TEAM)
    Organization.objects.update(slug="")
    assert "Harbor" in text("/teams/org_2harbor/")
    assert '<a href="/teams/org_2harbor/"' in text(PAGE)


def test_slug_that_moved_in_clerk_belongs_to_the_latest_organization(olive: BuilderProfile) -> None:
    show(olive)
    newer = SampleOrganization(name="Newer", slug="harbor-son").with_changes()
    other = BuilderProfileFactory.create(introduced=True)
    join(other, newer)
    show(other)
    assert "Newer" in text(TEAM)


def test_deleted_organization_has_no_page(olive: BuilderProfile) -> None:
    show(olive)
    receive(HARBOR.event("deleted"))
    assert visitor().get(TEAM).status_code == 404


def test_team_page_needs_a_fixed_number_of_queries(
    olive: BuilderProfile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    show(olive)
    for _ in range(3):
        profile = BuilderProfileFactory.create(introduced=True)
        join(profile)
        show(profile)
    with django_assert_num_queries(2):  # the organization, and its members
        text(TEAM)
