"""Rules turn measurements into signals. Each module has its thresholds at the top."""

from webhooks.models import Alert
from webhooks.monitoring import signals
from webhooks.monitoring.health import Health
from webhooks.monitoring.rules import checks, clerk, events, rejections, silence, site
from webhooks.monitoring.signals import Signal

Rule, Severity = Alert.Rule, Alert.Severity
RULES: dict[Alert.Rule, signals.Rule] = {
    Rule.FAILURE_RATE: events.failure_rate,
    Rule.DEAD_EVENTS: events.dead_events,
    Rule.OLDEST_UNSETTLED: events.oldest_unsettled,
    Rule.REJECTED: rejections.rejected,
    Rule.UNAVAILABLE: rejections.unavailable,
    Rule.CLOCK: rejections.clock,
    Rule.OTHER_INSTANCE: events.other_instance,
    Rule.SILENCE: silence.silence,
    Rule.CLERK: clerk.clerk,
    Rule.PUSHES: clerk.pushes,
    Rule.DRIFT: clerk.drift,
    Rule.CONFLICTS: clerk.conflicts,
    Rule.WORKER_GONE: site.worker_gone,
    Rule.JOBS: site.jobs,
    Rule.DISK_SPACE: site.disk_space,
    Rule.DIAGNOSTICS: checks.diagnostics,
    Rule.AUDIT_CHAIN: site.audit_chain,
}
#: Critical problems stop events or sign-ins, or make the records unreliable. They need a person at once.
SEVERITIES: dict[Alert.Rule, Alert.Severity] = {
    Rule.FAILURE_RATE: Severity.CRITICAL,
    Rule.DEAD_EVENTS: Severity.WARNING,
    Rule.OLDEST_UNSETTLED: Severity.WARNING,
    Rule.REJECTED: Severity.CRITICAL,
    Rule.UNAVAILABLE: Severity.CRITICAL,
    Rule.CLOCK: Severity.CRITICAL,
    Rule.OTHER_INSTANCE: Severity.WARNING,
    Rule.SILENCE: Severity.CRITICAL,
    Rule.CLERK: Severity.CRITICAL,
    Rule.PUSHES: Severity.WARNING,
    Rule.DRIFT: Severity.WARNING,
    Rule.CONFLICTS: Severity.INFO,
    Rule.WORKER_GONE: Severity.CRITICAL,
    Rule.JOBS: Severity.WARNING,
    Rule.DISK_SPACE: Severity.CRITICAL,
    Rule.DIAGNOSTICS: Severity.WARNING,
    Rule.AUDIT_CHAIN: Severity.CRITICAL,
}


def evaluate(health: Health) -> dict[Alert.Rule, Signal]:
    """Return the signal of every rule."""
    return {name: signals.read(name, rule, health) for name, rule in RULES.items()}
