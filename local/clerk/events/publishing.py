"""Publish events as messages, which are delivered with fault injection."""

import random
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from local.clerk import serializers
from local.clerk.events import deliveries
from local.clerk.models import FaultInjection, Message, Session, User
from local.clerk.serializers import Actor


def publish(
    event_type: str, user: User, actor: Actor, session: Session | None = None, *, data: dict[str, Any] | None = None
) -> None:
    """Queue an event. Must run in the transaction of the change.

    Args:
        data: the event's data. By default, it is `session` or `user`.
    """
    data = data or _data(event_type, user, session, actor)
    publish_data(event_type, data, actor, subject_id=user.id, label=str(user))


def publish_data(event_type: str, data: dict[str, Any], actor: Actor, *, subject_id: str, label: str) -> None:
    """Queue an event with `data`. Must run in the transaction of the change.

    Args:
        subject_id, label: the user, organization or lead that the event is about, for the list of deliveries.
    """
    faults = FaultInjection.current()
    now = timezone.now()
    Message.objects.create(
        event_type=event_type,
        user_id=subject_id,
        user_label=label,
        body=serializers.event(event_type, data, actor),
        created_at=now,
        state=_initial_state(faults),
        copies=2 if faults.duplicate else 1,
        next_attempt_at=now + timedelta(seconds=faults.delay_s),
    )
    deliveries.release_if_full(faults)
    transaction.on_commit(deliveries.wake)


def _data(event_type: str, user: User, session: Session | None, actor: Actor) -> dict[str, Any]:
    if session is not None:
        activity = {"latest_activity": serializers.session_activity(session, actor)}
        return serializers.session(session) | {"user": serializers.user(user)} | activity
    return serializers.deleted(user.id) if event_type == "user.deleted" else serializers.user(user)


def _initial_state(faults: FaultInjection) -> Message.State:
    if random.random() * 100 < faults.lose_percent:  # noqa: S311  # not used for security
        return Message.State.LOST
    return Message.State.HELD if faults.shuffle else Message.State.PENDING
