"""One person's story has everything about them, newest first, and tells what was known at any time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import identity_conflicts
from accounts.models import EndedSession, IdentityConflict, MetadataPush, User
from accounts.privacy import erasure
from accounts.role_changes import change_roles
from accounts.sync import outbox
from audit import log
from audit.log import Origin
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
HERE = Origin(AuditLog.Source.REQUEST, ip_address="203.0.113.9")


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam & Admin")
    return adam


@pytest.fixture
def operator() -> Client:
    return with_password()


@pytest.fixture
def zofia(webhook: WebhookClient, adam: User) -> User:
    """Return somebody whose name changed, who became a builder by Adam and lost that at Clerk; a minute for each."""
    zofia = person(first_name="Zofia", last_name="Old", email="zofia@example.com", roles=["CLIENT"], updated_at=NOW)
    with time_machine.travel(NOW, tick=False):
        webhook.created(zofia)
    zofia = zofia.later(last_name="<New>")
    with time_machine.travel(NOW + MINUTE, tick=False):
        webhook.updated(zofia)
    user: User = User.objects.get(clerk_id=zofia.clerk_id)
    with time_machine.travel(NOW + 2 * MINUTE, tick=False):
        change_roles(user, add=[User.Role.BUILDER], actor=adam, origin=HERE)
    User.objects.filter(pk=user.pk).update(roles_added=[], clerk_roles=["CLIENT", "BUILDER"])
    with time_machine.travel(NOW + 3 * MINUTE, tick=False):
        webhook.updated(zofia.later(roles=["CLIENT"], email="z@example.org"))
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


# --- What happened ---


def test_everything_about_a_person_is_there_newest_first(zofia: User, operator: Client) -> None:
    lines = all_entries(zofia)
    assert [line.at for line in lines] == sorted((line.at for line in lines), reverse=True)
    assert lines[0].row.session_id == "sess_z"
    told = [line.row.action for line in lines if line.source == "a"]
    assert told == [
        *("PROFILE_UPDATED", "ROLE_REMOVED", "USER_UPDATED"),
        *("PROFILE_CREATED", "ROLE_ADDED"),
        "USER_UPDATED",
        *("PROFILE_CREATED", "ROLE_ADDED", "USER_CREATED"),
    ]
    assert sum(line.source == "e" for line in lines) == 3
    assert sum(line.source == "p" for line in lines) == 1
    text = page(operator, zofia)
    assert "&lt;New&gt;" in text
    assert "<New>" not in text


def test_roles_say_which_way_they_went_and_by_whom(zofia: User, operator: Client) -> None:
    lines = re.findall(r"<li>\s*<time.*?</li>", page(operator, zofia), re.DOTALL)
    given = next(line for line in lines if "Role given: Builder" in line)
    taken = next(line for line in lines if "Role taken: Builder" in line)
    assert "here → Clerk" in given
    assert "Adam &amp; Admin" in given
    assert "Clerk → here" in taken
    assert "told by Clerk" in taken


def test_a_change_leads_to_the_event_behind_it(zofia: User, operator: Client) -> None:
    first = WebhookEvent.objects.order_by("pk")[0]
    created = next(line for line in all_entries(zofia) if line.source == "a" and line.row.action == "USER_CREATED")
    assert created.event == first
    assert page(operator, zofia).count(f"/admin/webhooks/webhookevent/{first.pk}/change/") >= 2


def test_values_that_were_none_are_a_dash_and_zero_is_zero(zofia: User, operator: Client) -> None:
    changes: dict[str, Any] = {"hourly_rate": (0, None), "skills": ([], ["<b>"]), "tagline": ("", "x")}
    changes |= {"portfolio": (None, {"url": "", "image": "a.webp", "title": "Rota"})}
    log.record(AuditLog.Action.PROFILE_UPDATED, actor=None, target=zofia, changes=changes)
    found = re.findall(r"<li>(\w+): <del[^>]*>(.*?)</del> → <ins[^>]*>(.*?)</ins></li>", page(operator, zofia))
    assert {("hourly_rate", "0", "–"), ("skills", "–", "&lt;b&gt;"), ("tagline", "–", "x")} <= set(found)
    assert ("portfolio", "–", "title: Rota, image: a.webp") in found


def test_what_people_did_about_an_event_stands_with_it(webhook: WebhookClient, adam: User, operator: Client) -> None:
    zofia = person()
    webhook.created(zofia)
    with failing_handlers():
        webhook.updated(zofia.later(first_name="Nova"))
    failed = WebhookEvent.objects.get(state="failed")
    inbox.retry(failed.pk)
    log.record(AuditLog.Action.EVENT_RETRIED, actor=adam, target=failed, note="Fixed <it>")
    text = page(operator, User.objects.get(clerk_id=zofia.clerk_id))
    assert "after 2 attempts" in text
    assert "Fixed &lt;it&gt;" in text


def test_nothing_of_others_is_in_it(zofia: User, webhook: WebhookClient) -> None:
    webhook.created(person())
    EndedSession.objects.create(session_id="sess_other", clerk_id="user_other", ended_at=NOW)
    pushed = {"state": "pending", "requested_at": NOW, "next_attempt_at": NOW}
    MetadataPush.objects.create(user=UserFactory.create(), **pushed)
    for line in all_entries(zofia):
        whose = getattr(line.row, "clerk_user_id", None) or getattr(line.row, "clerk_id", None)
        assert whose in (None, zofia.clerk_id)
        assert getattr(line.row, "subject_id", zofia.pk) == zofia.pk
        assert getattr(line.row, "user_id", zofia.pk) == zofia.pk


def test_somebody_without_clerk_id_has_no_events_of_nobody() -> None:
    event()
    local = UserFactory.create(superuser=True)
    assert all_entries(local) == []


def test_a_long_story_is_told_page_by_page_without_gaps_or_repeats(zofia: User) -> None:
    for number in range(3 * timeline.PAGE_SIZE):
        at = NOW + DAY + number * MINUTE
        event(at, clerk_user_id=zofia.clerk_id)
        if number % 2:
            with time_machine.travel(at, tick=False):
                log.record(AuditLog.Action.USER_UPDATED, actor=None, target=zofia, changes={"name": ("a", "b")})
    before = {(line.source, line.row.pk) for line in all_entries(zofia)}
    first = timeline.fetch_page(zofia)
    event(NOW + 2 * DAY, clerk_user_id=zofia.clerk_id)  # arrives between two pages
    entries, cursor = list(first.entries), first.next_cursor
    while cursor:
        found = timeline.fetch_page(zofia, cursor=cursor)
        entries, cursor = entries + found.entries, found.next_cursor
    assert len(entries) == len(before)
    assert {(entry.source, entry.row.pk) for entry in entries} == before


@pytest.mark.parametrize("place", ("x", "e", "e1.", "e١", "e1;drop", "e99999999999999999999", "\x00"))
def test_a_place_that_is_none_is_ignored_and_said(zofia: User, operator: Client, place: str) -> None:
    assert "Invalid page link" in page(operator, zofia, before=place)


def test_a_place_beyond_every_row_is_the_newest_or_the_end(zofia: User, operator: Client) -> None:
    assert "sess_z" in page(operator, zofia, before="s999999999999999999")
    assert "No entries." in page(operator, zofia, before="a0.e0.p0.s0")


# --- What was known ---


def facts(user: User, moment: datetime) -> dict[str, Any]:
    return {str(fact.label): fact.unknown_because or fact.value for fact in point_in_time.fields_at(user, moment) or ()}


@pytest.fixture
def since_ever(zofia: User) -> User:
    """Return Zofia, whose row says that it was made when her first event came."""
    User.objects.filter(pk=zofia.pk).update(created_at=NOW)
    zofia.refresh_from_db()
    return zofia


def test_fields_are_as_they_were(since_ever: User) -> None:
    for minutes, name, email, held in (
        (0, "Zofia Old", "zofia@example.com", "Client"),
        (1, "Zofia <New>", "zofia@example.com", "Client"),
        (2, "Zofia <New>", "zofia@example.com", "Client, Builder"),
        (3, "Zofia <New>", "z@example.org", "Client"),
    ):
        found = facts(since_ever, NOW + minutes * MINUTE + timedelta(seconds=30))
        assert (found["Name"], found["Email"], found["Roles"]) == (name, email, held)


def test_of_several_changes_the_next_one_tells(since_ever: User) -> None:
    for minutes, old, new in ((10, "Zofia <New>", "Second"), (20, "Second", "Third")):
        with time_machine.travel(NOW + minutes * MINUTE, tick=False):
            log.record(AuditLog.Action.USER_UPDATED, actor=None, target=since_ever, changes={"name": (old, new)})
    for minutes, name in ((5, "Zofia <New>"), (15, "Second")):
        assert facts(since_ever, NOW + minutes * MINUTE)["Name"] == name


def test_before_somebody_came_nothing_was_known(since_ever: User, operator: Client) -> None:
    assert point_in_time.fields_at(since_ever, NOW - MINUTE) is None
    assert "This account did not exist yet." in page(operator, since_ever, at="2026-11-20T09:00")


def test_a_deletion_is_not_known_before_it(webhook: WebhookClient) -> None:
    zofia = person(updated_at=NOW)
    webhook.created(zofia)
    user = User.objects.get(clerk_id=zofia.clerk_id)
    before = AuditLog.objects.latest("timestamp").timestamp
    webhook.deleted(zofia.later())
    user.refresh_from_db()
    assert facts(user, before)["Deleted"] is None
    assert facts(user, before + DAY)["Deleted"] == user.deleted_at


def test_what_was_erased_is_not_guessed(since_ever: User) -> None:
    User.objects.filter(pk=since_ever.pk).update(deleted_at=NOW + 5 * MINUTE, is_active=False)
    erasure.erase_user(since_ever.pk)
    since_ever.refresh_from_db()
    found = facts(since_ever, NOW + timedelta(seconds=30))
    assert "was erased" in found["Name"]
    assert "was erased" in found["Email"]
    assert "was erased" in found["Roles"]
    assert found["Image"] == "Erased later."
    assert found["Clerk id"] == since_ever.clerk_id


def test_an_identity_that_moved_is_where_it_was(adam: User) -> None:
    older = UserFactory.create(name="Older", clerk_id=None, roles=[])
    moved = {"name": "Newer", "email": "n@example.com", "clerk_id": "user_n", "deleted_at": None, "roles": ["CLIENT"]}
    left: dict[str, Any] = {"name": "Older", "email": None, "clerk_id": None, "deleted_at": None, "roles": []}
    log.record(AuditLog.Action.IDENTITY_MOVED, actor=adam, target=older, before=moved, after=left)
    found = facts(older, older.created_at)
    assert (found["Name"], found["Clerk id"], found["Roles"]) == ("Newer", "user_n", "Client")
    assert "was moved to another account" in found["Username"]


def test_too_many_changes_are_said(since_ever: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_in_time, "MAX_ROWS", 1)
    found = facts(since_ever, NOW + timedelta(seconds=30))
    assert found["Name"] == "Zofia Old"
    assert found["Username"] == "Too many later changes to reconstruct the value."


def test_the_page_shows_what_was_known_and_what_had_happened_by_then(since_ever: User, operator: Client) -> None:
    text = page(operator, since_ever, at="2026-11-20T09:31:30")
    assert "State at 20 Nov 2026, 09:31:30 UTC" in text
    assert "Role given: Builder" not in text
    assert "zofia@example.com" in text
    assert "z@example.org" not in text


@pytest.mark.parametrize("at", ("yesterday", "2026-13-45T99:99", "9" * 400, "\x00"))
def test_a_time_that_is_none_is_ignored_and_said(zofia: User, operator: Client, at: str) -> None:
    assert "Invalid time" in page(operator, zofia, at=at)


@pytest.mark.parametrize("at", ("0001-01-01T00:00", "9999-12-31T23:59:59", "2026-11-20", "2026-11-20T09:30+23:59"))
def test_far_times_are_times(zofia: User, operator: Client, at: str) -> None:
    page(operator, zofia, at=at)


# --- Who may, and how much it takes ---


def test_a_person_that_there_is_not_is_said(operator: Client) -> None:
    for pk in ("999999", "9" * 30):
        response = operator.get(f"/admin/accounts/user/{pk}/timeline/", follow=True)
        assert "No user has this id." in response.content.decode()


def test_only_admins_see_it(zofia: User, adam: User) -> None:
    url = f"/admin/accounts/user/{zofia.pk}/timeline/"
    assert signed_in(adam).get(url).status_code == 200
    assert signed_in(UserFactory.create()).get(url).status_code == 302
    assert Client().get(url)["Location"] == f"/admin/login/?next={url}"


def test_the_person_in_the_admin_leads_to_it(zofia: User, operator: Client) -> None:
    text = operator.get(f"/admin/accounts/user/{zofia.pk}/change/").content.decode()
    assert f'href="/admin/accounts/user/{zofia.pk}/timeline/"' in text
    assert f'href="/admin/audit/auditlog/?subject={zofia.pk}"' in text


def test_what_happened_under_an_earlier_clerk_id_is_told_until_it_went(adam: User) -> None:
    """The identity of somebody new moved to the account that was there first, and took its place at Clerk."""
    old, new = (
        UserFactory.create(clerk_id=clerk_id, email="zofia@example.com", email_verified_at=NOW)
        for clerk_id in ("user_old", "user_new")
    )
    before = event(NOW, clerk_user_id="user_old")
    session = EndedSession.objects.create(session_id="sess_before", clerk_id="user_old", ended_at=NOW)
    of_the_new = event(NOW, clerk_user_id="user_new")
    conflict = IdentityConflict.objects.create(kind="other_id", user=new, other=old, email="zofia@example.com")
    with time_machine.travel(NOW + DAY, tick=False):
        identity_conflicts.resolve(conflict, IdentityConflict.State.MOVED, actor=adam, origin=HERE)
    event(NOW + 2 * DAY, clerk_user_id="user_old")
    old.refresh_from_db()
    assert old.clerk_id == "user_new"
    told = [line.row for line in timeline.fetch_page(old).entries if line.source in "es"]
    assert [*sorted(told, key=str)] == sorted([before, of_the_new, session], key=str)


#: Of the session, its person, the person the story is of, its identities, four sources, events behind changes, and deeds.
STATEMENTS = 10


@pytest.mark.parametrize("more", (0, 2 * timeline.PAGE_SIZE))
def test_it_takes_as_many_statements_however_long_it_is(zofia: User, operator: Client, more: int) -> None:
    for number in range(more):
        event(NOW + number * MINUTE, clerk_user_id=zofia.clerk_id)
    outbox.queue_push(zofia)
    told = Origin(AuditLog.Source.WEBHOOK, delivery=WebhookEvent.objects.earliest("pk").svix_id)
    log.record(AuditLog.Action.USER_UPDATED, actor=None, target=zofia, origin=told)
    with CaptureQueriesContext(connection) as queries:
        page(operator, zofia)
    assert len(queries) == STATEMENTS
    with CaptureQueriesContext(connection) as queries:
        page(operator, zofia, at="2026-11-20T09:31")
    assert len(queries) == STATEMENTS + 1
