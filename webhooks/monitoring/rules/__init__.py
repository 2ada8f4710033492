"""Rules turn measurements into signals. Each module has its thresholds at the top."""

from webhooks.models import Alert
from webhooks.monitoring import signals
from webhooks.monitoring.health import Health
from webhooks.monitoring.rules import clerk, events, site
from webhooks.monitoring.signals import Signal

Rule = Alert.Rule
RULES: dict[Alert.Rule, signals.Rule] = {
    Rule.FAILURE_RATE: events.failure_rate,
    Rule.DEAD_EVENTS: events.dead_events,
    Rule.OLDEST_UNSETTLED: events.oldest_unsettled,
    Rule.REJECTED: events.rejected,
    Rule.UNAVAILABLE: events.unavailable,
    Rule.OTHER_INSTANCE: events.other_instance,
    Rule.SILENCE: events.silence,
    Rule.CLERK: clerk.clerk,
    Rule.PUSHES: clerk.pushes,
    Rule.DRIFT: clerk.drift,
    Rule.CONFLICTS: clerk.conflicts,
    Rule.WORKER_GONE: site.worker_gone,
    Rule.JOBS: site.jobs,
    Rule.DISK_SPACE: site.disk_space,
    Rule.AUDIT_CHAIN: site.audit_chain,
}


def evaluate(health: Health) -> dict[Alert.Rule, Signal]:
    """Return the signal of every rule."""
    return {name: signals.read(name, rule, health) for name, rule in RULES.items()}
