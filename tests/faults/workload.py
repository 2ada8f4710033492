"""Random histories of users, as the messages that Svix would deliver."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from tests.helpers.model import FIELD_KEYS
from tests.helpers.servers.faulty_site import FAILING_NAME

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
ROLES = ("BUILDER", "CLIENT", "ADMIN")
MAX_CHANGES = 6
#: Fractions of users, of events, and of messages.
DELETED, FAILING, INCOMPLETE, REORDERED, REPEATED = 0.1, 0.03, 0.1, 0.1, 0.05
#: Maximum distance in positions between a message and its place in the order of events.
MAX_SHIFT = 40


@dataclass(slots=True)
class Message:
    """A message and its deliveries.

    Attributes:
        copies: number of deliveries that must succeed. Svix sometimes repeats a successful delivery.
        tries: number of attempts since the last success or recovery.
        outcomes: outcomes of the successful deliveries.
        answered_at: the time of the last successful delivery, in seconds since the epoch.
    """

    svix_id: str
    clerk_id: str
    body: str
    copies: int = 1
    tries: int = 0
    outcomes: tuple[str, ...] = ()
    answered_at: float = 0.0


def messages(number: int, random: Random) -> list[Message]:
    """Return messages about users who change at the same time. Some are out of order."""
    histories: list[list[dict[str, Any]]] = []
    while sum(map(len, histories)) < number:
        histories.append(_history(random))
    order = [
        (position + random.random() * MAX_SHIFT, event) for position, event in enumerate(_mixed(histories, random))
    ]
    return [_message(event, random) for _, event in sorted(order, key=lambda item: item[0])][:number]


def _mixed(histories: list[list[dict[str, Any]]], random: Random) -> list[dict[str, Any]]:
    """Return all events, with those of about 30 users mixed. Events of a user are usually in order."""
    events, waiting = [], [list(history) for history in histories]
    active = [waiting.pop() for _ in range(min(30, len(waiting)))]
    while active:
        history = random.choice(active)
        events.append(history.pop(0 if random.random() > REORDERED else -1))
        if not history:
            active.remove(history)
            active += [waiting.pop()] if waiting else []
    return events


def _message(event: dict[str, Any], random: Random) -> Message:
    copies = 2 if random.random() < REPEATED else 1
    body = samples.encode(event)
    return Message(samples.new_id(random, "msg"), samples.subject_id(event), body, copies)


def _history(random: Random) -> list[dict[str, Any]]:
    """Return the events of one user."""
    user = SampleUser.generate(random, updated_at=START, roles=random.sample(ROLES, random.randint(0, 2)))
    events = [_event("user.created", user, random)]
    for _ in range(random.randint(0, MAX_CHANGES - 1)):
        user = user.with_changes(timedelta(seconds=random.randint(0, 3)), **_changes(user, random))
        events.append(_event("user.updated", user, random))
    if random.random() < DELETED:
        events.append(samples.user_event("user.deleted", replace(user)))
    return events


def _event(event_type: str, user: SampleUser, random: Random) -> dict[str, Any]:
    event = samples.user_event(event_type, user)
    # Changes in the same millisecond are ordered by the time in the envelope.
    event["timestamp"] += random.randint(0, 10**6)
    if random.random() < INCOMPLETE:
        event["data"].pop(random.choice([key for keys in FIELD_KEYS.values() for key in keys]), None)
    return event


def _changes(user: SampleUser, random: Random) -> dict[str, Any]:
    if random.random() < FAILING:
        return {"first_name": FAILING_NAME}
    values: dict[str, Any] = {
        "first_name": random.choice([*(name for name, _ in samples.NAMES), None]),
        "username": random.choice([f"{user.clerk_id[5:15].lower()}", None]),
        "email": random.choice([f"{samples.new_id(random, 'new')[4:16]}@example.com", None]),
        "banned": random.random() < 0.1,
        "roles": random.sample(ROLES, random.randint(0, 2)),
    }
    return {name: values[name] for name in random.sample(list(values), random.randint(1, 2))}
