"""Run the checks with a time limit, and store their results."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic

from django.db import DatabaseError
from django.utils import timezone

from accounts.clerk.diagnostics import Finding
from core import redaction
from core.times import MAX_AHEAD
from webhooks.doctor.catalogue import CHECKS, MINUTE, Check
from webhooks.models import CheckResult

log = logging.getLogger(__name__)

#: Seconds to wait for all checks that run in threads. Most checks have shorter timeouts of their own.
TIMEOUT_S = 15.0
MAX_TEXT_LENGTH = 1000
#: How often a failed check runs, so that its alert ends soon after the repair.
FAILED_EVERY = MINUTE
NO_ANSWER = "The check did not end within {:g} seconds."
STILL_RUNNING = "An earlier run of this check has not ended yet."
NEXT_RUN = "The next run will show the result."
HANGING_ADVICE = (
    "Check the DNS server, the firewall and network drives of this server, which can block without an error."
)
FIELDS = ["state", "summary", "advice", "facts", "checked_at"]

#: Threads of checks that have not ended, by name. At most one thread per check waits.
_running: dict[str, threading.Thread] = {}


def run(
    names: Iterable[str] | None = None, overrides: dict[str, Callable[[], Finding]] | None = None
) -> list[CheckResult]:
    """Run checks, store their results, and return the results in the catalogue's order.

    Checks in threads run at the same time, so the total time is at most TIMEOUT_S plus the time of the other checks.

    Args:
        names: the checks to run. The default is all of them.
        overrides: functions to call instead of the catalogue's, by name.
    """
    wanted = set(CHECKS if names is None else names)
    chosen = {name: check for name, check in CHECKS.items() if name in wanted}
    chosen |= {name: replace(chosen[name], run=function) for name, function in (overrides or {}).items()}
    # A check that uses the stored results would otherwise use those of the previous run.
    last = {name: check for name, check in chosen.items() if check.is_last}
    return _run({name: check for name, check in chosen.items() if name not in last}) + _run(last)


def _run(chosen: dict[str, Check]) -> list[CheckResult]:
    threads = {name: _Thread(name, check) for name, check in chosen.items() if check.in_thread}
    deadline = monotonic() + TIMEOUT_S
    found = {name: _finding(check) for name, check in chosen.items() if not check.in_thread}
    found |= {name: thread.finding(deadline) for name, thread in threads.items()}
    results = [_result(name, found[name]) for name in chosen]
    _store(results)
    return results


def run_due() -> list[CheckResult]:
    """Run the checks whose last result is older than their interval."""
    now, results = timezone.now(), CheckResult.objects.in_bulk()
    due = [name for name, check in CHECKS.items() if name not in results or _is_due(now, results[name], check)]
    return run(due)


def interval_of(check: Check, result: CheckResult) -> timedelta:
    """Return how long after a result the check runs again."""
    return min(check.every, FAILED_EVERY) if result.state == CheckResult.State.FAILED else check.every


def _is_due(now: datetime, result: CheckResult, check: Check) -> bool:
    """Return whether a result has to be replaced because of its age, or because it was stored while the clock was ahead."""
    age = now - result.checked_at
    # Allow for the seconds between the job's start and the time of the result.
    return age > interval_of(check, result) * 0.8 or age < -MAX_AHEAD


def latest() -> dict[str, CheckResult]:
    """Return the last result of each check of the catalogue that has run, in the catalogue's order."""
    stored = CheckResult.objects.in_bulk()
    return {name: stored[name] for name in CHECKS if name in stored}


class _Thread:
    """A check in a thread that does not use the database and does not delay the exit of the process."""

    def __init__(self, name: str, check: Check) -> None:
        self._finding: Finding | None = None
        earlier = _running.get(name)
        self.is_busy = earlier is not None and earlier.is_alive()
        self.thread = threading.Thread(target=self._run, args=(check,), name=f"doctor-{name}", daemon=True)
        if not self.is_busy:
            _running[name] = self.thread
            self.thread.start()

    def finding(self, deadline: float) -> Finding:
        if self.is_busy:
            return Finding(STILL_RUNNING, NEXT_RUN)
        self.thread.join(max(deadline - monotonic(), 0))
        return self._finding or Finding(NO_ANSWER.format(TIMEOUT_S), HANGING_ADVICE)

    def _run(self, check: Check) -> None:
        self._finding = _finding(check)


def _finding(check: Check) -> Finding:
    try:
        return check.run()
    except DatabaseError as error:
        return Finding(f"The database could not be read: {str(error).partition(chr(10))[0]}", "Check DATABASE_URL.")
    except Exception as error:
        log.exception("A check of clerk_doctor raised an exception.")
        return Finding(f"The check itself failed: {type(error).__name__}.", "Report the traceback in the log.")


def _result(name: str, finding: Finding) -> CheckResult:
    summary, advice = (redaction.redact_text(text) for text in (finding.problem or finding.note, finding.advice))
    return CheckResult(
        name=name,
        state=_state(finding),
        summary=summary[:MAX_TEXT_LENGTH],
        advice=advice[:MAX_TEXT_LENGTH],
        facts=finding.facts,
        checked_at=timezone.now(),
    )


def _state(finding: Finding) -> CheckResult.State:
    if finding.is_skipped:
        return CheckResult.State.SKIPPED
    return CheckResult.State.FAILED if finding.problem else CheckResult.State.PASSED


def _store(results: list[CheckResult]) -> None:
    """Store the results. If the database is away, they are only returned."""
    try:
        CheckResult.objects.bulk_create(results, update_conflicts=True, unique_fields=["name"], update_fields=FIELDS)
    except DatabaseError as error:
        log.warning("The results of clerk_doctor could not be stored: %s", error)
