"""A builder joins an organization in Clerk, shows it on the page, and leaves it."""

from playwright.sync_api import Page, expect

from tests.browser.axe import admin_violations, violations
from tests.browser.journeys.steps import expect_message, press
from tests.browser.scenario import HEIGHTS, Scenario, expect_no_overflow
from tests.helpers.servers.processes import wait_until


def wait_for(page: Page, url: str, text: str, *, is_shown: bool = True) -> None:
    """Reload a page until Clerk's webhook has arrived."""

    def is_done() -> bool:
        page.goto(url)
        return (page.get_by_role("main").get_by_text(text).count() > 0) is is_shown

    wait_until(is_done, f"{text!r} did not change on {url}", 20)


def expect_accessible(page: Page, scenario: Scenario, axe: str) -> None:
    expect_no_overflow(page)
    if scenario.device.scripts:  # axe-core needs JavaScript
        width = scenario.device.width
        assert violations(page, axe, ((width, HEIGHTS[width]),)) == []


def create_organization(scenario: Scenario, name: str, first_admin: str) -> Page:
    """Create an organization in Clerk, and return its page there."""
    clerk = scenario.open_tab()
    clerk.goto(f"{scenario.site.clerk}/organizations")
    clerk.get_by_label("Name", exact=True).fill(name)
    clerk.get_by_label("First admin").select_option(first_admin)
    press(clerk, "Create organization")
    expect(clerk.get_by_role("heading", name=name)).to_be_visible()
    expect_no_overflow(clerk)
    return clerk


def show_organization(scenario: Scenario, builder: Page, own_page: str, name: str) -> None:
    """Choose an organization on the builder's page, as soon as its webhook has arrived."""
    wait_for(builder, f"{own_page}organizations/", name)
    builder.goto(own_page)
    builder.get_by_role("complementary", name="Your page").get_by_text("More", exact=True).click()
    builder.get_by_role("link", name="Choose organizations").click()
    builder.get_by_label(name).check()
    expect_no_overflow(builder)


def test_builder_shows_an_organization_until_leaving_it(scenario: Scenario, axe: str) -> None:
    orla, name = scenario.create_user("Orla", "BUILDER"), f"Quay & Søn {scenario.device}"
    clerk = create_organization(scenario, name, orla)
    builder, own_page = scenario.open_tab(orla), scenario.page_url("Orla")
    show_organization(scenario, builder, own_page, name)
    expect_accessible(builder, scenario, axe)
    press(builder, "Save changes")
    expect_message(builder, name)

    visitor = scenario.open_tab()
    visitor.goto(own_page)
    visitor.get_by_role("link", name=name).click()
    expect(visitor.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect_accessible(visitor, scenario, axe)

    admin = scenario.open_tab(scenario.demo_user("Ngozi"), "/admin/accounts/organization/")
    assert admin_violations(admin, axe) == []
    admin.get_by_role("main").get_by_role("link", name=name).click()
    expect(admin.get_by_role("heading", name="Members")).to_be_visible()
    assert admin_violations(admin, axe) == []

    press(clerk, f"Remove Orla {scenario.device}")
    expect(clerk.get_by_text("No members.")).to_be_visible()
    wait_for(visitor, own_page, name, is_shown=False)


def test_admin_removes_a_member(scenario: Scenario, axe: str) -> None:
    owen, name = scenario.create_user("Owen", "BUILDER"), f"Pier & Søn {scenario.device}"
    clerk = create_organization(scenario, name, scenario.create_user("Odile"))
    clerk.get_by_label("New member").select_option(owen)
    press(clerk, "Add member")
    expect(clerk.get_by_role("button", name=f"Remove Owen {scenario.device}")).to_be_visible()
    builder, own_page = scenario.open_tab(owen), scenario.page_url("Owen")
    show_organization(scenario, builder, own_page, name)
    press(builder, "Save changes")
    expect_message(builder, name)

    admin = scenario.open_tab(scenario.demo_user("Ngozi"), "/admin/accounts/organization/")
    admin.get_by_role("main").get_by_role("link", name=name).click()
    admin.get_by_role("link", name="All members").click()
    admin.get_by_role("link", name=f"Owen {scenario.device}").click()
    expect_no_overflow(admin)
    if scenario.device.scripts:
        assert admin_violations(admin, axe) == []
    admin.get_by_label("Reason").fill("Has left the company")
    press(admin, "Remove from organization")
    expect(admin.get_by_text("The member will be removed in Clerk.")).to_be_visible()

    wait_for(scenario.open_tab(), own_page, name, is_shown=False)
    admin.reload()
    expect(admin.get_by_role("button", name="Remove from organization")).to_have_count(0)
    clerk.reload()
    expect(clerk.get_by_role("button", name=f"Remove Owen {scenario.device}")).to_have_count(0)
