"""New seals are told outside, whatever becomes of one of the targets."""

import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings

from audit import checks, log, tasks
from audit.models import AuditLog, AuditSeal, AuditVerification, CheckpointTarget
from audit.sealing import checkpoints, seals, verification
from tests.audit.rows import as_owner
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "the first key of the tests, long enough"


@pytest.fixture(autouse=True)
def keyed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_SEAL_KEYS = [KEY]
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    monkeypatch.setattr(seals, "MAX_ROWS", 2)


def write(count: int) -> None:
    somebody = UserFactory.create()
    for _ in range(count):
        log.record(AuditLog.Action.USER_UPDATED, actor=None, target=somebody)


def run() -> None:
    tasks.seal_audit_log(timestamp=0)


def lines() -> list[str]:
    return [checkpoints.line(seal) for seal in AuditSeal.objects.order_by("number")]


def test_a_line_says_what_is_needed_and_is_found_again() -> None:
    write(3)
    seals.seal()
    last = AuditSeal.objects.get(number=2)
    assert checkpoints.line(last) == (
        f"audit-checkpoint seal=2 mac={bytes(last.mac).hex()} time={last.sealed_at.isoformat(timespec='seconds')} "
        f"rows=1 total=3 key={last.key_id}"
    )
    found = verification.CHECKPOINT.search(f"> {checkpoints.line(last)}\r\n")
    assert found
    assert found.groups() == ("2", bytes(last.mac).hex())


def test_every_target_is_told_of_every_seal(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoints.txt"
    settings.AUDIT_CHECKPOINTS = [f"file:{path}", "mail:ops@example.com", "log"]
    caplog.set_level(logging.INFO, "audit.sealing.checkpoints")
    write(1)
    run()
    write(3)
    run()
    run()  # there is nothing new
    assert path.read_text().splitlines() == lines()
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0
    assert [message.to for message in mail.outbox] == [["ops@example.com"], ["ops@example.com"]]
    assert all(text in mail.outbox[1].body for text in lines()[1:])
    assert [record.getMessage() for record in caplog.records] == lines()


def test_a_new_target_is_told_of_the_newest_seal_which_vouches_for_all(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINTS = [f"file:{tmp_path / 'checkpoints.txt'}"]
    write(5)
    seals.seal()
    run()
    assert (tmp_path / "checkpoints.txt").read_text().splitlines() == lines()[-1:]


def test_a_target_that_fails_stops_no_other_and_is_told_next_time(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    away, there = tmp_path / "away" / "checkpoints.txt", tmp_path / "checkpoints.txt"
    settings.AUDIT_CHECKPOINTS = [f"file:{away}", f"file:{there}"]
    write(1)
    run()
    write(2)
    run()
    assert there.read_text().splitlines() == lines()
    assert "No such file" in CheckpointTarget.objects.get(destination=f"file:{away}").last_error
    assert "was not sent to file:" in caplog.text
    away.parent.mkdir()
    run()
    assert away.read_text().splitlines() == lines()[-1:]
    assert CheckpointTarget.objects.get(destination=f"file:{away}").last_error == ""
    away.unlink()
    away.mkdir()
    write(3)
    run()
    away.rmdir()
    run()
    assert away.read_text().splitlines() == lines()[2:]


def test_a_mail_server_that_is_away_stops_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(checkpoints, "send_mail", refuse)
    settings.AUDIT_CHECKPOINTS = ["mail:ops@example.com"]
    write(1)
    run()
    assert AuditSeal.objects.count() == 1
    assert CheckpointTarget.objects.get().last_error == "ConnectionRefusedError: nobody there"


def test_without_a_key_the_job_does_nothing(settings: Settings) -> None:
    settings.AUDIT_SEAL_KEYS, settings.AUDIT_CHECKPOINTS = [], ["log"]
    write(1)
    run()
    tasks.verify_audit_log(timestamp=0)
    assert not AuditSeal.objects.exists()
    assert not AuditVerification.objects.exists()


def test_the_nightly_job_keeps_and_tells_what_it_finds(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AUDIT_CHECKPOINTS = [f"file:{tmp_path / 'checkpoints.txt'}", "file:/nowhere/at/all"]
    write(3)
    run()
    tasks.verify_audit_log(timestamp=0)
    assert AuditVerification.objects.get().is_intact
    as_owner("DELETE FROM audit_auditseal WHERE number = 2")
    tasks.verify_audit_log(timestamp=0)
    newest = AuditVerification.objects.first()
    assert newest
    assert (newest.is_intact, newest.first_bad_seal, newest.first_bad_row) == (False, 2, None)
    assert "The audit log does not match its seals: Seal 2 has a checkpoint, but the newest seal is 1" in caplog.text


GOOD = ["log", "file:/var/log/audit.txt", "mail:ops@example.com"]


@pytest.mark.parametrize(
    ("changed", "ids"),
    (
        pytest.param({"AUDIT_CHECKPOINTS": GOOD}, [], id="good"),
        pytest.param({"AUDIT_SEAL_KEYS": []}, ["audit.W001"], id="no key"),
        pytest.param({"AUDIT_SEAL_KEYS": [KEY, "short"]}, ["audit.E002"], id="short key"),
        pytest.param({"AUDIT_CHECKPOINTS": ["ftp:x", "file:x", "mail:x", ""]}, ["audit.E003"] * 4, id="targets"),
    ),
)
def test_wrong_settings_are_named(settings: Settings, changed: dict[str, Any], ids: list[str]) -> None:
    settings.AUDIT_CHECKPOINTS = []
    for name, value in changed.items():
        setattr(settings, name, value)
    found = [*checks.check_sealing(), *checks.check_keys(), *checks.check_checkpoints()]
    assert [message.id for message in found] == ids
