"""Roles from organizations depend only on the newest memberships and the current mapping.

Events can be old, repeated or concurrent, jobs can run late, and the mapping can change in between.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import User
from accounts.organizations import roles
from accounts.sync import derived_state
from tests.helpers.organizations import SampleMembership, SampleOrganization
from tests.helpers.webhooks import person
from tests.webhooks.inbox.test_batches import receive_all, received
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

MAPPINGS = [{}, {"org:builder": "BUILDER"}, {"org:builder": "CLIENT", "org:client": "CLIENT", "org:member": "BUILDER"}]
ORGANIZATION_ROLES = ["org:builder", "org:client", "org:member"]
type Events = list[dict[str, Any]]

#: The roles that a member has one after the other, and whether the member leaves and the organization is deleted.
memberships = st.tuples(
    st.lists(st.sampled_from(ORGANIZATION_ROLES), min_size=1, max_size=3), st.booleans(), st.booleans()
)
clerk_roles = st.lists(st.lists(st.sampled_from(["BUILDER", "CLIENT"]), unique=True), min_size=1, max_size=3)


def build_events(user_id: str, histories: list[tuple[list[str], bool, bool]]) -> tuple[Events, set[str]]:
    """Return the events, and the organization roles that the user has in the end."""
    events: Events = []
    held = set()
    for history, has_left, is_deleted in histories:
        organization = SampleOrganization(slug=None)
        member = SampleMembership(organization, user_id, role=history[0])
        events += [organization.event("created"), member.event("created")]
        for role in history[1:]:
            member = member.with_changes(role=role)
            events.append(member.event("updated"))
        events += [member.with_changes().event("deleted")] if has_left else []
        events += [organization.with_changes().event("deleted")] if is_deleted else []
        held |= set() if has_left or is_deleted else {history[-1]}
    return events, held


@given(
    own=clerk_roles,
    histories=st.lists(memberships, max_size=3),
    mappings=st.lists(st.sampled_from(MAPPINGS), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
@hypothesis_settings(
    max_examples=150, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_roles_do_not_depend_on_order_delays_or_earlier_mappings(
    db: None,
    settings: Settings,
    *,
    own: list[list[str]],
    histories: list[tuple[list[str], bool, bool]],
    mappings: list[dict[str, str]],
    sizes: list[int],
    seed: int,
) -> None:
    chance, zofia = random.Random(seed), person(roles=own[0])
    events: Events = [samples.user_event("user.created", zofia)]
    for changed in own[1:]:
        zofia = zofia.with_changes(roles=changed)
        events.append(samples.user_event("user.updated", zofia))
    others, held = build_events(zofia.clerk_id, histories)
    events += others
    events += chance.sample(events, min(3, len(events)))
    chance.shuffle(events)
    late: list[list[str]] = []
    settings.CLERK_ORGANIZATION_ROLES = mapping = mappings[0]

    with pytest.MonkeyPatch.context() as patch:
        # Sometimes, another transaction has locked the user, so that a job must update the roles.
        patch.setattr(roles, "derived_state", Unreliable(chance))
        patch.setattr(roles.update_organization_roles, "defer", lambda **job: late.append(job["clerk_ids"]))
        while events:
            if chance.random() < 0.3:
                settings.CLERK_ORGANIZATION_ROLES = mapping = chance.choice(mappings)
                roles.refresh()
            size = sizes[len(events) % len(sizes)]
            batch, events = events[:size], events[size:]
            receive_all(map(received, batch))
            if late and chance.random() < 0.3:
                roles.update_organization_roles(clerk_ids=late.pop(chance.randrange(len(late))))
    for clerk_ids in chance.sample(late, len(late)):
        roles.update_organization_roles(clerk_ids=clerk_ids)

    user = User.objects.get(clerk_id=zofia.clerk_id)
    given_roles = {mapping[role] for role in held if role in mapping}
    assert set(user.organization_roles) == given_roles
    assert set(user.roles) == set(own[-1]) | given_roles
    assert not user.has_pending_roles


class Unreliable:
    """`derived_state` that skips users as if they were locked, half of the time."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.repair = chance, derived_state.repair

    def lock(self, column: str, values: list[str], *, skip_locked: bool = False) -> list[User]:
        is_locked = skip_locked and self.chance.random() < 0.5
        return [] if is_locked else derived_state.lock(column, values, skip_locked=skip_locked)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(4))
def test_roles_converge_if_several_threads_receive_the_events(settings: Settings, seed: int) -> None:
    settings.CLERK_ORGANIZATION_ROLES = mapping = MAPPINGS[2]
    chance, expected = random.Random(seed), dict[str, set[str]]()
    events: Events = []
    for _ in range(4):
        own: list[str] = chance.choice([["CLIENT"], []])
        zofia = person(roles=own)
        histories = [
            (chance.choices(ORGANIZATION_ROLES, k=2), chance.random() < 0.3, chance.random() < 0.3) for _ in range(3)
        ]
        others, held = build_events(zofia.clerk_id, histories)
        events += [samples.user_event("user.created", zofia), *others]
        expected[zofia.clerk_id] = set(own) | {mapping[role] for role in held if role in mapping}
    chance.shuffle(events)

    def receive(part: Events) -> None:
        try:
            for start in range(0, len(part), 4):
                receive_all(map(received, part[start : start + 4]))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(receive, [events[number::4] for number in range(4)]))
    jobs = ProcrastinateJob.objects.filter(task_name=roles.update_organization_roles.name)
    for args in jobs.values_list("args", flat=True):
        roles.update_organization_roles(**args)

    assert not WebhookEvent.objects.filter(state__in=["failed", "dead"]).exists()
    assert {str(user.clerk_id): set(user.roles) for user in User.objects.all()} == expected
    assert roles.refresh() == 0
