"""The overall status: a short text that reports whether everything works, and lists any problems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils.translation import gettext as _

from webhooks.models import Alert
from webhooks.monitoring.signals import Signal, State


class Level(StrEnum):
    """Severity. Each value is also the name of an icon."""

    GOOD = "good"
    UNKNOWN = "unknown"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class OverallStatus:
    """The severity and its explanation.

    Attributes:
        text: contains no numbers that change over time, so screen readers announce it only when the status changes.
    """

    level: Level
    text: str


def summarize(
    signals: Mapping[Alert.Rule, Signal],
    alerts: Iterable[Alert],
    now: datetime,
    *,
    locked: Iterable[str] = (),
    unread: Iterable[str] = (),
) -> OverallStatus:
    """Combine all signals into one status. Broken ones that an operator has acknowledged or snoozed are not urgent.

    Args:
        locked: sentences about locked tables, which always need action.
        unread: sentences about other data that could not be read.
    """
    alerts = list(alerts)
    over = [_("Alerts for resolved problems are still open")] if any(alert.ok_since for alert in alerts) else []
    quiet = {alert.rule for alert in alerts if alert.is_quiet(now)}
    broken = _with_state(signals, State.BROKEN)
    problems = [*locked, *(_title(rule, signals) for rule in broken if rule not in quiet)]
    handled = [_title(rule, signals) for rule in broken if rule in quiet]
    waiting = [_title(rule, signals) for rule in _with_state(signals, State.DEGRADED)]
    unread = list(unread)
    missing = [*unread, *(_title(rule, signals) for rule in _with_state(signals, State.UNKNOWN))]
    if problems:
        return OverallStatus(Level.BAD, _join(_("Action needed"), *problems, *handled, *unread))
    if handled:
        return OverallStatus(Level.ATTENTION, _join(_("Problems acknowledged or snoozed"), *handled, *unread))
    if waiting:
        return OverallStatus(Level.ATTENTION, _join(_("Working, with items to review"), *waiting, *unread))
    if missing:
        return OverallStatus(
            Level.UNKNOWN, _join(_("No problems found, but some checks have no data yet"), *missing, *over)
        )
    return OverallStatus(Level.GOOD, _join(_("All systems operational"), *over))


def _title(rule: Alert.Rule, signals: Mapping[Alert.Rule, Signal]) -> str:
    return signals[rule].title or str(rule.label)


def _with_state(signals: Mapping[Alert.Rule, Signal], state: State) -> list[Alert.Rule]:
    return [rule for rule, signal in signals.items() if signal.state == state]


def _join(*sentences: str) -> str:
    return " ".join(f"{sentence.rstrip('.')}." for sentence in dict.fromkeys(sentences))
