"""Gunicorn configuration for tests. Same as production, but without threads that write to the shared database."""

import sys
from pathlib import Path

# gunicorn executes this file before it adds the project to the import path.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from config.gunicorn import *  # noqa: F403


def post_worker_init(worker: object) -> None:  # type: ignore[no-redef]  # the one of production starts threads
    """Disable alerts and request counts, because other tests share the database."""
    from webhooks.inbox import background_counts

    background_counts.FLUSH_DELAY_S = 24 * 3600.0
