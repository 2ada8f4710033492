"""Keyboard-only journeys, on a desktop with JavaScript and on a phone without it. Each control is reached with Tab."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from profiles.models import BuilderProfile
from tests.browser.scenario import Device, Scenario, demo_site
from tests.helpers.servers.site import Site

ZOFIA, PATH = "Zofia Wąsowska-Łęcka", "/builders/zofia-wasowska-lecka/"
DEVICES = (Device(1280, "light", scripts=True), Device(360, "dark", scripts=False))
#: Maximum number of tab stops. No page has as many.
MAX_TAB_STOPS = 250
#: Returns the focused element if it has no focus ring. The ring can also be on its label or card.
MISSING_FOCUS_RING = """() => {
  const { activeElement: focused, body } = document;
  const styles = [focused, focused.closest("label"), focused.closest(".card")].filter(Boolean).map((element) => getComputedStyle(element));
  const hasRing = styles.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1);
  return focused === body || hasRing ? "" : focused.outerHTML.slice(0, 200);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with demo_site(tmp_path_factory.mktemp("keyboard"), 600) as site:
        yield site


@pytest.fixture(scope="module", params=DEVICES, ids=lambda device: device.slug)
def scenario(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Scenario]:
    scenario = Scenario(chromium, site, request.param)
    yield scenario
    scenario.close()
    assert scenario.console_errors == []


@pytest.fixture(scope="module")
def olive(scenario: Scenario) -> Page:
    return scenario.open_tab(scenario.create_user("Olive", "BUILDER"))


@pytest.fixture
def own_page(olive: Page, scenario: Scenario) -> Page:
    olive.goto(scenario.page_url("Olive"))
    return olive


def is_focused(target: Locator) -> bool:
    return target.count() == 1 and bool(target.evaluate("element => element === document.activeElement"))


def tab_to(page: Page, role: Any, name: str, *, key: str = "Tab") -> Locator:
    """Press Tab until an element is focused, and check that every tab stop on the way has a focus ring."""
    # The name of a filter includes its number of results.
    target = page.get_by_role(role, name=re.compile(rf"^{re.escape(name)}( \d+)?$"))
    target.wait_for()
    for _ in range(MAX_TAB_STOPS):
        if is_focused(target):
            return target
        page.keyboard.press(key)
        assert page.evaluate(MISSING_FOCUS_RING) == ""
    raise AssertionError(f"{name} cannot be reached with {key}.")


def activate(page: Page, role: Any, name: str, key: str = "Enter") -> None:
    """Tab to an element and press a key, by default Enter."""
    tab_to(page, role, name)
    page.keyboard.press(key)


def write(page: Page, label: str, text: str) -> None:
    """Tab to a field and replace its value."""
    tab_to(page, "textbox", label)
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def expect_message(page: Page, text: str) -> None:
    expect(page.get_by_role("main").get_by_text(text).first).to_be_visible()


def test_tab_order_wraps_around_and_the_header_can_be_skipped(own_page: Page, scenario: Scenario) -> None:
    own_page.keyboard.press("Tab")
    skip = own_page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    own_page.keyboard.press("Enter")
    expect(own_page.get_by_role("main")).to_be_focused()
    own_page.keyboard.press("Tab")
    assert own_page.evaluate("document.querySelector('main').contains(document.activeElement)")
    stops = 0
    while not is_focused(skip):
        own_page.keyboard.press("Tab")
        assert own_page.evaluate(MISSING_FOCUS_RING) == ""
        stops += 1
        assert stops < MAX_TAB_STOPS, "Tab does not return to the first stop."
    tab_to(own_page, "link", "Edit visibility", key="Shift+Tab")


def test_find_a_builder(scenario: Scenario) -> None:
    page = scenario.open_tab()
    page.goto(f"{scenario.site.app}/builders/")
    if scenario.device.width < 1024:
        activate(page, "button", "Filters")
    activate(page, "checkbox", f"Expert {BuilderProfile.TIER_MEANINGS[BuilderProfile.Tier.EXPERT]}", "Space")
    if scenario.device.scripts:
        expect(page).to_have_url(f"{scenario.site.app}/builders/?tier=3")
    else:
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Filters")).to_be_focused()
        activate(page, "button", "Filters")
        activate(page, "button", "Apply filters")
    expect(page.get_by_role("link", name="Remove Expert")).to_be_visible()
    tab_to(page, "searchbox", "Search builders")
    page.keyboard.type("lecka")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2)).to_have_count(1)
    activate(page, "link", ZOFIA)
    expect(page.get_by_role("heading", level=1)).to_have_text(ZOFIA)
    tab_to(page, "link", "Write a message")


def test_contact_a_builder(scenario: Scenario) -> None:
    page = scenario.open_tab(scenario.create_user("Vera", "CLIENT"), PATH)
    activate(page, "link", "Write a message")
    write(page, "Subject", "  ")
    write(page, "Message", "For foresters.")
    activate(page, "button", "Send message")
    expect_message(page, "Enter a subject.")
    write(page, "Subject", "A map")
    activate(page, "button", "Send message")
    expect_message(page, "Your message to")


def test_section_is_rejected_and_then_saved(own_page: Page, scenario: Scenario) -> None:
    activate(own_page, "link", "Edit skills")
    skills = own_page.get_by_role("textbox", name="Skills", exact=True)
    expect(skills).to_be_focused()
    own_page.keyboard.insert_text(", ".join(map(str, range(21))))
    activate(own_page, "button", "Save skills")
    expect_message(own_page, "Enter at most 20. You entered 21.")
    expect(skills).to_be_focused()
    own_page.keyboard.press("Control+A")
    own_page.keyboard.insert_text("Offline maps")
    activate(own_page, "checkbox", "Mobile apps", "Space")
    own_page.keyboard.press("Control+Enter") if scenario.device.scripts else activate(own_page, "button", "Save skills")
    expect_message(own_page, "Saved.")
    if scenario.device.scripts:
        edit = own_page.get_by_role("link", name="Edit skills")
        expect(edit).to_be_focused()
        own_page.keyboard.press("Enter")
        expect(skills).to_be_focused()
        own_page.keyboard.press("Escape")
        expect(edit).to_be_focused()


def test_edit_conflict(own_page: Page, scenario: Scenario) -> None:
    other = own_page.context.new_page()
    other.goto(own_page.url)
    for page in (own_page, other):
        activate(page, "link", "Edit bio")
        expect(page.get_by_role("textbox", name="Bio", exact=True)).to_be_focused()
        page.keyboard.insert_text("Theirs" if page is other else "Mine")
    activate(other, "button", "Save bio")
    expect_message(other, "Saved.")
    own_page.bring_to_front()
    activate(own_page, "button", "Save bio")
    expect(own_page.locator(".conflict")).to_be_focused()
    activate(own_page, "button", "Save my version")
    expect_message(own_page, "Saved.")
    other.close()


def test_portfolio(own_page: Page, scenario: Scenario) -> None:
    for title in ("Atlas", "Ledger"):
        activate(own_page, "link", "Add project")
        expect(own_page.get_by_role("textbox", name="Title", exact=True)).to_be_focused()
        own_page.keyboard.type(title)
        activate(own_page, "button", "Add project")
        expect(own_page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        if scenario.device.scripts:
            expect(own_page.get_by_role("link", name=f"Edit {title}")).to_be_focused()
    own_page.get_by_text("Change order").focus()  # a summary element has no role
    own_page.keyboard.press("Enter")
    activate(own_page, "button", "Move Ledger up")
    expect(own_page.locator(".project h3")).to_have_text(["Ledger", "Atlas"])
    if scenario.device.scripts:
        expect(own_page.get_by_role("button", name="Move Ledger up")).to_be_focused()
    tab_to(own_page, "link", "Delete Ledger", key="Shift+Tab")
    own_page.keyboard.press("Enter")
    expect(own_page.get_by_role("button", name="Delete project")).to_be_focused()
    own_page.keyboard.press("Enter")
    expect_message(own_page, "“Ledger” deleted.")
    if scenario.device.scripts:
        expect(own_page.locator("[data-announce]", has_text="“Ledger” deleted.")).to_be_focused()


def test_account(scenario: Scenario) -> None:
    page = scenario.open_tab(scenario.create_user("Ada", "BUILDER"))
    activate(page, "button", "Limited", "Space")
    expect_message(page, "Saved.")
    activate(page, "link", "Stop being a builder")
    activate(page, "button", "Stop being a builder")
    expect_message(page, "You are no longer a builder.")
    activate(page, "button", "Become a builder")
    expect(page.get_by_role("heading", level=1)).to_have_text("About your work")
    for heading in ("About your work", "Your picture", "A project"):
        activate(page, "link", "Skip this step")
        expect(page.get_by_role("heading", level=1)).not_to_have_text(heading)
    page.goto(f"{scenario.site.app}/account/")
    activate(page, "button", "Request a copy")
    expect_message(page, "We are preparing a copy of your data.")
    activate(page, "link", "Delete account")
    activate(page, "button", "Delete account")
    expect_message(page, "This account will be deleted on")
    activate(page, "button", "Keep account")
    expect_message(page, "Account deletion cancelled.")


def test_moderation(scenario: Scenario) -> None:
    mona = scenario.create_user("Mona", "BUILDER")
    scenario.open_tab(mona).context.close()  # signing in waits until the page exists
    page = scenario.open_tab(scenario.demo_user("Ngozi"), f"/builders/mona-{scenario.device.slug}/")
    activate(page, "link", "Verify")
    tab_to(page, "combobox", "Tier")
    page.keyboard.press("ArrowDown")
    activate(page, "button", "Save tier")
    expect_message(page, "Not saved. Please check:")
    write(page, "Evidence", "Two apps read.")
    activate(page, "button", "Save tier")
    expect_message(page, "Tier saved.")
    activate(page, "button", "Feature")
    expect_message(page, "The page is now featured.")
    activate(page, "link", "Hide")
    write(page, "Reason", "The portrait shows a different person.")
    activate(page, "button", "Hide page")
    expect_message(page, "The page is hidden.")
    activate(page, "link", "Unhide")
    activate(page, "button", "Unhide page")
    expect_message(page, "The page is no longer hidden.")
