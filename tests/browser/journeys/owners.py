"""Journeys of a builder on their own page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journeys.doing import ZOFIAS, open_section, press, told
from tests.browser.people import Held
from tests.browser.stage import Setting, Stage, expire, fits, token
from tests.helpers.images import image_file
from tests.helpers.site import Site

FILE: Any = {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": image_file(900, 600)}


@pytest.fixture(scope="module")
def olive(chromium: Browser, site: Site, setting: Setting) -> Iterator[Page]:
    """Return the tab of a builder with an empty page, who is in this setting only."""
    stage = Stage(chromium, site, setting)
    yield stage.tab(stage.person("Olive", "BUILDER"))
    stage.close()


@pytest.fixture
def own_page(olive: Page, stage: Stage) -> Page:
    """Return Olive's tab on her own page, and see that nothing there complains."""
    olive.goto(stage.address("Olive"))
    expect(olive.get_by_role("complementary", name="Your page")).to_be_visible()
    return olive


def test_the_owner_looks_as_a_visitor(stage: Stage, own_page: Page) -> None:
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()
    own_page.get_by_role("link", name="View as visitor").click()
    told(own_page, "This is what visitors see.")
    expect(own_page.get_by_role("link", name=re.compile("^Edit"))).to_have_count(0)
    own_page.get_by_role("link", name="Back to your view").click()
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()
    fits(own_page)


def test_a_section_is_refused_and_then_saved(stage: Stage, own_page: Page) -> None:
    skills = open_section(own_page, "skills", "Skills")
    skills.fill(", ".join(f"Skill {number}" for number in range(21)))
    press(own_page, "Save skills")
    told(own_page, "Enter at most 20. You entered 21.")
    expect(skills).to_have_value(re.compile("^Skill 0, .*Skill 20$"))
    skills.fill("Offline maps, Łódź, 地図")
    press(own_page, "Save skills")
    told(own_page, "Saved.")
    expect(own_page.get_by_role("listitem").get_by_text("地図")).to_be_visible()
    expect(own_page).to_have_url(re.compile(re.escape(stage.address("Olive"))))


def test_a_value_shows_at_once_and_a_refusal_takes_it_back(stage: Stage, own_page: Page) -> None:
    if not stage.setting.scripts:
        own_page.goto(f"{stage.address('Olive')}edit/visibility/")
        refuse_address(own_page)
        return
    held = Held(own_page)
    headline = open_section(own_page, "introduction", "Headline")
    headline.fill("Shown before it is saved")
    press(own_page, "Save introduction")
    expect(own_page.get_by_text("Shown before it is saved")).to_be_visible()  # and it is not: the post is held
    expect(own_page.get_by_text("Saving…").first).to_be_visible()
    fits(own_page)
    held.take().continue_()
    expect(own_page.locator("[data-actions]").get_by_text("Saved.")).to_be_visible()
    own_page.unroute("**/edit/**")
    own_page.get_by_role("link", name="Edit visibility").click()
    refuse_address(own_page)
    own_page.on("dialog", lambda dialog: dialog.accept())
    own_page.get_by_role("link", name="Cancel").click()
    own_page.get_by_role("link", name="Edit visibility").wait_for()


def refuse_address(page: Page) -> None:
    """Ask for an address that somebody has, and find what was typed beside what the server says of it."""
    address = page.get_by_label("Page URL")
    address.fill(ZOFIAS)
    press(page, "Save visibility")
    told(page, "This URL is taken")
    expect(address).to_have_value(ZOFIAS)


def test_the_portfolio(stage: Stage, own_page: Page) -> None:
    for title in ("Atlas", "Ledger"):
        own_page.get_by_role("link", name="Add project").click()
        own_page.get_by_label("Title", exact=True).fill(title)
        if title == "Atlas":
            own_page.get_by_label("Image", exact=True).set_input_files(FILE)
            press(own_page, "Add project")
            told(own_page, "Describe the image")
            own_page.get_by_label("Image", exact=True).set_input_files(FILE)
            own_page.get_by_label("Image description").fill("A map of a meadow")
        press(own_page, "Add project")
        expect(own_page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        fits(own_page)
    expect(own_page.get_by_role("img", name="A map of a meadow")).to_be_attached()
    own_page.get_by_text("Change order").click()
    press(own_page, "Move Ledger up")
    expect(own_page.locator(".project h3")).to_have_text(["Ledger", "Atlas"])
    fits(own_page)
    own_page.get_by_role("link", name="Delete Ledger").click()
    press(own_page, "Delete project")
    told(own_page, "“Ledger” deleted.")
    own_page.get_by_role("link", name="Delete Atlas").click()
    press(own_page, "Delete project")
    told(own_page, "“Atlas” deleted.")


def test_a_step_to_a_full_page(stage: Stage, own_page: Page) -> None:
    ring = own_page.get_by_role("img", name=re.compile("% complete"))
    before = str(ring.get_attribute("aria-label"))
    own_page.get_by_text(re.compile(r"^\d+ steps to a complete page$")).click()
    fits(own_page)
    own_page.get_by_role("link", name="Add links").click()
    own_page.locator("form").get_by_label("Links", exact=True).fill("example.com/olive")
    press(own_page, "Save links")
    told(own_page, "Saved.")
    expect(ring).to_have_attribute("aria-label", f"{int(before.split('%', maxsplit=1)[0]) + 5}% complete")
    expect(own_page.get_by_role("link", name="Add links")).to_have_count(0)


def test_two_tabs_save_at_once(stage: Stage, own_page: Page) -> None:
    other = own_page.context.new_page()
    other.goto(own_page.url)
    mine, theirs = (open_section(page, "bio", "Bio") for page in (own_page, other))
    theirs.fill("Theirs")
    press(other, "Save bio")
    told(other, "Saved.")
    mine.fill("Mine")
    press(own_page, "Save bio")
    told(own_page, "Not saved. This section was changed")
    expect(own_page.locator(".conflict").get_by_text("Theirs")).to_be_visible()
    expect(mine).to_have_value("Mine")
    press(own_page, "Save my version")
    told(own_page, "Saved.")
    other.goto(stage.address("Olive"))
    expect(other.get_by_text("Mine", exact=True)).to_be_visible()
    other.close()


def test_pages_that_are_not_there_or_not_open(stage: Stage, own_page: Page) -> None:
    own_page.goto(f"{stage.site.app}/builders/nobody-at-all/")
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Page not found")
    fits(own_page)
    own_page.goto(f"{stage.site.app}/builders/{ZOFIAS}/edit/about/")
    expect(own_page.get_by_role("heading", level=1)).to_have_text("You do not have access to this page")
    fits(own_page)
    own_page.get_by_role("link", name="Browse builders").click()
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Builders")


def test_a_session_that_ended_keeps_what_was_typed(stage: Stage, own_page: Page, ended: dict[str, Any]) -> None:
    own_page.route("**/v1/client/sessions/*/tokens*", lambda route: route.abort())
    own_page.reload()  # no token that was asked for earlier comes late
    if stage.setting.scripts:
        own_page.evaluate("window.Clerk.load()")  # which brings one
    about = open_section(own_page, "bio", "Bio")
    about.fill("Typed over a long lunch")
    expire(own_page.context, ended, own_page.wait_for_timeout)
    press(own_page, "Save bio")
    told(own_page, "Your changes have not been saved yet")
    expect(about).to_have_value("Typed over a long lunch")
    own_page.unroute_all()
    press(own_page, "Save bio")
    told(own_page, "Saved.")
    expect(own_page.get_by_text("Typed over a long lunch")).to_be_visible()


@pytest.fixture(scope="module", autouse=True)
def ended(olive: Page) -> dict[str, Any]:
    """Return Olive's first token, which has run out by the time she is back from lunch."""
    return token(olive.context)
