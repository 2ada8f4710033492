"""Deliveries are neither lost nor applied twice if the server is killed or a user or the connection pool is blocked."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from accounts.clerk import samples
from accounts.models import User
from audit.models import AuditLog
from core.db.timeouts import TIMEOUTS_MS
from profiles.models import BuilderProfile
from tests.accounts.organizations.test_apply import live_members
from tests.helpers.organizations import SampleMembership, SampleOrganization
from tests.helpers.servers.interrupted_site import KILLING
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn
from tests.helpers.webhooks import Svix, new_svix_id, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, DELIVERIES, KILLS = 16, 48, 4
MAX_ATTEMPTS = 30


def deliver_until_answered(svix: Svix, message: tuple[dict[str, Any], str]) -> str:
    """Retry a delivery, like Svix, until the response is 200, and return the outcome."""
    for _ in range(MAX_ATTEMPTS):
        try:
            response = svix.deliver(*message)
        except httpx.HTTPError:
            time.sleep(0.2)  # the process was killed
            continue
        if response.status_code == 200:
            return str(response.json()["outcome"])
        assert (response.status_code, response.json()) == (503, {"error": "unavailable"})
    raise AssertionError(f"{message[1]} was not answered.")


def build_memberships(user_ids: list[str]) -> tuple[list[tuple[dict[str, Any], str]], set[tuple[str, str | None, str]]]:
    """Return messages about two organizations, of which one is deleted, and the memberships that are left.

    A quarter of the members leave. Some messages kill the process.
    """
    kept, deleted = SampleOrganization(name="Kept", slug=None), SampleOrganization(name="Deleted", slug=None)
    members = [SampleMembership((kept, deleted)[number % 2], user_id) for number, user_id in enumerate(user_ids)]
    left = members[::4]
    events = [kept.event("created"), deleted.event("created"), *(member.event("created") for member in members)]
    events += [*(member.with_changes().event("deleted") for member in left), deleted.with_changes().event("deleted")]
    interval = len(events) // KILLS
    messages = [
        (event, f"{KILLING}_organization_{number}" if number % interval == interval - 1 else new_svix_id())
        for number, event in enumerate(events)
    ]
    return messages, {(kept.name, each.user_id, each.role) for each in members[::2] if each not in left}


def test_killed_process_neither_loses_nor_repeats_deliveries(database_url: str, tmp_path: Path) -> None:
    people = [person(roles=["BUILDER"]) for _ in range(DELIVERIES)]
    ids = [
        f"{KILLING}_{number}" if number % (DELIVERIES // KILLS) == 5 else new_svix_id() for number in range(DELIVERIES)
    ]
    messages = [(samples.user_event("user.created", user), svix_id) for user, svix_id in zip(people, ids, strict=True)]
    in_organizations, expected_members = build_memberships([user.clerk_id for user in people])
    messages += in_organizations
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.helpers.servers.interrupted_site",
        "configuration": WITHOUT_ALERT_THREAD,
    }
    with (
        gunicorn(database_url, tmp_path / "log.txt", workers=2, **settings) as url,
        httpx.Client(base_url=url, timeout=15, trust_env=False) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        svix = Svix(client)
        outcomes = list(pool.map(lambda message: deliver_until_answered(svix, message), messages))
    sent = [svix_id for _, svix_id in messages]
    killed = [outcome for outcome, svix_id in zip(outcomes, sent, strict=True) if svix_id.startswith(KILLING)]
    assert killed == ["duplicate"] * 2 * KILLS  # stored by the process that was killed
    assert set(outcomes[:DELIVERIES]) <= {"processed", "duplicate"}
    stored = dict(WebhookEvent.objects.values_list("svix_id", "state"))
    assert {svix_id: stored[svix_id] for svix_id in ids} == dict.fromkeys(ids, "processed")
    assert (set(stored), set(stored.values()) <= {"processed", "stale"}) == (set(sent), True)
    assert live_members() == expected_members
    assert User.objects.count() == BuilderProfile.objects.count() == DELIVERIES
    trails = Counter(AuditLog.objects.filter(action="USER_CREATED").values_list("delivery", flat=True))
    assert trails == Counter(ids)


def test_locked_user_and_exhausted_pool_return_503_without_data_loss(database_url: str, tmp_path: Path) -> None:
    """One user is locked for longer than the lock timeout, and its deliveries use all connections of the process."""
    locked, others = person(), [person() for _ in range(8)]
    with (
        gunicorn(
            database_url, tmp_path / "log.txt", workers=1, configuration=WITHOUT_ALERT_THREAD, DATABASE_POOL_SIZE="2"
        ) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as client,
    ):
        svix = Svix(client)
        assert svix.deliver(samples.user_event("user.created", locked), new_svix_id()).status_code == 200
        updates = [samples.user_event("user.updated", locked.with_changes(first_name=f"V{n}")) for n in range(4)]
        created = [samples.user_event("user.created", user) for user in others]
        messages = [(event, new_svix_id()) for event in (*updates, *created)]
        with psycopg.connect(database_url) as holder:
            holder.execute("SELECT FROM accounts_user FOR UPDATE")
            started = time.monotonic()
            responses = svix.deliver_all(messages, threads=12)
            waited = time.monotonic() - started
        assert {response.status_code for response in responses} <= {200, 503}
        assert {response.status_code for response in responses[:4]} == {503}
        assert waited < 5 * TIMEOUTS_MS["lock_timeout"] / 1000  # Svix waits for 15 s
        stored = {svix_id for (_, svix_id), r in zip(messages, responses, strict=True) if r.status_code == 200}
        assert stored == set(
            WebhookEvent.objects.filter(svix_id__in=[s for _, s in messages]).values_list("svix_id", flat=True)
        )
        repeated = [deliver_until_answered(svix, message) for message in messages]
    assert set(repeated) <= {"processed", "duplicate", "stale"}
    assert User.objects.count() == 9
    assert WebhookEvent.objects.exclude(state__in=["processed", "stale"]).count() == 0
