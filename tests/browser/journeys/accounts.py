"""Sign up, manage an account, and moderate a builder as an admin."""

import re

from playwright.sync_api import expect

from tests.browser.journeys.steps import expect_message, press
from tests.browser.scenario import Scenario, expect_no_overflow
from tests.browser.steps import sign_up
from tests.helpers.servers.processes import wait_until


def test_sign_up_and_publish_a_page(scenario: Scenario) -> None:
    """Without JavaScript, the user is created first, because Clerk's sign-up form requires JavaScript."""
    if scenario.device.scripts:
        page = scenario.open_tab()
        sign_up(page, scenario.site, f"New {scenario.device.slug}".replace(" ", "-"), target=None)
    else:
        page = scenario.open_tab(scenario.create_user("New"), "/welcome/")
    expect(page.get_by_role("heading", level=1)).to_have_text("What brings you here?", timeout=20_000)
    expect_no_overflow(page)
    page.get_by_label("I build apps").check()
    press(page, "Continue")
    page.get_by_label("Headline").fill("Maps for people who are rarely online")
    page.get_by_label("Skills", exact=True).fill("Maps, Sync, Python")
    page.get_by_label("Hourly rate").fill("85")
    expect_no_overflow(page)
    press(page, "Save and continue")
    for step in ("picture", "project"):
        expect(page).to_have_url(f"{scenario.site.app}/welcome/{step}/")
        expect_no_overflow(page)
        page.get_by_role("link", name="Skip this step").click()
    expect(page).to_have_url(f"{scenario.site.app}/welcome/preview/")
    expect_message(page, "This is what clients will see.")
    press(page, "Publish page")
    expect_message(page, "Page published. Your page is public and listed in the directory.")
    visitor = scenario.open_tab()
    visitor.goto(page.url)
    expect(visitor.get_by_text("Maps for people who are rarely online")).to_be_visible()


def test_manage_an_account(scenario: Scenario) -> None:
    page, visitor = scenario.open_tab(scenario.create_user("Ada", "BUILDER")), scenario.open_tab()
    expect_no_overflow(page)
    press(page, "Limited")
    expect(page.get_by_role("button", name="Limited")).to_have_attribute("aria-pressed", "true")
    expect_message(page, "Saved.")
    page.get_by_role("link", name="Stop being a builder").click()
    expect_message(page, "Your page is hidden straight away")
    press(page, "Stop being a builder")
    expect_message(page, "You are no longer a builder.")
    visitor.goto(scenario.page_url("Ada"))
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Page not found")
    press(page, "Become a client")
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you looking for?")
    page.get_by_label("Company").fill("Lovelace & Co")
    press(page, "Save and continue")
    page.goto(f"{scenario.site.app}/account/")
    expect_message(page, "Lovelace & Co")
    expect_message(page, re.compile("Profile updated: .*availability"))
    press(page, "Request a copy")
    expect_message(page, "We are preparing a copy of your data.")
    page.get_by_role("link", name="Delete account").click()
    expect_no_overflow(page)
    press(page, "Delete account")
    expect_message(page, re.compile("^This account will be deleted on"))
    press(page, "Keep account")
    expect_message(page, "Account deletion cancelled.")
    expect(page.get_by_text("This account will be deleted")).to_have_count(0)
    wait_until(
        lambda: page.reload() and page.get_by_role("link", name="Download your data").count(),
        "the copy of the data was not prepared",
    )
    expect_no_overflow(page)


def test_verify_an_address_and_change_the_name(scenario: Scenario) -> None:
    """Without JavaScript, the page links to the profile at Clerk, as the stand-in's component does."""
    user_id = scenario.create_user("Nadia", "BUILDER")
    address = f"second.{scenario.device.slug}@example.com"
    page = scenario.open_tab(user_id, "/account/security/")
    expect_no_overflow(page)
    page.get_by_role("link", name="Manage account").click()
    expect_no_overflow(page)
    page.get_by_label("First name").fill("Eleonora")
    press(page, "Save name")
    expect_message(page, "Name saved.")
    page.get_by_role("button", name=re.compile("^Remove nadia")).click()
    expect_message(page, "No email address. Buildappswith cannot send you messages.")
    page.get_by_label("New email address").fill(address)
    press(page, "Add email address")
    page.get_by_role("link", name="Open mailbox").click()
    page.get_by_role("link", name="is your verification code").first.click()
    expect_no_overflow(page)
    page.get_by_label("Code").fill("12345")
    press(page, "Verify")
    expect_message(page, "Incorrect code.")
    page.get_by_role("link", name="Open mailbox").click()
    code = page.get_by_role("link", name="is your verification code").first
    text = code.inner_text()
    code.click()
    page.get_by_label("Code").fill(text[:6])
    press(page, "Verify")
    expect_message(page, f"{address} is verified.")
    page.get_by_role("link", name="Back to Buildappswith").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Eleonora {scenario.device}")
    expect(page.get_by_text(address)).to_be_visible()


def test_admin_moderates_a_builder(scenario: Scenario) -> None:
    mona = scenario.create_user("Mona", "BUILDER")
    page = scenario.open_tab(scenario.demo_user("Ngozi"))
    page.goto(scenario.page_url("Mona"))
    bar = page.get_by_role("complementary", name="Admin tools")
    bar.get_by_role("link", name="Verify").click()
    page.get_by_label("Tier").select_option("2")
    press(page, "Save tier")
    expect_message(page, "Not saved. Please check:")
    page.get_by_label("Evidence").fill("Reviewed two apps with their owners.")
    press(page, "Save tier")
    expect_message(page, "Tier saved.")
    bar.get_by_role("link", name="Badges").click()
    page.get_by_label("Badge").select_option("code")
    page.get_by_label("Evidence").fill("Code read by two admins.")
    press(page, "Award badge")
    expect_message(page, "Badge awarded.")
    expect(page.get_by_text("Code read by two admins.")).to_be_visible()
    press(page, "Feature")
    expect_message(page, "The page is now featured.")
    press(page, "Stop featuring")
    expect_message(page, "The page is no longer featured.")
    page.get_by_role("link", name="Edit introduction").click()
    page.get_by_label("Tagline").fill("Written by an admin")
    press(page, "Save introduction")
    expect_message(page, "Saved.")
    bar.get_by_role("link", name="Hide").click()
    page.get_by_label("Reason").fill("The portrait shows a different person.")
    press(page, "Hide page")
    expect_message(page, "The page is hidden.")
    owner = scenario.open_tab(mona, f"/builders/mona-{scenario.device.slug}/")
    expect_message(owner, "The portrait shows a different person.")
    expect(owner.get_by_text("Written by an admin")).to_be_visible()
    visitor = scenario.open_tab()
    visitor.goto(scenario.page_url("Mona"))
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Page not found")
    bar.get_by_role("link", name="Unhide").click()
    expect_no_overflow(page)
    press(page, "Unhide page")
    expect_message(page, "The page is no longer hidden.")
    visitor.reload()
    expect(visitor.get_by_text("Written by an admin")).to_be_visible()
    owner.goto(f"{scenario.site.app}/account/")
    expect_message(owner, re.compile(r"Profile updated: .*\(by an admin\)"))
