"""Compare the database with the messages after a run: nothing lost, nothing applied twice, and no job stuck."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import User
from audit.models import AuditLog
from audit.sealing import seals, verification
from profiles.models import BuilderProfile, ClientProfile
from tests.faults.stack import Stack
from tests.faults.workload import Message
from tests.helpers.model import Expected, expected, state_of
from webhooks.models import WebhookEvent

IDLE_TIMEOUT_S = 120
FINAL_STATES = {"processed", "stale"}
PROFILES = (("BUILDER", BuilderProfile), ("CLIENT", ClientProfile))


def wait_until_idle(stack: Stack) -> float:
    """Wait until the worker has retried all events and sealed all audit rows. Return the time in seconds."""
    started = time.monotonic()
    while unfinished_work():
        if time.monotonic() - started > IDLE_TIMEOUT_S:
            return time.monotonic() - started
        stack.supervise(0.5)
    return time.monotonic() - started


def problems(messages: Sequence[Message]) -> dict[str, list[Any]]:
    """Return the problems that each check found."""
    final, users = _final_states(messages), _users()
    return {
        "no event is lost": _lost(messages),
        "no event is applied twice": _doubled(messages),
        "every user's state equals the model": _different(final, users),
        "every user has the profiles of their roles": _profiles(final, users),
        "the audit log records each creation and deletion once": _unaudited(final, users),
        "the audit log is sealed and intact": _unsealed(),
        "no work is left and no job is stuck": unfinished_work(),
    }


def different_users(messages: Sequence[Message], *, only: Collection[str]) -> list[Any]:
    """Return the users in `only` whose state differs from the state after all messages, and the live users not in `only`."""
    final = {clerk_id: state for clerk_id, state in _final_states(messages).items() if clerk_id in only}
    return _different(final, {clerk_id: user for clerk_id, user in _users().items() if user.deleted_at is None})


def figures() -> dict[str, Any]:
    return {
        "events by state": dict(Counter(WebhookEvent.objects.values_list("state", flat=True))),
        "events applied by the worker": WebhookEvent.objects.filter(attempts__gt=1).count(),
        "users": User.objects.count(),
        "audit rows": AuditLog.objects.count(),
        "failed periodic jobs, which run again on schedule": dict(
            Counter(ProcrastinateJob.objects.filter(status="failed").values_list("task_name", flat=True))
        ),
    }


def _final_states(messages: Sequence[Message]) -> dict[str, Expected]:
    by_user: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        by_user[message.clerk_id].append(json.loads(message.body))
    return {clerk_id: expected(events) for clerk_id, events in by_user.items()}


def _users() -> dict[str, User]:
    return {str(user.clerk_id): user for user in User.objects.filter(clerk_id__isnull=False)}


def _lost(messages: Sequence[Message]) -> list[Any]:
    states = dict(WebhookEvent.objects.values_list("svix_id", "state"))
    sent = {message.svix_id for message in messages}
    wrong = [(svix_id, states.get(svix_id, "missing")) for svix_id in sent if states.get(svix_id) not in FINAL_STATES]
    return [*wrong, *(("unknown", svix_id) for svix_id in states.keys() - sent)]


def _doubled(messages: Sequence[Message]) -> list[Any]:
    """Return events with a wrong number of deliveries, and messages that were answered as new more than once."""
    counts = dict(WebhookEvent.objects.values_list("svix_id", "deliveries"))
    by_delivery = AuditLog.objects.filter(action="USER_CREATED", delivery__isnull=False)
    created = Counter(by_delivery.values_list("delivery", flat=True))
    uncounted = [m for m in messages if counts.get(m.svix_id, 0) < len(m.outcomes)]
    repeated = [m for m in messages if sum(outcome in FINAL_STATES for outcome in m.outcomes) > 1]
    return [
        *(("uncounted delivery", m.svix_id, counts.get(m.svix_id), m.outcomes) for m in uncounted),
        *(("applied twice", m.svix_id, m.outcomes) for m in repeated),
        *(("two users created", delivery) for delivery, number in created.items() if number > 1),
    ]


def _different(final: dict[str, Expected], users: dict[str, User]) -> list[Any]:
    return [
        (clerk_id, state, state_of(users[clerk_id]) if clerk_id in users else "missing")
        for clerk_id, state in final.items()
        if clerk_id not in users or state_of(users[clerk_id]) != state
    ] + [("unknown", clerk_id) for clerk_id in users.keys() - final.keys()]


def _profiles(final: dict[str, Expected], users: dict[str, User]) -> list[Any]:
    wrong: list[Any] = []
    for role, model in PROFILES:
        owners = set(model._default_manager.filter(archived_at=None).values_list("user_id", flat=True))
        for clerk_id, state in final.items():
            if not state.deleted and clerk_id in users and (users[clerk_id].pk in owners) != (role in state.roles):
                wrong.append((clerk_id, role))
    return wrong


def _unaudited(final: dict[str, Expected], users: dict[str, User]) -> list[Any]:
    created, deleted = _audited("USER_CREATED"), _audited("USER_DELETED")
    return [
        (clerk_id, created[user.pk], deleted[user.pk])
        for clerk_id, user in users.items()
        if clerk_id in final
        and (created[user.pk] != 1 or deleted[user.pk] != final[clerk_id].deleted)
        and not (final[clerk_id].deleted and created[user.pk] == 0)  # the deletion arrived first
    ]


def _audited(action: str) -> Counter[int]:
    targets = AuditLog.objects.filter(action=action).values_list("target", flat=True)
    return Counter(int(target.rpartition(":")[2]) for target in targets)


def _unsealed() -> list[Any]:
    result, state = verification.verify(), seals.state()
    found: list[Any] = [problem.text for problem in result.problems]
    if state.unsealed or result.rows != AuditLog.objects.count():
        found.append(f"{state.unsealed} rows are not sealed, and {result.rows} rows were verified")
    return found


def unfinished_work() -> list[Any]:
    jobs = ProcrastinateJob.objects
    stuck = jobs.filter(status="todo", scheduled_at__lt=timezone.now() - timedelta(seconds=20))
    checks: dict[str, Callable[[], int]] = {
        "failed or dead events": WebhookEvent.objects.filter(state__in=["failed", "dead"]).count,
        "jobs of killed workers": jobs.filter(status="doing", worker=None).count,
        "overdue jobs": stuck.count,
        "failed retries of events": jobs.filter(status="failed", task_name__endswith="retry_event").count,
        "unsealed audit rows": lambda: seals.state().unsealed,
    }
    return [(name, number) for name, count in checks.items() if (number := count())]
