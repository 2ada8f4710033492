"""Old events are copied to a file, which is verified before they are deleted."""

import gzip
import hashlib
import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import Attempt, EventCount, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.payloads import archive
from webhooks.payloads.archive import NotArchivedError

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


def days_ago(days: float) -> datetime:
    return timezone.now() - days * DAY


def run(path: Path, *options: str, before: datetime | None = None) -> str:
    output = StringIO()
    date = (before or days_ago(92)).strftime("%Y-%m-%d")
    call_command("archive_events", "--before", date, "--to", str(path), *options, stdout=output)
    return output.getvalue()


def stored(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]


@pytest.fixture
def old() -> WebhookEvent:
    found = event(days_ago(200), state="processed")
    found.attempt_rows.create(
        number=2, started_at=days_ago(199), duration=DAY, outcome="processed", trigger=Attempt.Trigger.RETRY
    )
    return found


def test_old_events_are_written_with_their_attempts_and_kept(old: WebhookEvent, tmp_path: Path) -> None:
    recent, path = event(days_ago(91)), tmp_path / "events.jsonl.gz"
    output = run(path)
    [line] = stored(path)
    assert (line["svix_id"], line["state"]) == (old.svix_id, "processed")
    assert [attempt["number"] for attempt in line["attempts"]] == [2]
    assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() in output
    assert path.stat().st_mode & 0o077 == 0
    assert set(WebhookEvent.objects.all()) == {old, recent}


def test_archived_events_are_deleted_on_request_and_counts_are_kept(
    old: WebhookEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BATCH_SIZE", 2)
    same_time = days_ago(150)
    events = [old, *(event(same_time, state="stale") for _ in range(4))]
    recent = event(days_ago(1))
    hourly_counts.aggregate()
    counts = set(EventCount.objects.values_list("hour", "events"))
    output = run(tmp_path / "events.jsonl.gz", "--delete")
    assert "Deleted 5 events." in output
    assert {line["id"] for line in stored(tmp_path / "events.jsonl.gz")} == {each.pk for each in events}
    assert list(WebhookEvent.objects.all()) == [recent]
    assert not Attempt.objects.exists()
    hourly_counts.aggregate()
    assert set(EventCount.objects.values_list("hour", "events")) == counts


def test_events_that_svix_can_send_again_are_rejected(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(CommandError, match="Svix can send events again for 90 days"):
        run(tmp_path / "events.jsonl.gz", before=days_ago(80))
    settings.PAYLOAD_RETENTION_DAYS = 365
    with pytest.raises(CommandError, match="payloads are kept for 365 days"):
        run(tmp_path / "events.jsonl.gz")
    assert not list(tmp_path.iterdir())


def test_unsettled_events_are_not_archived(tmp_path: Path) -> None:
    event(days_ago(200), state="dead")
    with pytest.raises(CommandError, match="Failed or dead events of this period: 1"):
        run(tmp_path / "events.jsonl.gz", "--delete")


def test_existing_file_is_not_overwritten(old: WebhookEvent, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_text("precious")
    with pytest.raises(CommandError, match="File exists"):
        run(path, "--delete")
    assert path.read_text() == "precious"
    assert WebhookEvent.objects.count() == 1


def test_damaged_file_is_noticed_before_anything_is_deleted(
    old: WebhookEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk can lose the end of a file without an error."""
    write = archive._write_lines

    def write_and_truncate(path: Path, before: datetime) -> int:
        number = write(path, before)
        path.write_bytes(path.read_bytes()[:-20])
        return number

    monkeypatch.setattr(archive, "_write_lines", write_and_truncate)
    with pytest.raises(CommandError, match="is damaged"):
        run(tmp_path / "events.jsonl.gz", "--delete")
    assert WebhookEvent.objects.count() == 1


def test_event_that_changes_after_it_was_archived_is_kept(old: WebhookEvent, tmp_path: Path) -> None:
    written = archive.write(tmp_path / "events.jsonl.gz", days_ago(92))
    WebhookEvent.objects.update(deliveries=7)
    with pytest.raises(NotArchivedError, match="has changed"):
        archive.delete(written)
    assert WebhookEvent.objects.get().deliveries == 7


@pytest.mark.parametrize("text", ("yesterday", "2025-13-01", ""))
def test_malformed_date_is_rejected(text: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="before"):
        call_command("archive_events", "--before", text, "--to", str(tmp_path / "a"))
