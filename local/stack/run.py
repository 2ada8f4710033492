"""Run the whole product on this machine: database, web server, queue worker and the stand-in for Clerk."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn

from local.demo import fill_profiles
from local.demo.users import sign_up_missing
from local.errors import SetupError
from local.project import APP_HOST, CLERK_HOST, PROJECT_ROOT
from local.stack import environment, old_data, steps
from local.stack.folders import acquire_lock, make_folder
from local.stack.ports import read_port, reserve_ports
from local.stack.postgres import EmbeddedPostgres
from local.stack.processes import Child, spawn, stop

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """A stop signal arrived. This is a BaseException, so that `except Exception` does not catch it."""


def main() -> int:
    """Run until a stop signal arrives, and return the exit code."""
    for number in STOP_SIGNALS:
        signal.signal(number, request_stop)
    try:
        with ExitStack() as stack:
            LocalRun(stack).run()
    except StopRequested:
        report("Everything is stopped. The data is kept.")
        return 0
    except SetupError as error:
        print(f"make run: {error}", file=sys.stderr, flush=True)
        return 1


def request_stop(number: int, frame: FrameType | None) -> NoReturn:
    """Raise an exception to stop the run. Further signals are ignored, so that Ctrl-C cannot interrupt the shutdown."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise StopRequested


def report(text: str) -> None:
    """Print a line immediately. A closed terminal is ignored, because children still have to be stopped."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    started = time.monotonic()
    with contextlib.suppress(OSError):
        print(f"  {text:<44}", end="", flush=True)
    try:
        yield
    except BaseException:
        report("")
        raise
    report(f"{time.monotonic() - started:5.1f} s")


class LocalRun:
    """One run of the whole product. `stack` stops all processes in reverse order."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.port = read_port(os.environ)
        stack.enter_context(reserve_ports(self.port))
        self.data_dir = make_folder(environment.read_data_dir(os.environ))
        self.logs = make_folder(self.data_dir / "logs")
        stack.enter_context(acquire_lock(self.data_dir / "run.lock"))
        self.environ = environment.build(os.environ, self.data_dir, self.port)
        self.postgres: EmbeddedPostgres | None = None
        self.demo: subprocess.Popen[bytes] | None = None

    def run(self) -> NoReturn:
        """Start everything, print the URLs, and keep the processes running.

        Raises:
            StopRequested: a stop signal arrived.
            SetupError: a step of the start failed.
        """
        started = time.monotonic()
        report(f"Starting with the data in {self.data_dir}")
        self.start_database()
        self.reject_old_data()
        self.prepare()
        children = self.start_children()
        self.sign_up_demo_users()
        self.print_urls(time.monotonic() - started)
        self.start_filling_profiles()
        while True:
            time.sleep(0.5)
            self.report_filled_profiles()
            if self.postgres is not None and self.postgres.restart_if_exited():
                report(f"PostgreSQL exited unexpectedly and was restarted; see {self.postgres.log}")
            for child in children:
                child.restart_if_exited(report)

    def start_database(self) -> None:
        url = self.environ.get("DATABASE_URL")
        if url:
            with step("Checking the database of DATABASE_URL"):
                steps.check_database(url)
            return
        with step("Starting PostgreSQL"):
            self.postgres = EmbeddedPostgres(self.data_dir)
            self.environ["DATABASE_URL"] = self.stack.enter_context(self.postgres).url

    def reject_old_data(self) -> None:
        delete_folder = f"delete the folder {self.data_dir} and start again."
        use_other = "set DATABASE_URL to an empty database, or unset it to use the embedded one."
        old_data.reject_old_database(self.environ["DATABASE_URL"], delete_folder if self.postgres else use_other)
        old_data.reject_old_stand_in(self.data_dir / "localclerk.sqlite3", delete_folder)

    def prepare(self) -> None:
        with step("Migrating the database"):
            steps.manage("migrate", "--noinput", environ=self.environ, log=self.logs / "migrate.log")
        with step("Collecting static files"):
            digest_file = self.data_dir / "static.digest"
            steps.collect_static(self.environ, self.logs / "collectstatic.log", digest_file)

    def start_children(self) -> list[Child]:
        with step("Starting web server, worker and stand-in"):
            worker = self.start_child("The queue worker", "worker", "manage.py", "procrastinate", "worker")
            web = self.start_child("The web server", "web", "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
            clerk = self.start_child("The stand-in for Clerk", "localclerk", "-m", "local.clerk")
            steps.wait_until_ready(web, self.port, "/readyz")
            steps.wait_until_ready(clerk, self.port + 1, "/healthz")
        return [worker, web, clerk]

    def start_child(self, name: str, log: str, *arguments: str) -> Child:
        path = self.logs / f"{log}.log"
        command = [sys.executable, *arguments]
        child = Child(name, path, lambda: spawn(command, self.environ, path, cwd=PROJECT_ROOT))
        self.stack.callback(child.stop)
        return child

    def sign_up_demo_users(self) -> None:
        with step("Signing up demo users"):
            sign_up_missing(self.port + 1, self.data_dir / "demo-people.txt")

    def start_filling_profiles(self) -> None:
        if self.environ.get("DEMO_CONTENT") == "0" or fill_profiles.read_progress(self.data_dir).is_complete:
            return
        command = [sys.executable, "-m", "local.demo.fill_profiles"]
        self.demo = spawn(command, self.environ, self.logs / "demo.log", cwd=PROJECT_ROOT)
        self.stack.callback(stop, self.demo)

    def report_filled_profiles(self) -> None:
        if self.demo is None or self.demo.poll() is None:
            return
        if self.demo.returncode:
            log = self.logs / "demo.log"
            report(f"Not all demo profiles could be filled in, and the next start continues; see {log}")
        else:
            report("The demo profiles are filled in.")
        self.demo = None

    def print_urls(self, seconds: float) -> None:
        app, clerk = f"http://{APP_HOST}:{self.port}", f"http://{CLERK_HOST}:{self.port + 1}"
        report(f"""
Ready in {seconds:.1f} s. Open

  {app}/            Buildappswith, also at http://127.0.0.1:{self.port}/
  {app}/builders/   the directory of builders
  {clerk}/      the stand-in for Clerk: create, change and delete users

Emails are written to {self.data_dir / "mail"}. Logs are in {self.logs}. Stop with Ctrl-C.""")
