"""Admins decide about the waitlist and invite people, and an approved person signs up.

Clerk accepts ten invitations at once, and then one every 40 s. All journeys on two devices need ten.
"""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import admin_violations
from tests.browser.conftest import TIMEOUT_MS
from tests.browser.journeys.steps import press
from tests.browser.scenario import Device, Scenario, expect_no_overflow
from tests.helpers.servers.processes import wait_until

LIST = "/admin/accounts/lead/"
DEVICES = (Device(360, "light", scripts=True), Device(1280, "dark", scripts=False))


@pytest.fixture(scope="module", params=DEVICES, ids=lambda device: device.slug)
def device(request: pytest.FixtureRequest) -> Device:
    chosen: Device = request.param
    return chosen


def open_list(scenario: Scenario) -> Page:
    """Return a tab of an admin with the list of leads."""
    return scenario.open_tab(scenario.demo_user("Ngozi"), LIST)


def address_of(scenario: Scenario, name: str) -> str:
    return f"{name}.{scenario.device.slug}@example.com"


def reload_until_visible(tab: Page, locator: Locator) -> None:
    """Reload the page until an element is on it, because webhooks arrive and jobs end a moment later."""

    def is_visible() -> bool:
        tab.reload()
        return locator.count() > 0

    if not locator.count():
        wait_until(is_visible, f"{locator} did not appear on {tab.url}", TIMEOUT_MS / 1000)
    expect(locator).to_be_visible()


def join_waitlist(scenario: Scenario, tab: Page, address: str) -> None:
    tab.goto(f"{scenario.site.clerk}/waitlist")
    tab.get_by_label("Email address").fill(address)
    press(tab, "Join waitlist")
    expect(tab.get_by_role("listitem").filter(has_text=address).first).to_be_visible()
    expect_no_overflow(tab)


def open_lead(scenario: Scenario, tab: Page, address: str) -> None:
    """Open the admin page of a lead, as soon as its webhook has arrived."""
    tab.goto(f"{scenario.site.app}{LIST}?q={address}")
    link = tab.get_by_role("link", name=address, exact=True)
    reload_until_visible(tab, link)
    link.click()
    expect_no_overflow(tab)


def decide(tab: Page, button: str) -> None:
    tab.get_by_label("Reason").fill("Runs a studio in Bologna")
    press(tab, button)


def expect_accessible(tab: Page, scenario: Scenario, axe: str) -> None:
    expect_no_overflow(tab)
    if scenario.device.scripts:  # axe-core needs JavaScript
        assert admin_violations(tab, axe) == []


def test_admin_rejects_and_approves_an_entry(scenario: Scenario) -> None:
    tab, address = open_list(scenario), address_of(scenario, "wanda")
    join_waitlist(scenario, tab, address)
    open_lead(scenario, tab, address)
    decide(tab, "Reject")
    expect(tab.get_by_text("Clerk accepted the change. New state: Rejected.")).to_be_visible()
    decide(tab, "Approve")
    expect(tab.get_by_text("Clerk accepted the change. New state: Invited.")).to_be_visible()
    tab.get_by_role("link", name="Invitation for this waitlist entry").click()
    decide(tab, "Revoke invitation")
    expect(tab.get_by_text("Clerk accepted the change. New state: Revoked.")).to_be_visible()
    expect(tab.get_by_role("heading", name="Decision")).to_have_count(0)


def test_admin_approves_several_entries(scenario: Scenario, axe: str) -> None:
    tab, addresses = open_list(scenario), [address_of(scenario, name) for name in ("wera", "wido")]
    for address in addresses:
        join_waitlist(scenario, tab, address)
        open_lead(scenario, tab, address)
    tab.goto(f"{scenario.site.app}{LIST}?state__exact=pending")
    for address in addresses:
        tab.get_by_role("row").filter(has_text=address).get_by_role("checkbox").check()
    tab.get_by_role("combobox", name="Action").select_option(label="Approve selected waitlist entries…")
    tab.locator("button[name=index]").click()
    expect(tab.get_by_text("2 waitlist entries will be approved in Clerk.")).to_be_visible()
    expect_accessible(tab, scenario, axe)
    decide(tab, "Approve waitlist entries")
    expect(tab.get_by_text("2 approvals are queued.")).to_be_visible()
    for address in addresses:
        tab.goto(f"{scenario.site.app}{LIST}?state__exact=invited&q={address}")
        reload_until_visible(tab, tab.get_by_role("link", name=address, exact=True))


def test_admin_erases_an_entry(scenario: Scenario, axe: str) -> None:
    tab, address = open_list(scenario), address_of(scenario, "wilja")
    join_waitlist(scenario, tab, address)
    open_lead(scenario, tab, address)
    tab.get_by_role("link", name="Erase personal data…").click()
    expect(tab.get_by_text("The entry is also deleted in Clerk.")).to_be_visible()
    expect_accessible(tab, scenario, axe)
    tab.get_by_label("The person asked for it").check()
    press(tab, "Erase personal data")
    expect(tab.get_by_text("The personal data was erased and")).to_be_visible()
    expect(tab.get_by_role("link", name="Erase personal data…")).to_have_count(0)
    expect(tab.get_by_text(address)).to_have_count(0)
    tab.goto(f"{scenario.site.clerk}/waitlist")
    expect(tab.get_by_text(address)).to_have_count(0)


def test_admin_invites_a_person(scenario: Scenario) -> None:
    tab = open_list(scenario)
    tab.get_by_role("link", name="Invite a person").click()
    tab.get_by_label("Email address").fill(address_of(scenario, "ivo"))
    tab.get_by_label("Builder").check()
    expect_no_overflow(tab)
    decide(tab, "Send invitation")
    expect(tab.get_by_text("Invitation created. Clerk sends it by email.")).to_be_visible()
    expect(tab.get_by_role("button", name="Revoke invitation")).to_be_visible()


def test_enter_in_the_reason_decides_nothing(scenario: Scenario) -> None:
    tab, address = open_list(scenario), address_of(scenario, "wolf")
    join_waitlist(scenario, tab, address)
    open_lead(scenario, tab, address)
    tab.get_by_label("Reason").fill("Runs a studio")
    tab.get_by_label("Reason").press("Enter")
    expect(tab.get_by_role("button", name="Approve")).to_be_visible()
    expect(tab.get_by_text("Clerk accepted the change")).to_have_count(0)


def test_person_who_was_approved_becomes_a_user(scenario: Scenario, axe: str) -> None:
    tab, address = open_list(scenario), address_of(scenario, "winona")
    join_waitlist(scenario, tab, address)
    open_lead(scenario, tab, address)
    expect_accessible(tab, scenario, axe)
    decide(tab, "Approve")
    expect(tab.get_by_text("New state: Invited.")).to_be_visible()
    scenario.create_user("Winona")
    person = tab.get_by_role("link", name=f"Winona {scenario.device}")
    reload_until_visible(tab, person)
    person.click()
    tab.get_by_role("link", name="Waitlist and invitations").click()
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    expect_accessible(tab, scenario, axe)
