"""Rules about the connection to Clerk, and about differences between users here and in Clerk."""

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.clerk.http import SLOW_S, TIMEOUT_S
from accounts.clerk.outage import MAX_FAILURES
from accounts.clerk.rate_limiter import FRONTEND, INSTANCE
from accounts.models import ClerkRateLimit
from core.times import minutes
from webhooks.models import Alert
from webhooks.monitoring import corrections
from webhooks.monitoring.corrections import Corrections
from webhooks.monitoring.health import Health
from webhooks.monitoring.signals import WELL, Signal, broken, combine, degraded, unknown, well

#: A worker probes the API every 15 seconds, so an outage is reported within a minute.
MIN_FAILURES = 3
#: This many requests in a row took more than half of their timeout.
MIN_SLOW = 3
#: Older results of the probe are ignored.
MAX_PROBE_AGE = timedelta(minutes=5)
MAX_PENDING_AGE = timedelta(minutes=15)
#: Reconciliation runs every 15 minutes. An alert opens if it has not run for this time.
MAX_RECONCILIATION_AGE = timedelta(hours=2)
#: If webhooks arrive, reconciliation has nothing to correct. Several users, or corrections in several runs, mean lost events.
MIN_CORRECTED_USERS, MIN_CORRECTING_RUNS = 5, 2
#: An alert opens if a conflict has waited for a decision this long.
MAX_CONFLICT_AGE = timedelta(days=1)
#: Maximum number of failed events listed on the alert's page.
MAX_IDS = 20
#: Without the key, users are never compared with Clerk and changes are never pushed.
NO_KEY = gettext_lazy("CLERK_SECRET_KEY is not set, so Clerk cannot be checked")


def clerk(health: Health) -> Signal:
    """Check whether Clerk's APIs respond and accept the secret key. A worker probes both every 15 seconds."""
    return combine(health, _backend, _frontend)


def _backend(health: Health) -> Signal:
    backend = health.clerk.get(INSTANCE)
    if backend and backend.failures >= MIN_FAILURES:  # since the last answer, which can have been a refusal
        text = ngettext(
            "Clerk's Backend API failed %d request in a row. After five failures, only probes are sent.",
            "Clerk's Backend API failed %d requests in a row. After five failures, only probes are sent.",
            backend.failures,
        )
        return broken(_with_failure(text % backend.failures, backend), backend.failures, causes=["backend"])
    if backend and backend.refused_at:
        text = _("Clerk refuses CLERK_SECRET_KEY. Compare it with the API keys page of Clerk's dashboard.")
        facts = {"refused_since": backend.refused_at.isoformat()}
        return broken(_with_failure(text, backend), 1, facts, causes=["refused_key"])
    return _answering_backend(backend, health.at)


def _frontend(health: Health) -> Signal:
    frontend = health.clerk.get(FRONTEND)
    if not (frontend and frontend.suspended_until and frontend.suspended_until > health.at):
        return WELL
    text = _("Clerk's Frontend API is not responding, so users cannot sign in or renew their session.")
    return broken(_with_failure(text, frontend), min(frontend.failures, MAX_FAILURES), causes=["frontend"])


def _answering_backend(backend: ClerkRateLimit | None, now: datetime) -> Signal:
    """Evaluate the Backend API's state without an outage."""
    if backend and backend.slow_requests >= MIN_SLOW:
        numbers = {"number": backend.slow_requests, "slow": SLOW_S, "timeout": TIMEOUT_S}
        text = ngettext(
            "Clerk's Backend API took more than %(slow)d seconds for the last %(number)d request. "
            "Requests fail after %(timeout)d seconds.",
            "Clerk's Backend API took more than %(slow)d seconds for each of the last %(number)d requests. "
            "Requests fail after %(timeout)d seconds.",
            backend.slow_requests,
        )
        return broken(text % numbers, 1, title=_("Clerk responds slowly"), causes=["slow"])
    if backend and backend.failures:
        text = _with_failure(_("The last request to Clerk failed."), backend)
        return degraded(_("A request to Clerk failed"), text)
    if backend and settings.CLERK_SECRET_KEY and not (backend.probed_at and now - backend.probed_at < MAX_PROBE_AGE):
        return unknown(_("The connection to Clerk has not been checked for five minutes"))
    if backend and settings.CLERK_SECRET_KEY:
        return well(_("Clerk's APIs answer and accept the secret key."))
    return unknown(_("No request has been sent to Clerk") if settings.CLERK_SECRET_KEY else str(NO_KEY))


def _with_failure(text: str, row: ClerkRateLimit) -> str:
    """Add the status code and the host of the last failure."""
    if not row.failed_with:
        return text
    reason = (
        _("Last answer: status %(reason)s from %(host)s.")
        if row.failed_with.isdecimal()
        else _("No answer from %(host)s: %(reason)s.")
    )
    return f"{text} {reason % {'reason': row.failed_with, 'host': row.failed_host}}"


def pushes(health: Health) -> Signal:
    age = health.at - (health.oldest_push or health.at)
    text = _describe_pushes(health)
    if age < MAX_PENDING_AGE and not health.stopped_pushes:
        return well(text)
    paused_until = health.clerk_suspended_until
    facts = {
        "clerk_paused_until": paused_until.isoformat() if paused_until else None,
        "oldest_push_minutes": minutes(age),
        "late_pushes": health.pending_pushes if age >= MAX_PENDING_AGE else None,
        "stopped_pushes": health.stopped_pushes or None,
    }
    causes = [name for name, found in (("abandoned", health.stopped_pushes), ("late", age >= MAX_PENDING_AGE)) if found]
    return broken(text, health.pending_pushes + health.stopped_pushes, facts, causes=causes)


def _describe_pushes(health: Health) -> str:
    pending, refused = health.pending_pushes, health.refused_pushes
    overwritten = health.stopped_pushes - refused
    texts = [
        (
            refused,
            ngettext("Clerk refused the changes of %d user.", "Clerk refused the changes of %d users.", refused),
        ),
        (
            overwritten,
            ngettext(
                "Another system overwrites the changes of %d user in Clerk.",
                "Another system overwrites the changes of %d users in Clerk.",
                overwritten,
            ),
        ),
        (
            pending,
            ngettext(
                "%d user has changes that have not been pushed to Clerk.",
                "%d users have changes that have not been pushed to Clerk.",
                pending,
            ),
        ),
    ]
    return " ".join(text % number for number, text in texts if number) or _("All changes have been pushed to Clerk.")


def drift(health: Health) -> Signal:
    """Check whether users differ from Clerk, and whether reconciliation runs and has had to correct many."""
    if not settings.CLERK_SECRET_KEY:
        return unknown(str(NO_KEY))
    if health.last_reconciliation is None:
        return unknown(_("Users have never been compared with Clerk"))
    return combine(health, _uncorrected, _corrected, _last_comparison)


def _uncorrected(health: Health) -> Signal:
    if not health.uncorrected:
        return WELL
    report, remaining = health.uncorrected
    text = ngettext(
        "%d user still differs from Clerk after reconciliation.",
        "%d users still differ from Clerk after reconciliation.",
        remaining,
    )
    return broken(text % remaining, remaining, {"reconciliation": report.pk}, causes=["still_differ"])


def _corrected(health: Health) -> Signal:
    """Evaluate the differences that recent reconciliations corrected, which webhooks should have prevented.

    The first run of a site imports its users, and is the last in the list until there are enough runs.
    """
    runs = health.reconciliations[:-1]
    if not runs or not runs[0].repaired:  # no event was lost since the previous run
        return WELL
    found = corrections.explain([run for run in runs if run.repaired])
    summary = _describe_corrections(found)
    if found.lost >= MIN_CORRECTED_USERS or len(found.losing_runs) >= MIN_CORRECTING_RUNS:
        facts = {"reconciliation": found.losing_runs[0].pk, "events": found.events[:MAX_IDS]}
        advice = _("Check that the endpoint in Clerk’s dashboard has the URL %s.") % endpoint_url()
        return broken(f"{summary} {advice}", found.lost, facts, causes=["corrected"])
    return degraded(_("Reconciliation corrected users"), summary) if summary else WELL


def endpoint_url() -> str:
    return f"{settings.SITE_URL}{reverse('webhooks:receive')}"


def _last_comparison(health: Health) -> Signal:
    run = health.last_reconciliation
    age = health.at - (run.finished_at if run and run.finished_at else health.at)
    text = ngettext(
        "Users were last compared with Clerk %d minute ago.",
        "Users were last compared with Clerk %d minutes ago.",
        minutes(age),
    )
    is_late = age >= MAX_RECONCILIATION_AGE
    return broken(text % minutes(age), minutes(age), causes=["not_compared"]) if is_late else well(text % minutes(age))


def _describe_corrections(found: Corrections) -> str:
    """Failed events open alerts of their own, so only the sentence mentions them."""
    lost = ngettext(
        "Recent reconciliations corrected %d user, whose events were probably lost.",
        "Recent reconciliations corrected %d users, whose events were probably lost.",
        found.lost,
    )
    failed = ngettext(
        "Recent reconciliations corrected %d user whose event arrived here and failed. Repair the failed event.",
        "Recent reconciliations corrected %d users whose events arrived here and failed. Repair the failed events.",
        found.failed,
    )
    return " ".join(text % number for text, number in ((lost, found.lost), (failed, found.failed)) if number)


def conflicts(health: Health) -> Signal:
    """Check whether conflicts need a decision. The alert opens only after a day, because nothing stops working."""
    if not health.open_conflicts:
        return well(_("No identity conflict needs a decision."))
    text = ngettext(
        "%d identity conflict needs a decision.", "%d identity conflicts need a decision.", health.open_conflicts
    )
    summary = text % health.open_conflicts
    if health.oldest_conflict and health.at - health.oldest_conflict >= MAX_CONFLICT_AGE:
        return broken(summary, health.open_conflicts)
    return degraded(str(Alert.Rule.CONFLICTS.label), summary)
