"""Sign up and publish a first page: with a mouse, with the keyboard only, and without JavaScript."""

import re
from typing import Literal

from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import sign_up, submit
from tests.helpers.images import image_file
from tests.helpers.servers.site import Site

HEADLINE = "Maps for people who are rarely online"


def start_onboarding(page: Page, site: Site, first_name: str) -> None:
    """Sign up, and wait for the webhook about the new user."""
    sign_up(page, site, first_name, target=None)
    expect(page.get_by_role("heading", level=1)).to_have_text("What brings you here?", timeout=20_000)


def fill_in_work(page: Page) -> None:
    page.get_by_label("Headline").fill(HEADLINE)
    page.get_by_label("Skills", exact=True).fill("Maps, Sync, Python")
    page.get_by_label("Web apps").check()
    page.get_by_label("Availability").select_option("Limited")
    page.get_by_label("Hourly rate").fill("85")
    page.get_by_label("Currency").select_option("EUR")
    submit(page, "Save and continue")


def skip_picture_and_project(page: Page) -> None:
    for heading in ("Your picture", "A project"):
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        page.get_by_role("link", name="Skip this step").click()


def expect_public(chromium: Browser, url: str, *, is_public: bool) -> None:
    context = chromium.new_context()
    visitor = context.new_page()
    response = visitor.goto(url)
    assert response
    assert response.status == (200 if is_public else 404)
    if is_public:
        expect(visitor.get_by_text(HEADLINE)).to_be_visible()
        expect(visitor.get_by_role("complementary")).to_have_count(0)
    context.close()


def test_new_user_publishes_a_page(page: Page, site: Site, chromium: Browser, console_errors: list[str]) -> None:
    start_onboarding(page, site, "Firstrun")
    url = f"{site.app}/builders/firstrun-browser/"
    page.get_by_label("I build apps").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("About your work")
    expect_public(chromium, url, is_public=False)
    page.get_by_label("Hourly rate").fill("-5")
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_text("Enter a rate above zero")).to_be_visible()
    expect(page.get_by_label("Hourly rate")).to_be_focused()
    page.get_by_label("Location").fill("Gdynia, Poland")
    fill_in_work(page)
    expect(page.get_by_text("Step 3 of 5")).to_be_visible()
    page.get_by_label("Portrait").set_input_files({"name": "me.jpg", "mimeType": "image/jpeg", "buffer": image_file()})
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_text("Step 4 of 5")).to_be_visible()
    page.get_by_label("Title").fill("Ferry timetable")
    page.get_by_label("Description", exact=True).fill("It works offline.")
    page.get_by_role("button", name="Save and continue").click()
    expect(page).to_have_url(f"{site.app}/welcome/preview/")
    expect(page.get_by_text("Step 5 of 5")).to_be_visible()
    expect(page.get_by_text(HEADLINE)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"^(8\d|9\d|100)% complete$"))).to_be_visible()
    # The content is not stretched to the height of the adjacent column.
    heading = page.get_by_role("heading", name="Skills").bounding_box()
    first = page.get_by_text("Top skills").bounding_box()
    assert heading
    assert first
    assert first["y"] - heading["y"] - heading["height"] < 30
    expect_public(chromium, url, is_public=False)
    page.get_by_role("button", name="Publish page").click()
    expect(page).to_have_url(url)
    expect(page.get_by_text("Page published. Your page is public and listed in the directory.")).to_be_visible()
    expect_public(chromium, url, is_public=True)
    assert console_errors == []


def test_onboarding_by_keyboard(page: Page, site: Site, chromium: Browser) -> None:
    start_onboarding(page, site, "Keys")

    def tab_to(label: str, role: Literal["button", "checkbox", "textbox"] = "button") -> None:
        """Press Tab until the target is focused."""
        target = page.get_by_role(role, name=label, exact=True)
        for _ in range(60):
            if target.evaluate("element => element === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{label} cannot be reached with Tab.")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    # The group of radio buttons is a single tab stop, and Space selects an option.
    while not page.evaluate("document.activeElement.type === 'radio'"):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("I build apps")).to_be_checked()
    tab_to("Continue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("About your work")
    tab_to("Headline", "textbox")
    page.keyboard.type(HEADLINE)
    tab_to("Web apps", "checkbox")
    page.keyboard.press("Space")
    tab_to("Save and continue")
    page.keyboard.press("Enter")
    skip_picture_and_project(page)
    expect(page).to_have_url(f"{site.app}/welcome/preview/")
    tab_to("Publish page")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.app}/builders/keys-browser/")
    expect_public(chromium, page.url, is_public=True)


def test_client_becomes_a_builder_without_javascript(chromium: Browser, site: Site) -> None:
    """Sign-up requires JavaScript, so the user is created first."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.clerk}/sign-in")
    page.get_by_role("button", name="Grace O’Sullivan").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace O’Sullivan")
    page.get_by_role("button", name="Become a builder").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("About your work")
    page.goto(f"{site.app}/account/")
    page.get_by_role("link", name="Continue setting up your profile").click()
    fill_in_work(page)
    skip_picture_and_project(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you looking for?")
    page.get_by_label("Company").fill("O’Sullivan & Daughters")
    submit(page, "Save and continue")
    page.get_by_role("button", name="Publish page").click()
    expect(page.get_by_text("Page published. Your page is public")).to_be_visible()
    expect_public(chromium, page.url, is_public=True)
    context.close()
