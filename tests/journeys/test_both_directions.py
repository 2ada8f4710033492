"""Changes here and at Clerk at once: lost, late and repeated events, failed pushes, every interleaving; the end agrees.

The stand-in is Clerk. What must be true in the end is kept by a model that knows nothing of how the product does it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.clerk.api import ClerkApiError
from accounts.models import ClerkRateLimit, IdentityConflict, Reconciliation, User
from accounts.role_changes import change_roles
from accounts.roles import RoleChangeError
from accounts.sync import push, reconciliation
from audit.log import SYSTEM
from profiles.editing import services as editing
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.webhooks import WebhookClient
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db

ROLES = ("CLIENT", "BUILDER", "ADMIN")
FREE = ("CLIENT", "BUILDER")
#: Our fields, the key of each at Clerk, and what it means there when the key is missing.
FACTS = {
    "validation_tier": ("validationTier", 1),
    "available_for_hire": ("availableForHire", True),
    "hourly_rate": ("hourlyRate", None),
}

some_roles = st.lists(st.sampled_from(ROLES), unique=True)
keys = st.sampled_from([key for key, _ in FACTS.values()] + ["companyName"])
at_clerk = st.one_of(
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"roles": some_roles})),
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"first_name": st.sampled_from(["Olive", "美咲", ""])})),
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"email": st.sampled_from(["a@example.com", "b@example.com"])})),
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"banned": st.booleans()})),
    st.tuples(st.just("clerk_metadata"), st.dictionaries(keys, st.sampled_from([1, 3, False, "x"]), min_size=1)),
)
here = st.one_of(
    st.tuples(st.just("role"), st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(FREE))),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"validation_tier": st.sampled_from([1, 2, 3])})),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"available_for_hire": st.booleans()})),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"hourly_rate": st.sampled_from([None, 50, 70])})),
    st.tuples(st.just("company"), st.sampled_from(["", "x", "Żubr"])),
)
events = st.tuples(st.just("deliver"), st.integers(0, 20))
# While a push is on its way anything may happen, but that Clerk's list of roles changes between the look and the write:
# Clerk has no conditional write, so whoever writes lists cannot tell that from their own change.
meanwhile = st.lists(st.one_of(here, events), max_size=2)
moods = st.sampled_from(["well", "well", "well", "away", "answer lost", "garbled", "rejected"])
pushing = st.tuples(st.just("push"), st.tuples(moods, meanwhile, meanwhile))
reconciling = st.tuples(st.just("reconcile"), st.booleans())
stories = st.lists(st.one_of(at_clerk, here, here, events, pushing, reconciling), max_size=14)


@dataclass
class Model:
    """What must hold in the end, as far as the story says it.

    Attributes:
        roles: whether somebody must have a role; None where a change here and one at Clerk crossed, so that either may win.
        touched: roles that changed here.
    """

    roles: dict[str, bool | None]
    facts: dict[str, Any] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def set_at_clerk(self, held: list[str]) -> None:
        self.roles = {role: None if role in self.touched else role in held for role in ROLES}

    def changed_here(self, role: str, *, is_given: bool) -> None:
        self.roles[role] = is_given
        self.touched.add(role)

    def rejected(self) -> None:
        """Clerk's copy counts again, whatever it is."""
        self.roles |= dict.fromkeys(self.touched)


class World:
    """One person, here and at Clerk, and everything that can happen to them."""

    def __init__(self, clerk: StandIn, fake: FakeClerk) -> None:
        self.clerk, self.fake, self.webhook = clerk, fake, WebhookClient()
        self.go_on = fake.handler = forward(clerk)
        clerk.create(first_name="Bystander")  # an empty list is never believed
        person = clerk.create(
            first_name="Olive", email="a@example.com", public_metadata={"roles": ["BUILDER"], "plan": 7}
        )
        self.clerk_id, self.told = person["id"], [("user.created", person)]
        self.model = Model({role: role == "BUILDER" for role in ROLES})

    def play(self, story: list[tuple[str, Any]]) -> None:
        for name, what in story:
            getattr(self, f"do_{name}")(what)

    @property
    def user(self) -> User | None:
        found: User | None = User.objects.filter(clerk_id=self.clerk_id).first()
        return found

    @property
    def person(self) -> dict[str, Any] | None:
        """The user at Clerk, seen past everything that can go wrong."""
        status, person = self.clerk.call("GET", f"/local/users/{self.clerk_id}")
        return person if status == 200 else None

    # At Clerk, which tells of it; whether that arrives, when and how often is another matter.

    def do_clerk(self, facts: dict[str, Any]) -> None:
        if self.person:
            self.told.append(
                ("user.updated", self.clerk.call("PATCH", f"/local/users/{self.clerk_id}", dict(facts))[1])
            )
            if "roles" in facts:
                self.model.set_at_clerk(facts["roles"])

    def do_clerk_metadata(self, facts: dict[str, Any]) -> None:
        if person := self.person:
            self.do_clerk({"public_metadata": person["public_metadata"] | facts})

    def delete_at_clerk(self) -> None:
        self.clerk.call("DELETE", f"/local/users/{self.clerk_id}")
        self.told.append(("user.deleted", {"id": self.clerk_id, "deleted": True, "object": "user"}))

    def do_deliver(self, number: int) -> None:
        event_type, data = self.told[number % len(self.told)]
        at_ms = data.get("updated_at", 1_800_000_000_000)
        envelope = {"type": event_type, "data": data, "object": "event", "timestamp": at_ms, "instance_id": "ins_1"}
        assert self.webhook.post(envelope).status_code == 200

    # Here

    def do_role(self, change: tuple[str, str]) -> None:
        verb, role = change
        if user := self.user:
            wanted: dict[str, Any] = {verb: [User.Role(role)]}
            try:
                changed = change_roles(user, actor=user, origin=SYSTEM, **wanted)
            except RoleChangeError:
                return  # banned, deleted, or not told of yet
            if changed:
                self.model.changed_here(role, is_given=verb == "add")

    def do_edit(self, new: dict[str, Any]) -> None:
        if profile := BuilderProfile.objects.filter(user__clerk_id=self.clerk_id).first():
            editing.save(profile, new, actor=profile.user, origin=SYSTEM)
            self.model.facts |= new

    def do_company(self, name: str) -> None:
        if profile := ClientProfile.objects.filter(user__clerk_id=self.clerk_id).first():
            editing.save(profile, {"company_name": name}, actor=profile.user, origin=SYSTEM)

    # Between the two

    def do_push(self, how: tuple[str, list[tuple[str, Any]], list[tuple[str, Any]]]) -> None:
        mood, before, after = how
        turns = [lambda: self.play(before), lambda: self.play(after)]
        self.fake.handler = lambda request: self.answer(request, mood, turns)
        if user := self.user:
            push.push_user(user.pk, ignore_schedule=True)
        self.fake.handler = self.go_on
        ClerkRateLimit.objects.update(failures=0, suspended_until=None)

    def answer(self, request: httpx.Request, mood: str, turns: list[Callable[[], None]]) -> httpx.Response:
        """Answer as Clerk does in a mood, while other things happen before and after the write."""
        if mood == "away":
            return httpx.Response(503, text="<html>")
        if request.method != "PATCH":
            return self.go_on(request)
        if turns:
            turns.pop(0)()
        if mood == "rejected":
            self.model.rejected()
            return httpx.Response(422, json={"errors": [{"code": "form_param_value_invalid"}]})
        answer = self.go_on(request)
        if answer.status_code == 200:
            self.told.append(("user.updated", answer.json()))
        if turns:
            turns.pop(0)()
        if mood == "answer lost":
            raise httpx.ReadTimeout("lost")
        return httpx.Response(200, text=answer.text[:40]) if mood == "garbled" else answer

    def do_reconcile(self, full: bool) -> None:  # noqa: FBT001  # chosen by hypothesis
        try:
            reconciliation.reconcile(full=full)
        except ClerkApiError:
            ClerkRateLimit.objects.update(failures=0, suspended_until=None)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("both"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        lossy: dict[str, Any] = NO_FAULTS | {"lose_percent": 100, "api_limit": 1_000_000, "api_user_limit": 1_000_000}
        assert stand_in.call("PATCH", "/local/settings", lossy)[0] == 200
        yield stand_in
        stand_in.stop()


@example(story=[("clerk_metadata", {"availableForHire": 1})], is_deleted=False)  # which Python takes for true
@given(story=stories, is_deleted=st.sampled_from([False, False, False, True]))
@settings(max_examples=40, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_reconciliation_makes_both_sides_agree(
    shared: StandIn, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch, story: list[tuple[str, Any]], *, is_deleted: bool
) -> None:
    monkeypatch.setattr("accounts.clerk.rate_limiter.requests_per_window", lambda name: 1_000_000)
    start_afresh(shared)
    world = World(shared, fake)
    world.play(story)
    if is_deleted:
        world.delete_at_clerk()
    reconciliation.reconcile(full=True)
    assert_agreed(world)
    fake.requests.clear()
    again = reconciliation.reconcile(full=True)
    assert (again.differed, again.repaired, again.pushed) == (0, 0, 0)
    assert [request.method for request in fake.requests if request.method != "GET"] == []
    world.play([("deliver", number) for number in range(len(world.told))])
    assert_agreed(world)


def assert_agreed(world: World) -> None:
    user, person = world.user, world.person
    if person is None:
        assert user is None or user.deleted_at  # nobody may have told of them
        return
    assert user is not None
    assert (user.deleted_at, user.name, user.email, user.banned) == (
        None,
        person["first_name"] or "",
        person["email_addresses"][0]["email_address"],
        person["banned"],
    )
    metadata = person["public_metadata"]
    assert user.roles == [role for role in ROLES if role in metadata["roles"]]
    assert (user.roles_added, user.roles_removed, metadata["plan"]) == ([], [], 7)
    for role, must_hold in world.model.roles.items():
        assert must_hold is None or (role in user.roles) == must_hold, role
    assert_facts_agree(world, user, metadata)


def assert_facts_agree(world: World, user: User, metadata: dict[str, Any]) -> None:
    builder = BuilderProfile.objects.filter(user=user).first()
    for name, value in world.model.facts.items():
        assert getattr(builder, name) == value, name
    for name, (key, default) in FACTS.items():
        ours = getattr(builder, name) if builder and "BUILDER" in user.roles else default
        assert metadata.get(key, default) == ours, key
    client = ClientProfile.objects.filter(user=user).first()
    assert metadata.get("companyName", "") == (client.company_name if client and "CLIENT" in user.roles else "")


def start_afresh(clerk: StandIn) -> None:
    """Forget the person of the last story, at Clerk and here."""
    for person in clerk.call("GET", "/local/users")[1]:
        clerk.call("DELETE", f"/local/users/{person['id']}")
    Reconciliation.objects.all().delete()
    IdentityConflict.objects.all().delete()
    User.objects.filter(deleted_at=None).update(deleted_at="2026-01-01T00:00:00Z", is_active=False)
