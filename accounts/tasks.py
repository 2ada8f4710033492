"""Periodic jobs for the accounts app. Other jobs are declared next to the function that they run."""

import logging

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from accounts import personal_data
from accounts.clerk import http, outage, rate_limiter
from accounts.clerk.api import ClerkApiError
from accounts.identity import late_conflicts, suggestions
from accounts.leads import approvals, refresh  # noqa: F401  # approvals registers its job
from accounts.leads import services as leads
from accounts.models import Lead, Organization, Reconciliation
from accounts.notifications import send as notifications
from accounts.organizations import reconciliation as organizations
from accounts.organizations import removal  # noqa: F401  # registers its job
from accounts.organizations import roles as organization_roles
from accounts.privacy import deletion, erasure, exports  # noqa: F401  # exports registers its job
from accounts.roles import admin_grants
from accounts.security import lockouts, request_counts
from accounts.sessions import (
    access_runs,  # noqa: F401  # registers its job
    preserved_forms,
)
from accounts.sessions import services as sessions
from accounts.sync import (
    derived_state,
    on_demand_fetch,  # noqa: F401  # registers its job
    push,
    reconciliation,
    requested_runs,  # noqa: F401  # registers its job
    sweep,
    unlisted,
)
from audit.log import SYSTEM
from core.jobs import BULK, URGENT, Person, describe

log = logging.getLogger(__name__)


@app.task(priority=BULK)
@describe(
    _("Send a user's changes to Clerk"),
    _("Sends a person's roles and profile facts to Clerk. If the job fails, it is repeated within a minute."),
    person=Person("user_id", "accounts.User", "pk", "clerk_id"),
)
def push_metadata(user_id: int) -> None:
    """Push the metadata of one user. Failures are retried by `push_due_metadata`."""
    push.push_user(user_id)


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="push_due_metadata")
@describe(
    _("Send pending changes to Clerk"),
    _("Sends all pending changes to Clerk every minute, including changes that could not be sent before."),
)
def push_due_metadata(timestamp: int) -> None:
    if settings.CLERK_SECRET_KEY:
        push.push_due()


@app.periodic(cron=settings.RECONCILE_CRON)
@app.task(queue="upkeep", queueing_lock="reconcile_recent")
@describe(
    _("Compare recent users with Clerk"),
    _("Compares recently changed users with Clerk and repairs differences, such as changes whose webhooks were lost."),
)
def reconcile_recent(timestamp: int) -> None:
    """Reconcile users that changed since the last run, then a part of all users."""
    run = _reconcile(full=False)
    if run and (pages := sweep.pages_due(run)):
        _reconcile(full=True, max_pages=pages)


@app.periodic(cron=settings.RECONCILE_FULL_CRON)
@app.task(queue="upkeep", queueing_lock="reconcile_all")
@describe(
    _("Compare all users with Clerk"),
    _("Compares all users with Clerk and repairs differences."),
)
def reconcile_all(timestamp: int) -> None:
    _reconcile(full=True)
    reconciliation.delete_old()


@app.periodic(cron="25 * * * *")
@app.task(queue="upkeep", queueing_lock="reconcile_organizations")
@describe(
    _("Compare organizations with Clerk"),
    _(
        "Compares organizations, their members and invitations with Clerk and repairs differences. Does nothing if there are none."
    ),
)
def reconcile_organizations(timestamp: int) -> None:
    """Reconcile organizations every hour, unless the site does not use them, and update the roles from memberships."""
    organization_roles.refresh()
    if not settings.CLERK_SECRET_KEY or not Organization.objects.exists():
        return
    try:
        organizations.reconcile()
    except ClerkApiError as error:
        log.warning("Reconciliation of organizations with Clerk failed: %s", error)


@app.task(queue="upkeep", lock="delete_approved", retry=RetryStrategy(max_attempts=8, linear_wait=300))
@describe(
    _("Delete approved users"),
    _("Deletes users who no longer exist in Clerk, after an admin has approved their deletion."),
)
def delete_approved(run_id: int) -> None:
    """Delete the users whose deletion an admin approved. A failed job continues where it stopped."""
    unlisted.delete_approved(Reconciliation.objects.get(pk=run_id))


def _reconcile(*, full: bool, max_pages: int | None = None) -> Reconciliation | None:
    """Return the report, or None if the run failed or CLERK_SECRET_KEY is not set."""
    if not settings.CLERK_SECRET_KEY:
        return None
    try:
        return reconciliation.reconcile(full=full, max_pages=max_pages)
    except (ClerkApiError, reconciliation.AlreadyRunningError) as error:
        log.warning("Reconciliation with Clerk failed: %s", error)
        return None


@app.periodic(cron="7 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_due_accounts")
@describe(
    _("Delete accounts"),
    _("Deletes accounts in Clerk a week after their owners requested the deletion."),
)
def delete_due_accounts(timestamp: int) -> None:
    if settings.CLERK_SECRET_KEY:
        deletion.delete_due()


@app.periodic(cron="17,47 * * * *")
@app.task(queue="upkeep", queueing_lock="expire_admin_requests")
@describe(
    _("Expire requests for the role Admin"),
    _("Closes requests for the role Admin that no second admin has approved within a day."),
)
def expire_admin_requests(timestamp: int) -> None:
    admin_grants.expire_overdue()


@app.periodic(cron="47 3 * * *")
@app.task(queue="upkeep", queueing_lock="erase_deleted_users")
@describe(
    _("Erase personal data"),
    _("Erases the personal data of deleted users, and other personal data whose retention period has ended."),
)
def erase_deleted_users(timestamp: int) -> None:
    """Erase deleted users and other personal data whose retention has ended, every night."""
    erasure.erase_due()
    personal_data.delete_expired()


@app.periodic(cron="17 3 * * *")
@app.task(queue="upkeep", queueing_lock="delete_old_ended_sessions")
@describe(
    _("Delete ended sessions"),
    _("Deletes old records of ended sessions, because every signed-in request reads their table."),
)
def delete_old_ended_sessions(timestamp: int) -> None:
    """Delete old rows every night to keep the table small, because every signed-in request reads it."""
    sessions.delete_old()


@app.periodic(cron="* * * * * */15")  # The sixth field is seconds.
@app.task(queue="upkeep", queueing_lock="probe_clerk", priority=URGENT)
@describe(
    _("Check the connection to Clerk"),
    _(
        "Checks whether Clerk responds and accepts the secret key. If this job does not run, pages do not notice Clerk outages."
    ),
)
def probe_clerk(timestamp: int) -> None:
    outage.probe()
    if settings.CLERK_SECRET_KEY:
        http.probe()


@app.periodic(cron="37 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_idle_rate_limits")
@describe(
    _("Delete unused rate limits"),
    _("Deletes unused records of the rate limits for requests to Clerk."),
)
def delete_idle_rate_limits(timestamp: int) -> None:
    rate_limiter.delete_idle()


@app.periodic(cron="37 4 * * *")
@app.task(queue="upkeep", queueing_lock="repair_derived_state")
@describe(
    _("Repair profiles"),
    _("Creates, archives or restores profiles that do not match their users' roles."),
)
def repair_derived_state(timestamp: int) -> None:
    """Repair profiles that do not match their users' roles, every night."""
    derived_state.repair_all()


@app.periodic(cron="27 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_preserved_forms")
@describe(
    _("Delete preserved forms"),
    _("Deletes form data that was preserved while people signed in again."),
)
def delete_expired_preserved_forms(timestamp: int) -> None:
    preserved_forms.delete_expired()


@app.periodic(cron="*/15 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_login_failures")
@describe(
    _("Delete failed sign-ins"),
    _("Deletes old records of failed operator sign-ins."),
)
def delete_expired_login_failures(timestamp: int) -> None:
    lockouts.delete_expired()


@app.periodic(cron="*/10 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_request_counts")
@describe(
    _("Delete request counts"),
    _("Deletes old counts of requests for the request limits."),
)
def delete_expired_request_counts(timestamp: int) -> None:
    request_counts.delete_expired()


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="queue_notifications")
@describe(
    _("Queue notifications"),
    _("Queues the emails about changes that arrived as webhooks, every minute."),
)
def queue_notifications(timestamp: int) -> None:
    notifications.queue_due()


@app.periodic(cron="*/5 * * * *")
@app.task(queue="upkeep", queueing_lock="open_late_conflicts")
@describe(
    _("Find missed identity conflicts"),
    _("Opens identity conflicts that simultaneous events missed."),
)
def open_late_conflicts(timestamp: int) -> None:
    """Open conflicts that simultaneous events missed."""
    late_conflicts.open_late_conflicts(SYSTEM)


@app.periodic(cron="57 3 * * *")
@app.task(queue="upkeep", queueing_lock="suggest_same_person")
@describe(
    _("Suggest duplicate accounts"),
    _("Suggests accounts that may belong to the same person."),
)
def suggest_same_person(timestamp: int) -> None:
    """Suggest accounts that may belong to the same person, every night."""
    suggestions.suggest(SYSTEM)


@app.periodic(cron="2-59/10 * * * *")
@app.task(queue="upkeep", queueing_lock="link_leads")
@describe(
    _("Match leads to users"),
    _("Links waitlist entries and invitations to users who have signed up with the same address."),
)
def link_leads(timestamp: int) -> None:
    """Link leads whose users signed up after them, so that sign-ups need no extra statement."""
    leads.link_users(Lead.objects.all())


@app.periodic(cron="22 * * * *")
@app.task(queue="upkeep", queueing_lock="refresh_leads")
@describe(
    _("Compare leads with Clerk"),
    _("Reads Clerk’s waitlist and invitations every hour, because Clerk sends no events about invitations."),
)
def refresh_leads(timestamp: int) -> None:
    if not settings.CLERK_SECRET_KEY:
        return
    try:
        refresh.refresh()
    except ClerkApiError as error:
        log.warning("Comparing leads with Clerk failed: %s", error)
