"""Periodic jobs of the profiles app. Other jobs are declared beside the function that does the work."""

import logging
from collections import deque

from procrastinate.contrib.django import app

from profiles.contact import emails  # noqa: F401  # registers the job for emails
from profiles.directory import indexing
from profiles.media import orphan_cleanup

log = logging.getLogger(__name__)

#: Limits one run, so that it ends well before the next one starts.
MAX_PROFILES_PER_RUN = 5000


@app.periodic(cron="*/5 * * * *")
@app.task(queue="upkeep", queueing_lock="index_due_profiles")
def index_due_profiles(timestamp: int) -> None:
    indexing.index_due(MAX_PROFILES_PER_RUN)


@app.periodic(cron="27 4 * * *")
@app.task(queue="upkeep", queueing_lock="repair_search_index")
def repair_search_index(timestamp: int) -> None:
    """Compare every search column with the profile it is computed from, every night."""
    if outdated := indexing.repair_all():
        log.warning("Repaired the search columns of %d outdated builder profiles.", outdated)


@app.periodic(cron="57 3 * * *")
@app.task(queue="upkeep", queueing_lock="sweep_pictures")
def sweep_pictures(timestamp: int) -> None:
    deque(orphan_cleanup.delete_orphans(), maxlen=0)  # consumes the generator
