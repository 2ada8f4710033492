"""Form controls in the admin have the design of the product, and are large enough for fingers on phones."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.axe import admin_violations
from tests.helpers.servers.site import Site

PATHS = (
    "/admin/webhooks/webhookevent/",
    "/admin/webhooks/webhookevent/repair/",
    "/admin/webhooks/job/",
    "/admin/webhooks/alert/maintenance/",
    "/admin/accounts/user/",
    "/admin/audit/auditlog/",
)
#: Controls of the page that are lower than 44 pixels. The area around a checkbox belongs to it.
SMALL_TARGETS = """() => [...document.querySelectorAll("#content :is(button, select, input:not([type=hidden]), a.button)")]
  .filter((element) => element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }))
  .filter((element) => {
    element.scrollIntoView({ block: "center" });
    const box = element.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    return [y - 21.5, y + 21.5].some((edge) => !element.contains(document.elementFromPoint(x, edge)));
  })
  .map((element) => element.outerHTML.slice(0, 120))"""
#: Controls that the browser draws.
NATIVE = """() => [...document.querySelectorAll("#content :is(select, [type=checkbox], [type=radio])")]
  .filter((element) => getComputedStyle(element).appearance !== "none")
  .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def phone(admin: Page, chromium: Browser) -> Iterator[Page]:
    """Return a page on a phone, signed in as an admin."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    cookies: list[Any] = admin.context.cookies()
    context.add_cookies(cookies)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", PATHS)
def test_controls_are_large_enough_for_fingers(phone: Page, site: Site, path: str) -> None:
    phone.goto(site.app + path)
    assert phone.evaluate(SMALL_TARGETS) == []
    assert phone.evaluate(NATIVE) == []


@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_controls_have_enough_contrast(admin: Page, site: Site, axe: str, scheme: Any) -> None:
    admin.emulate_media(color_scheme=scheme)
    for path in PATHS:
        admin.goto(site.app + path)
        if (box := admin.locator("#content [type=checkbox]:visible").first).count():
            box.check()
        assert admin_violations(admin, axe) == []
