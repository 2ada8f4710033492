"""Deliver messages as Svix does: signed anew for each attempt, up a ladder of waits, in no promised order.

Source: docs.svix.com/retries and svix-server's worker.rs: any 2xx within 15 s is success, redirects are not followed.
"""

import base64
import hashlib
import hmac
import http.client
import logging
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from local.clerk.models import Attempt, Message, Trouble

log = logging.getLogger(__name__)

TIMEOUT_S = 15
#: Waits after each failure but the last; ±20 % of jitter comes on top.
LADDER_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
JITTER = 0.2
#: One slow answer must not hold up the others.
SENDERS = 16
#: Milliseconds within which shuffled messages are spread.
SHUFFLE_MS = 50

_wanted = threading.Event()
_stopping = threading.Event()
_under_way: set[str] = set()


def start() -> threading.Thread:
    """Deliver from now on, in a thread of this process."""
    thread = threading.Thread(target=_run, name="deliveries", daemon=True)
    thread.start()
    return thread


def stop() -> None:
    """Begin no further attempt."""
    _stopping.set()
    _wanted.set()


def wake() -> None:
    """Look for due messages at once."""
    _wanted.set()


def release_held() -> int:
    """Send the messages that were held back on their way, in random order; return how many they were."""
    held = list(Message.objects.held())
    random.shuffle(held)
    now = timezone.now()
    for position, message in enumerate(held):
        message.state = Message.State.PENDING
        message.next_attempt_at = now + timedelta(milliseconds=position * SHUFFLE_MS)
    Message.objects.bulk_update(held, ["state", "next_attempt_at"])
    transaction.on_commit(wake)
    return len(held)


def release_full(trouble: Trouble) -> None:
    """Let go of the held messages once there are as many as were to be shuffled, or nothing is to be held any more."""
    held = Message.objects.held().count()
    if held and held >= trouble.shuffle:
        release_held()


def send_again(message: Message) -> None:
    """Deliver a message once more, whatever became of it, from the foot of the ladder."""
    message.state, message.tries, message.copies = Message.State.PENDING, 0, 1
    message.next_attempt_at = timezone.now()
    message.save(update_fields=["state", "tries", "copies", "next_attempt_at"])
    transaction.on_commit(wake)


def sign(message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the svix-signature header for one attempt."""
    key = base64.b64decode(settings.WEBHOOK_SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp_s}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _run() -> None:
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as senders:
        while not _stopping.is_set():
            _wanted.clear()
            try:
                _send_due(senders)
                wait_s = _seconds_to_next()
            except Exception:  # the loop has to outlive whatever a single round meets
                log.exception("A round of deliveries failed.")
                wait_s = 1.0
            _wanted.wait(wait_s)


def _send_due(senders: ThreadPoolExecutor) -> None:
    for message in Message.objects.due(timezone.now()).order_by("next_attempt_at")[:100]:
        if message.id not in _under_way:
            _under_way.add(message.id)
            senders.submit(_attempt, message).add_done_callback(_report)


def _report(future: "Future[None]") -> None:
    if error := future.exception():
        log.error("An attempt could not be made or recorded.", exc_info=error)


def _seconds_to_next() -> float:
    pending = Message.objects.filter(state=Message.State.PENDING).exclude(id__in=list(_under_way)[:500])
    next_at = pending.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    if next_at is None:
        return 60.0
    return min(max((next_at - timezone.now()).total_seconds(), 0.0), 60.0)


def _attempt(message: Message) -> None:
    try:
        # The round that chose the message may have read it just before an earlier attempt was recorded.
        message.refresh_from_db()
        if message.is_due and not _stopping.is_set():
            attempt = _post(message)
            with transaction.atomic():
                attempt.save()
                _climb(message, attempt)
    finally:
        connection.close()
        _under_way.discard(message.id)
        wake()


def _climb(message: Message, attempt: Attempt) -> None:
    """Record on the message what follows from the latest attempt."""
    message.tries += 1
    now = timezone.now()
    if attempt.succeeded:
        message.copies -= 1
        message.tries, message.next_attempt_at = 0, now
        message.state = Message.State.PENDING if message.copies else Message.State.DELIVERED
    elif message.tries > len(LADDER_S):
        message.state = Message.State.FAILED
    else:
        message.next_attempt_at = now + _wait(message.tries)
    message.save(update_fields=["state", "tries", "copies", "next_attempt_at"])


def _wait(tries: int) -> timedelta:
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # chance, not secrecy
    return timedelta(seconds=LADDER_S[tries - 1] * jitter * settings.TIME_SCALE)


def _post(message: Message) -> Attempt:
    attempt = Attempt(message=message, at=timezone.now())
    started = time.monotonic()
    try:
        attempt.status, attempt.answer = _exchange(message.id, message.body.encode(), attempt.at)
    except (OSError, http.client.HTTPException) as error:
        attempt.error = f"{type(error).__name__}: {error}"[:300]
    attempt.duration_ms = round((time.monotonic() - started) * 1000)
    return attempt


def _exchange(message_id: str, body: bytes, at: datetime) -> tuple[int, str]:
    url = urlsplit(settings.WEBHOOK_URL)
    timestamp_s = int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Svix-Webhooks/1.0 (localclerk)",
        "svix-id": message_id,
        "svix-timestamp": str(timestamp_s),
        "svix-signature": sign(message_id, timestamp_s, body),
    }
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    exchange = connect(url.hostname or "127.0.0.1", url.port, timeout=TIMEOUT_S)
    try:
        exchange.request("POST", url.path or "/", body, headers)
        response = exchange.getresponse()
        return response.status, response.read(500).decode(errors="replace")
    finally:
        exchange.close()
