"""The overall status: one paragraph that describes whether the system works, and any current problems."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.utils.translation import gettext as _

from webhooks.models import Alert
from webhooks.monitoring.health import Health

Rule = Alert.Rule
#: Hourly counts are updated every minute. Older counts are out of date.
COUNTS_STALE_AFTER = timedelta(minutes=5)


class Level(StrEnum):
    """Severity. Each value is also the name of an icon."""

    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class OverallStatus:
    """The severity and its explanation.

    Attributes:
        text: contains no numbers that change continuously, so that screen readers announce only relevant changes.
    """

    level: Level
    text: str


def evaluate(health: Health, alerts: Iterable[Alert]) -> OverallStatus:
    """Combine health signals and open alerts into one status.

    Signals are included even if no alert is open. A worker opens alerts only once a minute, and no alerts are opened
    while no worker is running.
    """
    by_rule = {Rule(alert.rule): alert for alert in alerts}
    handled = [str(alert) for alert in by_rule.values() if alert.is_quiet(health.at)]
    problems = [str(alert) for alert in by_rule.values() if not alert.is_quiet(health.at)]
    problems += [str(rule.label) for rule in _visible_problems(health) if rule not in by_rule]
    if counts_are_stale(health):
        problems.append(_("Event counts are out of date"))
    waiting = list(_waiting(health))
    if problems:
        return OverallStatus(Level.BAD, _join(_("Action needed"), *problems, *handled, *waiting))
    if handled:
        return OverallStatus(Level.ATTENTION, _join(_("Problems acknowledged or snoozed"), *handled, *waiting))
    if waiting:
        return OverallStatus(Level.ATTENTION, _join(_("Working, with items to review"), *waiting))
    return OverallStatus(Level.GOOD, _join(_("All systems operational")))


def counts_are_stale(health: Health) -> bool:
    """Return whether events exist that have not been aggregated recently."""
    if health.aggregated_at is None:
        return health.last_received is not None
    return health.at - health.aggregated_at > COUNTS_STALE_AFTER


def _visible_problems(health: Health) -> Iterator[Alert.Rule]:
    """Yield the problems that can be recognised without evaluating rules."""
    if not health.heartbeats:
        yield Rule.WORKER_GONE
    if health.dead:
        yield Rule.DEAD_EVENTS
    if health.stopped_pushes:
        yield Rule.PUSHES


def _waiting(health: Health) -> Iterator[str]:
    if health.clerk_suspended_until:
        yield _("Clerk does not respond; requests to it are paused")
    if health.heartbeats and health.overdue_jobs:
        yield _("Jobs are overdue")
    if health.open_conflicts:
        yield _("Identity conflicts need a decision")


def _join(*sentences: str) -> str:
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences)
