"""Batches and single events lock rows in one order, so that they cannot deadlock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.db.models import Q
from pytest_django import Settings

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.models import OrganizationMembership, User
from config.database import close_pools
from profiles.models import BuilderProfile
from tests.helpers.organizations import SampleMembership, SampleOrganization
from tests.helpers.webhooks import new_svix_id, person
from tests.webhooks.inbox.test_batches import receive_all, received
from tests.webhooks.inbox.test_sign_ins import signed_in
from webhooks.inbox import service as inbox
from webhooks.inbox.deliveries import Received
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 40
type Run = Callable[[], object]


@pytest.fixture(autouse=True)
def quick_deadlock_check() -> Any:
    """Let PostgreSQL check for deadlocks after 20 ms instead of a second, so that a failing test ends soon."""

    def configure(*, connection: Any, **kwargs: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '20ms'")

    close_pools()
    connection_created.connect(configure)
    yield
    connection_created.disconnect(configure)
    close_pools()


def run_together(*runs: Run) -> None:
    """Run functions in threads that start at the same time."""
    barrier = Barrier(len(runs))

    def run(function: Run) -> None:
        barrier.wait(timeout=10)
        try:
            function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(runs)) as pool:
        for future in [pool.submit(run, function) for function in runs]:
            future.result()


def assert_no_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    """Fail if a batch or an event was rolled back because of a deadlock."""
    messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if "OperationalError" in message] == []
    assert not WebhookEvent.objects.filter(Q(state__in=["failed", "dead"]) | Q(attempts__gt=1)).exists()


def alone(event: Received) -> Run:
    return lambda: inbox._receive_alone(event)


def together(*events: Received) -> Run:
    return lambda: receive_all(events)


@pytest.mark.parametrize("mapping", ({}, {"org:member": "BUILDER"}))
def test_batch_and_single_event_insert_the_same_user_and_organization(
    settings: Settings, caplog: pytest.LogCaptureFixture, mapping: dict[str, str]
) -> None:
    settings.CLERK_ORGANIZATION_ROLES = mapping
    caplog.set_level("INFO")
    for _ in range(ROUNDS):
        zofia, organization = person(first_name="Zofia", roles=["BUILDER"]), SampleOrganization(slug=None)
        member = SampleMembership(organization, zofia.clerk_id)
        created = received(samples.user_event("user.created", zofia))
        batch = together(created, received(organization.event("created")), received(member.event("created")))
        run_together(batch, alone(received(member.with_changes().event("updated"))))
    assert_no_deadlock(caplog)
    assert User.objects.count() == OrganizationMembership.objects.live().count() == ROUNDS
    assert BuilderProfile.objects.count() == ROUNDS


def test_batches_insert_the_same_users_for_different_reasons(caplog: pytest.LogCaptureFixture) -> None:
    """Each batch creates one of the users, and a provisional user for the other one's session and membership."""
    caplog.set_level("INFO")
    for _ in range(ROUNDS):
        people = [person(), person()]
        run_together(*(together(*join(one, other)) for one, other in (people, people[::-1])))
    assert_no_deadlock(caplog)
    assert User.objects.count() == 2 * ROUNDS


def join(one: SampleUser, other: SampleUser) -> list[Received]:
    member = SampleMembership(SampleOrganization(slug=None), other.clerk_id)
    events = samples.user_event("user.created", one), signed_in(other), member.event("created")
    return list(map(received, events))


def test_batches_receive_the_same_deliveries_in_opposite_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(ROUNDS):
        events = [
            received(samples.event("organizationDomain.created", {}, occurred_at=datetime.now(UTC)), new_svix_id())
            for _ in range(8)
        ]
        run_together(together(*events), together(*events[::-1]))
    assert_no_deadlock(caplog)
