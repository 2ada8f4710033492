"""Events on their way to the endpoint: what happened, as Clerk tells of it, and what becomes of the telling."""

import random
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from local.clerk import deliveries, serializers
from local.clerk.models import Message, Session, Trouble, User
from local.clerk.serializers import Actor


def tell(event_type: str, person: User, actor: Actor, session: Session | None = None) -> None:
    """Put an event about `person`, or about a session of theirs, on its way. Call it in the change's transaction."""
    data = _data(event_type, person, session)
    trouble = Trouble.current()
    now = timezone.now()
    Message.objects.create(
        event_type=event_type,
        user_id=person.id,
        user_label=str(person),
        body=serializers.event(event_type, data, actor),
        created_at=now,
        state=_first_state(trouble),
        copies=2 if trouble.duplicate else 1,
        next_attempt_at=now + timedelta(seconds=trouble.delay_s),
    )
    deliveries.release_full(trouble)
    transaction.on_commit(deliveries.wake)


def _data(event_type: str, person: User, session: Session | None) -> dict[str, Any]:
    if session is not None:
        return serializers.session(session) | {"user": serializers.user(person)}
    return serializers.deleted(person.id) if event_type == "user.deleted" else serializers.user(person)


def _first_state(trouble: Trouble) -> Message.State:
    if random.random() * 100 < trouble.lose_percent:  # noqa: S311  # chance, not secrecy
        return Message.State.LOST
    return Message.State.HELD if trouble.shuffle else Message.State.PENDING
