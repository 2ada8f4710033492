"""Time calculations."""

from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
#: A stored time that is further ahead was written while the clock was wrong.
MAX_AHEAD = timedelta(minutes=1)


def start_of_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
