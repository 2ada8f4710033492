"""Record which channels fail.

A notification that a newer one replaces is no longer retried, so the notifications alone do not show that their channel
still fails.
"""

from collections.abc import Sequence

from django.db.models import F
from django.utils import timezone

from webhooks.models import ChannelFailure, Notification
from webhooks.monitoring.notifications import channels

#: A channel is reported after this many failed attempts in a row.
MIN_ATTEMPTS = 3


def record(channel: str, errors: Sequence[str]) -> None:
    """Store the result of one attempt to send messages to a channel: an error, or "", for each message."""
    found = ChannelFailure.objects.filter(channel=channel)
    if not all(errors):
        found.delete()
    elif not found.update(attempts=F("attempts") + 1, error=errors[-1][:300]):
        # Another process may have stored the first failure at the same time.
        ChannelFailure.objects.bulk_create(
            [ChannelFailure(channel=channel, error=errors[-1][:300])], ignore_conflicts=True
        )


def retry_now(channel: str) -> None:
    """Make the channel's unsent notifications due, because the channel accepts messages again."""
    Notification.objects.unsent().filter(channel=channel).update(due_at=timezone.now())


def failing_channels() -> list[str]:
    """Return the configured channels that have failed several times in a row, or repeatedly reject a single message."""
    failures = ChannelFailure.objects.filter(attempts__gte=MIN_ATTEMPTS).values_list("channel")
    rejected = Notification.objects.unsent().filter(attempts__gte=MIN_ATTEMPTS).exclude(error="").order_by()
    names = {name for (name,) in failures.union(rejected.values_list("channel"))}
    return sorted(names & channels.configured().keys())
