"""`make manage` runs commands against a running `make run`."""

import os
from pathlib import Path
from typing import Any

import pytest

from local.stack import environment, manage
from local.stack.postgres import EmbeddedPostgres


class TestManage:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DATABASE_URL", "CLERK_SECRET_KEY", "CLERK_PUBLISHABLE_KEY", "PORT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DATA_DIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", "/tmp")  # socket paths must be short

    def test_command_gets_environment_of_running_copy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        executed: list[Any] = []
        monkeypatch.setattr(os, "execve", lambda *arguments: executed.extend(arguments))
        environ = environment.build(os.environ, tmp_path, 8000)
        postgres = EmbeddedPostgres(tmp_path)
        postgres.sockets.mkdir()
        try:
            manage.main(["check_alerts", "--verbosity", "0"])
        finally:
            postgres.sockets.rmdir()
        _, command, settings = executed
        assert command[1].endswith("/manage.py")
        assert command[2:] == ["check_alerts", "--verbosity", "0"]
        assert settings["DATABASE_URL"] == postgres.url
        assert settings["LOCAL_MODE"] == "1"
        assert settings["CLERK_SECRET_KEY"] == environ["CLERK_SECRET_KEY"]

    def test_error_if_nothing_is_running(self, tmp_path: Path) -> None:
        with pytest.raises(
            SystemExit, match=r"^make manage: No copy is running with the data in .*; start `make run` first"
        ):
            manage.main(["check_alerts"])
        assert list(tmp_path.iterdir()) == []
