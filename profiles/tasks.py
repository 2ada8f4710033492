"""Jobs of the profiles app. They carry ids only."""

from collections import deque

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from profiles.contact import emails
from profiles.directory import indexing
from profiles.media import orphan_cleanup

#: For a day.
MAIL_AWAY = RetryStrategy(max_attempts=9, exponential_wait=4)
#: Profiles of one run, which thus ends well before the next begins.
MOST_AT_ONCE = 5000


@app.task(retry=MAIL_AWAY)
def mail_contact_message(message_id: int) -> None:
    """Bring a message to its builder by mail."""
    emails.send_contact_message(message_id)


@app.periodic(cron="*/5 * * * *")
@app.task(queue="upkeep", queueing_lock="index_due_profiles")
def index_due_profiles(timestamp: int) -> None:
    """Give builders the place that time has changed, every five minutes, in small batches."""
    indexing.index_due(MOST_AT_ONCE)


@app.periodic(cron="57 3 * * *")
@app.task(queue="upkeep", queueing_lock="sweep_pictures")
def sweep_pictures(timestamp: int) -> None:
    """Delete the pictures that nothing refers to, once a night, in small batches."""
    deque(orphan_cleanup.delete_orphans(), maxlen=0)  # it works as it is read
