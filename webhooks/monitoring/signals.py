"""Health signals, which interpret the measurements.

The dashboard, alerts, metrics, `check_alerts` and `clerk_doctor` all use these signals. docs/runbooks/ contains a page
for each signal, named after its rule. Thresholds are relative to the site's traffic, with minimums that suit a site
with a few events per week.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from webhooks.models import Alert
from webhooks.monitoring.health import Health, NotMeasuredError

log = logging.getLogger(__name__)


class State(StrEnum):
    """The state of a signal, from best to worst. Broken signals open alerts."""

    WELL = "well"
    #: There is no data yet, or the signal could not be read.
    UNKNOWN = "unknown"
    #: Works, but needs a review or is being repaired automatically.
    DEGRADED = "degraded"
    BROKEN = "broken"


SEVERITY = {state: index for index, state in enumerate(State)}


@dataclass(frozen=True, slots=True)
class Signal:
    """The result of one rule.

    Attributes:
        title: the problem, without numbers. If it is empty, the rule's label is used.
        summary: one sentence for operators. Without a problem, it contains the current figures, which are sent when an
            alert resolves.
        value: the extent of the problem. A notification is sent when it reaches twice the last notified value.
        facts: the cause, for the alert's page. `events` holds event IDs, other keys hold values to display.
        causes: the names of the current causes, for rules with several causes. Each new cause sends a notification.
    """

    state: State = State.WELL
    title: str = ""
    summary: str = ""
    value: float = 0
    facts: dict[str, Any] = field(default_factory=dict)
    causes: tuple[str, ...] = ()

    @property
    def tone(self) -> str:
        """The name of the signal's colour and icon."""
        return TONES[self.state]


TONES = {State.WELL: "good", State.UNKNOWN: "unknown", State.DEGRADED: "attention", State.BROKEN: "bad"}
WELL = Signal()


def well(summary: str) -> Signal:
    return Signal(State.WELL, "", summary)


def broken(
    summary: str, value: float, facts: dict[str, Any] | None = None, *, title: str = "", causes: Iterable[str] = ()
) -> Signal:
    return Signal(State.BROKEN, title, summary, value, facts or {}, tuple(causes))


def degraded(title: str, summary: str) -> Signal:
    return Signal(State.DEGRADED, title, summary)


def unknown(title: str, summary: str = "") -> Signal:
    return Signal(State.UNKNOWN, title, summary or title)


type Rule = Callable[[Health], Signal]


def combine(health: Health, *parts: Rule) -> Signal:
    """Return one signal for several independent problems, so that one problem never hides another.

    A missing measurement is reported only if the other parts find no problem.
    """
    found: list[Signal] = []
    missing: NotMeasuredError | None = None
    for part in parts:
        try:
            found.append(part(health))
        except NotMeasuredError as error:
            missing = error
    problems = [signal for signal in found if signal.state in (State.DEGRADED, State.BROKEN)]
    if missing and not problems:
        raise missing
    return _joined(problems) if problems else max(found, key=lambda one: (SEVERITY[one.state], bool(one.summary)))


def _joined(problems: list[Signal]) -> Signal:
    """Join the sentences of all problems, the worst first. Only the worst ones determine the title, value and causes."""
    problems = sorted(problems, key=lambda signal: SEVERITY[signal.state], reverse=True)
    worst = [signal for signal in problems if signal.state == problems[0].state]
    titles = dict.fromkeys(signal.title for signal in worst)
    return Signal(
        problems[0].state,
        "" if "" in titles else ". ".join(titles),
        " ".join(signal.summary for signal in problems),
        sum(signal.value for signal in worst),
        {name: value for signal in reversed(problems) for name, value in signal.facts.items()},
        tuple(cause for signal in worst for cause in signal.causes),
    )


def read(name: Alert.Rule, rule: Rule, health: Health) -> Signal:
    """Evaluate one rule. A rule that raises an exception is logged, and its signal is unknown."""
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            return rule(health)
    except Exception as error:
        if not isinstance(error, NotMeasuredError):  # logged once for all rules
            log.exception("Could not evaluate the alert rule %s. It will be evaluated again in a minute.", name)
        reason = _("the database did not respond in time") if isinstance(error, DatabaseError) else type(error).__name__
        return unknown(_("%s: could not be checked") % name.label, _("This could not be checked: %s.") % reason)


def worst(states: Iterable[State]) -> State:
    return max(states, key=SEVERITY.__getitem__, default=State.UNKNOWN)
