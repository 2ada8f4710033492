"""What can happen to a user. Every change makes one event, in the same transaction."""

import json
import random
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from localclerk import deliveries, wire
from localclerk.models import Message, Trouble, User, now_ms
from localclerk.wire import Actor


def create(person: User, actor: Actor) -> None:
    """Sign `person` up."""
    with transaction.atomic():
        person.save(force_insert=True)
        _tell("user.created", person, actor)


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
        _tell("user.updated", person, actor)
    return True


def delete(person: User, actor: Actor) -> None:
    """Forget `person`."""
    with transaction.atomic():
        _tell("user.deleted", person, actor)
        person.__class__.objects.filter(pk=person.pk).delete()


def _text(person: User) -> str:
    return json.dumps(wire.user(person), sort_keys=True)


def _tell(event_type: str, person: User, actor: Actor) -> None:
    data = wire.deleted(person.id) if event_type == "user.deleted" else wire.user(person)
    trouble = Trouble.current()
    now = timezone.now()
    Message.objects.create(
        event_type=event_type,
        user_id=person.id,
        user_label=str(person),
        body=wire.event(event_type, data, actor),
        created_at=now,
        state=_first_state(trouble),
        copies=2 if trouble.duplicate else 1,
        next_attempt_at=now + timedelta(seconds=trouble.delay_s),
    )
    deliveries.release_full(trouble)
    transaction.on_commit(deliveries.wake)


def _first_state(trouble: Trouble) -> Message.State:
    if random.random() * 100 < trouble.lose_percent:  # noqa: S311  # chance, not secrecy
        return Message.State.LOST
    return Message.State.HELD if trouble.shuffle else Message.State.PENDING
