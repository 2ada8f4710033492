"""Several workers receive deliveries at the same time."""

from collections import Counter
from datetime import timedelta

import pytest

from accounts.clerk import samples
from accounts.models import User
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.webhooks import Svix, new_svix_id, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10


def test_eight_deliveries_of_one_event_are_applied_once(svix: Svix) -> None:
    for _ in range(ROUNDS):
        user, svix_id = person(roles=["BUILDER"]), new_svix_id()
        message = (samples.user_event("user.created", user), svix_id)
        responses = svix.deliver_all([message] * 8, threads=8)
        assert Counter(response.json()["outcome"] for response in responses) == {"processed": 1, "duplicate": 7}
        stored = User.objects.get(clerk_id=user.clerk_id)
        assert BuilderProfile.objects.filter(user=stored).count() == 1
        assert AuditLog.objects.filter(subject=stored, action="USER_CREATED").count() == 1
        assert WebhookEvent.objects.get(svix_id=svix_id).deliveries == 8


def test_newest_of_eight_simultaneous_events_wins(svix: Svix) -> None:
    for _ in range(ROUNDS):
        first = person(roles=["BUILDER"])
        versions = [first.with_changes(timedelta(seconds=second), first_name=f"V{second}") for second in range(1, 8)]
        messages = [(samples.user_event("user.created", first), new_svix_id())]
        messages += [(samples.user_event("user.updated", version), new_svix_id()) for version in versions]
        responses = svix.deliver_all(messages, threads=8)
        assert {response.status_code for response in responses} == {200}
        assert {response.json()["outcome"] for response in responses} <= {"processed", "stale"}
        stored = User.objects.get(clerk_id=first.clerk_id)
        assert stored.name == f"V7 {first.last_name}"
        assert BuilderProfile.objects.get(user=stored).slug


def test_users_with_the_same_name_get_different_slugs(svix: Svix) -> None:
    people = [person(first_name="Olive", last_name="Owner", roles=["BUILDER"]) for _ in range(8)]
    messages = [(samples.user_event("user.created", user), new_svix_id()) for user in people]
    responses = svix.deliver_all(messages, threads=8)
    assert {response.json()["outcome"] for response in responses} == {"processed"}
    assert len(set(BuilderProfile.objects.published().values_list("slug", flat=True))) == 8
