"""The broken health signals as findings of `manage.py clerk_doctor`."""

from collections.abc import Iterator

from django.db import DatabaseError

from webhooks.monitoring import rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.signals import State


def broken_signals() -> Iterator[tuple[str, str, str]]:
    """Yield a finding for every broken signal, or one finding without a problem."""
    try:
        signals = rules.evaluate(measure())
    except DatabaseError as error:
        yield "health signals", f"The database could not be read: {error}", "Check DATABASE_URL."
        return
    broken = [(rule, signal) for rule, signal in signals.items() if signal.state == State.BROKEN]
    for rule, signal in broken:
        yield f"health signal {rule}", signal.summary, f"Follow docs/runbooks/{rule}.md."
    if not broken:
        yield "health signals", "", ""
