"""Every kind of event, with its preceding events. Tests and benchmarks measure only the last event."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from django.utils import timezone

from accounts.clerk import samples
from tests.helpers.webhooks import new_svix_id, person
from webhooks.inbox.deliveries import Received, Sender, parse
from webhooks.inbox.signatures import Delivery

#: An event and its svix-id.
type Message = tuple[dict[str, Any], str]
_random = Random(16)
CLIENT, BUILDER = ["CLIENT"], ["BUILDER"]


def received(event: dict[str, Any], svix_id: str = "") -> Received:
    """Return a verified delivery."""
    return verified(samples.encode(event), svix_id)


def verified(body: str, svix_id: str) -> Received:
    return Received(Delivery(svix_id or new_svix_id(), body, "test"), Sender("192.0.2.1", {}), parse(body))


def user(roles: list[str], *changes: dict[str, Any], is_deleted: bool = False, **fields: Any) -> list[Message]:
    """Return the events of one user: creation with `fields`, an update for each of `changes`, and deletion."""
    versions = [person(roles=roles, updated_at=timezone.now() - timedelta(minutes=1), **fields)]
    for change in changes:
        versions.append(versions[-1].with_changes(**change))
    events = [
        samples.user_event("user.updated" if number else "user.created", version)
        for number, version in enumerate(versions)
    ]
    events += [samples.user_event("user.deleted", versions[-1].with_changes())] if is_deleted else []
    return [(event, new_svix_id()) for event in events]


def new_email() -> list[Message]:
    return user(CLIENT, {"email": f"{samples.new_id(_random, 'new').lower()}@example.com"})


def session(event_type: str, *, is_known: bool = True) -> list[Message]:
    before = user(CLIENT)
    clerk_id = samples.subject_id(before[0][0])
    data = {"object": "session", "id": samples.new_id(_random, "sess"), "user_id": clerk_id, "actor": None}
    event = samples.event(event_type, data, occurred_at=timezone.now())
    return [*(before if is_known else []), (event, new_svix_id())]


def lead(event_type: str, *, is_known: bool = True) -> list[Message]:
    """Return the events of a waitlist entry with an invitation, or of an invitation."""
    noun, now = event_type.partition(".")[0], timezone.now()
    times = {"created_at": samples.milliseconds(now), "updated_at": samples.milliseconds(now)}
    invitation = {"object": "invitation", "id": samples.new_id(_random, "inv"), "status": "pending", **times}
    invitation["email_address"] = f"{str(invitation['id']).lower()}@example.com"
    waitlist = invitation | {"id": samples.new_id(_random, "wle"), "status": "invited", "invitation": invitation}
    data = waitlist if noun == "waitlistEntry" else invitation
    created = samples.event(f"{noun}.created", data, occurred_at=now - timedelta(minutes=1))
    event = samples.event(event_type, data, occurred_at=now)
    return [*([(created, new_svix_id())] if is_known else []), (event, new_svix_id())]


def other(event_type: str) -> list[Message]:
    return [(samples.event(event_type, {"id": "x"}, occurred_at=timezone.now()), new_svix_id())]


def duplicate() -> list[Message]:
    return user(BUILDER) * 2


def out_of_order() -> list[Message]:
    created, updated = user(BUILDER, {"first_name": "Vera"})
    return [updated, created]


KINDS: dict[str, Callable[[], list[Message]]] = {
    "new client": lambda: user(CLIENT),
    "new builder": lambda: user(BUILDER),
    "new builder and client": lambda: user(BUILDER + CLIENT),
    "update that arrives first": lambda: user(BUILDER, {"first_name": "Vera"})[1:],
    "client's new name": lambda: user(CLIENT, {"first_name": "Vera"}),
    "builder's new name": lambda: user(BUILDER, {"first_name": "Vera"}),
    "builder's first name": lambda: user(BUILDER, {"first_name": "Vera"}, first_name=None, last_name=None),
    "new email": new_email,
    "unchanged user": lambda: user(BUILDER, {}),
    "role gained": lambda: user(CLIENT, {"roles": CLIENT + BUILDER}),
    "role Admin gained": lambda: user(CLIENT, {"roles": [*CLIENT, "ADMIN"]}),
    "role regained": lambda: user(CLIENT + BUILDER, {"roles": CLIENT}, {"roles": CLIENT + BUILDER}),
    "role lost": lambda: user(CLIENT + BUILDER, {"roles": CLIENT}),
    "role changed": lambda: user(CLIENT, {"roles": BUILDER}),
    "roles and name changed": lambda: user(CLIENT, {"roles": BUILDER, "first_name": "Vera"}),
    "lock": lambda: user(BUILDER, {"locked": True}),
    "ban": lambda: user(BUILDER, {"banned": True}),
    "unban": lambda: user(BUILDER, {"banned": True}, {"banned": False}),
    "deletion": lambda: user(BUILDER, is_deleted=True),
    "deletion that arrives first": lambda: user(BUILDER, is_deleted=True)[1:],
    "sign-in": lambda: session("session.created"),
    "sign-in that arrives first": lambda: session("session.created", is_known=False),
    "end of a session": lambda: session("session.ended"),
    "new waitlist entry": lambda: lead("waitlistEntry.created", is_known=False),
    "invited waitlist entry": lambda: lead("waitlistEntry.updated"),
    "new invitation": lambda: lead("invitation.created", is_known=False),
    "accepted invitation": lambda: lead("invitation.accepted"),
    "email.created": lambda: other("email.created"),
    "ignored type": lambda: other("organizationDomain.created"),
    "duplicate": duplicate,
    "out of order": out_of_order,
}
