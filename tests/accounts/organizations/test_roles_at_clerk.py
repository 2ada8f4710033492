"""Roles from organizations are neither stored in Clerk's metadata nor reported as differences."""

from typing import Any

import pytest
from pytest_django import Settings

from accounts.clerk import samples
from accounts.identity import joins
from accounts.models import MetadataPush, Reconciliation, User
from accounts.roles.services import change_roles
from accounts.sessions import services as sessions
from accounts.sync import push as pushes
from accounts.sync import reconciliation
from audit.log import SYSTEM, Actor
from tests.accounts.organizations import test_apply
from tests.helpers.organizations import SampleMembership, SampleOrganization
from tests.helpers.webhooks import person
from tests.local.clerk.standin import INSTANCE_ID, StandIn
from tests.local.clerk.test_organizations import call

pytestmark = pytest.mark.django_db

BUILDER, CLIENT = User.Role.BUILDER, User.Role.CLIENT


@pytest.fixture(autouse=True)
def mapping(settings: Settings) -> None:
    settings.CLERK_ORGANIZATION_ROLES = {"org:builder": "BUILDER"}


@pytest.fixture
def olive(clerk: StandIn) -> User:
    """Return a user without roles of her own, whom Clerk and the site agree about."""
    at_clerk = clerk.create(first_name="Olive", public_metadata={"roles": [], "plan": "pro"})
    sessions.fetch_user(at_clerk["id"])
    return User.objects.get(clerk_id=at_clerk["id"])


def receive(event: dict[str, Any]) -> None:
    assert test_apply.receive(event | {"instance_id": INSTANCE_ID}) == ["processed"]


def builder_of(user: User) -> SampleMembership:
    return SampleMembership(SampleOrganization(slug=None), str(user.clerk_id), role="org:builder")


def compare(user: User) -> Reconciliation:
    return reconciliation.reconcile_user(str(user.clerk_id))


def metadata(clerk: StandIn, user: User) -> dict[str, Any]:
    found: dict[str, Any] = call(clerk, "GET", f"/v1/users/{user.clerk_id}")["public_metadata"]
    return found


def test_gained_and_lost_role_is_no_difference(clerk: StandIn, olive: User) -> None:
    before, member = metadata(clerk, olive), builder_of(olive)
    for event, roles in ((member.event("created"), [BUILDER]), (member.with_changes().event("deleted"), [])):
        receive(event)
        olive.refresh_from_db()
        assert olive.roles == roles
        for _ in range(2):
            run = compare(olive)
            assert (run.differed, run.repaired, run.pushed) == (0, 0, 0), run.examples
        assert metadata(clerk, olive) == before


def test_push_of_another_role_does_not_contain_the_role(clerk: StandIn, olive: User) -> None:
    receive(builder_of(olive).event("created"))
    olive.refresh_from_db()
    change_roles(olive, add=[CLIENT], actor=Actor(user=olive))
    assert pushes.push_user(olive.pk, ignore_schedule=True) == "sent"
    assert metadata(clerk, olive)["roles"] == ["CLIENT"]
    olive.refresh_from_db()
    assert (olive.clerk_roles, olive.roles) == ([CLIENT], [CLIENT, BUILDER])
    assert compare(olive).differed == 0


def test_role_that_clerk_lacks_is_not_a_difference_of_a_full_run(clerk: StandIn, olive: User) -> None:
    receive(builder_of(olive).event("created"))
    reconciliation.reconcile(full=True)
    run = reconciliation.reconcile(full=True)
    assert (run.differed, run.pushed) == (0, 0)


class TestJoinedAccounts:
    """Two accounts in Clerk, of which the older one has a role from an organization."""

    @pytest.fixture
    def accounts(self) -> tuple[User, User]:
        people = [person(roles=["CLIENT"]) for _ in range(2)]
        for each in people:
            test_apply.receive(samples.user_event("user.created", each))
        older, newer = (User.objects.get(clerk_id=each.clerk_id) for each in people)
        return older, newer

    def test_role_from_an_organization_does_not_become_a_personal_role(self, accounts: tuple[User, User]) -> None:
        older, newer = accounts
        test_apply.receive(builder_of(older).event("created"))
        conflict = joins.join(newer, older, actor=SYSTEM, note="same person")
        older.refresh_from_db()
        assert (older.roles, older.roles_added, older.organization_roles) == ([CLIENT], [], [])
        assert conflict.evidence["other"]["personal_roles"] == ["CLIENT"]

    def test_personal_role_is_kept_if_the_identity_has_it_from_an_organization(
        self, accounts: tuple[User, User]
    ) -> None:
        older, newer = accounts
        change_roles(older, add=[BUILDER], actor=Actor(user=older))
        member = builder_of(newer)
        test_apply.receive(member.event("created"))
        joins.join(newer, older, actor=SYSTEM, note="same person")
        older.refresh_from_db()
        assert (older.roles_added, older.organization_roles) == ([BUILDER], [BUILDER])
        assert MetadataPush.objects.filter(user=older, state="pending").exists()
        test_apply.receive(member.with_changes().event("deleted"))
        older.refresh_from_db()
        assert older.roles == [CLIENT, BUILDER]
