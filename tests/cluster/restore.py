"""Restore a backup to a point in time, compare it, and get the changes since then from Clerk and Svix."""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import psycopg
from django.db import connection

from audit.sealing import verification
from config.environment import BASE_DIR
from local.stack import server_user
from local.stack.postgres import EmbeddedPostgres
from tests.cluster.clerk import running_clerk
from tests.cluster.cluster import POSTGRES
from tests.cluster.edge import HOST
from tests.cluster.proofs import Proofs
from tests.faults import verdict
from tests.faults.sender import Sender, connect_to
from tests.faults.stack import WEB, WORKER, Database, Service
from tests.faults.workload import Message
from tests.helpers.servers.processes import free_port
from tests.helpers.servers.replica import base_backup

EVENTS = 40
SECRET_KEY = "sk_live_of_the_cluster"
TABLES = ("webhooks_webhookevent", "accounts_user", "profiles_builderprofile", "audit_auditlog", "audit_auditseal")


def prove_restore(proofs: Proofs) -> None:
    """Restore the base backup and the archived log to a moment before the latest events."""
    cluster = proofs.cluster
    proofs.deliver(proofs.new_messages(EVENTS))
    folder = cluster.folder / "restored"
    base_backup(folder, cluster.address.port)
    proofs.deliver(proofs.new_messages(EVENTS))
    proofs.connect()
    cluster.wait(lambda: not verdict.unfinished_work(), "the audit log was not sealed")
    counts, moment = _counts(cluster.primary), _now(cluster.primary)
    proofs.deliver(gap := proofs.new_messages(EVENTS))
    _archive_all(proofs)
    restored = _restore(folder, cluster.archive, moment)
    try:
        proofs.check("restore: the numbers of rows are those of the chosen moment", _differences(counts, restored))
        proofs.connect(restored)
        proofs.check("restore: the audit log matches its seals", verification.verify().problems)
        missing = {message.svix_id for message in gap} - proofs.stored(restored)
        proofs.check("restore: the events of the gap are missing", len(missing) != len(gap))
        _ask_clerk(proofs, restored)
        for message in gap:  # Svix replays all messages since the backup.
            message.outcomes, message.tries = (), 0
        _fill_gap(proofs, restored, gap)
    finally:
        connection.close()
        restored.postgres.stop()


def _ask_clerk(proofs: Proofs, restored: Database) -> None:
    """Reconcile the copy, which is not the live site, with the users that Clerk has now."""
    with running_clerk(proofs.sent) as clerk:
        settings = {"CLERK_API_URL": clerk.url, "CLERK_SECRET_KEY": SECRET_KEY}
        environ = os.environ | _environment(proofs, restored) | settings
        command = [sys.executable, "manage.py", "reconcile", "--full"]
        done = subprocess.run(command, env=environ, cwd=BASE_DIR, capture_output=True, text=True, check=False)
        proofs.check("restore: the users are compared with Clerk", done.stdout + done.stderr if done.returncode else "")
        different = verdict.different_users(proofs.sent, only=clerk.users)
        proofs.check(f"restore: {len(clerk.users)} users equal those in Clerk before Svix sends anything", different)
        proofs.check("restore: the copy changes nothing in Clerk", clerk.writes)


def _environment(proofs: Proofs, restored: Database) -> dict[str, str]:
    role = proofs.cluster.role
    login = f"postgresql://{role['user']}:{role['password']}@/app?host={restored.postgres.sockets}"
    site = {"DATABASE_URL": login, "LIVE_SITE": "off", "ALLOWED_HOSTS": f"{HOST},127.0.0.1"}
    return proofs.cluster.environ | site


def _fill_gap(proofs: Proofs, restored: Database, gap: list[Message]) -> None:
    """Start a web host and a worker on the copy, deliver the gap again, and compare the copy with the model."""
    cluster, port = proofs.cluster, free_port()
    environ = _environment(proofs, restored)
    web = Service("copy", WEB, cluster.folder / "copy-web.txt", **environ | {"BIND": f"127.0.0.1:{port}"})
    worker = Service("copy's worker", WORKER, cluster.folder / "copy-worker.txt", **environ)
    try:
        cluster.wait(lambda: cluster.is_ready(port), "the copy's web host did not start")
        sender = Sender(gap, connect_to(port), rate=100, seed=19)
        sender.start()
        cluster.wait(lambda: not sender.unfinished, "the copy did not accept the events of the gap")
        sender.stop()
        proofs.connect(restored)
        cluster.wait(lambda: not verdict.unfinished_work(), "the copy did not seal its audit log")
        for name, problems in verdict.problems(proofs.sent).items():
            proofs.check(f"restore, after the gap was delivered again: {name}", problems)
    finally:
        web.stop()
        worker.stop()


def _restore(folder: Path, archive: Path, moment: datetime) -> Database:
    signal = folder / "postgres" / "recovery.signal"
    signal.touch()
    os.chown(signal, server_user.server_uid(), -1)
    recovery = {
        "restore_command": f"cp {archive}/%f %p",
        "recovery_target_time": moment.isoformat(),
        "recovery_target_action": "promote",
    }
    restored = Database(EmbeddedPostgres(folder, **POSTGRES, **recovery))
    ends_at = time.monotonic() + 30
    while _value(restored, "SELECT pg_is_in_recovery()"):
        assert time.monotonic() < ends_at, f"the recovery does not end, see {restored.postgres.log}"
        time.sleep(0.1)
    return restored


def _archive_all(proofs: Proofs) -> None:
    """Archive the current segment of the write-ahead log."""
    cluster = proofs.cluster
    segment = _value(cluster.primary, "SELECT pg_walfile_name(pg_switch_wal())")
    cluster.wait((cluster.archive / str(segment)).exists, "the write-ahead log was not archived")


def _counts(database: Database) -> dict[str, object]:
    return {table: _value(database, f"SELECT count(*) FROM {table}") for table in TABLES}


def _differences(counts: dict[str, object], restored: Database) -> dict[str, tuple[object, object]]:
    found = _counts(restored)
    return {table: (counts[table], found[table]) for table in TABLES if counts[table] != found[table]}


def _now(database: Database) -> datetime:
    moment = _value(database, "SELECT clock_timestamp()")
    assert isinstance(moment, datetime)
    return moment


def _value(database: Database, query: str) -> object:
    with psycopg.connect(database.url) as session:
        [value] = session.execute(query).fetchone() or (None,)
    return value
