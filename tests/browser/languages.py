"""Choose a language without JavaScript, and read pages from right to left."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.axe import violations
from tests.helpers.servers.site import Site

BUILDER_PAGE = "/builders/omar-haddad/"


def test_language_is_chosen_without_javascript_and_remembered(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(java_script_enabled=False, locale="de-DE")
    tab = context.new_page()
    tab.goto(site.app + BUILDER_PAGE)
    expect(tab.locator("html")).to_have_attribute("lang", "de")
    tab.get_by_role("button", name="العربيّة").click()
    expect(tab).to_have_url(site.app + BUILDER_PAGE)
    expect(tab.locator("html")).to_have_attribute("dir", "rtl")
    expect(tab.get_by_role("heading", name="Omar Haddad")).to_be_visible()
    tab.goto(f"{site.app}/builders/")
    expect(tab.locator("html")).to_have_attribute("lang", "ar")
    expect(tab.get_by_role("button", name="العربيّة")).to_have_attribute("aria-current", "true")
    context.close()


@pytest.mark.parametrize("locale", ("de-DE", "ar-EG"))
@pytest.mark.parametrize("path", ("/", "/builders/", BUILDER_PAGE, "/sign-in/"))
def test_page_fits_a_phone_and_is_accessible(chromium: Browser, site: Site, axe: str, path: str, locale: str) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale=locale, reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(site.app + path)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(tab, axe) == []
    context.close()


def test_text_by_users_is_aligned_with_the_page(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(locale="ar-EG")
    tab = context.new_page()
    tab.goto(site.app + BUILDER_PAGE)
    name = tab.get_by_role("heading", name="Omar Haddad")
    assert name.evaluate("element => getComputedStyle(element).direction") == "ltr"
    assert name.evaluate("element => getComputedStyle(element).textAlign") == "right"
    context.close()
