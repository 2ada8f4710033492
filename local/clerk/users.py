"""What can happen to a user. Every change makes one event, in the same transaction."""

import json

from django.db import transaction

from local.clerk import serializers, sessions
from local.clerk.events import tell
from local.clerk.ids import new_id
from local.clerk.models import User, now_ms
from local.clerk.serializers import Actor


def create(person: User, actor: Actor) -> None:
    """Sign `person` up."""
    with transaction.atomic():
        person.save(force_insert=True)
        tell("user.created", person, actor)


def create_many(count: int, roles: list[str]) -> None:
    """Sign up people who differ in what has to differ, without events."""
    now = now_ms()
    for start in range(0, count, 5000):
        numbers = range(start, min(start + 5000, count))
        User.objects.bulk_create([_one_of_many(number, now - count + number, roles) for number in numbers])


def _one_of_many(number: int, at_ms: int, roles: list[str]) -> User:
    email_id = new_id("idn")
    email = {"id": email_id, "address": f"person{number}.{at_ms}@example.com", "verified": True}
    names = {"first_name": f"Person {number}", "last_name": "Ofmany"}
    metadata = {"roles": roles} if roles else {}
    person = User(**names, emails=[email], primary_email_id=email_id, public_metadata=metadata)
    person.created_ms = person.updated_ms = at_ms
    return person


def update(person: User, actor: Actor) -> bool:
    """Save a changed user; return whether there was a change, and so an event."""
    with transaction.atomic():
        stored = User.objects.get(pk=person.pk)
        person.updated_ms = stored.updated_ms
        # As text, because for Python 1 and true are equal.
        if _text(person) == _text(stored):
            return False
        person.updated_ms = max(now_ms(), stored.updated_ms + 1)
        person.save()
        tell("user.updated", person, actor)
        if person.banned:
            sessions.revoke_all(person, actor)
    return True


def delete(person: User, actor: Actor) -> None:
    """Forget `person`."""
    with transaction.atomic():
        sessions.revoke_all(person, actor)
        tell("user.deleted", person, actor)
        person.__class__.objects.filter(pk=person.pk).delete()


def _text(person: User) -> str:
    return json.dumps(serializers.user(person), sort_keys=True)
