"""The list of events: filters, search, sort orders, pagination, time limits and export."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit.models import AuditLog
from core.admin import keyset
from core.db import keyset as orders
from tests.helpers.clients import signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.admin import links
from webhooks.admin.events.actions import describe_filters
from webhooks.admin.events.admin import WebhookEventAdmin
from webhooks.inbox import csv_export
from webhooks.models import EventCount, WebhookEvent
from webhooks.templatetags.operators import breakable

pytestmark = pytest.mark.django_db

LIST, EXPORT = "/admin/webhooks/webhookevent/", "/admin/webhooks/webhookevent/export/"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ERROR = "IntegrityError: Key (email)=(olive@example.com) already exists."
FAILED = {"state": "failed", "error_class": "transient", "last_error": ERROR, "processed_at": None}


@pytest.fixture
def operator() -> Client:
    """Return a client signed in as a local superuser. It needs no session token, so time can be frozen."""
    return with_password()


@pytest.fixture
def olive() -> User:
    olive: User = UserFactory.create(clerk_id="user_olive", name='Olive & "Owner"', email="olive@example.com")
    return olive


@pytest.fixture
def events(olive: User) -> dict[str, WebhookEvent]:
    """Return events with different values for every filter, oldest first."""
    return {
        "old": event(NOW - 40 * DAY, event_type="user.created", clerk_user_id=olive.clerk_id),
        "ignored": event(NOW - 3 * DAY, event_type="email.created", state="ignored", source_address="203.0.113.9"),
        "stale": event(NOW - 5 * HOUR, state="stale", source_address="2600:1f24:64:8000::7"),
        "dead": event(
            NOW - 2 * HOUR, state="dead", error_class="permanent", last_error="ClerkPayloadError: x", processed_at=None
        ),
        "failed": event(NOW - HOUR / 2, **FAILED, next_attempt_at=NOW, clerk_user_id=olive.clerk_id, attempts=4),
        "new": event(NOW - MINUTE, event_type="user.deleted", clerk_user_id="user_unknown", attempts=2),
    }


def get(browser: Client, query: str = "") -> Any:
    with time_machine.travel(NOW, tick=False):
        response = browser.get(LIST + query)
    assert response.status_code == 200, query
    return response


def shown(browser: Client, events: dict[str, WebhookEvent], query: str = "") -> list[str]:
    names = {one.pk: name for name, one in events.items()}
    return [names[row.pk] for row in get(browser, query).context["cl"].result_list]


def page(browser: Client, query: str = "") -> str:
    return str(get(browser, query).content.decode())


# --- Filters ---


def test_filters_select_matching_events(operator: Client, events: dict[str, WebhookEvent], olive: User) -> None:
    expected = {
        "": ["new", "failed", "dead", "stale", "ignored", "old"],
        "?state=failed": ["failed"],
        "?state=failed&state=stale&state=ignored": ["failed", "stale", "ignored"],
        "?state=unsettled": ["failed", "dead"],
        "?state=unsettled&state=stale": ["failed", "dead", "stale"],
        "?event_type=user.created": ["old"],
        "?event_type=user.updated&state=processed": [],
        "?error_class=permanent": ["dead"],
        "?error_type=ClerkPayloadError": ["dead"],
        "?error_type=ClerkPayload": [],
        "?user=user_olive": ["failed", "old"],
        f"?user={olive.pk}": ["failed", "old"],
        "?source=203.0.113.9": ["ignored"],
        "?source=2600:1f24:0064:8000:0:0:0:7": ["stale"],
        "?within=1h": ["new", "failed"],
        "?within=24h": ["new", "failed", "dead", "stale"],
        "?within=7d": ["new", "failed", "dead", "stale", "ignored"],
        "?received_at__gte=2026-11-20T07:30": ["new", "failed", "dead"],
        "?received_at__gte=2026-11-20T08:30%2B01:00": ["new", "failed", "dead"],
        "?received_at__lt=2026-11-20T07:30": ["stale", "ignored", "old"],
        "?received_at__gte=2026-11-20&received_at__lt=2026-11-20T07:30": ["stale"],
        "?within=24h&received_at__gte=2026-11-20T07:30&state=dead": ["dead"],
        "?within=1h&received_at__gte=2020-01-01": ["new", "failed"],
        "?state=&event_type=&within=&user=": ["new", "failed", "dead", "stale", "ignored", "old"],
    }
    assert {query: shown(operator, events, query) for query in expected} == expected


def test_dashboard_links_select_matching_events(operator: Client, events: dict[str, WebhookEvent]) -> None:
    address = links.events_url(state="processed", event_type="user.created", since=NOW - 60 * DAY)
    assert shown(operator, events, address.removeprefix(LIST)) == ["old"]
    assert shown(operator, events, links.events_url(state="failed").removeprefix(LIST)) == ["failed"]


def test_active_filters_are_shown_as_removable_chips(operator: Client, events: dict[str, WebhookEvent]) -> None:
    found = get(operator, "?state=failed&state=dead&error_class=permanent&q=user_x&sort=-lag&before=1.1")
    chips = {(str(chip.label), str(chip.value)): chip.remove_url for chip in found.context["cl"].chips()}
    assert chips == {
        ("Search", "user_x"): "?error_class=permanent&sort=-lag&state=failed&state=dead",
        ("State", "Failed"): "?error_class=permanent&q=user_x&sort=-lag&state=dead",
        ("State", "Dead"): "?error_class=permanent&q=user_x&sort=-lag&state=failed",
        ("Error class", "Permanent"): "?q=user_x&sort=-lag&state=failed&state=dead",
    }
    text = found.content.decode()
    assert 'href="?sort=-lag">Clear all</a>' in text
    assert 'value="failed" id="id_state_3" checked' in text
    assert 'aria-label="Remove filter Error class Permanent"' in text
    assert "Clear all" not in page(operator)


def test_chips_show_names_and_times_instead_of_values_in_the_url(operator: Client, olive: User) -> None:
    query = f"?user={olive.pk}&received_at__gte=2026-11-20T08:30%2B01:00"
    changelist = get(operator, query).context["cl"]
    assert {(str(chip.label), str(chip.value)) for chip in changelist.chips()} == {
        ("User", str(olive)),
        ("Received from (UTC)", "20 Nov 2026 07:30:00"),
    }
    unknown = get(operator, "?user=user_unknown").context["cl"]
    assert [(str(chip.label), chip.value) for chip in unknown.chips()] == [("User", "user_unknown")]
    assert str(olive) not in describe_filters(changelist)
    assert str(olive.clerk_id) in describe_filters(changelist)


def test_event_types_break_only_between_words(operator: Client, events: dict[str, WebhookEvent]) -> None:
    assert 'class="type">user.<wbr>created</td>' in page(operator)
    assert breakable("a_b.<c>") == "a_<wbr>b.&lt;c&gt;"


def test_recent_event_types_are_suggested(operator: Client) -> None:
    hour = {"state": "ignored", "events": 1, "deliveries": 1}
    EventCount.objects.create(hour=NOW - DAY, event_type="organization.created", **hour)
    EventCount.objects.create(hour=NOW - 60 * DAY, event_type="sms.created", **hour)
    text = page(operator)
    assert '<option value="organization.created">' in text
    assert '<option value="user.created">' in text
    assert '<option value="sms.created">' not in text


INVALID_PARAMETERS = {
    "?state=nope": "State: There is no state “nope”.",
    "?state=%27%3B--": "There is no state “&#x27;;--”.",
    "?error_class=nope": "Error class: There is no error class “nope”.",
    "?within=2h": "Received: There is no time range “2h”.",
    "?received_at__gte=x": "Received from (UTC): Enter a time such as 2026-11-24T09:30.",
    "?received_at__gte=0001-01-01T00:00%2B14:00": "Enter a time such as",
    "?received_at__lt=9999-12-31T23:59-14:00": "Enter a time such as",
    "?received_at__lt=2026-99-99": "Received before (UTC): Enter a time such as",
    "?user=4711": "There is no user 4711 with a Clerk ID.",
    "?source=1.2.3": "Source address: Enter a valid IPv4 or IPv6 address.",
    "?source=%3Cscript%3E": "Enter a valid IPv4 or IPv6 address.",
    f"?event_type={'x' * 101}": "Event type: Ensure this value has at most 100 characters",
    "?nothing=1": "There is no filter “nothing”.",
    "?payload__contains=x&state__exact=failed": "There is no filter “payload__contains”.",
    "?sort=payload": "This list cannot be sorted that way, so the default order is shown.",
    "?sort=--lag": "This list cannot be sorted that way",
    "?before=x": "That page does not exist, so the first page is shown.",
    "?before=2026-11-20T09:30:00.1": "That page does not exist",
    "?before=1795167000000000.99999999999999999999": "That page does not exist",
    "?sort=-lag&before=999999999999999999999999999.1": "That page does not exist",
    "?sort=attempts&after=1": "That page does not exist",
    "?sort=attempts&after=x.1": "That page does not exist",
    "?e=1": "The URL was invalid, so the list is not filtered.",
}


@pytest.mark.parametrize(("query", "message"), INVALID_PARAMETERS.items())
def test_invalid_parameters_are_reported_and_ignored(
    operator: Client, events: dict[str, WebhookEvent], query: str, message: str
) -> None:
    response = get(operator, query)
    assert message in response.content.decode()
    assert len(response.context["cl"].result_list) == len(events)


@pytest.mark.parametrize(
    "query",
    (
        *("?q=%00", "?event_type=%00", "?state=%00", "?user=%00"),
        *("?user=99999999999999999999999", "?user=²", "?q=²", "?q=@", "?q=%F0%9F%A4%B7", "?p=7", "?all=", "?o=1.2.-3"),
        *("?_facets=True", "?_popup=1", "?before=1&after=1", "?sort=attempts&before=99999999999999999999.1"),
        *("?after=1795167000000000.-5", "?state=failed&state=failed"),
    ),
)
def test_no_query_string_causes_a_server_error(operator: Client, events: dict[str, WebhookEvent], query: str) -> None:
    assert operator.get(LIST + query, follow=True).status_code == 200


def test_valid_filters_apply_next_to_invalid_ones(operator: Client, events: dict[str, WebhookEvent]) -> None:
    assert shown(operator, events, "?state=failed&within=2h") == ["failed"]
    assert shown(operator, events, "?e=1&user=user_olive") == ["failed", "old"]


@pytest.mark.parametrize("query", ("?e=1&user=user_olive", "?e=1&q=msg_1"))
def test_warning_reflects_the_remaining_filters(operator: Client, query: str) -> None:
    text = page(operator, query)
    assert "the list is not filtered" not in text
    assert "Part of the URL was invalid and has been ignored." in text


def test_long_filter_values_are_truncated(operator: Client) -> None:
    text = page(operator, f"?q={'x' * 3000}&event_type={'y' * 3000}")
    [chips] = re.findall(r'<ul class="chips".*?</ul>', text, re.DOTALL)
    shown = re.sub(r'href="[^"]*"', "", chips)  # the chips' links contain the other filters
    assert "x" * 70 in shown
    assert "y" * 70 in shown
    assert len(shown) < 1500


# --- Search ---


def test_search_finds_delivery_ids_user_ids_and_email_addresses(
    operator: Client, events: dict[str, WebhookEvent], olive: User
) -> None:
    UserFactory.create(clerk_id=None, email="OLIVE@example.com")  # has no events
    expected = {
        events["stale"].svix_id: ["stale"],
        f"+{events['stale'].svix_id}+": ["stale"],
        events["stale"].svix_id[:-1]: [],
        "user_olive": ["failed", "old"],
        "user_unknown": ["new"],
        "user_o": [],
        "olive@example.com": ["failed", "old"],
        "Olive%40EXAMPLE.com": ["failed", "old"],
        "vera@example.com": [],
    }
    assert {term: shown(operator, events, f"?q={term}") for term in expected} == expected
    assert shown(operator, events, "?q=olive@example.com&state=failed") == ["failed"]
    assert "search by Clerk user ID" in page(operator, "?q=vera@example.com")
    assert "an email address" in page(operator)


# --- Sort orders and pages ---


def follow_pages(browser: Client, query: str, link: str) -> tuple[list[list[int]], Any]:
    """Follow a link from page to page. Return the IDs on each page, and the last page."""
    pages, last = [], None
    while query:
        last = get(browser, query).context["cl"]
        pages.append([row.pk for row in last.result_list])
        query = getattr(last, link)
    return pages, last


def sort_key(name: str) -> Callable[[WebhookEvent], Any]:
    lag = {"lag": lambda one: one.lag or -1000 * DAY}
    return lag.get(name, lambda one: getattr(one, {"received": "received_at"}.get(name, name)))


@pytest.mark.parametrize("name", ("received", "lag", "attempts"))
@pytest.mark.parametrize("sign", ("-", ""))
@pytest.mark.parametrize("where", ("", "&state=processed&state=failed"))
def test_pages_contain_each_event_exactly_once(
    operator: Client, monkeypatch: pytest.MonkeyPatch, name: str, sign: str, where: str
) -> None:
    """Many events have the same value, so some page boundaries are between equal values."""
    monkeypatch.setattr(WebhookEventAdmin, "list_per_page", 4)
    for number in range(23):
        facts: dict[str, Any] = {"attempts": 1 + number % 7 // 5}
        if number % 6 == 5:
            facts |= FAILED | {"next_attempt_at": NOW}
        elif number % 11 == 10:
            facts["state"] = "stale"
        else:
            facts["processed_at"] = NOW + timedelta(microseconds=number % 3)
        event(NOW - timedelta(microseconds=number // 3), **facts)
    expected_events = [one for one in WebhookEvent.objects.all() if not where or one.state != "stale"]
    rows = sorted(expected_events, key=lambda one: (sort_key(name)(one), one.pk), reverse=sign == "-")
    expected = [one.pk for one in rows]
    first = f"?sort={sign}{name}{where}"
    forwards, last = follow_pages(operator, first, "older_link")
    assert [pk for found in forwards for pk in found] == expected
    assert all(len(found) == 4 for found in forwards[:-1])

    back, _ = follow_pages(operator, last.newer_link, "newer_link")
    assert [pk for found in reversed(back) for pk in found] + forwards[-1] == expected
    assert back[-1] == forwards[0]


def test_sort_links_keep_the_filters(operator: Client, events: dict[str, WebhookEvent]) -> None:
    text = page(operator, "?state=failed&sort=-lag&before=5.5")
    assert '<a href="?sort=-received&amp;state=failed" >Received</a>' in text
    assert '<a href="?sort=lag&amp;state=failed" aria-current="true">Delay' in text
    assert '<a href="?sort=-attempts&amp;state=failed" >Attempts</a>' in text
    assert '<input type="hidden" name="sort" value="-lag">' in text
    assert "until the event was applied here" in text
    assert shown(operator, events, "?sort=-attempts")[:2] == ["failed", "new"]
    assert shown(operator, events, "?sort=received") == ["old", "ignored", "stale", "dead", "failed", "new"]


def test_empty_page_links_to_the_first(operator: Client, events: dict[str, WebhookEvent]) -> None:
    found = get(operator, "?before=978307200000000.1").context["cl"]
    assert (found.result_list, found.newest_link) == ([], "?")


# --- Rows ---


def test_row_shows_user_time_state_and_attempts(operator: Client, events: dict[str, WebhookEvent], olive: User) -> None:
    text = page(operator)
    assert f'href="/admin/accounts/user/{olive.pk}/timeline/" dir="auto">Olive &amp; &quot;Owner&quot;</a>' in text
    assert '<span class="quiet">user_unknown</span>' in text
    assert '<time datetime="2026-11-20T09:29:00+00:00">20 Nov 2026 09:29:00</time>' in text
    assert "1 min ago" in text
    for state, level in (("processed", "good"), ("ignored", "neutral"), ("failed", "attention"), ("dead", "bad")):
        assert f'<span class="state is-{level}"><svg class="state-icon"' in text
        assert f"states.svg#{state}" in text
    assert '<td data-label="Delay">3 s</td>' in text
    assert '<td data-label="Attempts">4</td>' in text
    address = f"{LIST}{events['dead'].pk}/change/?_changelist_filters=state%3Ddead"  # the link back keeps the filter
    assert f'href="{address}"' in page(operator, "?state=dead")


def test_page_has_a_constant_number_of_queries_and_never_counts(
    operator: Client, events: dict[str, WebhookEvent], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # The operator; the position for live updates; the rows, with a savepoint and a time limit; the users of the rows; the
    # event types.
    with django_assert_num_queries(9) as captured:
        page(operator)
    statements = [query["sql"] for query in captured.captured_queries]
    assert not any("COUNT(" in sql or '"payload"' in sql or '"headers"' in sql for sql in statements)
    with django_assert_num_queries(9):
        page(operator, "?state=unsettled&event_type=user.updated&sort=-lag&q=user_olive")
    with django_assert_num_queries(10):
        page(operator, "?q=olive@example.com")


# --- Time limits ---


@pytest.mark.django_db(transaction=True)
def test_slow_query_times_out_with_advice(
    operator: Client, events: dict[str, WebhookEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebhookEventAdmin, "timeout_ms", 50)
    with connection.cursor() as cursor:  # a view that makes each row slow to read
        cursor.execute("ALTER TABLE webhooks_webhookevent RENAME TO events_kept")
        cursor.execute("CREATE VIEW webhooks_webhookevent AS SELECT * FROM events_kept WHERE pg_sleep(0.1) IS NOT NULL")
    try:
        text = page(operator, "?state=stale")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW webhooks_webhookevent")
            cursor.execute("ALTER TABLE events_kept RENAME TO webhooks_webhookevent")
    assert "Choose a shorter time range" in text
    assert "No results" not in text
    assert "Choose a shorter time range" not in page(operator)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("30s",)


def test_other_database_errors_are_not_reported_as_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = WebhookEvent.objects.extra(where=["1 / (id - id) = 1"])
    event()
    with pytest.raises(Exception, match="division by zero"):
        keyset.fetch_rows(rows, 1000)


# --- Actions ---


def test_admin_actions_get_selected_rows_and_filtered_events(
    operator: Client, events: dict[str, WebhookEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    acted: list[list[int]] = []

    @admin.action(description="Look again", permissions=["view"])
    def look_again(modeladmin: Any, request: HttpRequest, queryset: Any) -> HttpResponse:
        acted.append([*queryset.values_list("pk", flat=True)])
        everything = modeladmin.get_changelist_instance(request).queryset
        acted.append([*everything.values_list("pk", flat=True)])
        return HttpResponse("done")

    monkeypatch.setattr(WebhookEventAdmin, "actions", [])
    assert "_selected_action" not in page(operator)
    monkeypatch.setattr(WebhookEventAdmin, "actions", [look_again])
    text = page(operator)
    assert text.count('class="action-select"') == len(events)
    assert '<option value="look_again">Look again</option>' in text
    data = {"action": "look_again", "index": "0", "_selected_action": [events["dead"].pk, events["new"].pk]}
    response = operator.post(f"{LIST}?state=unsettled&sort=-lag", data)
    assert response.content == b"done"
    assert acted == [[events["dead"].pk], [events["failed"].pk, events["dead"].pk]]

    acted.clear()
    operator.post(f"{LIST}?state=unsettled&within=nonsense", data)
    assert acted == [[], []]  # instead of all events


# --- Export ---


def rows_of(response: Any) -> list[dict[str, str]]:
    assert isinstance(response, StreamingHttpResponse)
    text = response.getvalue().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_export_contains_the_filtered_events_and_is_audited(
    events: dict[str, WebhookEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "CHUNK_SIZE", 1)
    adam = UserFactory.create(admin=True)
    response = signed_in(adam).post(f"{EXPORT}?state=unsettled&state=stale&sort=-attempts&before=1.1")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="events-')
    found = rows_of(response)
    assert tuple(found[0]) == csv_export.COLUMNS
    assert [int(row["id"]) for row in found] == [events[name].pk for name in ("failed", "dead", "stale")]
    assert (found[0]["clerk_user_id"], found[0]["error"], found[0]["attempts"]) == ("user_olive", "IntegrityError", "4")
    assert (found[2]["lag_s"], found[0]["lag_s"]) == ("3.0", "")
    assert found[2]["received_at"] == "2026-11-20T04:30:00+00:00"
    row = AuditLog.objects.latest("pk")
    assert (row.action, row.actor_id, row.source) == ("EVENTS_EXPORTED", adam.pk, "request")
    assert row.details == {"format": "csv", "filters": {"state": ["unsettled", "stale"]}}


def test_export_and_audit_log_contain_no_email_address(events: dict[str, WebhookEvent], operator: Client) -> None:
    WebhookEvent.objects.update(payload="olive@example.com", headers={"x": "olive@example.com"})
    found = rows_of(operator.post(f"{EXPORT}?q=Olive@example.com"))
    assert len(found) == 2
    assert "olive@" not in str(found).lower()
    assert AuditLog.objects.latest("pk").details == {"format": "csv", "filters": {"q": ["user_olive"]}}


@pytest.mark.parametrize(
    ("query", "kept"),
    (
        ("q=Olive+Owner", {"q": "…"}),
        ("q=user_olive&user=msg_2abc", {"q": "user_olive", "user": ["msg_2abc"]}),
        ("user=olive@example.com&event_type=olive@example.com", {"user": ["…"], "event_type": ["…"]}),
    ),
)
def test_audit_log_of_export_contains_no_personal_data(operator: Client, query: str, kept: dict[str, Any]) -> None:
    rows_of(operator.post(f"{EXPORT}?{query}"))
    assert AuditLog.objects.latest("pk").details == {"format": "csv", "filters": kept}


def test_notes_are_not_exported_as_errors(operator: Client) -> None:
    event(last_error="Olive: she asked for it", state="ignored")
    assert [row["error"] for row in rows_of(operator.post(EXPORT))] == [""]


def test_formulas_are_escaped(operator: Client) -> None:
    event(event_type='=HYPERLINK("https://evil.example")', clerk_user_id="@SUM(A1)")
    [row] = rows_of(operator.post(EXPORT))
    assert row["event_type"] == '\'=HYPERLINK("https://evil.example")'
    assert row["clerk_user_id"] == "'@SUM(A1)"


def test_events_received_during_an_export_are_not_included(operator: Client, events: dict[str, WebhookEvent]) -> None:
    response: Any = operator.post(EXPORT)
    event(timezone.now())
    assert len(rows_of(response)) == len(events)


@pytest.mark.parametrize(
    ("query", "message"),
    (
        ("?state=nope", "Nothing was exported. State: There is no state “nope”."),
        ("?nothing=1", "Nothing was exported. There is no filter “nothing”."),
        ("?q=%00", "Nothing was exported, because the filter is invalid."),
    ),
)
def test_invalid_filter_exports_nothing(operator: Client, query: str, message: str) -> None:
    response = operator.post(EXPORT + query)
    assert response.status_code == 302
    assert message in " ".join(str(sent) for sent in get_messages(response.wsgi_request))
    assert not AuditLog.objects.filter(action="EVENTS_EXPORTED").exists()


def test_only_staff_can_export(olive: User) -> None:
    assert signed_in(olive).post(EXPORT).status_code == 302
    assert not AuditLog.objects.filter(action="EVENTS_EXPORTED").exists()


def test_changelist_works_without_its_page(rf: RequestFactory, events: dict[str, WebhookEvent]) -> None:
    """The repair page uses it this way."""
    request = rf.post(f"{LIST}?state=unsettled")
    request.user = UserFactory.create(admin=True)
    found = admin.site.get_model_admin(WebhookEvent).get_changelist_instance(request).queryset
    assert {one.pk for one in found} == {events["failed"].pk, events["dead"].pk}
