"""With LOG_FORMAT=json, processes print only JSON lines."""

import json
import logging
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from config.environment import BASE_DIR
from config.logs.streams import JsonLines
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn, process, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

UNREACHABLE = "postgresql://app@127.0.0.1:1/app"
DANGEROUS = {"LOCAL_MODE": "0", "DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "short"}
#: Commands that print outside the log, with part of their output.
COMMANDS: dict[str, tuple[list[str], dict[str, str], str]] = {
    "unknown command": (["nonsense"], {}, "Unknown command"),
    "invalid argument": (["retry_event"], {}, "CommandError: Enter the IDs"),
    "database error in a command": (["empty_payloads"], {"DATABASE_URL": UNREACHABLE}, "Uncaught exception: "),
    "database error in a worker": (
        ["procrastinate", "worker", "--one-shot"],
        {"DATABASE_URL": UNREACHABLE},
        "127.0.0.1",
    ),
    "system check": (["check", "--deploy", "--fail-level", "WARNING"], {}, "security.W"),
    "missing setting": (["check"], {"DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": ""}, "SECRET_KEY"),
    "dangerous setting of a worker": (["procrastinate", "worker"], DANGEROUS, "Not started"),
}


def parse(text: str) -> list[dict[str, Any]]:
    """Parse every line. A failure shows the line that is not JSON."""
    found = []
    for line in filter(str.strip, text.splitlines()):
        try:
            found.append(json.loads(line))
        except ValueError:
            pytest.fail(f"not JSON: {line}")
    return found


@pytest.mark.parametrize(("arguments", "environ", "expected"), COMMANDS.values(), ids=COMMANDS)
def test_commands_print_only_json(
    arguments: list[str], environ: dict[str, str], expected: str, database_url: str
) -> None:
    environment = os.environ | {"LOG_FORMAT": "json", "DATABASE_URL": database_url} | environ
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=BASE_DIR,
        env=environment,
    )
    assert result.returncode != 0
    lines = parse(result.stderr)
    assert any(expected in json.dumps(line) for line in lines), result.stderr
    assert all({"timestamp", "level", "logger", "message"} <= line.keys() for line in lines)


def test_worker_prints_only_json(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with process(["manage.py", "procrastinate", "worker"], database_url, log, LOG_FORMAT="json"):
        wait_until(lambda: "Launching a worker" in log.read_text(), f"the worker did not start, see {log}")
    first = parse(log.read_text())[0]
    assert (first["message"], first["level"]) == ("Launching a worker on all queues", "info")


def test_gunicorn_prints_only_json(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with gunicorn(database_url, log, workers=1, configuration=WITHOUT_ALERT_THREAD, LOG_FORMAT="json") as url:
        httpx.get(f"{url}/nothing/", trust_env=False)
    messages = [line["message"] for line in parse(log.read_text())]
    assert any("Listening at" in message for message in messages)
    assert any("GET /nothing/ 404" in message for message in messages)


@pytest.mark.parametrize(("name", "value"), (("SECRET_KEY", ""), ("LOCAL_MODE", "treu"), ("LOG_FORMAT", "xml")))
def test_gunicorn_reports_invalid_settings_as_json(name: str, value: str) -> None:
    environment = os.environ | {"LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "config.settings", name: value}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BASE_DIR, env=environment)
    assert any(name in line["message"] for line in parse(result.stderr + result.stdout))


def test_uncaught_exception_is_one_redacted_line_with_stack(database_url: str) -> None:
    script = "import manage, sys; sys.argv[1:] = ['check']; from django.core.management import base\n"
    script += "import os\ndef fail(*args, **options): raise ValueError(os.environ['PRIVATE'])\n"
    script += "base.BaseCommand.check = fail; manage.main()"
    environment = os.environ | {
        "LOG_FORMAT": "json",
        "DATABASE_URL": database_url,
        "PRIVATE": "bad value olive@example.com",
    }
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=BASE_DIR, env=environment
    )
    [line] = parse(result.stderr)
    assert (line["level"], line["error.kind"]) == ("critical", "builtins.ValueError")
    assert "in fail" in line["error.stack"]
    assert "olive" not in result.stderr


def test_stream_joins_partial_lines_and_keeps_json() -> None:
    output = StringIO()
    stream = JsonLines(output, logging.ERROR)
    for part in ("first ", "line\n\nsec", 'ond\n{"a": 1}\n'):
        stream.write(part)
    lines = parse(output.getvalue())
    assert [line.get("message") for line in lines] == ["first line", "second", None]
    assert lines[2] == {"a": 1}
