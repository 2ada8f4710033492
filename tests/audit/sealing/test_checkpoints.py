"""Checkpoints for new seals are sent to every destination, even if another destination fails."""

import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings

from audit import checks, log, tasks
from audit.log import SYSTEM
from audit.models import AuditLog, AuditSeal, AuditVerification, CheckpointTarget
from audit.sealing import checkpoints, seals, verification
from tests.audit.rows import execute_as_owner
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "the first key of the tests, long enough"


@pytest.fixture(autouse=True)
def seal_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_SEAL_KEYS = [KEY]
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    monkeypatch.setattr(seals, "MAX_ROWS", 2)


def write_rows(count: int) -> None:
    user = UserFactory.create()
    for _ in range(count):
        log.record(AuditLog.Action.USER_UPDATED, actor=SYSTEM, target=user)


def run_sealing_job() -> None:
    tasks.seal_audit_log(timestamp=0)


def checkpoint_lines() -> list[str]:
    return [checkpoints.line(seal) for seal in AuditSeal.objects.order_by("number")]


def test_checkpoint_line_contains_seal_fields_and_is_found_in_text() -> None:
    write_rows(3)
    seals.seal()
    last = AuditSeal.objects.get(number=2)
    assert checkpoints.line(last) == (
        f"audit-checkpoint seal=2 mac={bytes(last.mac).hex()} time={last.sealed_at.isoformat(timespec='seconds')} "
        f"rows=1 total=3 key={last.key_id}"
    )
    found = verification.CHECKPOINT.search(f"> {checkpoints.line(last)}\r\n")
    assert found
    assert found.groups() == ("2", bytes(last.mac).hex())


def test_every_destination_receives_every_seal(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoints.txt"
    settings.AUDIT_CHECKPOINTS = [f"file:{path}", "mail:ops@example.com", "log"]
    caplog.set_level(logging.INFO, "audit.sealing.checkpoints")
    write_rows(1)
    run_sealing_job()
    write_rows(3)
    run_sealing_job()
    run_sealing_job()  # no new seals
    assert path.read_text().splitlines() == checkpoint_lines()
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0
    assert [message.to for message in mail.outbox] == [["ops@example.com"], ["ops@example.com"]]
    assert all(text in mail.outbox[1].body for text in checkpoint_lines()[1:])
    assert [record.getMessage() for record in caplog.records] == checkpoint_lines()


def test_new_destination_receives_only_the_newest_seal(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINTS = [f"file:{tmp_path / 'checkpoints.txt'}"]
    write_rows(5)
    seals.seal()
    run_sealing_job()
    assert (tmp_path / "checkpoints.txt").read_text().splitlines() == checkpoint_lines()[-1:]


def test_failed_destination_is_retried_and_does_not_affect_others(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unavailable, available = tmp_path / "unavailable" / "checkpoints.txt", tmp_path / "checkpoints.txt"
    settings.AUDIT_CHECKPOINTS = [f"file:{unavailable}", f"file:{available}"]
    write_rows(1)
    run_sealing_job()
    write_rows(2)
    run_sealing_job()
    assert available.read_text().splitlines() == checkpoint_lines()
    assert "No such file" in CheckpointTarget.objects.get(destination=f"file:{unavailable}").last_error
    assert "was not sent to file:" in caplog.text
    unavailable.parent.mkdir()
    run_sealing_job()
    assert unavailable.read_text().splitlines() == checkpoint_lines()[-1:]
    assert CheckpointTarget.objects.get(destination=f"file:{unavailable}").last_error == ""
    unavailable.unlink()
    unavailable.mkdir()
    write_rows(3)
    run_sealing_job()
    unavailable.rmdir()
    run_sealing_job()
    assert unavailable.read_text().splitlines() == checkpoint_lines()[2:]


def test_mail_server_failure_does_not_stop_sealing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(checkpoints, "send_mail", refuse)
    settings.AUDIT_CHECKPOINTS = ["mail:ops@example.com"]
    write_rows(1)
    run_sealing_job()
    assert AuditSeal.objects.count() == 1
    assert CheckpointTarget.objects.get().last_error == "ConnectionRefusedError: connection refused"


def test_jobs_do_nothing_without_a_key(settings: Settings) -> None:
    settings.AUDIT_SEAL_KEYS, settings.AUDIT_CHECKPOINTS = [], ["log"]
    write_rows(1)
    run_sealing_job()
    tasks.verify_audit_log(timestamp=0)
    assert not AuditSeal.objects.exists()
    assert not AuditVerification.objects.exists()


def test_nightly_job_stores_result_and_logs_problems(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AUDIT_CHECKPOINTS = [f"file:{tmp_path / 'checkpoints.txt'}", "file:/nowhere/at/all"]
    write_rows(3)
    run_sealing_job()
    tasks.verify_audit_log(timestamp=0)
    assert AuditVerification.objects.get().is_intact
    execute_as_owner("DELETE FROM audit_auditseal WHERE number = 2")
    tasks.verify_audit_log(timestamp=0)
    newest = AuditVerification.objects.first()
    assert newest
    assert (newest.is_intact, newest.first_bad_seal, newest.first_bad_row) == (False, 2, None)
    assert "The audit log does not match its seals: Seal 2 has a checkpoint, but the newest seal is 1" in caplog.text


VALID = ["log", "file:/var/log/audit.txt", "mail:ops@example.com"]


@pytest.mark.parametrize(
    ("changed", "ids"),
    (
        pytest.param({"AUDIT_CHECKPOINTS": VALID}, [], id="valid"),
        pytest.param({"AUDIT_SEAL_KEYS": []}, ["audit.W001"], id="no key"),
        pytest.param({"AUDIT_SEAL_KEYS": [KEY, "short"]}, ["audit.E002"], id="short key"),
        pytest.param(
            {"AUDIT_CHECKPOINTS": ["ftp:x", "file:x", "mail:x", ""]}, ["audit.E003"] * 4, id="invalid destinations"
        ),
    ),
)
def test_invalid_settings_are_reported(settings: Settings, changed: dict[str, Any], ids: list[str]) -> None:
    settings.AUDIT_CHECKPOINTS = []
    for name, value in changed.items():
        setattr(settings, name, value)
    found = [*checks.check_sealing(), *checks.check_keys(), *checks.check_checkpoints()]
    assert [message.id for message in found] == ids
