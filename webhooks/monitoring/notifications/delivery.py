"""Send messages to notification channels, in parallel and with a time limit.

A channel that does not answer is given up after TIMEOUT_S and never delays the others. Threads do not use the database.
"""

import re
import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from urllib.parse import unquote

import apprise

from core import captured_logs
from webhooks.monitoring.notifications import incidents

#: Seconds to wait for all channels together. Shorter than the pause before the next attempt.
TIMEOUT_S = 30.0
NO_ANSWER = "The channel did not answer within {:g} seconds."
BUSY = "The channel has not answered an earlier message yet."
REJECTED = "The channel rejected the message."
NOT_PARSED = "Apprise cannot parse the URL. Check ALERT_URLS."
#: Parts of a URL that are shorter than this are not secrets.
MIN_SECRET_LENGTH = 4

#: Threads that still wait for a channel, by URL. At most one thread per channel and process waits.
_running: dict[str, threading.Thread] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """A notification as sent to one channel.

    Attributes:
        key: identifies the incident in services such as PagerDuty. A later message with this key updates the incident.
        type: SUCCESS closes the incident in these services.
    """

    title: str
    body: str
    type: apprise.NotifyType
    key: str


def send_all[K: Hashable](
    batches: Mapping[str, Sequence[tuple[K, Message]]], timeout_s: float | None = None
) -> dict[K, str]:
    """Send the messages of each URL in order, and all URLs in parallel.

    Args:
        batches: the messages of each URL, each with an ID.
        timeout_s: seconds to wait for all answers together. The default is TIMEOUT_S.

    Returns:
        An error message, or "", for each message's ID.
    """
    batch_runs = {url: _Batch(url, messages) for url, messages in batches.items()}
    timeout_s = timeout_s or TIMEOUT_S
    deadline = monotonic() + timeout_s
    for run in batch_runs.values():
        run.start()
    return {key: error for run in batch_runs.values() for key, error in run.results(deadline, timeout_s).items()}


def send(url: str, message: Message) -> str:
    """Send a message and return an error message without the URL's secrets, or ""."""
    try:
        if apprise.Apprise.instantiate(url) is None:
            return NOT_PARSED
        captured_logs.clear()
        sent = incidents.send(url, message.title, message.body, message.type, message.key)
        # Apprise logs the reason of a failure and returns only that sending failed.
        return "" if sent else _without_secrets(captured_logs.last_text() or REJECTED, url)
    except Exception as error:  # noqa: BLE001  # a broken channel must not stop the others
        return type(error).__name__


class _Batch[K: Hashable]:
    """The messages to one channel, and the thread that sends them."""

    def __init__(self, url: str, messages: Sequence[tuple[K, Message]]) -> None:
        self.url, self.messages = url, messages
        self.errors: dict[K, str] = {}
        self.given_up = threading.Event()
        self.thread = threading.Thread(target=self._run, name="alert-channel", daemon=True)
        self.is_busy = False

    def start(self) -> None:
        earlier = _running.get(self.url)
        self.is_busy = earlier is not None and earlier.is_alive()
        if not self.is_busy:
            _running[self.url] = self.thread
            self.thread.start()

    def results(self, deadline: float, timeout_s: float) -> dict[K, str]:
        """Wait for the thread until the deadline. Messages that have not been sent by then are not sent later."""
        if self.is_busy:
            return {key: BUSY for key, _message in self.messages}
        self.thread.join(max(deadline - monotonic(), 0))
        self.given_up.set()
        errors = dict(self.errors)
        return {key: errors.get(key, NO_ANSWER.format(timeout_s)) for key, _message in self.messages}

    def _run(self) -> None:
        for key, message in self.messages:
            if self.given_up.is_set():
                return
            self.errors[key] = send(self.url, message)


def _without_secrets(text: str, url: str) -> str:
    """Remove every part of the URL from the text."""
    parts = re.split(r"[/:@?&=;+,]", unquote(url).partition("://")[2])
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= MIN_SECRET_LENGTH:
            text = text.replace(part, "…")
    return text
