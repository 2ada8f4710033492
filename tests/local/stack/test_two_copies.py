"""If two copies of `make run` start at the same time, one runs and the other prints an error with a fix."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.errors import SetupError
from local.stack.ports import port_lock_path
from local.stack.run import LocalRun

#: Outside the range of ephemeral ports.
PORT = 19000 + os.getpid() % 1000 * 10


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a separate folder for lock files, because a copy may be running on this machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("CLERK_SECRET_KEY", "CLERK_PUBLISHABLE_KEY"):
        monkeypatch.delenv(name, raising=False)


class TestTwoCopies:
    def start(self, stack: ExitStack, monkeypatch: pytest.MonkeyPatch, *, port: int, folder: Path) -> LocalRun:
        """Run the start-up code until just before the first server starts."""
        monkeypatch.setenv("PORT", str(port))
        monkeypatch.setenv("DATA_DIR", str(folder))
        return LocalRun(stack)

    @pytest.mark.parametrize("distance", (-1, 0, 1))
    def test_port_is_reserved_before_anything_listens(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distance: int
    ) -> None:
        """Each copy uses two ports, the second for the stand-in for Clerk."""
        second = PORT + distance
        with ExitStack() as stack:
            self.start(stack, monkeypatch, port=PORT, folder=tmp_path / "one")
            advice = (
                rf"^Port {max(second, PORT)}.* is taken.* another PORT .* make run PORT={second + 10} DATA_DIR=\S+$"
            )
            with pytest.raises(SetupError, match=advice):
                self.start(stack, monkeypatch, port=second, folder=tmp_path / "two")
            assert not (tmp_path / "two").exists()

    def test_folder_is_used_by_one_copy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with ExitStack() as stack:
            self.start(stack, monkeypatch, port=PORT, folder=tmp_path / "one")
            with pytest.raises(SetupError, match=r"^Another copy is running on .*/one; .* choose another DATA_DIR\.$"):
                self.start(stack, monkeypatch, port=PORT + 2, folder=tmp_path / "one")

    def test_port_and_folder_are_released_afterwards(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(2):
            with ExitStack() as stack:
                self.start(stack, monkeypatch, port=PORT, folder=tmp_path / "one")
            assert not list(tmp_path.glob("bwp-*"))

    def test_port_used_by_another_program_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        message = rf"^Port {PORT + 1}, which comes with PORT={PORT}, is taken"
        with (
            socket.create_server(("127.0.0.1", PORT + 1)),
            ExitStack() as stack,
            pytest.raises(SetupError, match=message),
        ):
            self.start(stack, monkeypatch, port=PORT, folder=tmp_path / "one")

    def test_symbolic_link_as_lock_file_is_not_followed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = tmp_path / "kept"
        kept.write_text("mine")
        port_lock_path(PORT).symlink_to(kept)
        with ExitStack() as stack, pytest.raises(SetupError, match=r"cannot be locked .* remove it"):
            self.start(stack, monkeypatch, port=PORT, folder=tmp_path / "one")
        assert kept.read_text() == "mine"
