"""A production-like system, and its notifications, metrics and admin pages."""

import html
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGSTOP
from subprocess import Popen
from threading import Event, Thread
from typing import Any

import httpx
import psycopg
from django.conf import settings

from accounts.clerk import samples
from accounts.models import MetadataPush
from audit.models import AuditLog
from config.environment import BASE_DIR
from tests.helpers.clerk import API_KEY
from tests.helpers.clients import with_password
from tests.helpers.servers.faulty_clerk import FaultyClerk, faulty_clerk
from tests.helpers.servers.mail_server import mail_server
from tests.helpers.servers.processes import free_port, gunicorn, process, wait_until
from tests.helpers.servers.receiver import Receiver, running_receiver
from tests.helpers.webhooks import URL, Svix, new_svix_id
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import StandIn
from tests.settings import SECRET
from webhooks.inbox.signatures import sign
from webhooks.models import Alert

#: Seconds until the dashboard, the alert, its notification and the metrics must show a change.
LIMIT_S = 60
METRICS_TOKEN = "token-of-the-metrics-with-thirty-two-characters"
#: The value of a broken signal in the metrics.
BROKEN = 3
WORKER = ["manage.py", "procrastinate", "worker"]
#: Kinds of notifications that report a problem.
OPEN_KINDS = ("[Opened", "[New cause", "[Worse", "[Reopened")


@dataclass
class System:
    """The running processes and their servers."""

    svix: Svix
    receiver: Receiver
    clerk: FaultyClerk
    stand_in: StandIn
    database_url: str
    environ: dict[str, str]
    folder: Path
    mail_port: int
    admin: httpx.Client
    stack: ExitStack
    faults: dict[str, Any] = field(default_factory=dict)
    repeated: dict[str, tuple[Event, Thread]] = field(default_factory=dict)
    worker: Popen[bytes] = field(init=False)
    mail: ExitStack = field(default_factory=ExitStack)
    crashes: int = 0
    audit_row: AuditLog | None = None
    locking: psycopg.Connection[Any] | None = None

    # --- Actions of problems ---

    def start_worker(self, **environ: str) -> None:
        known = self._latest_worker()
        running = process(WORKER, self.database_url, self.folder / "worker.txt", **self.environ | environ)
        self.worker = self.stack.enter_context(running)
        wait_until(lambda: self._latest_worker() > known, "the worker did not start")

    def hang_worker(self) -> None:
        self.worker.send_signal(SIGSTOP)

    def crash_worker(self) -> None:
        """Start a worker that is killed a second after it has started."""
        known = self._latest_worker()
        with process(WORKER, self.database_url, self.folder / "crash.txt", **self.environ) as worker:
            wait_until(lambda: self._latest_worker() > known, "the worker did not start")
            time.sleep(1)
            worker.kill()
            worker.wait()
        self.crashes += 1

    def start_mail_server(self) -> None:
        self.mail.enter_context(mail_server(self.mail_port))

    def stop_mail_server(self) -> None:
        self.mail.close()

    def set_free_bytes(self, number: int) -> None:
        Path(self.environ["FAKE_DISK_FREE"]).write_text(str(number))

    def set_faults(self, **faults: Any) -> None:
        """Change some faults of the Clerk stand-in. Other faults are kept."""
        self.faults |= faults
        assert self.stand_in.call("PATCH", "/local/settings", NO_FAULTS | self.faults)[0] == 200

    def execute(self, statements: str) -> None:
        """Execute statements as the database owner."""
        with psycopg.connect(self.database_url, autocommit=True) as owner:
            owner.execute(statements)

    def lock(self, table: str) -> None:
        self.locking = self.stack.enter_context(psycopg.connect(self.database_url))
        self.locking.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

    def unlock(self) -> None:
        assert self.locking
        self.locking.rollback()

    def post(self, envelope: dict[str, Any], *, secret: str = SECRET, **signed: Any) -> int:
        body = samples.encode(envelope)
        headers = sign(body, secret, svix_id=new_svix_id(), **signed) | {"content-type": "application/json"}
        return self.svix.http.post(URL, content=body.encode(), headers=headers).status_code

    def repeat(self, name: str, action: Callable[[], object]) -> None:
        """Repeat an action every second until `stop_repeating`."""
        stop = Event()

        def run() -> None:
            while not stop.is_set():
                action()
                stop.wait(1)

        thread = Thread(target=run, name=name)
        self.repeated[name] = stop, thread
        thread.start()

    def stop_repeating(self, name: str) -> None:
        stop, thread = self.repeated.pop(name)
        stop.set()
        thread.join()

    def close(self) -> None:
        for name in list(self.repeated):
            self.stop_repeating(name)
        self.stop_mail_server()

    # --- Reports to operators ---

    def wait_until_reported(self, expected: Mapping[Alert.Rule, str]) -> None:
        """Wait until the dashboard, the alert, its notification and the metrics agree that the rules are broken."""
        self._wait(expected, lambda rule: self._is_reported(rule, expected[rule]), "is not reported everywhere")

    def wait_until_over(self, rules: Iterable[Alert.Rule]) -> None:
        """Wait until all of these agree that the problems are resolved."""
        self._wait(rules, self._is_over, "is not over everywhere")

    def status(self) -> str:
        """Return the status sentence of the dashboard."""
        text = self.page("/admin/webhooks/dashboard/")
        found = re.search(r'<p class="status-summary.*?</p>', text, re.DOTALL)
        assert found, text
        return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())

    def page(self, path: str) -> str:
        response = self.admin.get(path)
        assert response.status_code == 200, (path, response.status_code)
        return html.unescape(response.text)

    def submit(self, page: str, path: str = "", **fields: Any) -> str:
        """Submit a form on an admin page, to the page itself or another path, and return the resulting page."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.admin.get(page).text)
        assert token, f"{page} has no form"
        response = self.admin.post(path or page, data={"csrfmiddlewaretoken": token[1], **fields})
        assert response.status_code == 200, (path, response.status_code)
        return html.unescape(response.text)

    def metrics(self, rule: Alert.Rule) -> dict[str, float]:
        text = self.svix.http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
        found = re.findall(rf'buildappswith_(\w+)\{{rule="{rule}"\}} ([\d.]+)', text)
        return {name: float(value) for name, value in found}

    def _is_reported(self, rule: Alert.Rule, words: str) -> bool:
        alert, metrics = Alert.objects.open().filter(rule=rule).first(), self.metrics(rule)
        if alert is None or words not in alert.summary or (metrics["signal"], metrics["alert_open"]) != (BROKEN, 1):
            return False
        messages = self._messages(rule)
        if not messages or not messages[-1]["title"].startswith(OPEN_KINDS) or words not in messages[-1]["message"]:
            return False
        url = f"/admin/webhooks/alert/{alert.pk}/change/"
        is_on_dashboard = url in self.page("/admin/webhooks/dashboard/") and self.status().startswith("Action needed.")
        return is_on_dashboard and url in messages[-1]["message"]

    def _is_over(self, rule: Alert.Rule) -> bool:
        messages, metrics = self._messages(rule), self.metrics(rule)
        is_resolved = messages[-1]["title"].startswith("[Resolved]")
        is_well = metrics["signal"] < BROKEN and metrics["alert_open"] == 0
        titles = {str(rule.label), *Alert.objects.filter(rule=rule).values_list("title", flat=True)} - {""}
        return is_resolved and is_well and not any(title in self.status() for title in titles)

    def _messages(self, rule: Alert.Rule) -> list[dict[str, Any]]:
        """Return the notifications about a rule's alerts. Their titles name the problem at that time."""
        pks = Alert.objects.filter(rule=rule).values_list("pk", flat=True)
        urls = [f"/admin/webhooks/alert/{pk}/change/" for pk in pks]
        return [message for message in self.receiver.messages if any(url in message["message"] for url in urls)]

    def _wait(self, rules: Iterable[Alert.Rule], condition: Callable[[Alert.Rule], bool], problem: str) -> None:
        """Wait until each rule has met the condition, within LIMIT_S for all of them."""
        started, waiting = time.monotonic(), list(rules)
        while waiting:
            for rule in [rule for rule in waiting if condition(rule)]:
                waiting.remove(rule)
                print(f"{rule}: {time.monotonic() - started:.0f} s")  # noqa: T201  # shown by pytest -s
            assert time.monotonic() - started < LIMIT_S, (
                {f"{rule} {problem}": self._description(rule) for rule in waiting},
                list(Alert.objects.open().values_list("rule", "summary")),
                list(MetadataPush.objects.values_list("state", "attempts", "last_error", "next_attempt_at")),
            )
            time.sleep(0.5)

    def _description(self, rule: Alert.Rule) -> dict[str, Any]:
        titles = [message["title"] for message in self._messages(rule)]
        summary = Alert.objects.filter(rule=rule).values_list("summary", flat=True).last()
        return {"summary": summary, "titles": titles, "status": self.status(), **self.metrics(rule)}

    def _latest_worker(self) -> int:
        with psycopg.connect(self.database_url) as session:
            statement = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM procrastinate_workers_id_seq"
            [number] = session.execute(statement).fetchone() or (0,)
        return int(number)


@contextmanager
def running_system(database_url: str, folder: Path, **environ: str) -> Iterator[System]:
    """Run gunicorn, the stand-in for Clerk, and a receiver of notifications. Tests start the worker."""
    with ExitStack() as stack:
        receiver, mail_port, port = stack.enter_context(running_receiver()), free_port(), free_port()
        stand_in = stack.enter_context(
            StandIn(folder, f"http://127.0.0.1:{port}{URL}", CLERK_SECRET_KEY=API_KEY, **STAND_IN)
        )
        clerk = stack.enter_context(faulty_clerk(stand_in))
        environ = {
            "DJANGO_SETTINGS_MODULE": "tests.journeys.settings",
            "PYTHONPATH": os.pathsep.join([str(BASE_DIR / "tests" / "helpers" / "fake_disk"), str(BASE_DIR)]),
            "FAKE_DISK_FREE": str(folder / "free_bytes"),
            "ALERT_URLS": receiver.url,
            "ALERT_CHECK_CRON": "* * * * * */5",
            "ALERT_RESOLVE_AFTER_S": "5",
            "CLERK_INSTANCE_ID": samples.INSTANCE_ID,
            "CLERK_SECRET_KEY": API_KEY,
            "CLERK_API_URL": clerk.url,
            "CLERK_FRONTEND_API_URL": clerk.url,
            "EMAIL_URL": f"smtp://127.0.0.1:{mail_port}",
            "RECONCILE_CRON": "* * * * * */10",
            "AUDIT_SEAL_KEY": "as long as a key of thirty-two characters has to be",
            "AUDIT_SEAL_CRON": "* * * * * */5",
            "AUDIT_VERIFY_CRON": "* * * * * */5",
            "METRICS_TOKEN": METRICS_TOKEN,
            **environ,
        }
        url = stack.enter_context(
            gunicorn(database_url, folder / "web.txt", workers=2, **environ | {"PORT": str(port)})
        )
        http = stack.enter_context(httpx.Client(base_url=url, timeout=20, trust_env=False))
        cookies = _admin_cookies(port)
        admin = stack.enter_context(
            httpx.Client(base_url=url, timeout=20, trust_env=False, follow_redirects=True, cookies=cookies)
        )
        system = System(Svix(http), receiver, clerk, stand_in, database_url, environ, folder, mail_port, admin, stack)
        stack.callback(system.close)
        system.set_faults(api_limit=100_000)
        system.start_mail_server()
        yield system


STAND_IN = {"CLERK_WEBHOOK_SECRET": SECRET, "CLERK_INSTANCE_ID": samples.INSTANCE_ID}


def _admin_cookies(port: int) -> dict[str, str]:
    """Return the session of a local operator. In local mode, the name of the cookie contains the port."""
    session = with_password().session
    assert session.session_key
    assert settings.LOCAL_MODE
    return {f"sessionid_{port}": session.session_key}
