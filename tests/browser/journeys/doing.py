"""What people do on every journey, and what they are told."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.stage import fits

#: A builder with a full page.
ZOFIA, ZOFIAS = "Zofia Wąsowska-Łęcka", "zofia-wasowska-lecka"


def told(page: Page, words: str | re.Pattern[str]) -> None:
    """See that the page says what was done, and fits."""
    expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
    fits(page)


def open_section(page: Page, section: str, field: str) -> Locator:
    """Open a section's form, and return a field of it."""
    page.get_by_role("link", name=f"Edit {section}").click()
    fits(page)
    return page.locator("form").get_by_label(field, exact=True)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
