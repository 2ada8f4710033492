"""Whether the addresses that local mode needs are free."""

import errno
import socket
from collections.abc import Mapping

from config.local.environment import DEFAULT_PORT
from config.local.errors import SetupError

#: Browsers try both for *.localhost, so another program on either would be mistaken for ours.
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def read_port(environ: Mapping[str, str]) -> int:
    """Return PORT, which leaves room for the next one.

    Raises:
        SetupError: it is not a number in the range of ports.
    """
    text = environ.get("PORT", "").strip() or str(DEFAULT_PORT)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65534:
        raise SetupError(f"PORT must be a number from 1 to 65534, not {text!r}.")
    return int(text)


def check_ports(port: int) -> None:
    """Check that the application's port and the next one, for the stand-in for Clerk, are free.

    Raises:
        SetupError: one is taken or may not be used.
    """
    other = port + 10 if port <= 65000 else DEFAULT_PORT
    for wanted in (port, port + 1):
        trouble = next(filter(None, (trouble_with(family, host, wanted) for family, host in LOOPBACK)), None)
        if trouble:
            raise SetupError(
                f"Port {wanted} {trouble}; start here with another one and a folder of its own: "
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
            errno.EADDRINUSE: "is taken, perhaps by another copy of this",
            errno.EACCES: "may not be used by ordinary users",
        }
        return reasons.get(error.errno or 0)  # anything else: this machine has no such address
    return None
