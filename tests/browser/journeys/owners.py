"""Journeys of builders on their own page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journeys.steps import ZOFIA_SLUG, expect_message, open_section, press
from tests.browser.scenario import Device, Scenario, expect_no_overflow, session_cookie, use_expired_token
from tests.browser.steps import HeldPosts
from tests.helpers.images import image_file
from tests.helpers.servers.site import Site

FILE: Any = {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": image_file(900, 600)}


@pytest.fixture(scope="module")
def olive(chromium: Browser, site: Site, device: Device) -> Iterator[Page]:
    """Return a tab of a builder with an empty page. The builder is used only on this device."""
    scenario = Scenario(chromium, site, device)
    yield scenario.open_tab(scenario.create_user("Olive", "BUILDER"))
    scenario.close()


@pytest.fixture
def own_page(olive: Page, scenario: Scenario) -> Page:
    """Return Olive's tab on her own page."""
    olive.goto(scenario.page_url("Olive"))
    expect(olive.get_by_role("complementary", name="Your page")).to_be_visible()
    return olive


def test_owner_views_the_page_as_a_visitor(scenario: Scenario, own_page: Page) -> None:
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()
    own_page.get_by_role("link", name="View as visitor").click()
    expect_message(own_page, "This is what visitors see.")
    expect(own_page.get_by_role("link", name=re.compile("^Edit"))).to_have_count(0)
    own_page.get_by_role("link", name="Back to your view").click()
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()
    expect_no_overflow(own_page)


def test_section_is_rejected_and_then_saved(scenario: Scenario, own_page: Page) -> None:
    skills = open_section(own_page, "skills", "Skills")
    skills.fill(", ".join(f"Skill {number}" for number in range(21)))
    press(own_page, "Save skills")
    expect_message(own_page, "Enter at most 20. You entered 21.")
    expect(skills).to_have_value(re.compile("^Skill 0, .*Skill 20$"))
    skills.fill("Offline maps, Łódź, 地図")
    press(own_page, "Save skills")
    expect_message(own_page, "Saved.")
    expect(own_page.get_by_role("listitem").get_by_text("地図")).to_be_visible()
    expect(own_page).to_have_url(re.compile(re.escape(scenario.page_url("Olive"))))


def test_value_is_shown_immediately_and_rejected_values_stay_in_the_form(scenario: Scenario, own_page: Page) -> None:
    if not scenario.device.scripts:
        own_page.goto(f"{scenario.page_url('Olive')}edit/visibility/")
        expect_taken_slug(own_page)
        return
    held = HeldPosts(own_page)
    headline = open_section(own_page, "introduction", "Headline")
    headline.fill("Shown before it is saved")
    press(own_page, "Save introduction")
    expect(own_page.get_by_text("Shown before it is saved")).to_be_visible()  # the POST request is still held
    expect(own_page.get_by_text("Saving…").first).to_be_visible()
    expect_no_overflow(own_page)
    held.take().continue_()
    expect(own_page.locator("[data-actions]").get_by_text("Saved.")).to_be_visible()
    own_page.unroute("**/edit/**")
    own_page.get_by_role("link", name="Edit visibility").click()
    expect_taken_slug(own_page)
    own_page.on("dialog", lambda dialog: dialog.accept())
    own_page.get_by_role("link", name="Cancel").click()
    own_page.get_by_role("link", name="Edit visibility").wait_for()


def expect_taken_slug(page: Page) -> None:
    """Enter a slug that is taken. Expect an error beside the field, and that the field keeps its value."""
    slug = page.get_by_label("Page URL")
    slug.fill(ZOFIA_SLUG)
    press(page, "Save visibility")
    expect_message(page, "This URL is taken")
    expect(slug).to_have_value(ZOFIA_SLUG)


def test_manage_the_portfolio(scenario: Scenario, own_page: Page) -> None:
    for title in ("Atlas", "Ledger"):
        own_page.get_by_role("link", name="Add project").click()
        own_page.get_by_label("Title", exact=True).fill(title)
        if title == "Atlas":
            own_page.get_by_label("Image", exact=True).set_input_files(FILE)
            press(own_page, "Add project")
            expect_message(own_page, "Enter an image description")
            own_page.get_by_label("Image", exact=True).set_input_files(FILE)
            own_page.get_by_label("Image description").fill("A map of a meadow")
        press(own_page, "Add project")
        expect(own_page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect_no_overflow(own_page)
    expect(own_page.get_by_role("img", name="A map of a meadow")).to_be_attached()
    own_page.get_by_text("Change order").click()
    press(own_page, "Move Ledger up")
    expect(own_page.locator(".project h3")).to_have_text(["Ledger", "Atlas"])
    expect_no_overflow(own_page)
    own_page.get_by_role("link", name="Delete Ledger").click()
    press(own_page, "Delete project")
    expect_message(own_page, "“Ledger” deleted.")
    own_page.get_by_role("link", name="Delete Atlas").click()
    press(own_page, "Delete project")
    expect_message(own_page, "“Atlas” deleted.")


def test_show_several_images_of_a_project(scenario: Scenario, own_page: Page) -> None:
    own_page.get_by_role("link", name="Add project").click()
    own_page.get_by_label("Title", exact=True).fill("Gallery")
    press(own_page, "Add project")
    own_page.get_by_role("link", name="Images Gallery").click()
    for text in ("A map", "A list"):
        upload = own_page.get_by_role("form", name="Add image")
        upload.get_by_label("Image", exact=True).set_input_files(FILE)
        upload.get_by_label("Image description").fill(text)
        press(own_page, "Add image")
        expect(own_page.get_by_role("button", name=f"Remove {text}")).to_be_visible()
        expect_no_overflow(own_page)
    press(own_page, "Move A list up")
    expect(own_page.locator("[data-reorder] input[name=alt]").first).to_have_value("A list")
    own_page.get_by_label("Image description").first.fill("A list of trees")
    press(own_page, "Save A list")
    expect_message(own_page, "Saved.")
    press(own_page, "Remove A map")
    expect_message(own_page, "Image removed.")
    press(own_page, "Undo")
    expect_message(own_page, "Restored.")
    own_page.get_by_role("link", name="Gallery", exact=True).click()
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Gallery")
    expect(own_page.locator(".shots img")).to_have_count(2)
    expect_no_overflow(own_page)


def test_step_towards_a_complete_page(scenario: Scenario, own_page: Page) -> None:
    ring = own_page.get_by_role("img", name=re.compile("% complete"))
    before = str(ring.get_attribute("aria-label"))
    own_page.get_by_text("More", exact=True).click()
    expect(own_page.get_by_text(re.compile(r"^\d+ steps to a complete page$"))).to_be_visible()
    expect_no_overflow(own_page)
    own_page.get_by_role("link", name="Add links").click()
    own_page.locator("form").get_by_label("Links", exact=True).fill("example.com/olive")
    press(own_page, "Save links")
    expect_message(own_page, "Saved.")
    expect(ring).to_have_attribute("aria-label", f"{int(before.split('%', maxsplit=1)[0]) + 5}% complete")
    expect(own_page.get_by_role("link", name="Add links")).to_have_count(0)


def test_edit_conflict_between_two_tabs(scenario: Scenario, own_page: Page) -> None:
    other = own_page.context.new_page()
    other.goto(own_page.url)
    mine, theirs = (open_section(page, "bio", "Bio") for page in (own_page, other))
    theirs.fill("Theirs")
    press(other, "Save bio")
    expect_message(other, "Saved.")
    mine.fill("Mine")
    press(own_page, "Save bio")
    expect_message(own_page, "Not saved. This section was changed")
    expect(own_page.locator(".conflict").get_by_text("Theirs")).to_be_visible()
    expect(mine).to_have_value("Mine")
    press(own_page, "Save my version")
    expect_message(own_page, "Saved.")
    other.goto(scenario.page_url("Olive"))
    expect(other.get_by_text("Mine", exact=True)).to_be_visible()
    other.close()


def test_missing_and_forbidden_pages(scenario: Scenario, own_page: Page) -> None:
    own_page.goto(f"{scenario.site.app}/builders/missing-page/")
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Page not found")
    expect_no_overflow(own_page)
    own_page.goto(f"{scenario.site.app}/builders/{ZOFIA_SLUG}/edit/about/")
    expect(own_page.get_by_role("heading", level=1)).to_have_text("You do not have access to this page")
    expect_no_overflow(own_page)
    own_page.get_by_role("link", name="Browse builders").click()
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Builders")


def test_form_is_preserved_if_the_session_expires(
    scenario: Scenario, own_page: Page, old_token: dict[str, Any]
) -> None:
    own_page.route("**/v1/client/sessions/*/tokens*", lambda route: route.abort())
    own_page.reload()  # so that no earlier request renews the token
    if scenario.device.scripts:
        own_page.evaluate("window.Clerk.load()")  # which renews the token once
    about = open_section(own_page, "bio", "Bio")
    about.fill("Typed over a long lunch")
    use_expired_token(own_page.context, old_token, own_page.wait_for_timeout)
    press(own_page, "Save bio")
    expect_message(own_page, "Your changes have not been saved yet")
    expect(about).to_have_value("Typed over a long lunch")
    own_page.unroute_all()
    press(own_page, "Save bio")
    expect_message(own_page, "Saved.")
    expect(own_page.get_by_text("Typed over a long lunch")).to_be_visible()


@pytest.fixture(scope="module", autouse=True)
def old_token(olive: Page) -> dict[str, Any]:
    """Return Olive's first token, which expires before the test uses it."""
    return session_cookie(olive.context)
