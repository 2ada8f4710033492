"""Jobs of the accounts app. They carry ids only."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from accounts import preserved_forms
from accounts.clerk import api, rate_limiter
from accounts.clerk.api import ClerkApiError
from accounts.models import Reconciliation
from accounts.privacy import deletion, erasure, exports
from accounts.sessions import services as sessions
from accounts.sync import on_demand_fetch, push, reconciliation
from accounts.sync.apply import apply_user
from audit.log import SYSTEM

log = logging.getLogger(__name__)

#: Numbers that differ make everybody be compared, but not more often than this.
RECOUNT_AFTER = timedelta(hours=6)
#: Clerk's webhook usually comes first; this is for when it does not.
CLERK_AWAY = RetryStrategy(max_attempts=8, exponential_wait=3)


@app.task(retry=CLERK_AWAY)
def fetch_user(clerk_id: str) -> None:
    """Ask Clerk who somebody is of whom only a session token has told, and apply the answer like an event."""
    payload = api.get_user(clerk_id)
    with transaction.atomic():
        apply_user(payload, origin=SYSTEM)


@app.task(retry=RetryStrategy(max_attempts=3, exponential_wait=4))
def reconcile_user(clerk_id: str, report_id: int) -> None:
    """Compare one person with Clerk, because an operator asked for it."""
    on_demand_fetch.run(clerk_id, report_id)


@app.task(retry=CLERK_AWAY)
def revoke_session(session_id: str) -> None:
    """End a session at Clerk that was ended here."""
    api.revoke_session(session_id)


@app.task
def push_metadata(user_id: int) -> None:
    """Bring what is ours of one person to Clerk; what fails is tried again by `push_due_metadata`."""
    push.push_user(user_id)


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="push_due_metadata")
def push_due_metadata(timestamp: int) -> None:
    """Make the pushes that wait for another attempt, once a minute."""
    if settings.CLERK_SECRET_KEY:
        push.push_due()


@app.periodic(cron=settings.RECONCILE_CRON)
@app.task(queue="upkeep", queueing_lock="reconcile_recent")
def reconcile_recent(timestamp: int) -> None:
    """Compare who changed since the last run with Clerk, and heal what differs; everybody, if the numbers say so."""
    run = _reconcile(full=False)
    if run and reconciliation.counts_differ(run) and not reconciliation.has_recent_full_run(RECOUNT_AFTER):
        _reconcile(full=True)


@app.periodic(cron=settings.RECONCILE_FULL_CRON)
@app.task(queue="upkeep", queueing_lock="reconcile_all")
def reconcile_all(timestamp: int) -> None:
    """Compare everybody with Clerk, and heal what differs."""
    _reconcile(full=True)
    reconciliation.delete_old()


def _reconcile(*, full: bool) -> Reconciliation | None:
    """Return the report; None if there was no run, or it failed, which its report says."""
    if not settings.CLERK_SECRET_KEY:
        return None
    try:
        return reconciliation.reconcile(full=full)
    except (ClerkApiError, reconciliation.AlreadyRunningError) as error:
        log.warning("The people here could not be compared with Clerk's: %s", error)
        return None


@app.task(retry=RetryStrategy(max_attempts=3, exponential_wait=4))
def build_data_export(export_id: int) -> None:
    """Put together what is held about a person who asked for it."""
    exports.build_export(export_id)


@app.periodic(cron="7 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_due_accounts")
def delete_due_accounts(timestamp: int) -> None:
    """Delete accounts whose people had time to change their mind, once an hour."""
    if settings.CLERK_SECRET_KEY:
        deletion.delete_due()


@app.periodic(cron="47 3 * * *")
@app.task(queue="upkeep", queueing_lock="erase_deleted_users")
def erase_deleted_users(timestamp: int) -> None:
    """Erase who people were whose accounts were deleted long ago, and exports whose time is over, once a night."""
    erasure.erase_due()
    exports.delete_expired()


@app.periodic(cron="17 3 * * *")
@app.task(queue="upkeep", queueing_lock="delete_old_ended_sessions")
def delete_old_ended_sessions(timestamp: int) -> None:
    """Keep the table that every request looks into small, once a night."""
    sessions.delete_old()


@app.periodic(cron="37 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_idle_rate_limits")
def delete_idle_rate_limits(timestamp: int) -> None:
    """Delete how fast metadata of users was written whose metadata is not written any more, once an hour."""
    rate_limiter.delete_idle()


@app.periodic(cron="27 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_preserved_forms")
def delete_expired_preserved_forms(timestamp: int) -> None:
    """Delete what people typed and did not come back for, once an hour."""
    preserved_forms.delete_expired()
