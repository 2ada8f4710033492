"""Deliver messages like Svix: each attempt has a new signature, and failed attempts are repeated on Svix's schedule."""

import heapq
import http.client
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from threading import Condition, Thread
from typing import Any

from local.clerk.events.schedule import JITTER, RETRY_DELAYS_S, TIMEOUT_S
from tests.faults.workload import Message
from tests.helpers.webhooks import URL
from tests.settings import SECRET
from webhooks.inbox import signatures

#: Returns a connection to the site that is not open yet.
type Connect = Callable[[], http.client.HTTPConnection]
THREADS = 16
#: Svix's schedule is shortened by this factor, so that a message is repeated during several later faults.
TIME_SCALE = 0.01
#: The delay between attempts after `recover()`.
RECOVERY_DELAY_S = 0.5
MAX_REPEAT_DELAY_S = 5


def connect_to(port: int) -> Connect:
    return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)


class Sender:
    """Delivers all messages in threads.

    Args:
        rate: new messages per second.

    Attributes:
        clock_offset_s: how far the sender's clock is ahead of the receiver's clock.
        unfinished: number of messages that were not delivered yet.
        answers: number of attempts by status, or by the class of the error.
        last_answers: the latest of them.
        succeeded_at: the time of each successful delivery.
    """

    def __init__(self, messages: Sequence[Message], connect: Connect, *, rate: float, seed: int) -> None:
        self.clock_offset_s = 0
        self.answers: Counter[str] = Counter()
        self.last_answers: deque[str] = deque(maxlen=THREADS)
        self.succeeded_at: list[float] = []
        self._connect, self._random, self._number = connect, Random(seed), count()
        self._condition, self._is_stopped = Condition(), False
        self._delays_s = [delay_s * TIME_SCALE for delay_s in RETRY_DELAYS_S]
        self.unfinished = self._unsent = len(messages)
        started = time.monotonic()
        self._queue = [(started + index / rate, next(self._number), message) for index, message in enumerate(messages)]
        self._threads = [Thread(target=self._run, name=f"sender-{number}", daemon=True) for number in range(THREADS)]

    @property
    def has_sent_all(self) -> bool:
        """Whether every message was attempted."""
        return self._unsent == 0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def recover(self) -> None:
        """Send all unfinished messages now, like Svix's recovery of failed messages."""
        with self._condition:
            now, self._delays_s = time.monotonic(), [RECOVERY_DELAY_S]
            self._queue = [(now, number, message) for _, number, message in self._queue]
            heapq.heapify(self._queue)
            self._condition.notify_all()

    def stop(self) -> None:
        with self._condition:
            self._is_stopped = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = self._connect()
        while message := self._next_due():
            answer, outcome = self._attempt(connection, message)
            with self._condition:
                self.answers[answer] += 1
                self.last_answers.append(answer)
                self._record(message, outcome)
                self._condition.notify()
        connection.close()

    def _next_due(self) -> Message | None:
        with self._condition:
            while not self._is_stopped:
                wait_s = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._queue)[2]
                self._condition.wait(wait_s)
        return None

    def _record(self, message: Message, outcome: str) -> None:
        """Store a success, or schedule the next attempt. The caller holds the condition."""
        self._unsent -= not message.tries and not message.outcomes
        if not outcome:
            message.tries += 1
            self._schedule(message, self._retry_delay_s(message.tries))
            return
        message.outcomes, message.tries, message.answered_at = (*message.outcomes, outcome), 0, time.time()
        self.succeeded_at.append(time.monotonic())
        if len(message.outcomes) < message.copies:
            self._schedule(message, self._random.random() * MAX_REPEAT_DELAY_S)
        else:
            self.unfinished -= 1

    def _schedule(self, message: Message, delay_s: float) -> None:
        heapq.heappush(self._queue, (time.monotonic() + delay_s, next(self._number), message))

    def _retry_delay_s(self, tries: int) -> float:
        delay_s = self._delays_s[min(tries, len(self._delays_s)) - 1]
        return delay_s * self._random.uniform(1 - JITTER, 1 + JITTER)

    def _attempt(self, connection: http.client.HTTPConnection, message: Message) -> tuple[str, str]:
        """Return the status or the error of one attempt, and the outcome of a successful one.

        An unexpected error is also an answer. Otherwise, it would end the thread, and its message would never be sent.
        """
        try:
            connection.request("POST", URL, message.body.encode(), self._headers(message))
            response = connection.getresponse()
            body = response.read()
            return str(response.status), _outcome(body) if response.status == 200 else ""
        except Exception as error:  # noqa: BLE001
            connection.close()
            return type(error).__name__, ""

    def _headers(self, message: Message) -> dict[str, Any]:
        at = datetime.now(UTC) + timedelta(seconds=self.clock_offset_s)
        return signatures.sign(message.body, SECRET, svix_id=message.svix_id, at=at) | {
            "content-type": "application/json"
        }


def _outcome(body: bytes) -> str:
    outcome: str = json.loads(body)["outcome"]
    return outcome
