"""Deliver messages like Svix: each attempt has its own signature, failures are retried, and the order is not guaranteed.

Source: docs.svix.com/retries and svix-server's worker.rs: any 2xx within 15 s is a success, and redirects are not followed.
"""

import base64
import hashlib
import hmac
import http.client
import logging
import random
import socket
import ssl
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import override
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from local.clerk.events.schedule import JITTER, RETRY_DELAYS_S, TIMEOUT_S
from local.clerk.models import Attempt, FaultInjection, Message

log = logging.getLogger(__name__)

#: Number of threads. A slow response must not delay other messages.
SENDERS = 16
#: Milliseconds between shuffled messages.
SHUFFLE_GAP_MS = 50

_wake_up = threading.Event()
_stopping = threading.Event()
_in_progress: set[str] = set()


class _LocalHTTPSConnection(http.client.HTTPSConnection):
    """A TLS connection that connects to this machine for *.localhost, which some systems do not resolve."""

    @override
    def connect(self) -> None:
        host = "127.0.0.1" if self.host.endswith(".localhost") else self.host
        plain = socket.create_connection((host, self.port), self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def start() -> threading.Thread:
    thread = threading.Thread(target=_run, name="deliveries", daemon=True)
    thread.start()
    return thread


def stop() -> None:
    _stopping.set()
    _wake_up.set()


def wake() -> None:
    """Check for due messages immediately."""
    _wake_up.set()


def release_held() -> int:
    """Queue all held messages in random order, and return their number."""
    held = list(Message.objects.held())
    random.shuffle(held)
    now = timezone.now()
    for position, message in enumerate(held):
        message.state = Message.State.PENDING
        message.next_attempt_at = now + timedelta(milliseconds=position * SHUFFLE_GAP_MS)
    Message.objects.bulk_update(held, ["state", "next_attempt_at"])
    transaction.on_commit(wake)
    return len(held)


def release_if_full(faults: FaultInjection) -> None:
    """Release held messages if there are enough of them to shuffle, or if shuffling was turned off."""
    held = Message.objects.held().count()
    if held and held >= faults.shuffle:
        release_held()


def send_again(message: Message) -> None:
    """Queue a message again with all its retries, regardless of its state."""
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
            _wake_up.clear()
            try:
                _submit_due(senders)
                wait_s = _seconds_to_next()
            except Exception:  # a failed round must not end the loop
                log.exception("A round of deliveries failed.")
                wait_s = 1.0
            _wake_up.wait(wait_s)


def _submit_due(senders: ThreadPoolExecutor) -> None:
    for message in Message.objects.due(timezone.now()).order_by("next_attempt_at")[:100]:
        if message.id not in _in_progress:
            _in_progress.add(message.id)
            senders.submit(_attempt, message).add_done_callback(_log_error)


def _log_error(future: "Future[None]") -> None:
    if error := future.exception():
        log.error("An attempt failed or could not be recorded.", exc_info=error)


def _seconds_to_next() -> float:
    pending = Message.objects.filter(state=Message.State.PENDING).exclude(id__in=list(_in_progress)[:500])
    next_at = pending.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    if next_at is None:
        return 60.0
    return min(max((next_at - timezone.now()).total_seconds(), 0.0), 60.0)


def _attempt(message: Message) -> None:
    try:
        # The message may have been read before an earlier attempt was recorded.
        message.refresh_from_db()
        if message.is_due and not _stopping.is_set():
            attempt = _post(message)
            with transaction.atomic():
                attempt.save()
                _update_message(message, attempt)
    finally:
        connection.close()
        _in_progress.discard(message.id)
        wake()


def _update_message(message: Message, attempt: Attempt) -> None:
    """Update the message's state and the time of its next attempt after an attempt."""
    message.tries += 1
    now = timezone.now()
    if attempt.succeeded:
        message.copies -= 1
        message.tries, message.next_attempt_at = 0, now
        message.state = Message.State.PENDING if message.copies else Message.State.DELIVERED
    elif message.tries > len(RETRY_DELAYS_S):
        message.state = Message.State.FAILED
    else:
        message.next_attempt_at = now + _retry_delay(message.tries)
    message.save(update_fields=["state", "tries", "copies", "next_attempt_at"])


def _retry_delay(tries: int) -> timedelta:
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # not used for security
    return timedelta(seconds=RETRY_DELAYS_S[tries - 1] * jitter * settings.TIME_SCALE)


def _post(message: Message) -> Attempt:
    attempt = Attempt(message=message, at=timezone.now())
    started = time.monotonic()
    try:
        attempt.status, attempt.answer = _send(message.id, message.body.encode(), attempt.at)
    except (OSError, http.client.HTTPException) as error:
        attempt.error = f"{type(error).__name__}: {error}"[:300]
    attempt.duration_ms = round((time.monotonic() - started) * 1000)
    return attempt


def _send(message_id: str, body: bytes, at: datetime) -> tuple[int, str]:
    url = urlsplit(settings.WEBHOOK_URL)
    timestamp_s = int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Svix-Webhooks/1.0 (localclerk)",
        "svix-id": message_id,
        "svix-timestamp": str(timestamp_s),
        "svix-signature": sign(message_id, timestamp_s, body),
    }
    connect = _LocalHTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    http_connection = connect(url.hostname or "127.0.0.1", url.port, timeout=TIMEOUT_S)
    try:
        http_connection.request("POST", url.path or "/", body, headers)
        response = http_connection.getresponse()
        return response.status, response.read(500).decode(errors="replace")
    finally:
        http_connection.close()
