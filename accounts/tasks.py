"""Periodic jobs for the accounts app. Other jobs are declared next to the function that they run."""

import logging
from datetime import timedelta

from django.conf import settings
from procrastinate.contrib.django import app

from accounts import derived_state, preserved_forms
from accounts.clerk import http, outage, rate_limiter
from accounts.clerk.api import ClerkApiError
from accounts.models import Reconciliation
from accounts.privacy import deletion, erasure, exports
from accounts.security import lockouts, request_counts
from accounts.sessions import services as sessions
from accounts.sync import on_demand_fetch, push, reconciliation  # noqa: F401  # on_demand_fetch registers its job

log = logging.getLogger(__name__)

#: Minimum time between two full reconciliations triggered by differing user counts.
RECOUNT_AFTER = timedelta(hours=6)


@app.task
def push_metadata(user_id: int) -> None:
    """Push the metadata of one user. Failures are retried by `push_due_metadata`."""
    push.push_user(user_id)


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="push_due_metadata")
def push_due_metadata(timestamp: int) -> None:
    if settings.CLERK_SECRET_KEY:
        push.push_due()


@app.periodic(cron=settings.RECONCILE_CRON)
@app.task(queue="upkeep", queueing_lock="reconcile_recent")
def reconcile_recent(timestamp: int) -> None:
    """Reconcile users that changed since the last run. If the user counts differ, reconcile all users."""
    run = _reconcile(full=False)
    if run and reconciliation.counts_differ(run) and not reconciliation.has_recent_full_run(RECOUNT_AFTER):
        _reconcile(full=True)


@app.periodic(cron=settings.RECONCILE_FULL_CRON)
@app.task(queue="upkeep", queueing_lock="reconcile_all")
def reconcile_all(timestamp: int) -> None:
    _reconcile(full=True)
    reconciliation.delete_old()


def _reconcile(*, full: bool) -> Reconciliation | None:
    """Return the report, or None if the run failed or CLERK_SECRET_KEY is not set."""
    if not settings.CLERK_SECRET_KEY:
        return None
    try:
        return reconciliation.reconcile(full=full)
    except (ClerkApiError, reconciliation.AlreadyRunningError) as error:
        log.warning("Reconciliation with Clerk failed: %s", error)
        return None


@app.periodic(cron="7 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_due_accounts")
def delete_due_accounts(timestamp: int) -> None:
    if settings.CLERK_SECRET_KEY:
        deletion.delete_due()


@app.periodic(cron="47 3 * * *")
@app.task(queue="upkeep", queueing_lock="erase_deleted_users")
def erase_deleted_users(timestamp: int) -> None:
    erasure.erase_due()
    exports.delete_expired()


@app.periodic(cron="17 3 * * *")
@app.task(queue="upkeep", queueing_lock="delete_old_ended_sessions")
def delete_old_ended_sessions(timestamp: int) -> None:
    """Delete old rows every night to keep the table small, because every signed-in request reads it."""
    sessions.delete_old()


@app.periodic(cron="* * * * * */15")  # The sixth field is seconds.
@app.task(queue="upkeep", queueing_lock="probe_clerk")
def probe_clerk(timestamp: int) -> None:
    outage.probe()
    if settings.CLERK_SECRET_KEY:
        http.probe()


@app.periodic(cron="37 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_idle_rate_limits")
def delete_idle_rate_limits(timestamp: int) -> None:
    rate_limiter.delete_idle()


@app.periodic(cron="37 4 * * *")
@app.task(queue="upkeep", queueing_lock="repair_derived_state")
def repair_derived_state(timestamp: int) -> None:
    """Repair profiles that do not match their users' roles, every night."""
    derived_state.repair_all()


@app.periodic(cron="27 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_preserved_forms")
def delete_expired_preserved_forms(timestamp: int) -> None:
    preserved_forms.delete_expired()


@app.periodic(cron="*/15 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_login_failures")
def delete_expired_login_failures(timestamp: int) -> None:
    lockouts.delete_expired()


@app.periodic(cron="*/10 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_request_counts")
def delete_expired_request_counts(timestamp: int) -> None:
    request_counts.delete_expired()
