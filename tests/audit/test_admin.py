"""The audit log in the admin: filters, pagination and exports."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit import exports, log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from core.admin.keyset import KeysetAdmin
from core.db import keyset
from tests.audit.rows import execute_as_owner
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
    """Write a row for each kind of actor and return the row ids, oldest first."""
    webhook = Actor(Source.WEBHOOK, "msg_1")
    log.record(Action.USER_CREATED, actor=webhook, target=olive)
    log.record(Action.ROLE_ADDED, actor=Actor(Source.REQUEST).with_user(adam), target=olive, role="BUILDER")
    log.record(
        Action.PROFILE_UPDATED,
        actor=Actor(Source.REQUEST, impersonator="user_2a").with_user(olive),
        target=olive,
    )
    log.record(Action.USER_UPDATED, actor=SYSTEM, target=adam, subject=adam)
    return sorted(AuditLog.objects.values_list("pk", flat=True))


def listed_ids(browser: Client, query: str = "") -> list[int]:
    response = browser.get(LIST + query)
    assert response.status_code == 200, query
    return [row.pk for row in response.context["cl"].result_list]


def read_body(response: Any) -> str:
    assert isinstance(response, StreamingHttpResponse)
    return response.getvalue().decode()


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
    assert {query: listed_ids(browser, query) for query in expected} == expected


def test_period_filter_limits_rows(browser: Client, olive: User) -> None:
    ids = []
    for hours in (1000, 200, 30, 5, 0.5):
        with time_machine.travel(timezone.now() - timedelta(hours=hours), tick=False):
            log.record(Action.USER_UPDATED, actor=SYSTEM, target=olive)
        ids.append(AuditLog.objects.latest("pk").pk)
    ids.reverse()
    assert listed_ids(browser, "?within=1h") == ids[:1]
    assert listed_ids(browser, "?within=24h") == ids[:2]
    assert listed_ids(browser, "?within=7d") == ids[:3]
    assert listed_ids(browser, "?within=30d") == ids[:4]
    since, until = (f"{timezone.now() - timedelta(hours=hours):%Y-%m-%dT%H:%M}" for hours in (201, 4))
    assert listed_ids(browser, f"?since={since}") == ids[:4]
    assert listed_ids(browser, f"?until={until}") == ids[1:]
    assert listed_ids(browser, f"?since={since}&until={until}") == ids[1:4]


def test_period_filter_accepts_utc_offsets(browser: Client, rows: list[int]) -> None:
    assert listed_ids(browser, "?since=2001-01-01T00:00%2B02:00") == rows[::-1]


INVALID_QUERIES = (
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


@pytest.mark.parametrize("query", INVALID_QUERIES)
def test_invalid_parameters_cause_no_server_error(browser: Client, rows: list[int], query: str) -> None:
    response = browser.get(LIST + query, follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize("query", ("?nothing=1", "?details__x=1", "?action=USER_CREATED", "?e=1"))
def test_unknown_filter_shows_a_warning(browser: Client, rows: list[int], query: str) -> None:
    page = browser.get(LIST + query).content.decode()
    name = query.strip("?").partition("=")[0]
    assert f"There is no filter “{name}”." in page or "The URL was invalid" in page
    assert page.count('role="alert"') == 1


@pytest.mark.parametrize("name", ("webhooks/alert", "webhooks/replay", "accounts/reconciliation", "accounts/user"))
def test_read_only_lists_warn_about_an_unknown_filter(browser: Client, name: str) -> None:
    page = browser.get(f"/admin/{name}/?nothing=1").content.decode()
    assert "There is no filter “nothing”." in page


@pytest.mark.parametrize(
    ("query", "message"),
    (("?since=x", "From: enter a date and time"), ("?within=2h", "Choose one of the listed periods.")),
)
def test_invalid_period_shows_an_error(browser: Client, rows: list[int], query: str, message: str) -> None:
    assert message in browser.get(LIST + query).content.decode()


# --- Links ---


def test_row_links_to_rows_about_its_target_and_by_its_actor(
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


def test_links_name_users_instead_of_their_ids(browser: Client, rows: list[int], adam: User, olive: User) -> None:
    subject = browser.get(f"{LIST}?subject={olive.pk}")
    assert subject.context["cl"].title == f"Audit rows about {olive} and their profiles"
    for query, name in ((f"subject={olive.pk}", olive.name), (f"actor={adam.pk}", adam.name)):
        assert [chip.value for chip in browser.get(f"{LIST}?{query}").context["cl"].chips()] == [name]
    unknown = browser.get(f"{LIST}?subject={olive.pk + 1000}").context["cl"]
    assert [chip.value for chip in unknown.chips()] == [str(olive.pk + 1000)]


def test_erased_values_are_marked(browser: Client, rows: list[int]) -> None:
    execute_as_owner("UPDATE audit_auditlog SET actor_label = NULL, target_label = NULL, details = NULL")
    assert "<em>erased</em>" in browser.get(LIST).content.decode()
    assert "<em>erased</em>" in browser.get(f"{LIST}{rows[1]}/change/").content.decode()


# --- Pagination ---


def test_pages_link_to_older_and_newer_rows(browser: Client, olive: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeysetAdmin, "list_per_page", 3)
    for _ in range(8):
        log.record(Action.USER_UPDATED, actor=SYSTEM, target=olive)
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


def test_page_needs_one_query_for_rows_and_no_count(
    browser: Client, rows: list[int], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4) as captured:  # One query for the user, two for permissions and one for the rows.
        browser.get(LIST)
    assert not any("COUNT(" in query["sql"] or "DISTINCT" in query["sql"] for query in captured.captured_queries)
    with django_assert_num_queries(6):  # Two more queries for the first and last id in the period.
        browser.get(LIST + "?since=2026-01-01&until=2027-01-01")


# --- Exports ---


def test_export_contains_filtered_rows_and_is_logged(browser: Client, rows: list[int], adam: User, olive: User) -> None:
    response = browser.post(f"{EXPORT}?target=accounts.user:{olive.pk}&before=1", {"format": "jsonl"})
    assert response.headers["Content-Type"] == "application/jsonl; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="audit-log-')
    found = [json.loads(text) for text in read_body(response).splitlines()]
    assert [row["id"] for row in found] == [rows[2], rows[1], rows[0]]
    assert found[1]["details"] == {"role": "BUILDER"}
    export_row = AuditLog.objects.latest("pk")
    assert (export_row.action, export_row.actor_id, export_row.source) == (
        Action.AUDIT_EXPORTED,
        adam.pk,
        Source.REQUEST,
    )
    assert export_row.details == {"format": "jsonl", "filters": {"target": f"accounts.user:{olive.pk}", "before": "1"}}
    assert export_row.ip_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("query", "logged"),
    (
        ("q=olive@example.com", {"q": "…"}),
        ("q=Olive+Owner&target=Olive&delivery=%2B48600700800", {"delivery": "…", "q": "…", "target": "…"}),
        ("q=+msg_2abc+&delivery=msg_2abc", {"delivery": "msg_2abc", "q": "msg_2abc"}),
        ("q=17&target=accounts.user:17", {"q": "17", "target": "accounts.user:17"}),
        ("q=&within=24h", {"q": "", "within": "24h"}),
    ),
)
def test_logged_filters_contain_no_personal_data(browser: Client, query: str, logged: dict[str, str]) -> None:
    read_body(browser.post(f"{EXPORT}?{query}", {"format": "csv"}))
    assert AuditLog.objects.latest("pk").details == {"format": "csv", "filters": logged}


def test_csv_export_contains_the_same_rows(browser: Client, rows: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "CHUNK_SIZE", 2)
    found = list(csv.DictReader(io.StringIO(read_body(browser.post(EXPORT, {"format": "csv"})))))
    assert [int(row["id"]) for row in found] == rows[::-1]
    assert tuple(found[0]) == exports.COLUMNS
    assert found[2]["details"] == '{"role":"BUILDER"}'


#: User input, and the cell that it becomes.
FORMULAS = {
    '=HYPERLINK("https://evil.example")': '\'=HYPERLINK("https://evil.example")',
    "+1": "'+1",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "＝1+1": "'＝1+1",
    "Al;=cmd|' /C calc'!A0": "Al;'=cmd|' /C calc'!A0",
}


@pytest.mark.parametrize(("name", "cell"), FORMULAS.items())
def test_csv_cells_are_never_formulas(browser: Client, name: str, cell: str) -> None:
    log.record(
        Action.USER_UPDATED,
        actor=Actor(Source.REQUEST, user_agent=name),
        target=UserFactory.create(name=name),
    )
    [row] = csv.DictReader(io.StringIO(read_body(browser.post(EXPORT, {"format": "csv"})), newline=""))
    assert row["user_agent"] == cell
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) for value in row.values())


def test_export_is_streamed(browser: Client, rows: list[int]) -> None:
    """Rows written during the export are not included. Otherwise, the export might not end."""
    response = browser.post(EXPORT, {"format": "jsonl"})
    assert isinstance(response, StreamingHttpResponse)
    lines: Iterator[Any] = iter(response.streaming_content)
    first = json.loads(next(lines))
    log.record(Action.USER_UPDATED, actor=SYSTEM, target=UserFactory.create())
    assert [first["id"], *(json.loads(text)["id"] for text in lines)] == rows[::-1]


@pytest.mark.parametrize(
    ("query", "form", "message"),
    (
        ("", "xlsx", "Choose CSV or JSON Lines."),
        ("?since=x", "csv", "From: enter a date and time"),
        ("?nothing=1", "csv", "Nothing was exported. There is no filter “nothing”."),
        ("?target=%00", "csv", "the filter is invalid"),
    ),
)
def test_rejected_export_shows_a_message_and_is_not_logged(
    browser: Client, rows: list[int], query: str, form: str, message: str
) -> None:
    response = browser.post(EXPORT + query, {"format": form})
    assert response.status_code == 302
    assert message in " ".join(str(shown) for shown in get_messages(response.wsgi_request))
    assert not AuditLog.objects.filter(action=Action.AUDIT_EXPORTED).exists()


def test_only_staff_can_export(rows: list[int], olive: User) -> None:
    assert signed_in(olive).post(EXPORT, {"format": "csv"}).status_code == 302
    assert not AuditLog.objects.filter(action=Action.AUDIT_EXPORTED).exists()
