"""Evaluate the alert rules in the web processes if no worker evaluates them."""

import logging
import random
import threading

from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from core.db.locks import try_lock
from webhooks.monitoring import alerts
from webhooks.monitoring.measurements.jobs import has_worker

log = logging.getLogger(__name__)

#: Seconds between checks. Each pause is shortened at random, so that processes do not check at the same time.
INTERVAL_S = 20.0
#: An advisory lock that is held during an evaluation. The number is arbitrary but must be unique.
LOCK = 0x77617463


def start() -> None:
    threading.Thread(target=_run, name="worker-watchdog", daemon=True).start()


def check() -> None:
    """Evaluate all alert rules if no worker is running or the running workers have stopped evaluating them.

    Only one web process evaluates them at a time. If the database is slow, each evaluation would slow it down further.
    """
    if has_worker() and not alerts.is_overdue(timezone.now()):
        return
    with try_lock(LOCK) as is_held:
        if is_held:
            alerts.check()


def _run() -> None:
    pause = threading.Event()
    while not pause.wait(INTERVAL_S * random.uniform(0.5, 1)):  # noqa: S311  # not used for security
        try:
            check()
        except (DatabaseError, InterfaceError) as error:
            log.warning("The worker watchdog could not reach the database and will retry: %s", error)
        except Exception:
            log.exception("The worker watchdog failed and will retry in %d seconds or less.", INTERVAL_S)
        finally:
            connections.close_all()
