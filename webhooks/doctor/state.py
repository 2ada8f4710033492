"""Checks that read the database: legal texts, the circuit breaker, pushes, recent deliveries, health signals, the pooler and
the archive of the write-ahead log.
"""

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts.clerk import rate_limiter
from accounts.clerk.diagnostics import Finding, skipped
from accounts.legal import texts
from accounts.models import ClerkRateLimit, MetadataPush
from core.db import timeouts
from core.english import counted
from webhooks.models import WebhookEvent
from webhooks.monitoring import rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.signals import State

#: Deliveries whose timestamps are compared with this server's clock, and their maximum age.
DELIVERIES, MAX_AGE = 50, timedelta(hours=1)
#: A delivery can take this long on the network. A clock that is behind makes deliveries arrive before they were sent.
MAX_AHEAD_S, MAX_BEHIND_S = 60.0, 5.0
PushState = MetadataPush.State


def check_breaker() -> Finding:
    """Report whether requests to Clerk are paused, and why."""
    now = timezone.now()
    names = [rate_limiter.INSTANCE, rate_limiter.FRONTEND]
    rows = {row.name: row for row in ClerkRateLimit.objects.filter(name__in=names)}
    api, frontend = rows.get(rate_limiter.INSTANCE), rows.get(rate_limiter.FRONTEND)
    if api and api.refused_at:
        text = f"Clerk has refused CLERK_SECRET_KEY since {api.refused_at:%d %b %H:%M} UTC."
        return Finding(text, "Copy CLERK_SECRET_KEY again from Clerk's dashboard, and restart all processes.")
    if api and api.suspended_until and api.suspended_until > now:
        text = f"Requests are paused until {api.suspended_until:%H:%M:%S} UTC after {counted(api.failures, 'failure')} in a row."
        return Finding(text, "Check https://status.clerk.com. Requests continue automatically.")
    if frontend and frontend.suspended_until and frontend.suspended_until > now:
        text = f"The Frontend API does not respond, so visitors cannot sign in. Failures in a row: {frontend.failures}."
        return Finding(text, "Check https://status.clerk.com and the network of this server.")
    if api and api.failures:
        return Finding(note=f"Requests are sent. The last {api.failures} failed.")
    return Finding(note="Requests are sent." if api else "No request has been sent yet.")


def check_legal_texts() -> Finding:
    """Report legal texts that the operator has not replaced."""
    if settings.LOCAL_MODE:
        return skipped("Local mode may show starting texts.")
    if missing := texts.unpublished():
        names = ", ".join(str(document.label) for document in missing)
        problem = f"Visitors see a starting text that does not apply: {names}."
        return Finding(problem, "Replace and publish it in the admin, under Legal texts.")
    return Finding(note="All legal texts are published.")


def check_pushes() -> Finding:
    """Report pushes that were given up, and the latest error of pushes that are retried."""
    given_up = MetadataPush.objects.filter(state__in=[PushState.REFUSED, PushState.STOPPED])
    latest = given_up.order_by("-requested_at").first()
    if latest:
        number = counted(given_up.count(), "push", "pushes")
        text = f"Given up: {number}. Latest error: {latest.last_error[:200]}"
        return Finding(text, "Open the list of metadata pushes, remove the cause, and retry the pushes.")
    failing = MetadataPush.objects.filter(state=PushState.PENDING, attempts__gt=0).order_by("-attempts").first()
    if failing:
        times = counted(failing.attempts, "time")
        text = f"A push has failed {times}. Latest error: {failing.last_error[:200]}"
        return Finding(
            text,
            "Pushes are retried automatically. If the error stays, follow the runbook Changes are not reaching Clerk.",
        )
    return Finding(note="No push has failed.")


def check_delivery_clock() -> Finding:
    """Compare this server's clock with the timestamps that Svix signed.

    The fastest of the recent deliveries is the most accurate, because the network can only delay a delivery.
    """
    recent = WebhookEvent.objects.filter(received_at__gt=timezone.now() - MAX_AGE, deliveries=1)
    rows = recent.order_by("-received_at").values_list("received_at", "headers")[:DELIVERIES]
    offsets = [
        received_at.timestamp() - int(timestamp)
        for received_at, headers in rows
        if (timestamp := str(headers.get("Svix-Timestamp") or headers.get("Webhook-Timestamp") or "")).isdecimal()
    ]
    if not offsets:
        return skipped("No delivery has arrived within the last hour.")
    # The timestamp is truncated to the second.
    offset_s = min(offsets) - 0.5
    facts = {"offset_s": round(offset_s, 1), "deliveries": len(offsets)}
    if -MAX_BEHIND_S <= offset_s <= MAX_AHEAD_S:
        text = f"The fastest of {counted(len(offsets), 'delivery', 'deliveries')} arrived {max(offset_s, 0):.0f} s after Svix signed it."
        return Finding(note=text, facts=facts)
    direction = "ahead of" if offset_s > 0 else "behind"
    text = f"The clock seems to be {abs(offset_s):.0f} s {direction} Svix's clock. Deliveries are rejected from 300 s."
    return Finding(text, "Synchronize the clock of this server with NTP.", facts=facts)


def check_pooler() -> Finding:
    """Check whether DATABASE_POOLER matches the connection, and whether sessions have timeouts."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [server_pid] = cursor.fetchone()
        # A pooler answers the client with a process ID of its own.
        has_pooler = server_pid != connection.connection.info.backend_pid
    mode = settings.DATABASE_POOLER
    if has_pooler and not mode:
        advice = "Set DATABASE_POOLER=transaction, and restart all processes."
        return Finding("The database is behind a pooler, but DATABASE_POOLER is not set.", advice)
    if missing := timeouts.missing_timeouts():
        return Finding(f"Database sessions have no {' and no '.join(missing)}.", timeouts.repair_hint(missing))
    if has_pooler:
        return Finding(note=f"The database is behind a pooler. DATABASE_POOLER is {mode}.")
    if mode:
        return Finding(note="The connection is direct. Leave DATABASE_POOLER blank to use prepared statements.")
    return Finding(note="The connection is direct.")


def check_archiving() -> Finding:
    """Check that the last attempt to archive a segment of the write-ahead log succeeded.

    https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ARCHIVER-VIEW
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('archive_mode'), last_archived_time, last_failed_time FROM pg_stat_archiver"
        )
        mode, archived_at, failed_at = cursor.fetchone()
    if mode == "off":
        return skipped("archive_mode is off, so a backup can be restored only to the moment at which it was made.")
    if failed_at and (archived_at is None or failed_at > archived_at):
        text = f"PostgreSQL has failed to archive its log since {failed_at:%d %B %Y %H:%M} UTC, so backups are incomplete and the log fills its disk."
        return Finding(text, "Run `pgbackrest check` on the database's host, and fix the error that it prints.")
    return Finding(
        note="The latest segment of PostgreSQL's log was archived." if archived_at else "No segment is complete yet."
    )


def check_signals() -> Finding:
    """Report the broken health signals. They also open alerts."""
    health = measure()
    found = rules.evaluate(health)
    if broken := [signal for signal in found.values() if signal.state == State.BROKEN]:
        return Finding(" ".join(signal.summary for signal in broken), "Follow the runbook of each open alert.")
    if health.unread:
        text = f"The database did not answer in time, so these values are missing: {', '.join(sorted(health.unread))}."
        return Finding(text, "Follow the runbook of each open alert, or wait for the next run.")
    unknown = [signal.title for signal in found.values() if signal.state == State.UNKNOWN]
    return Finding(
        note=" ".join(["No health signal is broken.", *([f"Unknown: {'; '.join(unknown)}."] if unknown else [])])
    )
