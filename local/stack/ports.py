"""Check that the ports of local mode are free, and reserve them against other copies."""

import errno
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local.errors import SetupError
from local.stack.environment import DEFAULT_PORT
from local.stack.folders import acquire_lock

#: Browsers try both addresses for *.localhost, so neither address may be in use by another program.
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
TAKEN = "is taken, perhaps by another copy of this"


def read_port(environ: Mapping[str, str]) -> int:
    """Return PORT. The maximum is 65534, because the stand-in for Clerk uses the next port.

    Raises:
        SetupError: PORT is not a number in that range.
    """
    text = environ.get("PORT", "").strip() or str(DEFAULT_PORT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65534:
        raise SetupError(f"PORT must be a number from 1 to 65534, not {text!r}.")
    return int(text)


@contextmanager
def reserve_ports(port: int) -> Iterator[None]:
    """Reserve the application's port and the stand-in's port, so that no other copy uses them.

    The servers start to listen only after some seconds. Until then a second copy would find the ports free, mistake the
    first copy's servers for its own, and sign up its demo users there. Therefore a copy first locks a file for each
    port, and then checks that the port is free.

    Raises:
        SetupError: a port is in use or not permitted.
    """
    with ExitStack() as stack:
        for wanted in (port, port + 1):
            stack.enter_context(lock_port(wanted, port_error(port, wanted, TAKEN)))
        for wanted in (port, port + 1):
            problem = next(filter(None, (port_problem(family, host, wanted) for family, host in LOOPBACK)), None)
            if problem:
                raise SetupError(port_error(port, wanted, problem))
        yield


@contextmanager
def lock_port(port: int, error_message: str) -> Iterator[None]:
    """Hold the lock file of a port, and delete it afterwards.

    Raises:
        SetupError: another copy holds it.
    """
    path = port_lock_path(port)
    with acquire_lock(path, error_message) as file:
        # Another copy may have deleted this file in the meantime. The next copy would then lock a new file.
        if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise SetupError(error_message)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def port_lock_path(port: int) -> Path:
    """Return the lock file for a port. All copies run by the same user share it."""
    return Path(tempfile.gettempdir()) / f"bwp-{os.geteuid()}-port-{port}.lock"


def port_error(port: int, wanted: int, problem: str) -> str:
    """Return the error message for a start with PORT `port` that cannot use the port `wanted`."""
    other = port + 10 if port <= 65000 else DEFAULT_PORT
    relation = "" if wanted == port else f", which comes with PORT={port},"
    return (
        f"Port {wanted}{relation} {problem}; start here with another PORT and another folder: "
        f"make run PORT={other} DATA_DIR=.data-{other}"
    )


def port_problem(family: socket.AddressFamily, host: str, port: int) -> str | None:
    """Return why a server cannot listen on the port, or None. Ports of recently closed connections are free."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: TAKEN,
            errno.EACCES: "may not be used by ordinary users",
        }
        return reasons.get(error.errno or 0)  # other errors mean that this machine does not have the address
    return None
