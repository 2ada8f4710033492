"""Looking through the audit log, and taking it along."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit import exports, log
from audit.models import AuditLog
from core import csv_export
from core.admin.keyset import KeysetAdmin
from core.db import keyset
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

LIST, EXPORT = "/admin/audit/auditlog/", "/admin/audit/auditlog/export/"
Action, Source = AuditLog.Action, AuditLog.Source


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam Admin", admin=True)
    return adam


@pytest.fixture
def olive() -> User:
    olive: User = UserFactory.create(name='Olive & "Owner"')
    return olive


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


@pytest.fixture
def rows(adam: User, olive: User) -> list[int]:
    """Return the ids of a row of each kind of actor, oldest first."""
    webhook = log.Origin(Source.WEBHOOK, "msg_1")
    log.record(Action.USER_CREATED, actor=None, target=olive, origin=webhook)
    log.record(Action.ROLE_ADDED, actor=adam, target=olive, origin=log.Origin(Source.REQUEST), role="BUILDER")
    log.record(
        Action.PROFILE_UPDATED, actor=olive, target=olive, origin=log.Origin(Source.REQUEST, impersonator="user_2a")
    )
    log.record(Action.USER_UPDATED, actor=None, target=adam, subject=adam)
    return sorted(AuditLog.objects.values_list("pk", flat=True))


def shown(browser: Client, query: str = "") -> list[int]:
    response = browser.get(LIST + query)
    assert response.status_code == 200, query
    return [row.pk for row in response.context["cl"].result_list]


def body(response: Any) -> str:
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(response.streaming_content).decode()  # type: ignore[arg-type]


# --- Filters ---


def test_each_filter_finds_its_rows(browser: Client, rows: list[int], adam: User, olive: User) -> None:
    made, given, changed, system = rows
    expected = {
        "": [system, changed, given, made],
        "?action__exact=ROLE_ADDED": [given],
        "?source__exact=request": [changed, given],
        "?kind=person": [given],
        "?kind=impersonator": [changed],
        "?kind=webhook": [made],
        "?kind=system": [system],
        f"?target=accounts.user:{olive.pk}": [changed, given, made],
        f"?actor={adam.pk}": [given],
        f"?subject={adam.pk}": [system],
        "?delivery=msg_1": [made],
        f"?actor={olive.pk}&action__exact=PROFILE_UPDATED": [changed],
        f"?q={given}": [given],
        f"?q=accounts.user:{adam.pk}": [system],
        "?q=+msg_1+": [made],
        "?q=msg": [],
    }
    assert {query: shown(browser, query) for query in expected} == expected


def test_a_span_of_time(browser: Client, olive: User) -> None:
    ids = []
    for hours in (1000, 200, 30, 5, 0.5):
        with time_machine.travel(timezone.now() - timedelta(hours=hours), tick=False):
            log.record(Action.USER_UPDATED, actor=None, target=olive)
        ids.append(AuditLog.objects.latest("pk").pk)
    ids.reverse()
    assert shown(browser, "?within=1h") == ids[:1]
    assert shown(browser, "?within=24h") == ids[:2]
    assert shown(browser, "?within=7d") == ids[:3]
    assert shown(browser, "?within=30d") == ids[:4]
    since, until = (f"{timezone.now() - timedelta(hours=hours):%Y-%m-%dT%H:%M}" for hours in (201, 4))
    assert shown(browser, f"?since={since}") == ids[:4]
    assert shown(browser, f"?until={until}") == ids[1:]
    assert shown(browser, f"?since={since}&until={until}") == ids[1:4]


def test_times_of_other_zones_are_understood(browser: Client, rows: list[int]) -> None:
    assert shown(browser, "?since=2001-01-01T00:00%2B02:00") == rows[::-1]


NONSENSE = (
    *(
        "?action__exact=NOPE",
        "?source__exact=%27",
        "?kind=nobody",
        "?target=%00",
        "?delivery=%00",
        "?actor=x",
        "?actor=-1",
    ),
    *(
        "?actor=99999999999999999999999",
        "?subject=x",
        "?subject=²",
        "?q=%00",
        "?q=99999999999999999999999",
        "?q=%F0%9F%A4%B7",
    ),
    *(
        "?before=x",
        "?before=99999999999999999999999",
        "?after=-5",
        "?before=1&after=1",
        "?o=1.2.-3",
        "?p=7",
        "?all=",
        "?e=1",
    ),
    *("?within=x", "?since=x", "?until=9999-99-99", "?since=0001-01-01T00:00%2B14:00", "?since=9999-12-31T23:59-14:00"),
    *(
        "?until=9999-12-31T23:59",
        "?since=0001-01-01",
        "?nothing=1",
        "?_facets=True",
        "?details__x=1",
        "?user_agent__icontains=x",
    ),
)


@pytest.mark.parametrize("query", NONSENSE)
def test_nonsense_is_no_error_of_ours(browser: Client, rows: list[int], query: str) -> None:
    response = browser.get(LIST + query, follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize("query", ("?nothing=1", "?details__x=1", "?action=USER_CREATED", "?e=1"))
def test_a_filter_that_there_is_none_of_is_told(browser: Client, rows: list[int], query: str) -> None:
    page = browser.get(LIST + query).content.decode()
    name = query.strip("?").partition("=")[0]
    assert f"There is no filter “{name}”." in page or "The URL was invalid" in page
    assert page.count('role="alert"') == 1


@pytest.mark.parametrize("name", ("webhooks/alert", "webhooks/replay", "accounts/reconciliation", "accounts/user"))
def test_every_list_that_only_shows_says_when_a_filter_is_nonsense(browser: Client, name: str) -> None:
    page = browser.get(f"/admin/{name}/?nothing=1", follow=True).content.decode()
    assert "The URL was invalid, so the list is not filtered." in page


@pytest.mark.parametrize(
    ("query", "said"),
    (("?since=x", "From: enter a date and time"), ("?within=2h", "Choose one of the listed periods.")),
)
def test_a_time_that_cannot_be_read_is_said(browser: Client, rows: list[int], query: str, said: str) -> None:
    assert said in browser.get(LIST + query).content.decode()


# --- Ways ---


def test_a_row_leads_to_all_about_its_target_and_all_by_its_actor(
    browser: Client, rows: list[int], adam: User, olive: User
) -> None:
    page = browser.get(LIST).content.decode()
    target, actor = f"{LIST}?target=accounts.user%3A{olive.pk}", f"{LIST}?actor={adam.pk}"
    assert f'href="{target}"' in page
    assert f'href="{actor}"' in page
    assert "Audit rows about Olive &amp; &quot;Owner&quot; (accounts.user:" in browser.get(target).content.decode()
    assert "Actions by Adam Admin" in browser.get(actor).content.decode()
    detail = browser.get(f"{LIST}{rows[2]}/change/").content.decode()
    assert f'href="{LIST}?subject={olive.pk}"' in detail
    assert "impersonated by user_2a" in detail
    assert "not yet" in detail


def test_what_is_erased_is_said(browser: Client, rows: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditlog SET actor_label = NULL, target_label = NULL, details = NULL")
    assert "<em>erased</em>" in browser.get(LIST).content.decode()
    assert "<em>erased</em>" in browser.get(f"{LIST}{rows[1]}/change/").content.decode()


# --- Pages ---


def test_pages_go_by_key_and_back(browser: Client, olive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeysetAdmin, "list_per_page", 3)
    for _ in range(8):
        log.record(Action.USER_UPDATED, actor=None, target=olive)
    ids = sorted(AuditLog.objects.values_list("pk", flat=True), reverse=True)
    pages, query = [], "?action__exact=USER_UPDATED"
    while query:
        response = browser.get(LIST + query)
        pages.append([row.pk for row in response.context["cl"].result_list])
        query = response.context["cl"].older_link
    assert pages == [ids[:3], ids[3:6], ids[6:]]
    newer = browser.get(LIST + response.context["cl"].newer_link)
    assert [row.pk for row in newer.context["cl"].result_list] == ids[3:6]
    assert "action__exact=USER_UPDATED" in newer.context["cl"].newer_link
    newest = browser.get(LIST + newer.context["cl"].newer_link)
    assert [row.pk for row in newest.context["cl"].result_list] == ids[:3]
    assert (newest.context["cl"].newer_link, newest.context["cl"].newest_link) == ("", "")


def test_a_page_is_one_query_and_never_a_count(
    browser: Client, rows: list[int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4) as captured:  # who is asking, with two for permissions, and the rows
        browser.get(LIST)
    assert not any("COUNT(" in query["sql"] or "DISTINCT" in query["sql"] for query in captured.captured_queries)
    with django_assert_num_queries(6):  # and where the span begins and ends
        browser.get(LIST + "?since=2026-01-01&until=2027-01-01")


# --- Taking it along ---


def test_an_export_has_the_filtered_rows_and_is_in_the_log(
    browser: Client, rows: list[int], adam: User, olive: User
) -> None:
    response = browser.post(f"{EXPORT}?target=accounts.user:{olive.pk}&before=1", {"format": "jsonl"})
    assert response.headers["Content-Type"] == "application/jsonl; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="audit-log-')
    found = [json.loads(text) for text in body(response).splitlines()]
    assert [row["id"] for row in found] == [rows[2], rows[1], rows[0]]
    assert found[1]["details"] == {"role": "BUILDER"}
    told = AuditLog.objects.latest("pk")
    assert (told.action, told.actor_id, told.source) == (Action.AUDIT_EXPORTED, adam.pk, Source.REQUEST)
    assert told.details == {"format": "jsonl", "filters": {"target": f"accounts.user:{olive.pk}", "before": "1"}}
    assert told.ip_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("query", "kept"),
    (
        ("q=olive@example.com", {"q": "…"}),
        ("q=Olive+Owner&target=Olive&delivery=%2B48600700800", {"delivery": "…", "q": "…", "target": "…"}),
        ("q=+msg_2abc+&delivery=msg_2abc", {"delivery": "msg_2abc", "q": "msg_2abc"}),
        ("q=17&target=accounts.user:17", {"q": "17", "target": "accounts.user:17"}),
        ("q=&within=24h", {"q": "", "within": "24h"}),
    ),
)
def test_the_log_keeps_of_a_search_what_is_of_nobody(browser: Client, query: str, kept: dict[str, str]) -> None:
    body(browser.post(f"{EXPORT}?{query}", {"format": "csv"}))
    assert AuditLog.objects.latest("pk").details == {"format": "csv", "filters": kept}


def test_csv_has_the_same_rows(browser: Client, rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "CHUNK_SIZE", 2)
    found = list(csv.DictReader(io.StringIO(body(browser.post(EXPORT, {"format": "csv"})))))
    assert [int(row["id"]) for row in found] == rows[::-1]
    assert tuple(found[0]) == exports.COLUMNS
    assert found[2]["details"] == '{"role":"BUILDER"}'


FORMULAS = ('=HYPERLINK("https://evil.example")', "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1")


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula(browser: Client, name: str) -> None:
    log.record(
        Action.USER_UPDATED,
        actor=None,
        target=UserFactory.create(name=name),
        origin=log.Origin(Source.REQUEST, user_agent=name),
    )
    [row] = csv.DictReader(io.StringIO(body(browser.post(EXPORT, {"format": "csv"})), newline=""))
    assert row["user_agent"] == f"'{name}"
    assert not any(cell.startswith(csv_export.FORMULA_PREFIXES) for cell in row.values())


def test_rows_are_read_while_they_are_sent(browser: Client, rows: list[int]) -> None:
    """What is written meanwhile is not in the file, which would else never end."""
    response = browser.post(EXPORT, {"format": "jsonl"})
    assert isinstance(response, StreamingHttpResponse)
    lines: Iterator[Any] = iter(response.streaming_content)
    first = json.loads(next(lines))
    log.record(Action.USER_UPDATED, actor=None, target=UserFactory.create())
    assert [first["id"], *(json.loads(text)["id"] for text in lines)] == rows[::-1]


@pytest.mark.parametrize(
    ("query", "form", "said"),
    (
        ("", "xlsx", "Choose CSV or JSON Lines."),
        ("?since=x", "csv", "From: enter a date and time"),
        ("?nothing=1", "csv", "Nothing was exported. There is no filter “nothing”."),
        ("?target=%00", "csv", "the filter is invalid"),
    ),
)
def test_what_cannot_be_exported_is_said_and_not_logged(
    browser: Client, rows: list[int], query: str, form: str, said: str
) -> None:
    response = browser.post(EXPORT + query, {"format": form})
    assert response.status_code == 302
    assert said in " ".join(str(message) for message in get_messages(response.wsgi_request))
    assert not AuditLog.objects.filter(action=Action.AUDIT_EXPORTED).exists()


def test_only_staff_takes_it_along(rows: list[int], olive: User) -> None:
    assert signed_in(olive).post(EXPORT, {"format": "csv"}).status_code == 302
    assert not AuditLog.objects.filter(action=Action.AUDIT_EXPORTED).exists()
