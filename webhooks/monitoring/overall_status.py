"""The sentence that says whether things are well and, if not, why."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.utils.translation import gettext as _

from webhooks.models import Alert
from webhooks.monitoring.health import Vitals

Rule = Alert.Rule
#: Counts are made every minute; older ones than this say nothing about now.
COUNTS_STALE_AFTER = timedelta(minutes=5)


class Level(StrEnum):
    """How things are. Each has an icon of the same name."""

    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How things are, in sentences.

    Attributes:
        sentence: holds no figure that moves by itself, so that it changes only when there is something to say.
    """

    level: Level
    sentence: str


def judge(vitals: Vitals, alerts: Iterable[Alert]) -> Verdict:
    """Say how things are.

    What the vitals show counts although no alert has opened for it yet: alerts are opened by a worker, once a minute, so
    without one their absence means nothing.
    """
    known = {Rule(alert.rule): alert for alert in alerts}
    taken = [str(alert) for alert in known.values() if alert.is_quiet(vitals.at)]
    loud = [str(alert) for alert in known.values() if not alert.is_quiet(vitals.at)]
    loud += [str(rule.label) for rule in _seen(vitals) if rule not in known]
    if counts_are_stale(vitals):
        loud.append(_("Events have not been counted lately"))
    waiting = list(_waiting(vitals))
    if loud:
        return Verdict(Level.BAD, _sentences(_("Things are not well"), *loud, *taken, *waiting))
    if taken:
        return Verdict(Level.ATTENTION, _sentences(_("There is trouble that somebody takes care of"), *taken, *waiting))
    if waiting:
        return Verdict(Level.ATTENTION, _sentences(_("Things run, and something waits"), *waiting))
    return Verdict(Level.GOOD, _sentences(_("All is well")))


def counts_are_stale(vitals: Vitals) -> bool:
    """Return whether events came that nobody has counted in time."""
    if vitals.folded_at is None:
        return vitals.last_received is not None
    return vitals.at - vitals.folded_at > COUNTS_STALE_AFTER


def _seen(vitals: Vitals) -> Iterator[Alert.Rule]:
    """Yield the troubles that need no rule to be seen."""
    if not vitals.heartbeats:
        yield Rule.WORKER_GONE
    if vitals.dead:
        yield Rule.DEAD_EVENTS
    if vitals.stopped_pushes:
        yield Rule.PUSHES


def _waiting(vitals: Vitals) -> Iterator[str]:
    """Yield what is no trouble, and yet not done."""
    if vitals.clerk_shut_until:
        yield _("Clerk does not answer and is left alone for now")
    if vitals.heartbeats and vitals.overdue_jobs:
        yield _("Jobs are late")
    if vitals.open_conflicts:
        yield _("Accounts that may be one person's wait for a decision")


def _sentences(*parts: str) -> str:
    return " ".join(f"{part.rstrip('.')}." for part in parts)
