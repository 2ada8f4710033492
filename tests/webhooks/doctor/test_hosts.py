"""The checks that compare the hosts of the site."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from tests.deploy.test_secrets import CANARIES, FORBIDDEN
from tests.webhooks.monitoring.test_check_results import NOW, state_of
from webhooks.doctor import hosts
from webhooks.models import Alert, CheckResult, HostReport
from webhooks.monitoring import host_reports

pytestmark = pytest.mark.django_db

LONG_AGO, JUST_NOW = timedelta(hours=5), timedelta(minutes=2)
SETTINGS = {"SECRET_KEY": "aaaaaa", "SITE_URL": "bbbbbb", "EMAIL_URL": "cccccc"}


def report(host: str, *, version: str = "1.0", ago: timedelta = LONG_AGO, kind: str = "web", **digests: str) -> None:
    HostReport.objects.create(
        host=host,
        kind=kind,
        version=version,
        digests=SETTINGS | digests,
        changed_at=timezone.now() - ago,
        seen_at=Now(),
    )


def test_equal_hosts_pass() -> None:
    report("one")
    report("two", kind="worker")
    assert hosts.check_hosts().note == "one (web), two (worker): version 1.0, equal settings."


def test_without_reports_the_check_is_skipped() -> None:
    assert hosts.check_hosts().is_skipped


def test_different_settings_are_named_with_their_hosts() -> None:
    report("one")
    report("two")
    report("three", SECRET_KEY="dddddd", EMAIL_URL="eeeeee")
    finding = hosts.check_hosts()
    assert finding.problem == "three (web) differs from one (web), two (web): other values of EMAIL_URL, SECRET_KEY."
    assert "Only BIND" in finding.advice


def test_different_versions_are_named_with_their_hosts() -> None:
    report("one", version="1.1")
    report("two", version="1.1", kind="worker")
    report("three")
    text = "three (web) differs from one (web), two (worker): version 1.0 instead of 1.1."
    assert hosts.check_hosts().problem == text


def test_rolling_upgrade_is_not_a_problem_at_once() -> None:
    """The difference begins when the first host of the new version starts."""
    for number in range(3):
        report(f"old {number}")
    report("new", version="1.1", ago=JUST_NOW, SECRET_KEY="dddddd")
    finding = hosts.check_hosts()
    assert not finding.problem
    assert "new (web) differs" in finding.note
    HostReport.objects.filter(host="new").update(changed_at=timezone.now() - hosts.GRACE)
    report("newer", version="1.1", ago=JUST_NOW, SECRET_KEY="dddddd")
    assert "new (web), newer (web) differ from" in hosts.check_hosts().problem


def test_stopped_hosts_are_ignored() -> None:
    report("one")
    report("two", version="0.9")
    HostReport.objects.filter(host="two").update(seen_at=timezone.now() - hosts.RUNNING)
    assert not hosts.check_hosts().problem


def test_settings_that_only_one_version_compares_do_not_differ() -> None:
    report("one")
    report("two", NEW_SETTING="ffffff")
    assert "equal settings" in hosts.check_hosts().note


def test_many_hosts_are_counted() -> None:
    for number in range(9):
        report(f"web-{number}")
    report("odd", SITE_URL="dddddd")
    assert "web-4 (web) and 4 more" in hosts.check_hosts().problem


def test_report_keeps_the_time_of_the_last_change(settings: Settings) -> None:
    def changed_at() -> datetime:
        return HostReport.objects.get(kind="web").changed_at

    host_reports.report(HostReport.Kind.WEB)
    HostReport.objects.update(changed_at=NOW)
    host_reports.report(HostReport.Kind.WEB)
    assert changed_at() == NOW
    settings.SITE_URL = "https://other.example.com"
    host_reports.report(HostReport.Kind.WEB)
    assert changed_at() > NOW
    host_reports.report(HostReport.Kind.WORKER)
    assert HostReport.objects.count() == 2


def test_old_reports_of_other_hosts_are_deleted() -> None:
    report("gone")
    HostReport.objects.update(seen_at=timezone.now() - timedelta(days=2))
    host_reports.report(HostReport.Kind.WEB)
    assert not HostReport.objects.filter(host="gone").exists()


def test_digests_reveal_no_value(settings: Settings) -> None:
    for variable, name in host_reports.COMPARED.items():
        if variable in CANARIES:
            setattr(settings, name, CANARIES[variable])
    found = host_reports.digests()
    assert {len(digest) for digest in found.values()} == {host_reports.DIGEST_LENGTH}
    assert not [value for value in FORBIDDEN if value in str(found)]


def test_every_compared_setting_changes_its_digest(settings: Settings) -> None:
    before: dict[str, Any] = host_reports.digests()
    for name in host_reports.COMPARED.values():
        setattr(settings, name, "other")
    settings.STORAGES = {"default": {"OPTIONS": {"bucket_name": "b", "endpoint_url": "e"}}}
    after = host_reports.digests()
    assert {name for name in before if before[name] != after[name]} == set(before)


def test_different_hosts_open_an_alert() -> None:
    CheckResult.objects.create(name="hosts", state="failed", summary="Hosts differ.", checked_at=NOW)
    assert state_of(Alert.Rule.DIAGNOSTICS) == "broken"


@pytest.mark.parametrize(("is_live", "text"), ((True, "LIVE_SITE is on."), (False, "no email and no alerts are sent")))
def test_copy_that_is_not_live_is_explained(settings: Settings, text: str, *, is_live: bool) -> None:
    settings.LIVE_SITE = is_live
    finding = hosts.check_live_site()
    assert text in finding.note
    assert finding.is_skipped != is_live
