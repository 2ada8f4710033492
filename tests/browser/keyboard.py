"""Every journey by keyboard alone: nothing here clicks, or fills in what Tab did not reach.

On a desktop with JavaScript, and on a telephone with a keyboard and without.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.stage import Setting, Stage, filled_site
from tests.helpers.site import Site

ZOFIA, PATH = "Zofia Wąsowska-Łęcka", "/builders/zofia-wasowska-lecka/"
SETTINGS = (Setting(1280, "light", scripts=True), Setting(360, "dark", scripts=False))
#: More than any page has.
MOST_STOPS = 250
#: A ring around the element, around its card, or around the label that stands for it.
SHOWS_FOCUS = """() => {
  const { activeElement: at, body } = document;
  const rings = [at, at.closest("label"), at.closest(".card")].filter(Boolean).map((each) => getComputedStyle(each));
  const isShown = rings.some((ring) => ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 1);
  return at === body || isShown ? "" : at.outerHTML.slice(0, 200);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled_site(tmp_path_factory.mktemp("keyboard"), 600) as site:
        yield site


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda setting: setting.slug)
def stage(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Stage]:
    stage = Stage(chromium, site, request.param)
    yield stage
    stage.close()
    assert stage.complaints == []


@pytest.fixture(scope="module")
def olive(stage: Stage) -> Page:
    return stage.tab(stage.person("Olive", "BUILDER"))


@pytest.fixture
def own_page(olive: Page, stage: Stage) -> Page:
    olive.goto(stage.address("Olive"))
    return olive


def is_focused(target: Locator) -> bool:
    return target.count() == 1 and bool(target.evaluate("element => element === document.activeElement"))


def tab_to(page: Page, role: Any, name: str, *, key: str = "Tab") -> Locator:
    """Go on with Tab until something is focused, and see that each stop on the way shows where it is."""
    # How many a filter would find is part of its name.
    target = page.get_by_role(role, name=re.compile(rf"^{re.escape(name)}( \d+)?$"))
    target.wait_for()
    for _ in range(MOST_STOPS):
        if is_focused(target):
            return target
        page.keyboard.press(key)
        assert page.evaluate(SHOWS_FOCUS) == ""
    raise AssertionError(f"{name} cannot be reached with {key}.")


def go(page: Page, role: Any, name: str, key: str = "Enter") -> None:
    """Reach something and use it."""
    tab_to(page, role, name)
    page.keyboard.press(key)


def write(page: Page, label: str, text: str) -> None:
    """Reach a field, and write over what is in it."""
    tab_to(page, "textbox", label)
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def told(page: Page, words: str) -> None:
    expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()


def test_the_page_goes_round_and_its_head_can_be_skipped(own_page: Page, stage: Stage) -> None:
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
        assert own_page.evaluate(SHOWS_FOCUS) == ""
        stops += 1
        assert stops < MOST_STOPS, "Tab never comes round."
    tab_to(own_page, "link", "Edit visibility", key="Shift+Tab")


def test_finding_somebody(stage: Stage) -> None:
    page = stage.tab()
    page.goto(f"{stage.site.app}/builders/")
    if stage.setting.width < 1024:
        go(page, "button", "Filters")
    go(page, "checkbox", "Expert", "Space")
    if stage.setting.scripts:
        expect(page).to_have_url(f"{stage.site.app}/builders/?tier=3")
    else:
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Filters")).to_be_focused()
        go(page, "button", "Filters")
        go(page, "button", "Apply filters")
    expect(page.get_by_role("link", name="Remove Expert")).to_be_visible()
    tab_to(page, "searchbox", "Search builders")
    page.keyboard.type("lecka")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2)).to_have_count(1)
    go(page, "link", ZOFIA)
    expect(page.get_by_role("heading", level=1)).to_have_text(ZOFIA)
    tab_to(page, "link", "Write a message")


def test_writing_to_somebody(stage: Stage) -> None:
    page = stage.tab(stage.person("Vera", "CLIENT"), PATH)
    go(page, "link", "Write a message")
    write(page, "Subject", "  ")
    write(page, "Message", "For foresters.")
    go(page, "button", "Send message")
    told(page, "Enter a subject.")
    write(page, "Subject", "A map")
    go(page, "button", "Send message")
    told(page, "Your message to")


def test_a_section_refused_and_saved(own_page: Page, stage: Stage) -> None:
    go(own_page, "link", "Edit skills")
    skills = own_page.get_by_role("textbox", name="Skills", exact=True)
    expect(skills).to_be_focused()
    own_page.keyboard.insert_text(", ".join(map(str, range(21))))
    go(own_page, "button", "Save skills")
    told(own_page, "Enter at most 20. You entered 21.")
    expect(skills).to_be_focused()
    own_page.keyboard.press("Control+A")
    own_page.keyboard.insert_text("Offline maps")
    go(own_page, "checkbox", "Mobile apps", "Space")
    own_page.keyboard.press("Control+Enter") if stage.setting.scripts else go(own_page, "button", "Save skills")
    told(own_page, "Saved.")
    if stage.setting.scripts:
        edit = own_page.get_by_role("link", name="Edit skills")
        expect(edit).to_be_focused()
        own_page.keyboard.press("Enter")
        expect(skills).to_be_focused()
        own_page.keyboard.press("Escape")
        expect(edit).to_be_focused()


def test_two_versions(own_page: Page, stage: Stage) -> None:
    other = own_page.context.new_page()
    other.goto(own_page.url)
    for page in (own_page, other):
        go(page, "link", "Edit bio")
        expect(page.get_by_role("textbox", name="Bio", exact=True)).to_be_focused()
        page.keyboard.insert_text("Theirs" if page is other else "Mine")
    go(other, "button", "Save bio")
    told(other, "Saved.")
    own_page.bring_to_front()
    go(own_page, "button", "Save bio")
    expect(own_page.locator(".conflict")).to_be_focused()
    go(own_page, "button", "Save my version")
    told(own_page, "Saved.")
    other.close()


def test_the_portfolio(own_page: Page, stage: Stage) -> None:
    for title in ("Atlas", "Ledger"):
        go(own_page, "link", "Add project")
        expect(own_page.get_by_role("textbox", name="Title", exact=True)).to_be_focused()
        own_page.keyboard.type(title)
        go(own_page, "button", "Add project")
        expect(own_page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        if stage.setting.scripts:
            expect(own_page.get_by_role("link", name=f"Edit {title}")).to_be_focused()
    own_page.get_by_text("Change order").focus()  # a summary, which has no role of its own
    own_page.keyboard.press("Enter")
    go(own_page, "button", "Move Ledger up")
    expect(own_page.locator(".project h3")).to_have_text(["Ledger", "Atlas"])
    if stage.setting.scripts:
        expect(own_page.get_by_role("button", name="Move Ledger up")).to_be_focused()
    tab_to(own_page, "link", "Delete Ledger", key="Shift+Tab")
    own_page.keyboard.press("Enter")
    expect(own_page.get_by_role("button", name="Delete project")).to_be_focused()
    own_page.keyboard.press("Enter")
    told(own_page, "“Ledger” deleted.")
    if stage.setting.scripts:
        expect(own_page.locator("[data-announce]", has_text="“Ledger” deleted.")).to_be_focused()


def test_the_account(stage: Stage) -> None:
    page = stage.tab(stage.person("Ada", "BUILDER"))
    go(page, "button", "Limited", "Space")
    told(page, "Saved.")
    go(page, "link", "Stop being a builder")
    go(page, "button", "Stop being a builder")
    told(page, "You are no longer a builder.")
    go(page, "button", "Become a builder")
    expect(page.get_by_role("heading", level=1)).to_have_text("About your work")
    go(page, "link", "Skip for now")
    go(page, "button", "Request a copy")
    told(page, "A copy of your data is being prepared.")
    go(page, "link", "Delete account")
    go(page, "button", "Delete account")
    told(page, "This account will be deleted on")
    go(page, "button", "Keep account")
    told(page, "Account deletion cancelled.")


def test_looking_after_somebody(stage: Stage) -> None:
    mona = stage.person("Mona", "BUILDER")
    stage.tab(mona).context.close()  # the page is there once she was
    page = stage.tab(stage.somebody("Ngozi"), f"/builders/mona-{stage.setting.slug}/")
    go(page, "link", "Verify")
    tab_to(page, "combobox", "Tier")
    page.keyboard.press("ArrowDown")
    go(page, "button", "Save tier")
    told(page, "Not saved. Please check:")
    write(page, "Evidence", "Two apps read.")
    go(page, "button", "Save tier")
    told(page, "Tier saved.")
    go(page, "button", "Feature")
    told(page, "The page is now featured.")
    go(page, "link", "Hide")
    write(page, "Reason", "The picture is of somebody else.")
    go(page, "button", "Hide page")
    told(page, "The page is hidden.")
    go(page, "link", "Unhide")
    go(page, "button", "Unhide page")
    told(page, "The page is no longer hidden.")
