"""The timeline of a user, newest first, and the user's state at a point in time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.identity import conflicts
from accounts.models import EndedSession, IdentityConflict, MetadataPush, User
from accounts.privacy import erasure
from accounts.roles.services import change_roles
from accounts.sync import outbox
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from tests.helpers.clients import signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent
from webhooks.monitoring import point_in_time, timeline

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
HERE = Actor(AuditLog.Source.REQUEST, ip_address="203.0.113.9")


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam & Admin")
    return adam


@pytest.fixture
def operator() -> Client:
    return with_password()


@pytest.fixture
def zofia(webhook: WebhookClient, adam: User) -> User:
    """Return a user who was renamed, made a builder by Adam, and lost the role in Clerk, a minute apart."""
    zofia = person(first_name="Zofia", last_name="Old", email="zofia@example.com", roles=["CLIENT"], updated_at=NOW)
    with time_machine.travel(NOW, tick=False):
        webhook.created(zofia)
    zofia = zofia.with_changes(last_name="<New>")
    with time_machine.travel(NOW + MINUTE, tick=False):
        webhook.updated(zofia)
    user: User = User.objects.get(clerk_id=zofia.clerk_id)
    with time_machine.travel(NOW + 2 * MINUTE, tick=False):
        change_roles(user, add=[User.Role.BUILDER], actor=HERE.with_user(adam))
    User.objects.filter(pk=user.pk).update(roles_added=[], clerk_roles=["CLIENT", "BUILDER"])
    with time_machine.travel(NOW + 3 * MINUTE, tick=False):
        webhook.updated(zofia.with_changes(roles=["CLIENT"], email="z@example.org"))
        EndedSession.objects.create(session_id="sess_z", clerk_id=zofia.clerk_id, ended_at=NOW + 4 * MINUTE)
    user.refresh_from_db()
    return user


def page(browser: Client, user: User, **query: str) -> str:
    response = browser.get(f"/admin/accounts/user/{user.pk}/timeline/", query)
    assert response.status_code == 200
    return str(response.content.decode())


def all_entries(user: User) -> list[timeline.Entry]:
    entries: list[timeline.Entry] = []
    cursor = ""
    while True:
        found = timeline.fetch_page(user, cursor=cursor)
        entries += found.entries
        cursor = found.next_cursor
        if not cursor:
            return entries


# --- Entries ---


def test_timeline_has_all_entries_newest_first(zofia: User, operator: Client) -> None:
    entries = all_entries(zofia)
    assert [entry.at for entry in entries] == sorted((entry.at for entry in entries), reverse=True)
    assert entries[0].row.session_id == "sess_z"
    actions = [entry.row.action for entry in entries if entry.source == "a"]
    assert actions == [
        *("PROFILE_UPDATED", "ROLE_REMOVED", "USER_UPDATED"),
        *("PROFILE_CREATED", "ROLE_ADDED"),
        "USER_UPDATED",
        *("PROFILE_CREATED", "ROLE_ADDED", "USER_CREATED"),
    ]
    assert sum(entry.source == "e" for entry in entries) == 3
    assert sum(entry.source == "p" for entry in entries) == 1
    text = page(operator, zofia)
    assert "&lt;New&gt;" in text
    assert "<New>" not in text


def test_role_changes_show_direction_and_actor(zofia: User, operator: Client) -> None:
    lines = re.findall(r"<li>\s*<time.*?</li>", page(operator, zofia), re.DOTALL)
    given = next(line for line in lines if "Role added: Builder" in line)
    taken = next(line for line in lines if "Role removed: Builder" in line)
    assert "here → Clerk" in given
    assert "Adam &amp; Admin" in given
    assert "Clerk → here" in taken
    assert "from a Clerk webhook" in taken


def test_change_links_to_its_event(zofia: User, operator: Client) -> None:
    first = WebhookEvent.objects.order_by("pk")[0]
    created = next(entry for entry in all_entries(zofia) if entry.source == "a" and entry.row.action == "USER_CREATED")
    assert created.event == first
    assert page(operator, zofia).count(f"/admin/webhooks/webhookevent/{first.pk}/change/") >= 2


def test_empty_values_are_dashes_but_zero_is_shown(zofia: User, operator: Client) -> None:
    changes: dict[str, Any] = {"hourly_rate": (0, None), "skills": ([], ["<b>"]), "tagline": ("", "x")}
    changes |= {"portfolio": (None, {"url": "", "image": "a.webp", "title": "Rota"})}
    log.record(AuditLog.Action.PROFILE_UPDATED, actor=SYSTEM, target=zofia, changes=changes)
    found = re.findall(
        r"<li>(\w+): <del[^>]*>(.*?)</del> <span class=\"arrow\">→</span> <ins[^>]*>(.*?)</ins></li>",
        page(operator, zofia),
    )
    assert {("hourly_rate", "0", "–"), ("skills", "–", "&lt;b&gt;"), ("tagline", "–", "x")} <= set(found)
    assert ("portfolio", "–", "title: Rota, image: a.webp") in found


def test_operator_actions_are_shown_with_their_event(webhook: WebhookClient, adam: User, operator: Client) -> None:
    zofia = person()
    webhook.created(zofia)
    with failing_handlers():
        webhook.updated(zofia.with_changes(first_name="Nova"))
    failed = WebhookEvent.objects.get(state="failed")
    inbox.retry(failed.pk)
    log.record(AuditLog.Action.EVENT_RETRIED, actor=Actor(user=adam), target=failed, note="Fixed <it>")
    text = page(operator, User.objects.get(clerk_id=zofia.clerk_id))
    assert "after 2 attempts" in text
    assert "Fixed &lt;it&gt;" in text


def test_timeline_excludes_other_users(zofia: User, webhook: WebhookClient) -> None:
    webhook.created(person())
    EndedSession.objects.create(session_id="sess_other", clerk_id="user_other", ended_at=NOW)
    pushed = {"state": "pending", "requested_at": NOW, "next_attempt_at": NOW}
    MetadataPush.objects.create(user=UserFactory.create(), **pushed)
    for entry in all_entries(zofia):
        clerk_id = getattr(entry.row, "clerk_user_id", None) or getattr(entry.row, "clerk_id", None)
        assert clerk_id in (None, zofia.clerk_id)
        assert getattr(entry.row, "subject_id", zofia.pk) == zofia.pk
        assert getattr(entry.row, "user_id", zofia.pk) == zofia.pk


def test_user_without_clerk_id_has_no_events() -> None:
    event()
    local = UserFactory.create(superuser=True)
    assert all_entries(local) == []


def test_pages_have_no_gaps_or_repeats(zofia: User) -> None:
    for number in range(3 * timeline.PAGE_SIZE):
        at = NOW + DAY + number * MINUTE
        event(at, clerk_user_id=zofia.clerk_id)
        if number % 2:
            with time_machine.travel(at, tick=False):
                log.record(AuditLog.Action.USER_UPDATED, actor=SYSTEM, target=zofia, changes={"name": ("a", "b")})
    before = {(entry.source, entry.row.pk) for entry in all_entries(zofia)}
    first = timeline.fetch_page(zofia)
    event(NOW + 2 * DAY, clerk_user_id=zofia.clerk_id)  # an event arrives between two pages
    entries, cursor = list(first.entries), first.next_cursor
    while cursor:
        found = timeline.fetch_page(zofia, cursor=cursor)
        entries, cursor = entries + found.entries, found.next_cursor
    assert len(entries) == len(before)
    assert {(entry.source, entry.row.pk) for entry in entries} == before


@pytest.mark.parametrize(
    "place", ("x", "1", "1.1.1.1.", "1.1.1.١", "1.1.1.1;drop", "1.1.1.99999999999999999999", "1.1.1.-1", "\x00")
)
def test_invalid_cursor_shows_warning(zofia: User, operator: Client, place: str) -> None:
    assert "Invalid page link" in page(operator, zofia, before=place)


def test_cursor_beyond_all_rows_shows_first_or_empty_page(zofia: User, operator: Client) -> None:
    assert "sess_z" in page(operator, zofia, before="0.0.999999999999999999.0")
    assert "No entries." in page(operator, zofia, before="1.1.1.1")


# --- State at a point in time ---


def state_at(user: User, moment: datetime) -> dict[str, Any]:
    return {str(fact.label): fact.unknown_because or fact.value for fact in point_in_time.fields_at(user, moment) or ()}


@pytest.fixture
def zofia_since_now(zofia: User) -> User:
    """Return Zofia with a creation time that matches her first event."""
    User.objects.filter(pk=zofia.pk).update(created_at=NOW)
    zofia.refresh_from_db()
    return zofia


def test_fields_have_their_values_at_the_time(zofia_since_now: User) -> None:
    for minutes, name, email, role_names in (
        (0, "Zofia Old", "zofia@example.com", "Client"),
        (1, "Zofia <New>", "zofia@example.com", "Client"),
        (2, "Zofia <New>", "zofia@example.com", "Client, Builder"),
        (3, "Zofia <New>", "z@example.org", "Client"),
    ):
        found = state_at(zofia_since_now, NOW + minutes * MINUTE + timedelta(seconds=30))
        assert (found["Name"], found["Email"], found["Roles"]) == (name, email, role_names)


def test_next_change_determines_value(zofia_since_now: User) -> None:
    for minutes, old, new in ((10, "Zofia <New>", "Second"), (20, "Second", "Third")):
        with time_machine.travel(NOW + minutes * MINUTE, tick=False):
            log.record(
                AuditLog.Action.USER_UPDATED,
                actor=SYSTEM,
                target=zofia_since_now,
                changes={"name": (old, new)},
            )
    for minutes, name in ((5, "Zofia <New>"), (15, "Second")):
        assert state_at(zofia_since_now, NOW + minutes * MINUTE)["Name"] == name


def test_user_has_no_state_before_creation(zofia_since_now: User, operator: Client) -> None:
    assert point_in_time.fields_at(zofia_since_now, NOW - MINUTE) is None
    assert "This account did not exist yet." in page(operator, zofia_since_now, at="2026-11-20T09:00")


def test_deletion_is_not_shown_before_it_happened(webhook: WebhookClient) -> None:
    zofia = person(updated_at=NOW)
    webhook.created(zofia)
    user = User.objects.get(clerk_id=zofia.clerk_id)
    before = AuditLog.objects.latest("timestamp").timestamp
    webhook.deleted(zofia.with_changes())
    user.refresh_from_db()
    assert state_at(user, before)["Deleted"] is None
    assert state_at(user, before + DAY)["Deleted"] == user.deleted_at


def test_erased_values_are_unknown(zofia_since_now: User) -> None:
    User.objects.filter(pk=zofia_since_now.pk).update(deleted_at=NOW + 5 * MINUTE, is_active=False)
    erasure.erase_user(zofia_since_now.pk)
    zofia_since_now.refresh_from_db()
    found = state_at(zofia_since_now, NOW + timedelta(seconds=30))
    assert "was erased" in found["Name"]
    assert "was erased" in found["Email"]
    assert found["Roles"] == "Client"  # roles are never erased
    assert found["Image"] == "Erased later."
    assert found["Clerk ID"] == zofia_since_now.clerk_id


def test_moved_identity_is_shown_at_previous_account(adam: User) -> None:
    older = UserFactory.create(name="Older", clerk_id=None, roles=[])
    moved = {"name": "Newer", "email": "n@example.com", "clerk_id": "user_n", "deleted_at": None, "roles": ["CLIENT"]}
    left: dict[str, Any] = {"name": "Older", "email": None, "clerk_id": None, "deleted_at": None, "roles": []}
    log.record(AuditLog.Action.IDENTITY_MOVED, actor=Actor(user=adam), target=older, before=moved, after=left)
    found = state_at(older, older.created_at)
    assert (found["Name"], found["Clerk ID"], found["Roles"]) == ("Newer", "user_n", "Client")
    assert "was moved to another account" in found["Username"]


def test_too_many_changes_make_values_unknown(zofia_since_now: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_in_time, "MAX_ROWS", 1)
    found = state_at(zofia_since_now, NOW + timedelta(seconds=30))
    assert found["Name"] == "Zofia Old"
    assert found["Username"] == "Too many later changes to reconstruct the value."


def test_page_shows_state_and_entries_up_to_the_time(zofia_since_now: User, operator: Client) -> None:
    text = page(operator, zofia_since_now, at="2026-11-20T09:31:30")
    assert "State at 20 Nov 2026 09:31:30 UTC" in text
    assert "Role added: Builder" not in text
    assert "zofia@example.com" in text
    assert "z@example.org" not in text


@pytest.mark.parametrize("at", ("yesterday", "2026-13-45T99:99", "9" * 400, "\x00"))
def test_invalid_time_shows_warning(zofia: User, operator: Client, at: str) -> None:
    assert "Invalid time" in page(operator, zofia, at=at)


@pytest.mark.parametrize("at", ("0001-01-01T00:00", "9999-12-31T23:59:59", "2026-11-20", "2026-11-20T09:30+23:59"))
def test_extreme_times_are_accepted(zofia: User, operator: Client, at: str) -> None:
    page(operator, zofia, at=at)


# --- Access and query counts ---


def test_unknown_user_shows_warning(operator: Client) -> None:
    for pk in ("999999", "9" * 30):
        response = operator.get(f"/admin/accounts/user/{pk}/timeline/", follow=True)
        assert "No user has this ID." in response.content.decode()


def test_only_admins_see_timeline(zofia: User, adam: User) -> None:
    url = f"/admin/accounts/user/{zofia.pk}/timeline/"
    assert signed_in(adam).get(url).status_code == 200
    assert signed_in(UserFactory.create()).get(url).status_code == 302
    assert Client().get(url)["Location"] == f"/admin/login/?next={url}"


def test_user_page_links_to_timeline(zofia: User, operator: Client) -> None:
    text = operator.get(f"/admin/accounts/user/{zofia.pk}/change/").content.decode()
    assert f'href="/admin/accounts/user/{zofia.pk}/timeline/"' in text
    assert f'href="/admin/audit/auditlog/?subject={zofia.pk}"' in text


def test_events_under_former_clerk_id_are_shown_until_it_moved(adam: User) -> None:
    """A new account's identity was moved to an older account and replaced the older account's Clerk ID."""
    old, new = (
        UserFactory.create(clerk_id=clerk_id, email="zofia@example.com", email_verified_at=NOW)
        for clerk_id in ("user_old", "user_new")
    )
    before = event(NOW, clerk_user_id="user_old")
    session = EndedSession.objects.create(session_id="sess_before", clerk_id="user_old", ended_at=NOW)
    of_the_new = event(NOW, clerk_user_id="user_new")
    conflict = IdentityConflict.objects.create(kind="other_id", user=new, other=old, email="zofia@example.com")
    with time_machine.travel(NOW + DAY, tick=False):
        conflicts.resolve(conflict, IdentityConflict.State.MOVED, actor=HERE.with_user(adam))
    event(NOW + 2 * DAY, clerk_user_id="user_old")
    old.refresh_from_db()
    assert old.clerk_id == "user_new"
    rows = [entry.row for entry in timeline.fetch_page(old).entries if entry.source in "es"]
    assert [*sorted(rows, key=str)] == sorted([before, of_the_new, session], key=str)


#: Session, operator, user, identities, four sources, causing events, and actions.
STATEMENTS = 10


@pytest.mark.parametrize("more", (0, 2 * timeline.PAGE_SIZE))
def test_query_count_does_not_depend_on_length(zofia: User, operator: Client, more: int) -> None:
    for number in range(more):
        event(NOW + number * MINUTE, clerk_user_id=zofia.clerk_id)
    outbox.queue_push(zofia)
    actor = Actor(AuditLog.Source.WEBHOOK, delivery=WebhookEvent.objects.earliest("pk").svix_id)
    log.record(AuditLog.Action.USER_UPDATED, actor=actor, target=zofia)
    with CaptureQueriesContext(connection) as queries:
        page(operator, zofia)
    assert len(queries) == STATEMENTS
    with CaptureQueriesContext(connection) as queries:
        page(operator, zofia, at="2026-11-20T09:31")
    assert len(queries) == STATEMENTS + 1
