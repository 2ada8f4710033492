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

from config.environment import BASE_DIR
from local.demo import fill_profiles
from local.demo.people import invite_people
from local.stack import environment, steps
from local.stack.errors import SetupError
from local.stack.folders import hold_lock, make_folder
from local.stack.ports import hold_ports, read_port
from local.stack.postgres import EmbeddedPostgres
from local.stack.processes import Child, spawn, stop

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody wants us to stop. Not an Exception, so that nothing on the way takes it for a failure."""


def main() -> int:
    """Run until told to stop; return the exit code."""
    for number in STOP_SIGNALS:
        signal.signal(number, request_stop)
    try:
        with ExitStack() as stack:
            LocalRun(stack).run()
    except StopRequested:
        say("Everything is stopped; the data stays.")
        return 0
    except SetupError as error:
        print(f"make run: {error}", file=sys.stderr, flush=True)
        return 1


def request_stop(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind whatever is under way. Only once: an impatient second Ctrl-C must not cut the stopping short."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise StopRequested


def say(text: str) -> None:
    """Print a line at once. A terminal that is gone is no reason to leave children behind."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, then how long it took."""
    started = time.monotonic()
    with contextlib.suppress(OSError):
        print(f"  {text:<44}", end="", flush=True)
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - started:5.1f} s")


class LocalRun:
    """One run of everything. What it starts is stopped by `stack`, the last first."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.port = read_port(os.environ)
        stack.enter_context(hold_ports(self.port))
        self.data_dir = make_folder(environment.read_data_dir(os.environ))
        self.logs = make_folder(self.data_dir / "logs")
        stack.enter_context(hold_lock(self.data_dir / "run.lock"))
        self.environ = environment.build(os.environ, self.data_dir, self.port)
        self.postgres: EmbeddedPostgres | None = None
        self.demo: subprocess.Popen[bytes] | None = None

    def run(self) -> NoReturn:
        """Start everything, say where it is, and keep it running.

        Raises:
            StopRequested: a signal came.
            SetupError: something stands in the way.
        """
        started = time.monotonic()
        say(f"Starting, with the data in {self.data_dir}")
        self.start_database()
        self.prepare()
        children = self.start_children()
        self.invite_people()
        self.say_where(time.monotonic() - started)
        self.fill_in_profiles()
        while True:
            time.sleep(0.5)
            self.look_after_profiles()
            if self.postgres is not None and self.postgres.revive():
                say(f"PostgreSQL ended by itself and was started again; see {self.postgres.log}")
            for child in children:
                child.revive(say)

    def start_database(self) -> None:
        url = self.environ.get("DATABASE_URL")
        if url:
            with step("Checking the database of DATABASE_URL"):
                steps.check_database(url)
            return
        with step("Starting PostgreSQL"):
            self.postgres = EmbeddedPostgres(self.data_dir)
            self.environ["DATABASE_URL"] = self.stack.enter_context(self.postgres).url

    def prepare(self) -> None:
        with step("Bringing the database up to date"):
            steps.manage("migrate", "--noinput", environ=self.environ, log=self.logs / "migrate.log")
        with step("Collecting static files"):
            mark = self.data_dir / "static.digest"
            steps.collect_static(self.environ, self.logs / "collectstatic.log", mark)

    def start_children(self) -> list[Child]:
        with step("Starting web server, worker and stand-in"):
            worker = self.child("The queue worker", "worker", "manage.py", "procrastinate", "worker")
            web = self.child("The web server", "web", "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
            clerk = self.child("The stand-in for Clerk", "localclerk", "-m", "local.clerk")
            steps.wait_until_ready(web, self.port, "/readyz")
            steps.wait_until_ready(clerk, self.port + 1, "/healthz")
        return [worker, web, clerk]

    def child(self, name: str, log: str, *arguments: str) -> Child:
        path = self.logs / f"{log}.log"
        command = [sys.executable, *arguments]
        child = Child(name, path, lambda: spawn(command, self.environ, path, cwd=BASE_DIR))
        self.stack.callback(child.stop)
        return child

    def invite_people(self) -> None:
        done = self.data_dir / "demo-people.txt"
        with step("Looking after the demo people"):
            invite_people(self.port + 1, done)

    def fill_in_profiles(self) -> None:
        """Let the demo people fill in their profiles beside the rest; nobody has to wait for it."""
        if self.environ.get("DEMO_CONTENT") == "0" or fill_profiles.progress(self.data_dir).is_complete:
            return
        command = [sys.executable, "-m", "local.demo.fill_profiles"]
        self.demo = spawn(command, self.environ, self.logs / "demo.log", cwd=BASE_DIR)
        self.stack.callback(stop, self.demo)

    def look_after_profiles(self) -> None:
        """Say once how the filling in ended."""
        if self.demo is None or self.demo.poll() is None:
            return
        if self.demo.returncode:
            say(f"The demo people did not get to the end, and go on at the next start; see {self.logs / 'demo.log'}")
        else:
            say("The demo people have filled in their profiles.")
        self.demo = None

    def say_where(self, seconds: float) -> None:
        app, clerk = (f"http://{environment.APP_HOST}:{self.port}", f"http://{environment.CLERK_HOST}:{self.port + 1}")
        say(f"""
Ready in {seconds:.1f} s. Open

  {app}/            Buildappswith, also at http://127.0.0.1:{self.port}/
  {app}/builders/   the directory of builders
  {clerk}/      the stand-in for Clerk: make people, change and delete them

Mail is put into {self.data_dir / "mail"}. Logs are in {self.logs}. Stop with Ctrl-C.""")
