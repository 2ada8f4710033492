"""A user's final state does not depend on the order in which Clerk's events are delivered."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.clerk import samples
from accounts.models import User
from audit.models import AuditLog
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.model import FIELD_KEYS, expected, state_of
from tests.helpers.webhooks import Svix, new_svix_id, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROLES = ("BUILDER", "CLIENT", "ADMIN")

KEYS = sorted({key for keys in FIELD_KEYS.values() for key in keys})

#: One change of a user: the new values, the keys that are missing from its event, and the time since the previous
#: change. The time can be zero, so that two changes have the same version.
changes = st.fixed_dictionaries(
    {
        "delay": st.integers(0, 3).map(lambda seconds: timedelta(seconds=seconds)),
        "omitted_fields": st.just(()) | st.lists(st.sampled_from(KEYS), max_size=3).map(tuple),
    },
    optional={
        "first_name": st.sampled_from(["Olive", "Zofia", "美咲", None]),
        "last_name": st.sampled_from(["Owner", "Łęcka", None]),
        "username": st.sampled_from(["olive", None]),
        "email": st.sampled_from(["olive@example.com", "Moved@Example.com", None]),
        "banned": st.booleans(),
        "locked": st.booleans(),
        "roles": st.lists(st.sampled_from(ROLES), unique=True),
    },
)
histories = st.lists(st.tuples(st.lists(changes, min_size=1, max_size=5), st.booleans()), min_size=1, max_size=3)


def build_events(history: list[dict[str, Any]], *, deleted: bool) -> list[dict[str, Any]]:
    """Return the events of one user."""
    events = []
    user = person(updated_at=START)
    for number, change in enumerate(history):
        fields = dict(change)
        delay, omitted_fields = fields.pop("delay"), fields.pop("omitted_fields")
        user = user.with_changes(delay, **fields) if number else replace(user.with_changes(**fields), updated_at=START)
        events.append(samples.user_event("user.updated" if number else "user.created", user))
        # Two changes in the same millisecond are ordered by the time in the envelope.
        events[-1]["timestamp"] += number
        for key in omitted_fields:
            events[-1]["data"].pop(key, None)
    if deleted:
        events.append(samples.user_event("user.deleted", user))
    return events


@given(histories=histories, duplicates=st.lists(st.integers(0, 30), max_size=4), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_final_state_does_not_depend_on_the_order_of_deliveries(
    svix: Svix, histories: list[tuple[list[dict[str, Any]], bool]], duplicates: list[int], seed: int
) -> None:
    event_lists = [build_events(history, deleted=deleted) for history, deleted in histories]
    messages = [(event, new_svix_id()) for events in event_lists for event in events]
    deliveries = messages + [messages[index % len(messages)] for index in duplicates]
    Random(seed).shuffle(deliveries)

    responses = svix.deliver_all(deliveries, threads=6)

    assert {response.status_code for response in responses} == {200}
    for events in event_lists:
        assert_converged(events)
    counted = Counter(svix_id for _, svix_id in deliveries)
    rows = dict(WebhookEvent.objects.filter(svix_id__in=counted).values_list("svix_id", "deliveries"))
    assert rows == dict(counted)


def assert_converged(events: list[dict[str, Any]]) -> None:
    user = User.objects.get(clerk_id=events[0]["data"]["id"])
    final = expected(events)
    assert state_of(user) == final
    actions = Counter(AuditLog.objects.about(user.pk).values_list("action", flat=True))
    assert actions["USER_CREATED"] <= 1
    assert actions["USER_DELETED"] == final.deleted
    if not final.deleted:
        for role, model in (("BUILDER", BuilderProfile), ("CLIENT", ClientProfile)):
            has_profile = model._default_manager.filter(user=user, archived_at=None).exists()
            assert has_profile == (role in final.roles), role
        has_page = BuilderProfile.objects.published().filter(user=user).exists()
        named = bool(final.name or final.username)
        assert has_page >= ("BUILDER" in final.roles and final.active and named)
        assert has_page <= ("BUILDER" in final.roles and final.active)
