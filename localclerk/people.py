"""What can happen to a user. Every change makes one event, in the same transaction."""

import json

from django.db import transaction

from localclerk import sessions, wire
from localclerk.events import tell
from localclerk.models import User, now_ms
from localclerk.wire import Actor


def create(person: User, actor: Actor) -> None:
    """Sign `person` up."""
    with transaction.atomic():
        person.save(force_insert=True)
        tell("user.created", person, actor)


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
    return json.dumps(wire.user(person), sort_keys=True)
