"""The embedded PostgreSQL of local mode and tests."""

import subprocess
from pathlib import Path

from local.stack.postgres import as_server_user


def test_server_user_can_run_binaries_in_private_folder(tmp_path: Path) -> None:
    binary = tmp_path / "private" / "initdb"
    binary.parent.mkdir(mode=0o700)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    # `test` uses access(2), like PostgreSQL's programs do to check each other.
    assert subprocess.run([*as_server_user(), "test", "-x", binary], check=False).returncode == 0
