"""Visitors read from a real streaming replica. Users who are signed in, and a delayed or lost replica, use the primary."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from accounts.clerk import samples
from config.environment import BASE_DIR
from local.stack.postgres import EmbeddedPostgres
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn, wait_until
from tests.helpers.servers.replica import create_replica, documented, wait_until_replayed
from tests.helpers.servers.tcp_proxy import TcpProxy
from tests.helpers.tokens import mint
from tests.helpers.webhooks import Svix, new_svix_id, person

MAX_LAG_S = 3
VISITOR = {"Cookie": "__clerk_db_jwt=dvb_any"}
SESSIONS_THAT_READ_BUILDERS = """
SELECT FROM pg_stat_activity WHERE query LIKE '%profiles_builderprofile%' AND pid <> pg_backend_pid()
"""
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.journeys.settings", "LOG_LEVEL": "INFO"}


@dataclass
class Site:
    primary: EmbeddedPostgres
    replica: EmbeddedPostgres
    replication: TcpProxy
    client: httpx.Client

    def rename(self, user: samples.SampleUser, name: str) -> samples.SampleUser:
        """Change a user's name at Clerk, and deliver the webhook."""
        changed = user.with_changes(first_name=name, last_name="Changed")
        response = Svix(self.client).deliver(samples.user_event("user.updated", changed), new_svix_id())
        assert response.json() == {"outcome": "processed"}
        return changed

    def name_shown_to(self, path: str, cookies: dict[str, str] | None = None) -> str:
        response = self.client.get(path, headers=cookies or VISITOR)
        assert response.status_code == 200, response.text
        return response.text.partition("<title>")[2].split()[0]

    def execute_on_replica(self, statement: str) -> None:
        with psycopg.connect(self.replica.url, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("replica")
    with ExitStack() as stack:
        primary = stack.enter_context(EmbeddedPostgres(folder / "primary", fsync="off", max_connections=50))
        proxy = stack.enter_context(TcpProxy([primary.sockets / ".s.PGSQL.5432"]))
        environ = os.environ | {"DATABASE_URL": primary.url}
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, cwd=BASE_DIR, check=True)
        replica = stack.enter_context(create_replica(primary, folder / "replica", proxy.port, fsync="off"))
        lag = {"DATABASE_REPLICA_URL": replica.url, "DATABASE_REPLICA_MAX_LAG_S": str(MAX_LAG_S)}
        log = folder / "web.txt"
        server = gunicorn(primary.url, log, workers=1, configuration=WITHOUT_ALERT_THREAD, **SETTINGS | lag)
        url = stack.enter_context(server)
        client = stack.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False))
        yield Site(primary, replica, proxy, client)


def create_builder(site: Site, first_name: str) -> tuple[samples.SampleUser, str]:
    """Sign up a builder, and return the path of their page."""
    user = person(first_name=first_name, last_name="Replica", roles=["BUILDER"])
    response = Svix(site.client).deliver(samples.user_event("user.created", user), new_svix_id())
    assert response.json() == {"outcome": "processed"}
    return user, f"/builders/{first_name.lower()}-replica/"


def test_visitors_read_from_the_replica_and_signed_in_users_from_the_primary(site: Site) -> None:
    user, path = create_builder(site, "Rosa")
    wait_until_replayed(site.primary.url, site.replica.url)
    assert site.name_shown_to(path) == "Rosa"
    signed_in = {"Cookie": f"__session={mint(user.clerk_id)}; __client_uat=1; __clerk_db_jwt=dvb_any"}
    site.execute_on_replica("SELECT pg_wal_replay_pause()")
    try:
        user = site.rename(user, "Renata")
        assert site.name_shown_to(path) == "Rosa"  # the replica is not yet too far behind
        assert site.name_shown_to(path, signed_in) == "Renata"
        wait_until(lambda: site.name_shown_to(path) == "Renata", "a replica that is too far behind is still used")
    finally:
        site.execute_on_replica("SELECT pg_wal_replay_resume()")


def test_primary_knows_the_replica_by_the_documented_name(site: Site) -> None:
    """Synchronous replication to named replicas waits forever if no replica has the name."""
    with psycopg.connect(site.primary.url) as connection:
        names = connection.execute(documented("FROM pg_stat_replication")).fetchall()
    assert [row[0] for row in names] == ["replica_1"]


def test_commits_wait_for_the_replica_if_replication_is_synchronous(site: Site) -> None:
    with psycopg.connect(site.primary.url, autocommit=True) as connection:
        try:
            connection.execute(documented("names = '*'"))
            connection.execute(documented("pg_reload_conf"))
            states = "SELECT sync_state FROM pg_stat_replication"
            wait_until(lambda: connection.execute(states).fetchone() == ("sync",), "replication is not synchronous")
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")


def test_new_page_is_visible_before_it_is_replicated(site: Site) -> None:
    site.execute_on_replica("SELECT pg_wal_replay_pause()")
    try:
        _, path = create_builder(site, "Nina")
        assert site.name_shown_to(path) == "Nina"
    finally:
        site.execute_on_replica("SELECT pg_wal_replay_resume()")


def test_pages_stay_available_while_the_replica_is_cut_off_or_killed(site: Site) -> None:
    user, path = create_builder(site, "Lena")
    wait_until_replayed(site.primary.url, site.replica.url)
    assert site.name_shown_to(path) == "Lena"
    site.replication.delay_s = 30.0  # the replica looks healthy, but receives nothing
    try:
        site.rename(user, "Lotte")
        wait_until(lambda: site.name_shown_to(path) == "Lotte", "a replica that receives nothing is still used")
    finally:
        site.replication.delay_s = 0.0
        site.replication.cut()
    site.replica.stop()
    assert [site.name_shown_to(path) for _ in range(20)] == ["Lotte"] * 20
    assert site.client.get("/builders/").status_code == 200
    site.replica.start()
    wait_until_replayed(site.primary.url, site.replica.url)
    wait_until(lambda: _is_used(site), "the replica is not used again")


def _is_used(site: Site) -> bool:
    """Show a page, and return whether the replica has a session that has read builders."""
    site.client.get("/builders/", headers=VISITOR)
    with psycopg.connect(site.replica.url, autocommit=True) as connection:
        return connection.execute(SESSIONS_THAT_READ_BUILDERS).fetchone() is not None
