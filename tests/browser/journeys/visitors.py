"""Journeys of visitors who look for a builder."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.journeys.steps import ZOFIA, ZOFIA_SLUG, expect_message, press
from tests.browser.scenario import Device, Scenario, expect_no_overflow
from tests.helpers.servers.processes import wait_until

#: Strings that only appear on the pages of owners and admins.
EDITING_MARKUP = ("owner-bar", "admin-bar", "/edit/", "/hide/", "/publish/", "csrfmiddlewaretoken", "owner.css")


def cards(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("heading", level=2).get_by_role("link")


def add_headline(scenario: Scenario, name: str) -> None:
    """Create a builder with a headline, because the directory does not list pages without a headline."""
    page = scenario.open_tab(scenario.create_user(name, "BUILDER"))
    page.goto(f"{scenario.page_url(name)}edit/introduction/")
    page.get_by_label("Headline").fill("Apps for foresters")
    press(page, "Save introduction")
    expect_message(page, "Saved.")


def test_visitor_views_a_builder(scenario: Scenario) -> None:
    page = scenario.open_tab()
    page.goto(scenario.site.app)
    expect_no_overflow(page)
    page.get_by_role("link", name="All builders").click()
    expect_no_overflow(page)
    page.goto(f"{scenario.site.app}/builders/?q=lecka")
    cards(page).get_by_text(ZOFIA).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ZOFIA)
    for heading in ("Portfolio", "Leśnik", "Skills", "Badges", "Links"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_text("Expert.", exact=True)).to_be_visible()
    expect(page.get_by_role("complementary")).to_have_count(0)
    assert [text for text in EDITING_MARKUP if text in page.content()] == []
    expect_no_overflow(page)
    page.get_by_role("link", name="Write a message").click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    expect_no_overflow(page)


def test_client_contacts_a_builder(scenario: Scenario) -> None:
    page = scenario.open_tab(scenario.create_user("Vera", "CLIENT"), f"/builders/{ZOFIA_SLUG}/")
    found = [text for text in EDITING_MARKUP if text in page.content()]
    assert found == ["csrfmiddlewaretoken"]  # of the button that saves the builder
    page.get_by_role("link", name="Write a message").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Message {ZOFIA}")
    page.get_by_label("Subject").fill("  ")
    page.get_by_label("Message", exact=True).fill("A map for our foresters, please.")
    press(page, "Send message")
    expect_message(page, "Enter a subject.")
    expect(page.get_by_label("Message", exact=True)).to_have_value("A map for our foresters, please.")
    page.get_by_label("Subject").fill("A map")
    press(page, "Send message")
    expect_message(page, f"Your message to {ZOFIA} was sent.")


def test_search_and_filter_the_directory(scenario: Scenario) -> None:
    for name in ("Nils", "Nora"):  # so that the directory has a second page
        add_headline(scenario, name)
    page = scenario.open_tab()
    more = page.get_by_role("link", name="Show more builders")
    wait_until(lambda: page.goto(f"{scenario.site.app}/builders/") and more.count(), "the directory has no second page")
    show_more(page, scenario)
    page.get_by_label("Search builders").fill("zzzz")
    page.get_by_label("Search builders").press("Enter")
    expect(page.get_by_text("No builders found")).to_be_visible()
    expect_no_overflow(page)
    page.get_by_role("link", name="Show all builders").click()
    expect(page).to_have_url(f"{scenario.site.app}/builders/")
    filter_by_tier(page, scenario.device)
    expect(page.get_by_role("link", name="Remove Expert")).to_be_visible()
    expect(cards(page).get_by_text(ZOFIA)).to_be_visible()
    expect_no_overflow(page)
    page.get_by_label("Search builders").fill("lecka")
    page.get_by_label("Search builders").press("Enter")
    expect(cards(page)).to_have_text([ZOFIA])
    page.get_by_role("link", name="Remove Expert").click()
    expect(page).to_have_url(f"{scenario.site.app}/builders/?q=lecka")
    page.get_by_label("Sort by").select_option("newest")
    if not scenario.device.scripts:
        press(page, "Search")
    expect(page).to_have_url(re.compile("sort=newest"))
    page.get_by_text("About the order and the tiers").click()
    expect_message(page, "Builders who joined most recently come first.")


def show_more(page: Page, scenario: Scenario) -> None:
    """Show the second page. With JavaScript, it is appended, focused and given a URL."""
    first_page = cards(page).all_text_contents()
    page.get_by_role("link", name="Show more builders").click()
    if scenario.device.scripts:
        expect(page.get_by_text("Page 2")).to_be_focused()
        expect(page.get_by_text("Page 2")).to_be_in_viewport()
        assert cards(page).all_text_contents()[: len(first_page)] == first_page
        assert cards(page).count() > len(first_page)
        expect_no_overflow(page)
        expect(page).to_have_url(f"{scenario.site.app}/builders/?pages=2")
        page.reload()
        assert cards(page).count() > len(first_page)
        page.get_by_role("link", name="Builders", exact=True).click()
        expect(page).to_have_url(f"{scenario.site.app}/builders/")
    else:
        page.get_by_role("link", name="Back to the first page").click()


def filter_by_tier(page: Page, device: Device) -> None:
    """Filter by the tier Expert. In narrow windows, use the filter sheet."""
    expect_no_overflow(page)
    sheet = page.get_by_role("button", name="Filters", exact=True)
    if is_sheet := sheet.is_visible():
        sheet.click()
    assert is_sheet is (device.width < 1000)
    page.get_by_role("checkbox", name="Expert").check()
    expect_no_overflow(page)
    if not device.scripts:
        press(page, "Apply filters")
    elif is_sheet:
        page.locator("#show").click()
