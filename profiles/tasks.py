"""Periodic jobs for the profiles app. Other jobs are declared next to the function that they run."""

import logging
from collections import deque

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app

from core.english import counted
from core.jobs import describe
from profiles import section_history
from profiles.contact import emails  # noqa: F401  # registers the job for emails
from profiles.directory import indexing, vocabulary
from profiles.media import orphan_cleanup
from profiles.reviews import services as reviews

log = logging.getLogger(__name__)

#: Maximum number of profiles per run, so that a run ends well before the next one starts.
MAX_PROFILES_PER_RUN = 5000


@app.periodic(cron="*/5 * * * *")
@app.task(queue="upkeep", queueing_lock="index_due_profiles")
@describe(
    _("Update the directory"),
    _("Updates the search and ranking of builders whose availability or activity has become older."),
)
def index_due_profiles(timestamp: int) -> None:
    indexing.index_due(MAX_PROFILES_PER_RUN)


@app.periodic(cron="27 4 * * *")
@app.task(queue="upkeep", queueing_lock="repair_search_index")
@describe(
    _("Repair the directory"),
    _("Recomputes the search data of all builders and repairs outdated values."),
)
def repair_search_index(timestamp: int) -> None:
    """Recompute every search column each night and repair outdated values."""
    if outdated := indexing.repair_all():
        log.warning("Repaired the search columns of %s.", counted(outdated, "outdated builder profile"))


@app.periodic(cron="42 3 * * *")
@app.task(queue="upkeep", queueing_lock="delete_expired_versions")
@describe(
    _("Shorten the section history"),
    _("Deletes the versions of profile sections that were replaced more than 30 days ago, with their images."),
)
def delete_expired_versions(timestamp: int) -> None:
    section_history.delete_expired()


@app.periodic(cron="48 3 * * *")
@app.task(queue="upkeep", queueing_lock="erase_review_evidence")
@describe(
    _("Erase the evidence of old reviews"),
    _(
        "Erases the descriptions, links and files of review requests that were closed more than REVIEW_EVIDENCE_DAYS days ago."
    ),
)
def erase_review_evidence(timestamp: int) -> None:
    reviews.erase_expired_evidence()


@app.periodic(cron="57 3 * * *")
@app.task(queue="upkeep", queueing_lock="sweep_pictures")
@describe(
    _("Delete unused images"),
    _("Deletes uploaded images that no profile uses."),
)
def sweep_pictures(timestamp: int) -> None:
    # In the storage of the live site, a restored copy would delete the images that were uploaded after the backup.
    deque(orphan_cleanup.delete_orphans(dry_run=not settings.LIVE_SITE), maxlen=0)  # Consume the generator.


@app.periodic(cron="*/10 * * * *")
@app.task(queue="upkeep", queueing_lock="rebuild_vocabulary")
@describe(_("Update search corrections"), _("Updates the words that misspelled searches are corrected to."))
def rebuild_vocabulary(timestamp: int) -> None:
    """Update the vocabulary for correcting misspelled searches."""
    vocabulary.rebuild()
