"""The proofs: webhooks, pages and a browser through the TLS edge, restarts, killed hosts, promotion, restore and upgrade."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from signal import SIGKILL

from django.conf import settings
from django.db import connection

from config.database import close_pools
from tests.cluster.cluster import FAIL_TIMEOUT_S, SEAL_KEY, Cluster, running_cluster
from tests.cluster.visitors import Visitors
from tests.faults import verdict
from tests.faults.sender import Sender
from tests.faults.stack import Database, Service
from tests.faults.workload import Message, messages
from tests.helpers.servers.replica import documented, wait_until_replayed
from webhooks.models import HostReport, WebhookEvent

PATHS = ("/", "/builders/", "/builders/?q=python", "/sitemap.xml")
RATE = 20.0
#: Number of events that are acknowledged while the replica receives nothing.
AT_RISK = 30


class Proofs:
    """Runs the proofs on one cluster, and counts the failed checks."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.failures = cluster, 0
        self.sent: list[Message] = []
        self._random = Random(19)

    # --- Web hosts ---

    def equal_settings(self) -> None:
        """Check that web hosts and workers, which connect differently to the database, report equal settings."""
        self.connect()
        self.cluster.wait(lambda: HostReport.objects.count() == len(HostReport.Kind), "a process did not report")
        self.check("web hosts and workers report equal settings", self._different_settings())

    @staticmethod
    def _different_settings() -> set[str]:
        one, other = (report.digests for report in HostReport.objects.all())
        return {name for name in one if one[name] != other[name]}

    def rolling_restart(self) -> None:
        with self.under_load(14, "a rolling restart"):
            for service, port in zip(self.cluster.web, self.cluster.web_ports, strict=True):
                self.restart(service, port)
                self.cluster.supervise(FAIL_TIMEOUT_S + 1)

    def restart(self, service: Service, port: int) -> None:
        """Restart a web host like systemd: it finishes its requests, and is started again."""
        restarts = service.restarts
        service.terminate()
        self.cluster.wait(lambda: service.restarts > restarts, "the web host did not stop")
        self.cluster.wait(lambda: self.cluster.is_ready(port), "the web host did not start")

    def killed_processes(self) -> None:
        cluster = self.cluster
        kills: dict[str, Callable[[], object]] = {
            "a web host": lambda: cluster.web[0].send_signal(SIGKILL),
            "a worker": lambda: cluster.workers[0].send_signal(SIGKILL),
            "the pooler": lambda: cluster.pooler.send_signal(SIGKILL),
            "the replica": cluster.replica.kill,
        }
        with self.under_load(10, "killed processes", may_retry=True):
            for kill in kills.values():
                kill()
                cluster.supervise(3)
            cluster.wait(lambda: all(map(cluster.is_ready, cluster.web_ports)), "a web host did not start again")

    # --- The primary ---

    def synchronous_promotion(self) -> None:
        cluster = self.cluster
        cluster.execute(documented("ANY 1"))  # the command that copied the primary has named the replica
        cluster.execute(documented("pg_reload_conf"))
        cluster.execute(documented("FROM pg_stat_replication"))
        new = self.new_messages(200)
        sender = self.start_sender(new)
        cluster.supervise(4)
        self.lose_primary()
        acknowledged = {message.svix_id for message in new if message.outcomes}
        cluster.promote()
        cluster.execute("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.execute("SELECT pg_reload_conf()")
        missing = acknowledged - self.stored()
        self.check(f"synchronous: none of {len(acknowledged)} acknowledged events is lost by a promotion", missing)
        self.finish(sender, new)

    def asynchronous_promotion(self) -> None:
        cluster = self.cluster
        cluster.replication, cluster.replica = cluster.add_replica(cluster.primary, cluster.folder / "second")
        cluster.wait(lambda: cluster.count("SELECT count(*) FROM pg_stat_replication"), "the replica does not stream")
        self.deliver(self.new_messages(AT_RISK))
        wait_until_replayed(cluster.primary.url, cluster.replica.url)
        cluster.replication.delay_s = 60.0
        self.deliver(at_risk := self.new_messages(AT_RISK))
        self.lose_primary()
        replayed_at = cluster.last_replay()
        cluster.promote()
        stored = self.stored()
        lost = [message for message in self.sent if message.svix_id not in stored]
        candidates = [message for message in self.sent if message.answered_at > replayed_at.timestamp()]
        print(
            f"  asynchronous: {len(candidates)} events were acknowledged after the last replayed transaction "
            f"({replayed_at:%H:%M:%S.%f}), and {len(lost)} of them are lost"
        )
        self.check("asynchronous: the promotion loses events, as the test intends", not lost)
        unexpected = [message.svix_id for message in lost if message not in candidates or message not in at_risk]
        self.check("asynchronous: all lost events are in the reported period", unexpected)
        for message in candidates:  # Svix's "Replay messages" sends all messages of the period again.
            message.outcomes, message.tries = (), 0
        self.deliver(candidates)

    def deliver(self, new: Sequence[Message]) -> None:
        sender = self.start_sender(new)
        self.cluster.wait(lambda: not sender.unfinished, "the events were not delivered")
        sender.stop()

    def lose_primary(self) -> None:
        self.cluster.primary.may_restart = False
        self.cluster.primary.kill()

    # --- Load ---

    @contextmanager
    def under_load(self, seconds: float, name: str, *, may_retry: bool = False) -> Iterator[None]:
        """Deliver random histories in random order and read pages during the block, and check the answers."""
        new = self.new_messages(int(RATE * seconds), is_shuffled=True)
        visitors, sender = Visitors(self.cluster.edge, PATHS), self.start_sender(new)
        with visitors.reading():
            yield
        self.finish(sender, new)
        print(
            f"  {name}: events {dict(sender.answers)}, pages {dict(visitors.answers)}, "
            f"slowest page {visitors.slowest_s:.1f} s"
        )
        failed = [answer for answer in visitors.answers if answer != "200"]
        self.check(f"{name}: visitors notice nothing", failed)
        if not may_retry:
            self.check(f"{name}: no delivery fails", [answer for answer in sender.answers if answer != "200"])

    def new_messages(self, number: int, *, is_shuffled: bool = False) -> list[Message]:
        """Return messages about random histories, which `verify_all` compares with the model.

        Args:
            is_shuffled: return them in random order, and deliver some of them twice. Otherwise, most are in order.
        """
        new = messages(number, self._random)
        if is_shuffled:
            self._random.shuffle(new)
        else:
            for message in new:
                message.copies = 1
        self.sent += new
        return new

    def start_sender(self, new: Sequence[Message]) -> Sender:
        sender = Sender(new, self.cluster.edge.connect, rate=RATE, seed=19)
        sender.start()
        return sender

    def finish(self, sender: Sender, new: Sequence[Message]) -> None:
        """Deliver the remaining messages."""
        sender.recover()
        self.cluster.wait(lambda: not sender.unfinished, f"{sender.unfinished} events were not delivered")
        sender.stop()

    # --- Results ---

    def stored(self, database: Database | None = None) -> set[str]:
        self.connect(database)
        return set(WebhookEvent.objects.values_list("svix_id", flat=True))

    def connect(self, database: Database | None = None) -> None:
        """Connect Django to a database, by default to the current primary."""
        connection.close()
        close_pools()
        sockets = str((database or self.cluster.primary).postgres.sockets)
        connection.settings_dict |= {"HOST": sockets, "NAME": "app", "USER": "postgres"}

    def verify_all(self) -> None:
        """Compare all events so far with the model."""
        self.connect()
        ends_at = time.monotonic() + verdict.IDLE_TIMEOUT_S
        while verdict.unfinished_work() and time.monotonic() < ends_at:
            self.cluster.supervise(0.5)
        for name, problems in verdict.problems(self.sent).items():
            self.check(name, problems)

    def check(self, name: str, problems: object) -> None:
        """Print the result of a check, which has failed if there are problems."""
        self.failures += bool(problems)
        print(f"{'FAILED' if problems else 'passed'}: {name}", flush=True)
        if problems:
            print(f"  {problems}"[:1000])


def run_proofs(folder: Path, *, is_short: bool) -> int:
    """Run the proofs, and return the exit code."""
    from tests.cluster.browser import prove_browser_journeys
    from tests.cluster.restore import prove_restore
    from tests.cluster.upgrade import prove_upgrade

    settings.AUDIT_SEAL_KEYS = [SEAL_KEY]
    started = time.monotonic()
    try:
        with running_cluster(folder) as cluster:
            print(f"The cluster has started after {time.monotonic() - started:.0f} s.", flush=True)
            proofs = Proofs(cluster)
            proofs.equal_settings()
            prove_browser_journeys(proofs)
            proofs.rolling_restart()
            proofs.killed_processes()
            if not is_short:
                prove_upgrade(proofs)
                prove_restore(proofs)
            proofs.synchronous_promotion()
            proofs.asynchronous_promotion()
            proofs.verify_all()
            print(f"{len(proofs.sent)} events, {time.monotonic() - started:.0f} s")
            return int(bool(proofs.failures))
    finally:
        close_pools()
