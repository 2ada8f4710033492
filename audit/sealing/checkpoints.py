"""Send each new seal's number and mac outside, where whoever owns the database cannot follow.

The chain itself cannot tell that its end was cut off and made anew: the sealing job would even do so by itself, with the right
key. A line that was sent away before tells. AUDIT_CHECKPOINTS lists the targets: `file:/path`, `mail:address`, `log`.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

from django.conf import settings
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from audit.models import AuditSeal, CheckpointTarget

log = logging.getLogger(__name__)

#: The most seals a target is told of at once; the next run goes on.
MOST_LINES = 1000


def check(address: str) -> None:
    """Accept an entry of AUDIT_CHECKPOINTS.

    Raises:
        ValueError: it is not a target; the message says why.
        ValidationError: what should be a mail address is none.
    """
    kind, _, rest = address.partition(":")
    if kind not in SENDERS:
        raise ValueError("it must begin with file: or mail:, or be the word log")
    if kind == "file" and not Path(rest).is_absolute():
        raise ValueError("file: takes an absolute path")
    if kind == "mail":
        validate_email(rest)


def send() -> None:
    """Tell every target of the seals it was not told of. A target that fails is told next time, and stops no other."""
    for address in settings.AUDIT_CHECKPOINTS:
        CheckpointTarget.objects.bulk_create([CheckpointTarget(address=address)], ignore_conflicts=True)
        try:
            error = _send(address)
        except Exception as caught:  # noqa: BLE001  # whatever a file system or a mail server comes up with
            error = f"{type(caught).__name__}: {caught}"
        if error is None:
            continue
        CheckpointTarget.objects.filter(address=address).update(last_error=error[:1000])
        if error:
            log.warning(
                "The checkpoint of the audit log could not be sent to %s; it is tried again. %s", address, error
            )


def line(seal: AuditSeal) -> str:
    """Return what is told of a seal; `audit_verify --checkpoint` reads it, whatever stands before or after it."""
    time = seal.sealed_at.astimezone(UTC).isoformat(timespec="seconds")
    mac = bytes(seal.mac).hex()
    return f"audit-checkpoint seal={seal.number} mac={mac} time={time} rows={seal.rows} total={seal.total} key={seal.key_id}"


@contextmanager
def kept_files() -> Iterator[list[Iterator[str]]]:
    """Yield the lines of every file among the targets that is on this host."""
    paths = [
        Path(address.removeprefix("file:")) for address in settings.AUDIT_CHECKPOINTS if address.startswith("file:")
    ]
    files = [path.open(encoding="utf-8", errors="replace") for path in paths if path.is_file()]
    try:
        yield [iter(file) for file in files]
    finally:
        for file in files:
            file.close()


@transaction.atomic
def _send(address: str) -> str | None:
    """Tell one target. Return "" if that went well, None if there was nothing to tell or somebody else is at it."""
    target = CheckpointTarget.objects.select_for_update(skip_locked=True).filter(address=address).first()
    if target is None:
        return None
    seals = AuditSeal.objects.defer("leaves").order_by("number")
    if target.sent_up_to:
        new = list(seals.filter(number__gt=target.sent_up_to)[:MOST_LINES])
    else:
        new = list(seals.reverse()[:1])  # the newest vouches for all before it
    if not new:
        return None
    kind, _, rest = address.partition(":")
    SENDERS[kind](rest, [line(seal) for seal in new])
    target.sent_up_to, target.sent_at = new[-1].number, timezone.now()
    target.save(update_fields=["sent_up_to", "sent_at"])
    return ""


def _to_file(path: str, lines: list[str]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "w", encoding="utf-8") as file:
        file.write("".join(f"{text}\n" for text in lines))
        file.flush()
        os.fsync(file.fileno())


def _to_mail(address: str, lines: list[str]) -> None:
    body = "Keep this mail. It proves later that the audit log was not cut off (docs/audit.md).\n\n" + "\n".join(lines)
    send_mail("Checkpoint of the audit log", body + "\n", None, [address])


def _to_log(rest: str, lines: list[str]) -> None:
    for text in lines:
        log.info("%s", text)


SENDERS: dict[str, Callable[[str, list[str]], None]] = {"file": _to_file, "mail": _to_mail, "log": _to_log}
