"""Test `make run` from outside, in the same way as users and Clerk: `make smoke`.

The test starts `make run` in an empty folder on free ports, posts signed events and loads pages. It then restarts and
stops `make run`, and checks that no processes remain.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psutil

from accounts.clerk.samples import SampleUser, encode, new_id, user_event

BASE_DIR = Path(__file__).resolve().parent.parent
#: Seconds. The first start may have to install dependencies.
FIRST_START_S, NEXT_START_S, FILLED_S, STOP_S = 600, 60, 120, 30
#: Reconciliation is turned off, because it would delete the test's users, which do not exist at the stand-in.
NO_RECONCILIATION = {"RECONCILE_CRON": "0 0 29 2 *", "RECONCILE_FULL_CRON": "0 0 29 2 *"}
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="buildappswith smoke ") as folder:
        data_dir, port = Path(folder, "data"), free_port()
        zofia = SampleUser.generate(Random(), first_name="Zofia", last_name="Smoke-Łęcka", roles=["BUILDER"])
        brief = SampleUser.generate(Random(), first_name="Brief", last_name="Visitor", roles=["BUILDER"])

        with running(data_dir, port, FIRST_START_S):
            check("demo builders are listed", is_listed(port, "Omar Haddad"))
            check("a signed event is processed", post(port, "user.created", zofia) == "processed")
            check("a page shows the name", "Zofia Smoke-Łęcka" in page(port, "/builders/zofia-smoke-lecka/", 200))
            check("a forged event is rejected", post(port, "user.created", brief, forge=True) == "bad_signature")
            check("another event is processed", post(port, "user.created", brief) == "processed")
            page(port, "/builders/brief-visitor/", 200)
            check("a deletion is processed", post(port, "user.deleted", brief) == "processed")
            check("the deleted page is not found", "Brief" not in page(port, "/builders/brief-visitor/", 404))

        with running(data_dir, port, NEXT_START_S):
            check("data survives a restart", "Zofia Smoke-Łęcka" in page(port, "/builders/zofia-smoke-lecka/", 200))
            page(port, "/builders/brief-visitor/", 404)

        first, second = free_port(), free_port()
        with running(data_dir, first, NEXT_START_S), running(Path(folder, "other"), second, NEXT_START_S):
            check("two copies run at the same time", "Zofia Smoke" not in page(second, "/builders/", 200))
            check(
                "a taken port is reported in one sentence",
                start_error(PORT=first, DATA_DIR=f"{folder}/third").count("\n") <= 2,
            )
    print("All checks passed.")


@contextmanager
def running(data_dir: Path, port: int, timeout_s: float) -> Iterator[None]:
    """Run `make run` inside the block, then stop it with SIGTERM and check that no processes remain."""
    started = time.monotonic()
    environ = os.environ | NO_RECONCILIATION
    environ |= {"PORT": str(port), "DATA_DIR": str(data_dir), "CLERK_WEBHOOK_SECRET": SECRET}
    process = subprocess.Popen(["make", "--silent", "run"], cwd=BASE_DIR, env=environ, start_new_session=True)
    children: list[psutil.Process] = []
    try:
        wait_until_ready(process, port, timeout_s)
        print(f"ready after {time.monotonic() - started:.1f} s", flush=True)
        children = psutil.Process(process.pid).children(recursive=True)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
        _, alive = psutil.wait_procs(children, 5)
        check(f"all {len(children)} processes have exited", not alive)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, timeout_s: float) -> None:
    """Wait for the application, and for the demo users, which are created last."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"make run exited with {process.returncode}")
        try:
            if get(port, "/readyz")[0] == 200 and get(port, "/builders/omar-haddad/")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"make run was not ready after {timeout_s} s")


def start_error(**environ: object) -> str:
    """Expect that `make run` does not start, and return its error output."""
    done = subprocess.run(
        ["make", "--silent", "run"],
        cwd=BASE_DIR,
        env=os.environ | {name: str(value) for name, value in environ.items()},
        capture_output=True,
        text=True,
        timeout=NEXT_START_S,
        check=False,
    )
    if done.returncode == 0:
        sys.exit("make run started although it should not have")
    return done.stderr


def post(port: int, event_type: str, user: SampleUser, *, forge: bool = False) -> str:
    """Sign and post an event with only the standard library, and return the outcome or the error."""
    body = encode(user_event(event_type, user)).encode()
    svix_id, timestamp = new_id(Random(), "msg"), str(int(datetime.now(UTC).timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{svix_id}.{timestamp}.".encode() + body + b" " * forge, hashlib.sha256).digest()
    headers = {
        "svix-id": svix_id,
        "svix-timestamp": timestamp,
        "svix-signature": f"v1,{base64.b64encode(digest).decode()}",
        "Content-Type": "application/json",
    }
    response: dict[str, str] = json.loads(exchange(port, "POST", "/api/webhooks/clerk", body, headers)[1])
    return response.get("outcome") or response["error"]


def is_listed(port: int, name: str) -> bool:
    """Return whether the directory lists a demo builder, after waiting for the background process that fills the pages."""
    ends_at = time.monotonic() + FILLED_S
    while name not in page(port, "/builders/", 200) and time.monotonic() < ends_at:
        time.sleep(0.5)
    return name in page(port, "/builders/", 200)


def page(port: int, path: str, expected: int) -> str:
    """Return the text of a page, and exit if its status is not `expected`."""
    status, text = get(port, path)
    if status != expected:
        sys.exit(f"{path} returned {status}, not {expected}")
    return text


def get(port: int, path: str) -> tuple[int, str]:
    return exchange(port, "GET", path)


def exchange(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def free_port() -> int:
    """Return a free port. The next one is also free, for the stand-in for Clerk."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def check(description: str, condition: object) -> None:
    """Print the description of a passed check, or exit."""
    if not condition:
        sys.exit(f"FAILED: {description}")
    print(f"passed: {description}", flush=True)


if __name__ == "__main__":
    main()
