"""Watch from the web processes whether any worker is alive: when none is, nothing else would notice."""

import logging
import random
import threading

from django.db import DatabaseError, InterfaceError, connections

from webhooks.monitoring import alerts, health

log = logging.getLogger(__name__)

#: Processes begin at different moments, so that their looks are spread.
EVERY_S = 30.0


def start() -> None:
    """Begin to watch in a thread that ends with its process."""
    threading.Thread(target=_watch, name="watch", daemon=True).start()


def look() -> None:
    """Check all alerts if no worker is there to do it."""
    if not health.has_worker():
        alerts.check()


def _watch() -> None:
    pause = threading.Event()
    while not pause.wait(EVERY_S * random.uniform(0.5, 1)):  # noqa: S311  # nothing secret
        try:
            look()
        except (DatabaseError, InterfaceError) as error:
            log.warning("Nobody could look whether a worker is alive: %s", error)
        except Exception:
            log.exception("Looking whether a worker is alive failed.")
        finally:
            connections.close_all()
