"""Journeys of whoever looks for a builder."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.journeys.doing import ZOFIA, ZOFIAS, press, told
from tests.browser.stage import Setting, Stage, fits
from tests.helpers.processes import wait_until

#: What only owners and admins may find on a page.
BARS = ("owner-bar", "admin-bar", "/edit/", "/hide/", "/publish/", "csrfmiddlewaretoken", "owner.css")


def cards(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("heading", level=2).get_by_role("link")


def test_a_visitor_looks_at_a_builder(stage: Stage) -> None:
    page = stage.tab()
    page.goto(stage.site.app)
    fits(page)
    page.get_by_role("link", name="All builders").click()
    fits(page)
    page.goto(f"{stage.site.app}/builders/?q=lecka")
    cards(page).get_by_text(ZOFIA).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ZOFIA)
    for heading in ("Portfolio", "Leśnik", "Skills", "Badges", "Links"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_text("Expert", exact=True)).to_be_visible()
    expect(page.get_by_role("complementary")).to_have_count(0)
    assert [each for each in BARS if each in page.content()] == []
    fits(page)
    page.get_by_role("link", name="Write a message").click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    fits(page)


def test_somebody_writes_to_a_builder(stage: Stage) -> None:
    page = stage.tab(stage.person("Vera", "CLIENT"), f"/builders/{ZOFIAS}/")
    assert [each for each in BARS if each in page.content()] == []
    page.get_by_role("link", name="Write a message").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Write to {ZOFIA}")
    page.get_by_label("Subject").fill("  ")
    page.get_by_label("Message", exact=True).fill("A map for our foresters, please.")
    press(page, "Send message")
    told(page, "Enter a subject.")
    expect(page.get_by_label("Message", exact=True)).to_have_value("A map for our foresters, please.")
    page.get_by_label("Subject").fill("A map")
    press(page, "Send message")
    told(page, f"Your message to {ZOFIA} was sent.")


def test_the_directory(stage: Stage) -> None:
    stage.person("Nora", "BUILDER")  # with whom the builders are more than one page holds
    page = stage.tab()
    more = page.get_by_role("link", name="Show more builders")
    wait_until(lambda: page.goto(f"{stage.site.app}/builders/") and more.count(), "no second page came")
    more.click()
    page.get_by_role("link", name="Back to the first page").click()
    page.get_by_label("Search builders").fill("zzzz")
    page.get_by_label("Search builders").press("Enter")
    expect(page.get_by_role("heading", name="No builders found")).to_be_visible()
    fits(page)
    page.get_by_role("link", name="Show all builders").click()
    expect(page).to_have_url(f"{stage.site.app}/builders/")
    filter_by_tier(page, stage.setting)
    expect(page.get_by_role("link", name="Remove Expert")).to_be_visible()
    expect(cards(page).get_by_text(ZOFIA)).to_be_visible()
    fits(page)
    page.get_by_label("Search builders").fill("lecka")
    page.get_by_label("Search builders").press("Enter")
    expect(cards(page)).to_have_text([ZOFIA])
    page.get_by_role("link", name="Remove Expert").click()
    expect(page).to_have_url(f"{stage.site.app}/builders/?q=lecka")
    page.get_by_label("Sort by").select_option("newest")
    if not stage.setting.scripts:
        press(page, "Search")
    told(page, "Builders who joined most recently come first.")


def filter_by_tier(page: Page, setting: Setting) -> None:
    """Choose Expert: beside the list, or where there is no room for that, on a sheet."""
    fits(page)
    sheet = page.get_by_role("button", name="Filters", exact=True)
    if is_sheet := sheet.is_visible():
        sheet.click()
    assert is_sheet is (setting.width < 1000)
    page.get_by_role("checkbox", name="Expert").check()
    fits(page)
    if not setting.scripts:
        press(page, "Apply filters")
    elif is_sheet:
        press(page, "Show results")
