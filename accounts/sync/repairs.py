"""Repair differences between users here and in Clerk, and record them in the report of a run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import batched

from django.db import transaction
from django.utils import timezone

from accounts.clerk import api
from accounts.clerk.payloads import ClerkUserDeleted
from accounts.models import MetadataPush, Reconciliation, User
from accounts.sync import outbox
from accounts.sync import push as pushes
from accounts.sync.apply import Outcome, Payload, apply_user, apply_users
from accounts.sync.differences import Difference, compare
from audit.log import Actor
from audit.models import AuditLog

log = logging.getLogger(__name__)

Kind, DifferenceKind = Reconciliation.Kind, Reconciliation.DifferenceKind
#: Users per transaction. Their webhooks wait until it ends.
GROUP_SIZE = 100
ORIGIN = Actor(AuditLog.Source.RECONCILIATION)


def repair(run: Reconciliation, found: list[Difference], actor: Actor = ORIGIN) -> None:
    """Record the differences, apply the payloads from Clerk, then push values that still differ."""
    for difference in found:
        _record(run, difference)
    if run.dry_run:
        return
    for group in batched(found, GROUP_SIZE):
        payloads = {difference.clerk_id: difference.payload for difference in group if difference.payload}
        applied = _apply_together(run, payloads, actor)
        for clerk_id in [clerk_id for clerk_id in payloads if clerk_id not in applied]:
            with _isolated(run, clerk_id), transaction.atomic():
                apply_user(payloads[clerk_id], actor=actor)
                run.repaired += 1
        clerk_ids = list(dict.fromkeys(difference.clerk_id for difference in group))
        for clerk_id in _outdated_at_clerk(clerk_ids):
            with _isolated(run, clerk_id):
                _push_if_outdated(run, clerk_id)


def _apply_together(run: Reconciliation, payloads: dict[str, Payload], actor: Actor) -> set[str]:
    """Apply payloads in one transaction, and return the Clerk IDs of those that were applied."""
    if len(payloads) < 2:
        return set()
    try:
        with transaction.atomic():
            outcomes = apply_users([(payload, actor) for payload in payloads.values()], skip_locked=True)
    except Exception as error:  # noqa: BLE001  # the repair of the user that caused it reports it
        log.info("Users could not be repaired together (%s). Each is repaired alone.", type(error).__name__)
        return set()
    applied = {user for user, outcome in zip(payloads, outcomes, strict=True) if outcome is not Outcome.LEFT_OUT}
    run.repaired += len(applied)
    return applied


def _outdated_at_clerk(clerk_ids: list[str]) -> list[str]:
    """Return the users whose values in Clerk may be out of date, or whose push is not done."""
    users = list(User.objects.filter(clerk_id__in=clerk_ids))
    unfinished = MetadataPush.objects.filter(user__in=users).exclude(state=MetadataPush.State.DONE)
    waiting = set(unfinished.values_list("user_id", flat=True))
    outdated = {user.pk for user in outbox.find_outdated(users)}
    return [str(user.clerk_id) for user in users if user.pk in outdated | waiting]


@contextmanager
def _isolated(run: Reconciliation, clerk_id: str) -> Iterator[None]:
    """Report an error for one user instead of ending the run, which would also block all later runs."""
    try:
        yield
    except Exception as error:
        log.exception("User %s could not be repaired.", clerk_id)
        run.unrepaired += 1
        # Report only the exception type, because database messages can quote personal data.
        run.add_example(
            {"clerk_id": clerk_id, "kind": "unrepaired", "fields": [], "reason": f"{type(error).__name__}, see the log"}
        )


def _push_if_outdated(run: Reconciliation, clerk_id: str) -> None:
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).filter(clerk_id=clerk_id).first()
        if user is None:
            return  # The user could not be created, or an admin has just moved the identity.
        outbox.queue_pushes_if_outdated([user])
    _push(run, user)


def _push(run: Reconciliation, user: User) -> None:
    """Run a user's pending push. Full and single-user runs also retry abandoned pushes."""
    push = MetadataPush.objects.filter(user=user).exclude(state=MetadataPush.State.DONE)
    if not push.exists():
        return
    if run.kind != Kind.RECENT and not push.filter(state=MetadataPush.State.PENDING).exists():
        pushes.restart(user.pk)
    run.pushed += pushes.push_user(user.pk, ignore_schedule=True) is pushes.Outcome.SENT
    if left := push.first():
        # The next run and the periodic job will retry the push.
        run.unrepaired += 1
        reason = left.last_error or str(left.get_state_display())
        run.add_example({"clerk_id": str(user.clerk_id), "kind": "unrepaired", "fields": [], "reason": reason})


def check_user(run: Reconciliation, clerk_id: str, actor: Actor = ORIGIN) -> None:
    """Read one user from Clerk, and repair differences. A user that Clerk no longer has is deleted.

    Raises:
        ClerkApiError: Clerk returned no usable response.
    """
    payload = api.get_user(clerk_id)
    if isinstance(payload, ClerkUserDeleted):
        repair(run, [Difference(clerk_id, DifferenceKind.DELETED, payload)], actor)
    else:  # The user signed up or was restored while the list was being read.
        repair(run, compare([payload])[0], actor)


def _record(run: Reconciliation, difference: Difference) -> None:
    setattr(run, difference.kind, getattr(run, difference.kind) + 1)
    for field in difference.fields:
        run.fields[field] = run.fields.get(field, 0) + 1
    since = difference.since.isoformat() if difference.since else None
    example = {"clerk_id": difference.clerk_id, "kind": difference.kind, "fields": list(difference.fields)}
    run.add_example({**example, "since": since})
    if difference.since:
        run.longest_drift = max(run.longest_drift or timedelta(0), timezone.now() - difference.since)
