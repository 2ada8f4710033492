"""Send each new seal's number and MAC to destinations that the database owner cannot change.

The chain cannot show that its end was removed and sealed again. If someone removes the last seals, the sealing job
itself creates new seals with the valid key. Earlier checkpoints reveal this. AUDIT_CHECKPOINTS lists the destinations:
`file:/path`, `mail:address`, `log`.
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

#: Maximum number of seals per message. The next run continues.
MAX_LINES = 1000


def validate_destination(destination: str) -> None:
    """Validate an AUDIT_CHECKPOINTS entry.

    Raises:
        ValueError: the entry is invalid. The message contains the reason.
        ValidationError: the email address is invalid.
    """
    kind, _, rest = destination.partition(":")
    if kind not in SENDERS:
        raise ValueError("it must begin with file: or mail:, or be the word log")
    if kind == "file" and not Path(rest).is_absolute():
        raise ValueError("file: takes an absolute path")
    if kind == "mail":
        validate_email(rest)


def send() -> None:
    """Send new seals to all destinations. If a destination fails, it is retried in the next run.

    Other destinations are not affected.
    """
    for destination in settings.AUDIT_CHECKPOINTS:
        CheckpointTarget.objects.bulk_create([CheckpointTarget(destination=destination)], ignore_conflicts=True)
        try:
            error = _send(destination)
        except Exception as caught:  # noqa: BLE001  # file systems and mail servers can fail in any way
            error = f"{type(caught).__name__}: {caught}"
        if error is None:
            continue
        CheckpointTarget.objects.filter(destination=destination).update(last_error=error[:1000])
        if error:
            log.warning("The audit log checkpoint was not sent to %s and will be retried. %s", destination, error)


def line(seal: AuditSeal) -> str:
    """Return a seal's checkpoint. `audit_verify --checkpoint` can find it in surrounding text."""
    time = seal.sealed_at.astimezone(UTC).isoformat(timespec="seconds")
    mac = bytes(seal.mac).hex()
    return f"audit-checkpoint seal={seal.number} mac={mac} time={time} rows={seal.row_count} total={seal.total_rows} key={seal.key_id}"


@contextmanager
def local_files() -> Iterator[list[Iterator[str]]]:
    """Open the AUDIT_CHECKPOINTS files that exist on this host, and yield their lines."""
    paths = [Path(entry.removeprefix("file:")) for entry in settings.AUDIT_CHECKPOINTS if entry.startswith("file:")]
    files = [path.open(encoding="utf-8", errors="replace") for path in paths if path.is_file()]
    try:
        yield [iter(file) for file in files]
    finally:
        for file in files:
            file.close()


@transaction.atomic
def _send(destination: str) -> str | None:
    """Send to one destination.

    Return "" on success, or None if there is nothing to send or another process is sending.
    """
    target = CheckpointTarget.objects.select_for_update(skip_locked=True).filter(destination=destination).first()
    if target is None:
        return None
    seals = AuditSeal.objects.defer("leaves").order_by("number")
    if target.last_sent_seal:
        new = list(seals.filter(number__gt=target.last_sent_seal)[:MAX_LINES])
    else:
        new = list(seals.reverse()[:1])  # The newest seal also protects all earlier seals.
    if not new:
        return None
    kind, _, rest = destination.partition(":")
    SENDERS[kind](rest, [line(seal) for seal in new])
    target.last_sent_seal, target.sent_at = new[-1].number, timezone.now()
    target.save(update_fields=["last_sent_seal", "sent_at"])
    return ""


def _to_file(path: str, lines: list[str]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "w", encoding="utf-8") as file:
        file.write("".join(f"{text}\n" for text in lines))
        file.flush()
        os.fsync(file.fileno())


def _to_mail(address: str, lines: list[str]) -> None:
    body = "Keep this email. It can prove that no audit log rows were removed (docs/audit.md).\n\n" + "\n".join(lines)
    send_mail("Audit log checkpoint", body + "\n", None, [address])


def _to_log(_rest: str, lines: list[str]) -> None:
    for text in lines:
        log.info("%s", text)


SENDERS: dict[str, Callable[[str, list[str]], None]] = {"file": _to_file, "mail": _to_mail, "log": _to_log}
