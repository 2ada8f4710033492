"""Whether the addresses that local mode needs are free, and keeping other copies off them."""

import errno
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local.stack.environment import DEFAULT_PORT
from local.stack.errors import SetupError
from local.stack.folders import hold_lock

#: Browsers try both for *.localhost, so another program on either would be mistaken for ours.
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
TAKEN = "is taken, perhaps by another copy of this"


def read_port(environ: Mapping[str, str]) -> int:
    """Return PORT, which leaves room for the next one.

    Raises:
        SetupError: it is not a number in the range of ports.
    """
    text = environ.get("PORT", "").strip() or str(DEFAULT_PORT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65534:
        raise SetupError(f"PORT must be a number from 1 to 65534, not {text!r}.")
    return int(text)


@contextmanager
def hold_ports(port: int) -> Iterator[None]:
    """Keep the application's port and the next one, for the stand-in for Clerk, from other copies inside the block.

    The servers listen only after some seconds. Until then a second copy would find the ports free, take the first one's
    servers for its own, and sign its demo people up there. So a copy locks a file for each of its ports, and then looks.

    Raises:
        SetupError: one is taken or may not be used.
    """
    with ExitStack() as stack:
        for wanted in (port, port + 1):
            stack.enter_context(hold_port(wanted, refusal(port, wanted, TAKEN)))
        for wanted in (port, port + 1):
            trouble = next(filter(None, (trouble_with(family, host, wanted) for family, host in LOOPBACK)), None)
            if trouble:
                raise SetupError(refusal(port, wanted, trouble))
        yield


@contextmanager
def hold_port(port: int, otherwise: str) -> Iterator[None]:
    """Lock the port's file, and leave none behind.

    Args:
        port: the port.
        otherwise: what to say if another copy has it.

    Raises:
        SetupError: another copy has it.
    """
    path = lock_of(port)
    with hold_lock(path, otherwise) as file:
        # A copy that ended in between took the file away; whoever comes next would lock a new one.
        if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            raise SetupError(otherwise)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def lock_of(port: int) -> Path:
    """Return the file that whoever wants to listen on the port locks; copies in all folders of a user meet there."""
    return Path(tempfile.gettempdir()) / f"bwp-{os.geteuid()}-port-{port}.lock"


def refusal(port: int, wanted: int, trouble: str) -> str:
    """Return the sentence for a start with PORT `port` that cannot have the port `wanted`."""
    other = port + 10 if port <= 65000 else DEFAULT_PORT
    whose = "" if wanted == port else f", which comes with PORT={port},"
    return (
        f"Port {wanted}{whose} {trouble}; start here with another PORT and a folder of its own: "
        f"make run PORT={other} DATA_DIR=.data-{other}"
    )


def trouble_with(family: socket.AddressFamily, host: str, port: int) -> str | None:
    """Return why nothing could listen there, or None. Ports of connections just closed count as free."""
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
        return reasons.get(error.errno or 0)  # anything else: this machine has no such address
    return None
