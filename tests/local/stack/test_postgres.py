"""The embedded PostgreSQL of local mode and tests."""

import subprocess
from pathlib import Path

from local.stack.postgres import as_server_user


def test_the_server_reaches_binaries_in_a_folder_of_ours_that_nobody_else_may_enter(tmp_path: Path) -> None:
    binary = tmp_path / "private" / "initdb"
    binary.parent.mkdir(mode=0o700)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    # `test` asks access(2), as PostgreSQL's programs do of each other.
    assert subprocess.run([*as_server_user(), "test", "-x", binary], check=False).returncode == 0
