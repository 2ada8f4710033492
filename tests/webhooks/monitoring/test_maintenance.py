"""Maintenance windows: silent alerts, the page, and the notice on the dashboard."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from accounts.models import User
from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.servers.receiver import Receiver, running_receiver
from tests.webhooks.monitoring.test_alerts import MINUTE, NOW, check_alerts_at, create_dead_events, worker
from webhooks.models import Alert, MaintenanceWindow, WebhookEvent

__all__ = ["worker"]
pytestmark = pytest.mark.django_db

PAGE = "/admin/webhooks/alert/maintenance/"
OPENED, WORSE, RESOLVED = (f"[{kind}] Dead events need attention" for kind in ("Opened", "Worse", "Resolved"))


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with running_receiver() as receiver:
        settings.ALERT_URLS = [receiver.url]
        yield receiver


@pytest.fixture
def ngozi() -> User:
    ngozi: User = UserFactory.create(admin=True, name="Ngozi & Admin")
    return ngozi


def create_window(start: int, end: int) -> MaintenanceWindow:
    """Create a window from minutes after NOW."""
    return MaintenanceWindow.objects.create(
        starts_at=NOW + start * MINUTE, ends_at=NOW + end * MINUTE, reason="New disk & cables"
    )


def post(person: Any, path: str = PAGE, **typed: str) -> Any:
    with time_machine.travel(NOW, tick=False):
        return signed_in(person).post(path, typed, follow=True)


def test_alert_opens_silently_and_is_notified_after_the_window(receiver: Receiver) -> None:
    create_window(0, 10)
    create_dead_events()
    for minutes in range(0, 10, 3):
        check_alerts_at(minutes * MINUTE)
    assert Alert.objects.get().is_open
    assert receiver.titles == []
    check_alerts_at(10 * MINUTE)
    check_alerts_at(11 * MINUTE)
    assert receiver.titles == [OPENED]


def test_alert_within_the_window_sends_nothing(receiver: Receiver) -> None:
    create_window(0, 30)
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    assert check_alerts_at(7 * MINUTE) == []
    check_alerts_at(40 * MINUTE)
    assert receiver.titles == []


def test_earlier_alert_is_resolved_but_not_worse_during_the_window(receiver: Receiver) -> None:
    create_dead_events()
    check_alerts_at()
    create_window(1, 30)
    create_dead_events(5)
    check_alerts_at(2 * MINUTE)
    assert receiver.titles == [OPENED]
    WebhookEvent.objects.all().delete()
    check_alerts_at(3 * MINUTE)
    check_alerts_at(9 * MINUTE)
    assert receiver.titles == [OPENED, RESOLVED]


def test_worse_alert_is_notified_after_the_window(receiver: Receiver) -> None:
    create_dead_events()
    check_alerts_at()
    create_window(1, 10)
    create_dead_events(5)
    check_alerts_at(2 * MINUTE)
    assert receiver.titles == [OPENED]
    check_alerts_at(11 * MINUTE)
    assert [title for title in receiver.titles if title.endswith("attention")] == [OPENED, WORSE]


def test_scheduling_and_ending_are_audited_and_shown(ngozi: User) -> None:
    page = post(ngozi, ends_at="2026-11-20T11:00", reason="New disk & cables")
    assertContains(page, "Maintenance window scheduled.")
    assertContains(page, "New disk &amp; cables")
    window = MaintenanceWindow.objects.get()
    assert (window.starts_at, window.created_by) == (NOW, ngozi)
    with time_machine.travel(NOW + MINUTE, tick=False):
        dashboard = signed_in(ngozi).get("/admin/webhooks/dashboard/")
    assertContains(dashboard, "Maintenance until 20 Nov 11:00 UTC")
    assertContains(dashboard, "New disk &amp; cables")
    assertContains(post(ngozi, f"{PAGE}{window.pk}/end/"), "The maintenance window has ended.")
    assertContains(post(ngozi, f"{PAGE}{window.pk}/end/"), "The maintenance window was already over.")
    assertNotContains(signed_in(ngozi).get("/admin/webhooks/dashboard/"), "Maintenance until")
    rows = AuditLog.objects.filter(action__startswith="MAINTENANCE").order_by("pk")
    assert [(row.action, row.actor) for row in rows] == [
        ("MAINTENANCE_SCHEDULED", ngozi),
        ("MAINTENANCE_ENDED", ngozi),
    ]


def test_planned_window_can_be_cancelled(ngozi: User) -> None:
    window = create_window(60, 120)
    post(ngozi, f"{PAGE}{window.pk}/end/")
    window.refresh_from_db()
    assert window.ends_at == window.starts_at
    assert not MaintenanceWindow.objects.active(NOW + timedelta(minutes=90)).exists()


@pytest.mark.parametrize(
    ("typed", "words"),
    (
        ({"reason": "Disk"}, "This field is required."),
        ({"ends_at": "2026-11-20T11:00"}, "This field is required."),
        ({"ends_at": "2026-11-20T09:00", "reason": "Disk"}, "must be after the start"),
        ({"starts_at": "2026-11-20T12:00", "ends_at": "2026-11-20T11:00", "reason": "Disk"}, "must be after the start"),
        ({"ends_at": "2026-12-20T09:00", "reason": "Disk"}, "at most 7 days"),
        ({"ends_at": "soon", "reason": "Disk"}, "Enter a time such as"),
        ({"ends_at": "2026-11-20T11:00", "reason": "x" * 201}, "201"),
        ({"starts_at": "0001-01-01T00:00", "ends_at": "9999-12-31T23:59", "reason": "Disk"}, "Enter a time such as"),
    ),
)
def test_invalid_window_is_shown_again_with_its_error(ngozi: User, typed: dict[str, str], words: str) -> None:
    page = post(ngozi, **typed)
    assertContains(page, words)
    if typed.get("reason") == "Disk":
        assertContains(page, 'value="Disk"')
    assert not MaintenanceWindow.objects.exists()


def test_huge_id_is_not_found(ngozi: User) -> None:
    assert post(ngozi, f"{PAGE}{2**63}/end/").status_code == 404
