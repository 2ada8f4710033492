"""Actions on users. Every change publishes one event in the same transaction."""

import json

from django.db import transaction

from local.clerk import serializers
from local.clerk.events.publishing import publish
from local.clerk.frontend_api import sessions
from local.clerk.ids import new_id
from local.clerk.models import User, now_ms
from local.clerk.serializers import Actor


def create(user: User, actor: Actor) -> None:
    with transaction.atomic():
        user.save(force_insert=True)
        publish("user.created", user, actor)


def create_many(count: int, roles: list[str]) -> None:
    """Sign up generated users without events."""
    now = now_ms()
    for start in range(0, count, 5000):
        numbers = range(start, min(start + 5000, count))
        User.objects.bulk_create([_generated_user(number, now - count + number, roles) for number in numbers])


def _generated_user(number: int, at_ms: int, roles: list[str]) -> User:
    email_id = new_id("idn")
    email = {"id": email_id, "address": f"person{number}.{at_ms}@example.com", "verified": True}
    names = {"first_name": f"Person {number}", "last_name": "Ofmany"}
    metadata = {"roles": roles} if roles else {}
    user = User(**names, emails=[email], primary_email_id=email_id, public_metadata=metadata)
    user.created_ms = user.updated_ms = at_ms
    return user


def update(user: User, actor: Actor) -> bool:
    """Save a user and publish an event if the user was changed. Return whether the user was changed."""
    with transaction.atomic():
        stored = User.objects.get(pk=user.pk)
        user.updated_ms = stored.updated_ms
        # Compare the JSON text, because 1 and True are equal in Python.
        if _text(user) == _text(stored):
            return False
        user.updated_ms = max(now_ms(), stored.updated_ms + 1)
        user.save()
        publish("user.updated", user, actor)
        if user.banned:
            sessions.revoke_all(user, actor)
    return True


def delete(user: User, actor: Actor) -> None:
    with transaction.atomic():
        sessions.revoke_all(user, actor)
        publish("user.deleted", user, actor)
        user.__class__.objects.filter(pk=user.pk).delete()


def _text(user: User) -> str:
    return json.dumps(serializers.user(user), sort_keys=True)
