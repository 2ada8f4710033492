"""Steps shared by the journeys."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.scenario import expect_no_overflow

#: A builder with a complete page.
ZOFIA, ZOFIA_SLUG = "Zofia Wąsowska-Łęcka", "zofia-wasowska-lecka"


def expect_message(page: Page, text: str | re.Pattern[str]) -> None:
    """Expect the text on the page, and no sideways scrolling."""
    expect(page.get_by_role("main").get_by_text(text).first).to_be_visible()
    expect_no_overflow(page)


def open_section(page: Page, section: str, field: str) -> Locator:
    """Open the form of a section, and return one of its fields."""
    page.get_by_role("link", name=f"Edit {section}").click()
    expect_no_overflow(page)
    return page.locator("form").get_by_label(field, exact=True)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
