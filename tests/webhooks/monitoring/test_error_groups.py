"""Errors of events and jobs are grouped by type and location. Groups have a page, a state and a replay."""

import re
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format
from pytest_django import Settings

from accounts.clerk import fields
from audit.models import AuditLog
from core.errors import identify
from tests.helpers.clients import signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.jobs.rows import add_event, create_job
from webhooks import errors
from webhooks.inbox import handlers
from webhooks.inbox import service as inbox
from webhooks.jobs import failures
from webhooks.models import Alert, Attempt, ErrorGroup, JobFailure, WebhookEvent
from webhooks.monitoring import alerts
from webhooks.monitoring.error_groups import actions as group_actions

pytestmark = pytest.mark.django_db

URL = "/admin/webhooks/errorgroup/"
#: The session, the user, the permissions, and the queries of the list or the page.
LIST_QUERIES, PAGE_QUERIES = 7, 18


@pytest.fixture
def operator() -> Client:
    return with_password()


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make every event fail in a project function."""

    def fail(*args: Any, **kwargs: Any) -> NoReturn:
        raise error

    fail.__module__ = "accounts.sync.apply"
    monkeypatch.setattr(handlers, "handle", fail)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001
        return caught


def save_in_savepoint(row: ErrorGroup) -> None:
    with transaction.atomic():
        row.save()


class TestGrouping:
    def test_errors_that_differ_only_in_values_share_a_group(
        self, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("Olive", "Vera"):
            fail_with(monkeypatch, KeyError(name))
            webhook.created(person())
        group = ErrorGroup.objects.get()
        assert (group.error_type, group.state, group.events.count(), group.attempts.count()) == (
            "KeyError",
            "new",
            2,
            2,
        )

    def test_location_is_the_innermost_project_function(self) -> None:
        nothing: Any = None
        with pytest.raises(AttributeError) as caught:
            fields.read(nothing, "name", str)
        assert identify(caught.value) == ("AttributeError", "accounts.clerk.fields.read", "")

    def test_field_of_an_invalid_payload_is_part_of_the_group(self, webhook: WebhookClient) -> None:
        webhook.post('{"type": "user.created", "data": {"id": "user_1", "updated_at": "x"}}')
        webhook.post('{"type": "user.created", "data": []}')
        details = set(ErrorGroup.objects.values_list("detail", flat=True))
        assert "data.updated_at is not a number of milliseconds." in details
        assert len(details) == 2

    def test_constraint_is_part_of_the_group(self) -> None:
        ErrorGroup.objects.create(key="1", error_type="x")
        with pytest.raises(IntegrityError) as caught:
            save_in_savepoint(ErrorGroup(key="1", error_type="x"))
        kind = identify(caught.value)
        assert (kind.error_type, kind.detail) == ("UniqueViolation", "webhooks_group_key_unique")

    def test_job_errors_are_grouped_like_event_errors(self) -> None:
        error = raised(KeyError("Olive"))
        failures.record(create_job("failed"), error)
        assert errors.group_of(error) == ErrorGroup.objects.get().pk

    def test_settled_event_has_no_group_and_no_extra_query(self, webhook: WebhookClient) -> None:
        with CaptureQueriesContext(connection) as queries:
            webhook.created(person())
        assert not [query for query in queries.captured_queries if "webhooks_errorgroup" in query["sql"]]
        assert WebhookEvent.objects.get().error_group is None

    def test_group_is_cleared_when_the_event_is_applied(
        self, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            fail_with(patch, KeyError("Olive"))
            webhook.created(person())
        event = WebhookEvent.objects.get()
        assert event.error_group is not None
        inbox.retry(event.pk)
        event.refresh_from_db()
        assert event.state == "processed"
        assert event.error_group_id is None
        assert Attempt.objects.filter(error_group__isnull=False).count() == 1

    def test_known_group_costs_one_query(self) -> None:
        error = raised(KeyError("Olive"))
        errors.group_of(error)
        with CaptureQueriesContext(connection) as queries:
            errors.group_of(error)
        assert len(queries) == 1

    def test_last_occurrence_is_updated_after_a_minute(self) -> None:
        error, before = raised(KeyError()), timezone.now() - timedelta(minutes=2)
        pk = errors.group_of(error)
        ErrorGroup.objects.update(last_at=before)
        errors.group_of(error)
        assert ErrorGroup.objects.get(pk=pk).last_at > before


class TestState:
    @pytest.fixture
    def group(self) -> ErrorGroup:
        return ErrorGroup.objects.get(pk=errors.group_of(raised(KeyError("Olive"))))

    def act(self, browser: Client, group: ErrorGroup, state: str, version: str | None = None) -> str:
        data = {"state": state, "version": group_actions.version(group) if version is None else version}
        return str(browser.post(f"{URL}{group.pk}/action/", data, follow=True).content.decode())

    @pytest.mark.parametrize("state", ("known", "resolved"))
    def test_admin_changes_the_state(self, operator: Client, group: ErrorGroup, state: str) -> None:
        assert "The change was added to the audit log" in self.act(operator, group, state)
        group.refresh_from_db()
        assert group.state == state
        row = AuditLog.objects.get(action="ERROR_GROUP_CHANGED")
        assert (row.details or {})["state"] == ["new", state]

    def test_concurrent_change_shows_who_changed_the_group(self, operator: Client, group: ErrorGroup) -> None:
        adam = UserFactory.create(name="Adam Admin", admin=True)
        self.act(signed_in(adam), group, "known")
        text = self.act(operator, group, "resolved")
        assert "Nothing was changed. Adam Admin changed the state to “Known”" in text
        assert ErrorGroup.objects.get().state == "known"
        assert AuditLog.objects.filter(action="ERROR_GROUP_CHANGED").count() == 1

    def test_resolved_group_comes_back(self, operator: Client, group: ErrorGroup) -> None:
        self.act(operator, group, "resolved")
        errors.group_of(raised(KeyError("Vera")))
        returned = ErrorGroup.objects.get()
        assert (returned.state, returned.changed_by) == ("returned", None)
        resolved = ErrorGroup(pk=group.pk, state="resolved", changed_at=timezone.now())
        assert "The error came back at" in self.act(operator, resolved, "known")

    @pytest.mark.parametrize(("state", "version"), (("new", "new"), ("x", "new"), ("", ""), ("known", "x" * 1000)))
    def test_invalid_change_is_rejected(self, operator: Client, group: ErrorGroup, state: str, version: str) -> None:
        assert "Nothing was changed" in self.act(operator, group, state, version)
        assert ErrorGroup.objects.get().state == "new"


class TestPages:
    @pytest.fixture
    def olive(self, webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Store a user with a failed event, and a failed job of the user with the same error."""
        sample = person()
        user = UserFactory.create(clerk_id=sample.clerk_id, name="Olive Owner")
        error = raised(KeyError("olive@example.com"))
        with monkeypatch.context() as patch:
            fail_with(patch, error)
            webhook.created(sample)
        failures.record(create_job("failed", args={"user_id": user.pk}, task="accounts.tasks.push_metadata"), error)
        return user

    def page(self, browser: Client) -> str:
        return str(browser.get(f"{URL}{ErrorGroup.objects.latest('pk').pk}/change/").content.decode())

    def test_page_shows_cause_people_events_and_jobs(self, operator: Client, olive: Any) -> None:
        text = self.page(operator)
        order = ["KeyError: …", "Replay all events", "Failures by hour", "1 affected person", "Olive Owner"]
        assert order == sorted(order, key=text.index)
        assert olive.clerk_id not in text
        assert "1 event fails with this error." in text
        assert "Send a user&#x27;s changes to Clerk" in text

    def test_page_of_a_retried_job_shows_the_retry_and_its_last_failure(self, operator: Client) -> None:
        failures.record(create_job("todo", attempts=3), raised(KeyError("Olive")))
        ErrorGroup.objects.update(last_at=timezone.now() - timedelta(seconds=50))
        [failed_at] = JobFailure.objects.values_list("failed_at", flat=True)
        text = self.page(operator)
        assert "1 job is being retried." in text
        assert "No event or job fails with this error now." not in text
        assert f"<dt>Last seen</dt><dd>{date_format(failed_at, 'j M Y H:i:s')}</dd>" in text

    def test_group_replay_selects_its_events(self, operator: Client, olive: Any) -> None:
        group = WebhookEvent.objects.get().error_group_id
        response = operator.get(f"/admin/webhooks/webhookevent/repair/?error_group={group}&state=unsettled")
        assert "1 event." in response.content.decode()
        data = {"action": "dry_run", "reason": "Check the fix", "newest": WebhookEvent.objects.get().pk}
        operator.post(f"/admin/webhooks/webhookevent/repair/?error_group={group}&state=unsettled", data)
        assert AuditLog.objects.filter(action="REPLAY_STARTED").count() == 1

    def test_event_and_job_pages_link_to_the_group(self, operator: Client, olive: Any) -> None:
        event = WebhookEvent.objects.get()
        link = f'href="{URL}{event.error_group_id}/change/"'
        assert link in operator.get(f"/admin/webhooks/webhookevent/{event.pk}/change/").content.decode()

    def test_program_errors_are_labelled_with_their_place(self, operator: Client, olive: Any) -> None:
        ErrorGroup.objects.update(place="profiles.pages.views.show")
        event, job = WebhookEvent.objects.get(), JobFailure.objects.get().job_id
        add_event(job, "started", timezone.now() - timedelta(minutes=1))
        lists = ("/admin/webhooks/webhookevent/", "/admin/webhooks/job/", URL)
        for url in lists:
            assert "<small>Bug in our code</small>" in operator.get(url).content.decode(), url
        for url in (
            f"{lists[0]}{event.pk}/change/",
            f"{lists[1]}{job}/change/",
            f"{URL}{event.error_group_id}/change/",
        ):
            text = " ".join(re.sub("<[^>]*>", " ", operator.get(url).content.decode()).split()).partition("View site")[
                2
            ]
            advice = "Report it to the developers, and retry after the next release."
            assert f"Bug in our code. {advice} Place: profiles.pages.views.show" in text, url

    @pytest.mark.parametrize("change", ({"error_type": "ConnectTimeout"}, {"place": ""}))
    def test_other_errors_are_not_labelled(self, operator: Client, olive: Any, change: dict[str, str]) -> None:
        ErrorGroup.objects.update(**{"place": "profiles.pages.views.show"} | change)
        event, job = WebhookEvent.objects.get(), JobFailure.objects.get().job_id
        add_event(job, "started", timezone.now() - timedelta(minutes=1))
        WebhookEvent.objects.update(state="dead", next_attempt_at=None)
        alerts.check()
        pages = (
            *(URL, f"{URL}{event.error_group_id}/change/"),
            *("/admin/webhooks/job/", f"/admin/webhooks/job/{job}/change/"),
            *("/admin/webhooks/webhookevent/", f"/admin/webhooks/webhookevent/{event.pk}/change/"),
            f"/admin/webhooks/alert/{Alert.objects.get(rule=Alert.Rule.DEAD_EVENTS).pk}/change/",
        )
        for url in pages:
            text = operator.get(url).content.decode()
            assert "KeyError" in text or "ConnectTimeout" in text, url
            assert "Bug in our code" not in text, url

    def test_sentry_link_requires_the_setting(self, operator: Client, olive: Any, settings: Settings) -> None:
        assert "Open in Sentry" not in self.page(operator)
        settings.SENTRY_ISSUES_URL = "https://example.sentry.io/issues/?project=1"
        key = ErrorGroup.objects.latest("pk").key
        assert f"https://example.sentry.io/issues/?project=1&amp;query=error_group%3A{key}" in self.page(operator)

    def test_list_shows_counts_and_filters(self, operator: Client, olive: Any) -> None:
        text = operator.get(URL).content.decode()
        assert "<h1>Error groups</h1>" in text
        assert ">KeyError</a>" in text
        assert ">KeyError</a>" not in operator.get(f"{URL}?state=resolved").content.decode()
        assert ">KeyError</a>" in operator.get(f"{URL}?q=keyerr&within=1h").content.decode()
        assert "errornote" in operator.get(f"{URL}?state=x").content.decode()

    def test_group_is_named_by_its_kind_and_place(self, operator: Client) -> None:
        group = ErrorGroup.objects.create(key="x", error_type="UniqueViolation", detail="slug", place="profiles.save")
        assert str(group) == "UniqueViolation: slug in profiles.save"
        text = operator.get(f"{URL}{group.pk}/change/").content.decode()
        assert '<li aria-current="page">UniqueViolation: slug in profiles.save</li>' in text
        listed = operator.get(f"/admin/webhooks/webhookevent/?error_group={group.pk}").content.decode()
        assert 'Error group: <strong dir="auto">UniqueViolation: slug in profiles.save</strong>' in listed
        unknown = operator.get(f"/admin/webhooks/job/?error_group={group.pk + 1}").content.decode()
        assert f'Error group: <strong dir="auto">{group.pk + 1}</strong>' in unknown

    def test_number_of_queries_does_not_depend_on_failures(self, operator: Client, olive: Any) -> None:
        def count(url: str) -> int:
            with CaptureQueriesContext(connection) as queries:
                assert operator.get(url).status_code == 200
            return len(queries)

        page = f"{URL}{WebhookEvent.objects.get().error_group_id}/change/"
        few = count(URL), count(page)
        [attempt] = Attempt.objects.all()
        for number in range(60):
            attempt.pk, attempt.number = None, number + 2
            attempt.save()
        for number in range(5):
            ErrorGroup.objects.create(key=f"x{number}", error_type="ValueError")
        assert (count(URL), count(page)) == few
        assert few[0] <= LIST_QUERIES
        assert few[1] <= PAGE_QUERIES
