"""The owner's bar: one line above the page, and everything else under "More"."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.helpers.clients import signed_in
from tests.helpers.factories import BuilderProfileFactory

pytestmark = pytest.mark.django_db


def bar_of(**values: Any) -> tuple[str, str]:
    """Return the HTML of the bar, and of the sheet under "More"."""
    profile = BuilderProfileFactory.create(**{"headline": "Maps", **values})
    text = signed_in(profile.user).get(f"/builders/{profile.slug}/").content.decode()
    bar = text[text.index('id="owner-bar"') : text.index("</aside>")]
    line, _, sheet = bar.partition("<details")
    return line, sheet


def test_bar_contains_status_next_step_and_links() -> None:
    line, sheet = bar_of(availability_confirmed_at=timezone.now(), headline="Maps")
    for expected in ("Public and listed", "% complete", "+15%", "Copy link", "View as visitor"):
        assert expected in line
    assert line.count("<button") == 1
    assert "Your page is public and listed in the directory." in sheet
    assert "steps to a complete page" in sheet


@pytest.mark.parametrize(("days", "is_due"), ((29, False), (31, True)))
def test_bar_asks_for_confirmation_only_when_due(days: int, *, is_due: bool) -> None:
    line, sheet = bar_of(availability="limited", availability_confirmed_at=timezone.now() - timedelta(days=days))
    assert ("Confirm availability" in line) is is_due
    assert "Confirm again" in sheet


def test_publish_is_in_the_bar_and_unpublish_in_the_sheet() -> None:
    line, sheet = bar_of()
    assert "Unpublish" not in line
    assert "Unpublish" in sheet
    line, sheet = bar_of(unpublished_at=timezone.now())
    assert "Publish page" in line
    assert "until you publish it" in line
    assert "Copy link" not in line  # visitors could not open it


def test_sheet_stays_open_after_toggling_availability() -> None:
    profile = BuilderProfileFactory.create()
    url = f"/builders/{profile.slug}/"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{url}"}
    browser = signed_in(profile.user)
    opened = browser.post(f"{url}availability/", {"availability": "limited", "more": "1"}, headers=headers)
    assert '<details class="bar__more" open' in opened.content.decode()
    closed = browser.post(f"{url}availability/", {"availability": "limited"}, headers=headers)
    assert '<details class="bar__more" open' not in closed.content.decode()
