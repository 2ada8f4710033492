"""Deliveries that arrive in the same instant, at several workers."""

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


def test_eight_deliveries_of_one_event_have_one_effect(svix: Svix) -> None:
    for _ in range(ROUNDS):
        user, svix_id = person(roles=["BUILDER"]), new_svix_id()
        message = (samples.user_event("user.created", user), svix_id)
        answers = svix.deliver_all([message] * 8, threads=8)
        assert Counter(answer.json()["outcome"] for answer in answers) == {"processed": 1, "duplicate": 7}
        known = User.objects.get(clerk_id=user.clerk_id)
        assert BuilderProfile.objects.filter(user=known).count() == 1
        assert AuditLog.objects.filter(subject=known, action="USER_CREATED").count() == 1
        assert WebhookEvent.objects.get(svix_id=svix_id).deliveries == 8


def test_eight_different_events_of_one_new_user_end_in_the_newest(svix: Svix) -> None:
    for _ in range(ROUNDS):
        first = person(roles=["BUILDER"])
        versions = [first.later(timedelta(seconds=second), first_name=f"V{second}") for second in range(1, 8)]
        messages = [(samples.user_event("user.created", first), new_svix_id())]
        messages += [(samples.user_event("user.updated", version), new_svix_id()) for version in versions]
        answers = svix.deliver_all(messages, threads=8)
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["outcome"] for answer in answers} <= {"processed", "stale"}
        known = User.objects.get(clerk_id=first.clerk_id)
        assert known.name == f"V7 {first.last_name}"
        assert BuilderProfile.objects.get(user=known).slug


def test_namesakes_who_sign_up_at_once_get_pages_of_their_own(svix: Svix) -> None:
    people = [person(first_name="Olive", last_name="Owner", roles=["BUILDER"]) for _ in range(8)]
    messages = [(samples.user_event("user.created", user), new_svix_id()) for user in people]
    answers = svix.deliver_all(messages, threads=8)
    assert {answer.json()["outcome"] for answer in answers} == {"processed"}
    assert len(set(BuilderProfile.objects.published().values_list("slug", flat=True))) == 8
