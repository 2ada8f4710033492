"""Jobs of the profiles app."""

from procrastinate.contrib.django import app

from profiles import search

#: Of one run, which thus ends well before the next begins.
MOST_AT_ONCE = 5000


@app.periodic(cron="*/5 * * * *")
@app.task(queue="upkeep", queueing_lock="index_due_profiles")
def index_due_profiles(timestamp: int) -> None:
    """Give builders the place that time has changed, every five minutes, in small batches."""
    search.index_due(MOST_AT_ONCE)
