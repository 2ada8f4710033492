"""Journeys through accounts: signing up, what becomes of an account, and what admins do."""

import re

from playwright.sync_api import expect

from tests.browser.journeys.doing import press, told
from tests.browser.people import sign_up
from tests.browser.stage import Stage, fits
from tests.helpers.processes import wait_until


def test_signing_up_and_publishing(stage: Stage) -> None:
    """Only signing up itself needs JavaScript, at Clerk."""
    if stage.setting.scripts:
        page = stage.tab()
        sign_up(page, stage.site, f"New {stage.setting.slug}".replace(" ", "-"), target=None)
    else:
        page = stage.tab(stage.person("New"), "/welcome/")
    expect(page.get_by_role("heading", level=1)).to_have_text("What brings you here?", timeout=20_000)
    fits(page)
    page.get_by_label("I build apps").check()
    press(page, "Continue")
    page.get_by_label("Headline").fill("Maps for people who are rarely online")
    page.get_by_label("Skills", exact=True).fill("Maps, Sync, Python")
    page.get_by_label("Hourly rate").fill("85")
    fits(page)
    press(page, "Save and continue")
    expect(page).to_have_url(f"{stage.site.app}/welcome/preview/")
    told(page, "This is what clients will see.")
    press(page, "Publish page")
    told(page, "Page published. Your page is public and listed in the directory.")
    stranger = stage.tab()
    stranger.goto(page.url)
    expect(stranger.get_by_text("Maps for people who are rarely online")).to_be_visible()


def test_the_account(stage: Stage) -> None:
    page, visitor = stage.tab(stage.person("Ada", "BUILDER")), stage.tab()
    fits(page)
    press(page, "Limited")
    expect(page.get_by_role("button", name="Limited")).to_have_attribute("aria-pressed", "true")
    told(page, "Saved.")
    page.get_by_role("link", name="Stop being a builder").click()
    told(page, "Your page is hidden straight away")
    press(page, "Stop being a builder")
    told(page, "You are no longer a builder.")
    visitor.goto(stage.address("Ada"))
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Page not found")
    press(page, "Become a client")
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you looking for?")
    page.get_by_label("Company").fill("Lovelace & Co")
    press(page, "Save and continue")
    page.goto(f"{stage.site.app}/account/")
    told(page, "Lovelace & Co")
    told(page, re.compile("Profile updated: .*availability"))
    press(page, "Request a copy")
    told(page, "A copy of your data is being prepared.")
    page.get_by_role("link", name="Delete account").click()
    fits(page)
    press(page, "Delete account")
    told(page, re.compile("^This account will be deleted on"))
    press(page, "Keep account")
    told(page, "Account deletion cancelled.")
    expect(page.get_by_text("This account will be deleted")).to_have_count(0)
    wait_until(lambda: page.reload() and page.get_by_role("link", name="Download your data").count(), "no copy came")
    fits(page)


def test_an_admin_looks_after_a_builder(stage: Stage) -> None:
    mona = stage.person("Mona", "BUILDER")
    page = stage.tab(stage.somebody("Ngozi"))
    page.goto(stage.address("Mona"))
    bar = page.get_by_role("complementary", name="Admin tools")
    bar.get_by_role("link", name="Verify").click()
    page.get_by_label("Tier").select_option("2")
    press(page, "Save tier")
    told(page, "Not saved. Please check:")
    page.get_by_label("Evidence").fill("Two apps read with their owners.")
    press(page, "Save tier")
    told(page, "Tier saved.")
    bar.get_by_role("link", name="Badges").click()
    page.get_by_label("Badge").select_option("code")
    page.get_by_label("Evidence").fill("Read by two of us.")
    press(page, "Award badge")
    told(page, "Badge awarded.")
    expect(page.get_by_text("Read by two of us.")).to_be_visible()
    press(page, "Feature")
    told(page, "The page is now featured.")
    press(page, "Stop featuring")
    told(page, "The page is no longer featured.")
    page.get_by_role("link", name="Edit introduction").click()
    page.get_by_label("Tagline").fill("Written by an admin")
    press(page, "Save introduction")
    told(page, "Saved.")
    bar.get_by_role("link", name="Hide").click()
    page.get_by_label("Reason").fill("The picture is of somebody else.")
    press(page, "Hide page")
    told(page, "The page is hidden.")
    owner = stage.tab(mona, f"/builders/mona-{stage.setting.slug}/")
    told(owner, "The picture is of somebody else.")
    expect(owner.get_by_text("Written by an admin")).to_be_visible()
    stranger = stage.tab()
    stranger.goto(stage.address("Mona"))
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Page not found")
    bar.get_by_role("link", name="Unhide").click()
    fits(page)
    press(page, "Unhide page")
    told(page, "The page is no longer hidden.")
    stranger.reload()
    expect(stranger.get_by_text("Written by an admin")).to_be_visible()
    owner.goto(f"{stage.site.app}/account/")
    told(owner, re.compile(r"Profile updated: .*\(by an admin\)"))
