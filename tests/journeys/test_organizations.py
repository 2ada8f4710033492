"""Organizations and memberships converge when several workers receive their events at the same time."""

from random import Random
from typing import Any

import pytest

from accounts.clerk import samples
from accounts.models import Organization, OrganizationMembership, User
from tests.helpers.organizations import SampleMembership, SampleOrganization
from tests.helpers.webhooks import Svix, new_svix_id, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)

USERS, ORGANIZATIONS = 4, 2
type Member = tuple[str, str, str]


def history(random: Random) -> tuple[list[dict[str, Any]], set[Member]]:
    """Return events about users, organizations and memberships, and the expected memberships."""
    events: list[dict[str, Any]] = []
    people = [person() for _ in range(USERS)]
    events += [samples.user_event("user.created", each) for each in people]
    deleted_user = people[0]
    events.append(samples.user_event("user.deleted", deleted_user.with_changes()))
    expected: set[Member] = set()
    for number in range(ORGANIZATIONS):
        first = SampleOrganization(name="Before", slug=None)
        last = first.with_changes(name=f"After {number}")
        is_deleted = random.random() < 0.3
        events += [first.event("created"), last.event("updated")]
        events += [last.with_changes().event("deleted")] if is_deleted else []
        for user in people:
            member = SampleMembership(first, user.clerk_id)
            changed = member.with_changes(role="org:admin")
            has_left = random.random() < 0.3
            events += [member.event("created"), changed.event("updated")]
            events += [changed.with_changes().event("deleted")] if has_left else []
            if not (is_deleted or has_left or user is deleted_user):
                expected.add((last.name, user.clerk_id, "org:admin"))
    return events, expected


@pytest.mark.parametrize("seed", range(4))
def test_final_state_does_not_depend_on_the_order_of_deliveries(svix: Svix, seed: int) -> None:
    random = Random(seed)
    events, expected = history(random)
    messages = [(event, new_svix_id()) for event in events]
    deliveries = messages + random.sample(messages, 6)
    random.shuffle(deliveries)

    responses = svix.deliver_all(deliveries, threads=8)

    assert {response.status_code for response in responses} == {200}
    rows = OrganizationMembership.objects.live().values_list("organization__name", "user__clerk_id", "role")
    assert set(rows) == expected
    assert Organization.objects.count() == ORGANIZATIONS
    assert User.objects.filter(clerk_id__isnull=False).count() == USERS
    assert not WebhookEvent.objects.filter(state__in=["failed", "dead"]).exists()
