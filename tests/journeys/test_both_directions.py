"""Change the same user here and in Clerk, with lost, late and repeated events and failed pushes.

In the end, both sides must have the same values. The stand-in is used as Clerk. The expected result comes from a model
that is independent of the implementation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.clerk.api import ClerkApiError
from accounts.models import ClerkRateLimit, IdentityConflict, Reconciliation, User
from accounts.roles.permissions import RoleChangeError
from accounts.roles.services import change_roles
from accounts.sync import push, reconciliation
from audit.log import Actor
from profiles.editing import services as editing
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.webhooks import WebhookClient
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROLES = ("CLIENT", "BUILDER", "ADMIN")
SELF_SERVICE_ROLES = ("CLIENT", "BUILDER")
#: Pushed fields, with the key in Clerk's metadata and the default value if the key is missing.
PUSHED_FIELDS = {
    "validation_tier": ("validationTier", 1),
    "available_for_hire": ("availableForHire", None),
    "hourly_rate": ("hourlyRate", None),
}

role_lists = st.lists(st.sampled_from(ROLES), unique=True)
keys = st.sampled_from([key for key, _ in PUSHED_FIELDS.values()] + ["hourlyRateCurrency", "companyName"])
clerk_changes = st.one_of(
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"roles": role_lists})),
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"first_name": st.sampled_from(["Olive", "美咲", ""])})),
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"email": st.sampled_from(["a@example.com", "b@example.com"])})),
    st.tuples(st.just("clerk"), st.fixed_dictionaries({"banned": st.booleans()})),
    st.tuples(st.just("clerk_metadata"), st.dictionaries(keys, st.sampled_from([1, 3, False, "x"]), min_size=1)),
)
local_changes = st.one_of(
    st.tuples(st.just("role"), st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(SELF_SERVICE_ROLES))),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"validation_tier": st.sampled_from([1, 2, 3])})),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"available_for_hire": st.booleans()})),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"availability_confirmed_at": st.sampled_from([None, NOW])})),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"hourly_rate": st.sampled_from([None, 50, 70])})),
    st.tuples(st.just("edit"), st.fixed_dictionaries({"currency": st.sampled_from(["EUR", "JPY"])})),
    st.tuples(st.just("company"), st.sampled_from(["", "x", "Żubr"])),
)
events = st.tuples(st.just("deliver"), st.integers(0, 20))
# Any step can run during a push, except a change of the roles in Clerk between reading and writing them. Clerk has no
# conditional writes, so such a change cannot be detected.
concurrent_steps = st.lists(st.one_of(local_changes, events), max_size=2)
outcomes = st.sampled_from(["ok", "ok", "ok", "unavailable", "response lost", "garbled", "rejected"])
pushes = st.tuples(st.just("push"), st.tuples(outcomes, concurrent_steps, concurrent_steps))
reconciliations = st.tuples(st.just("reconcile"), st.booleans())
step_lists = st.lists(
    st.one_of(clerk_changes, local_changes, local_changes, events, pushes, reconciliations), max_size=14
)


@dataclass
class Model:
    """The expected final state. Some values are not determined by the steps.

    Attributes:
        roles: whether the user must have each role, or None if concurrent changes allow either result.
        fields: the values of the builder's pushed fields.
        changed_roles: roles that changed here.
    """

    roles: dict[str, bool | None]
    fields: dict[str, Any] = field(default_factory=dict)
    changed_roles: set[str] = field(default_factory=set)

    def set_at_clerk(self, roles: list[str]) -> None:
        self.roles = {role: None if role in self.changed_roles else role in roles for role in ROLES}

    def set_here(self, role: str, *, is_added: bool) -> None:
        self.roles[role] = is_added
        self.changed_roles.add(role)

    def push_rejected(self) -> None:
        """Accept any value for roles that changed here, because Clerk's roles become effective again."""
        self.roles |= dict.fromkeys(self.changed_roles)


class World:
    """A user here and in Clerk, and the steps that can change the user."""

    def __init__(self, clerk: StandIn, fake: FakeClerk) -> None:
        self.clerk, self.fake, self.webhook = clerk, fake, WebhookClient()
        self.forward = fake.handler = forward(clerk)
        clerk.create(first_name="Bystander")  # an empty list of users is treated as an error
        person = clerk.create(
            first_name="Olive", email="a@example.com", public_metadata={"roles": ["BUILDER"], "plan": 7}
        )
        self.clerk_id, self.events = person["id"], [("user.created", person)]
        self.model = Model({role: role == "BUILDER" for role in ROLES})

    def run(self, steps: list[tuple[str, Any]]) -> None:
        for name, argument in steps:
            getattr(self, f"do_{name}")(argument)

    @property
    def user(self) -> User | None:
        found: User | None = User.objects.filter(clerk_id=self.clerk_id).first()
        return found

    @property
    def person(self) -> dict[str, Any] | None:
        """The user in Clerk, or None if the user was deleted."""
        status, person = self.clerk.call("GET", f"/local/users/{self.clerk_id}")
        return person if status == 200 else None

    # Changes in Clerk. Separate steps deliver their events: late, repeatedly or never.

    def do_clerk(self, fields: dict[str, Any]) -> None:
        if self.person:
            self.events.append(
                ("user.updated", self.clerk.call("PATCH", f"/local/users/{self.clerk_id}", dict(fields))[1])
            )
            if "roles" in fields:
                self.model.set_at_clerk(fields["roles"])

    def do_clerk_metadata(self, fields: dict[str, Any]) -> None:
        if person := self.person:
            self.do_clerk({"public_metadata": person["public_metadata"] | fields})

    def delete_at_clerk(self) -> None:
        self.clerk.call("DELETE", f"/local/users/{self.clerk_id}")
        self.events.append(("user.deleted", {"id": self.clerk_id, "deleted": True, "object": "user"}))

    def do_deliver(self, number: int) -> None:
        event_type, data = self.events[number % len(self.events)]
        at_ms = data.get("updated_at", 1_800_000_000_000)
        envelope = {"type": event_type, "data": data, "object": "event", "timestamp": at_ms, "instance_id": "ins_1"}
        assert self.webhook.post(envelope).status_code == 200

    # Changes here

    def do_role(self, change: tuple[str, str]) -> None:
        operation, role = change
        if user := self.user:
            wanted: dict[str, Any] = {operation: [User.Role(role)]}
            try:
                changed = change_roles(user, actor=Actor(user=user), **wanted)
            except RoleChangeError:
                return  # banned, deleted or provisional
            if changed:
                self.model.set_here(role, is_added=operation == "add")

    def do_edit(self, new: dict[str, Any]) -> None:
        if profile := BuilderProfile.objects.filter(user__clerk_id=self.clerk_id).first():
            editing.save(profile, new, actor=Actor(user=profile.user))
            self.model.fields |= new

    def do_company(self, name: str) -> None:
        if profile := ClientProfile.objects.filter(user__clerk_id=self.clerk_id).first():
            editing.save(profile, {"company_name": name}, actor=Actor(user=profile.user))

    # Synchronization

    def do_push(self, push_steps: tuple[str, list[tuple[str, Any]], list[tuple[str, Any]]]) -> None:
        outcome, before, after = push_steps
        callbacks = [lambda: self.run(before), lambda: self.run(after)]
        self.fake.handler = lambda request: self.respond(request, outcome, callbacks)
        if user := self.user:
            push.push_user(user.pk, ignore_schedule=True)
        self.fake.handler = self.forward
        ClerkRateLimit.objects.update(failures=0, suspended_until=None)

    def respond(self, request: httpx.Request, outcome: str, callbacks: list[Callable[[], None]]) -> httpx.Response:
        """Simulate Clerk's response for this outcome, and run other steps before and after the write."""
        if outcome == "unavailable":
            return httpx.Response(503, text="<html>")
        if request.method != "PATCH":
            return self.forward(request)
        if callbacks:
            callbacks.pop(0)()
        if outcome == "rejected":
            self.model.push_rejected()
            return httpx.Response(422, json={"errors": [{"code": "form_param_value_invalid"}]})
        response = self.forward(request)
        if response.status_code == 200:
            self.events.append(("user.updated", response.json()))
        if callbacks:
            callbacks.pop(0)()
        if outcome == "response lost":
            raise httpx.ReadTimeout("lost")
        return httpx.Response(200, text=response.text[:40]) if outcome == "garbled" else response

    def do_reconcile(self, full: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
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


@example(steps=[("clerk_metadata", {"availableForHire": 1})], is_deleted=False)  # 1 == True in Python
@given(steps=step_lists, is_deleted=st.sampled_from([False, False, False, True]))
@settings(max_examples=40, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_sides_agree_after_one_reconciliation(
    shared: StandIn, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, Any]], *, is_deleted: bool
) -> None:
    monkeypatch.setattr("accounts.clerk.rate_limiter.requests_per_window", lambda name: 1_000_000)
    delete_users(shared)
    world = World(shared, fake)
    world.run(steps)
    if is_deleted:
        world.delete_at_clerk()
    reconciliation.reconcile(full=True)
    assert_both_sides_agree(world)
    fake.requests.clear()
    again = reconciliation.reconcile(full=True)
    assert (again.differed, again.repaired, again.pushed) == (0, 0, 0)
    assert [request.method for request in fake.requests if request.method != "GET"] == []
    world.run([("deliver", number) for number in range(len(world.events))])
    assert_both_sides_agree(world)


def assert_both_sides_agree(world: World) -> None:
    user, person = world.user, world.person
    if person is None:
        assert user is None or user.deleted_at  # the events may have been lost
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
    for role, is_expected in world.model.roles.items():
        assert is_expected is None or (role in user.roles) == is_expected, role
    assert_pushed_fields_agree(world, user, metadata)


def assert_pushed_fields_agree(world: World, user: User, metadata: dict[str, Any]) -> None:
    builder = BuilderProfile.objects.filter(user=user).first()
    for name, value in world.model.fields.items():
        assert getattr(builder, name) == value, name
    for name, (key, default) in PUSHED_FIELDS.items():
        ours = getattr(builder, name) if builder and "BUILDER" in user.roles else default
        if name == "available_for_hire" and builder and not builder.availability_confirmed_at:
            ours = ours and default  # Builders who have not confirmed their availability state none.
        assert metadata.get(key, default) == ours, key
    currency = builder.currency if builder and "hourlyRate" in metadata else None
    assert metadata.get("hourlyRateCurrency") == currency
    client = ClientProfile.objects.filter(user=user).first()
    assert metadata.get("companyName", "") == (client.company_name if client and "CLIENT" in user.roles else "")


def delete_users(clerk: StandIn) -> None:
    """Delete the users of the previous example, in Clerk and here."""
    for person in clerk.call("GET", "/local/users")[1]:
        clerk.call("DELETE", f"/local/users/{person['id']}")
    Reconciliation.objects.all().delete()
    IdentityConflict.objects.all().delete()
    User.objects.filter(deleted_at=None).update(deleted_at="2026-01-01T00:00:00Z", is_active=False)
