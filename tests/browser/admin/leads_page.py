"""An admin decides about the waitlist, and an invited person signs up. With and without JavaScript."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.admin.repairing import operator
from tests.browser.axe import admin_violations
from tests.browser.conftest import TIMEOUT_MS
from tests.browser.steps import expect_signed_in, sign_up
from tests.helpers.servers.site import Site

LIST = "/admin/accounts/lead/"


@pytest.fixture(params=[True, False], ids=["scripts", "plain"])
def tab(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Page]:
    with operator(chromium, site, java_script_enabled=request.param, viewport={"width": 390, "height": 800}) as page:
        yield page


def reload_until_visible(tab: Page, locator: Locator) -> None:
    """Reload the page until an element is on it, because webhooks arrive a moment later."""
    end = time.monotonic() + TIMEOUT_MS / 1000
    while not locator.count() and time.monotonic() < end:
        tab.wait_for_timeout(200)
        tab.reload()
    expect(locator).to_be_visible()


def join_waitlist(tab: Page, site: Site, address: str, button: str = "Join waitlist") -> None:
    tab.goto(f"{site.clerk}/waitlist")
    tab.get_by_label("Email address").fill(address)
    tab.get_by_role("button", name=button).click()
    expect(tab.get_by_role("listitem").filter(has_text=address).first).to_be_visible()


def open_lead(tab: Page, site: Site, address: str) -> None:
    """Open the admin page of a lead, as soon as its webhook has arrived."""
    tab.goto(f"{site.app}{LIST}?q={address}")
    link = tab.get_by_role("link", name=address, exact=True)
    reload_until_visible(tab, link)
    link.click()


def decide(tab: Page, button: str) -> None:
    tab.get_by_label("Reason").fill("Runs a studio in Bologna")
    tab.get_by_role("button", name=button, exact=True).click()


def test_admin_rejects_and_approves_an_entry(tab: Page, site: Site, request: pytest.FixtureRequest) -> None:
    address = f"wanda.waits.{request.node.callspec.id}@example.com"
    join_waitlist(tab, site, address)
    open_lead(tab, site, address)
    decide(tab, "Reject")
    expect(tab.get_by_text("Clerk accepted the change. New state: Rejected.")).to_be_visible()
    decide(tab, "Approve")
    expect(tab.get_by_text("Clerk accepted the change. New state: Invited.")).to_be_visible()
    tab.get_by_role("link", name="Invitation for this waitlist entry").click()
    decide(tab, "Revoke invitation")
    expect(tab.get_by_text("Clerk accepted the change. New state: Revoked.")).to_be_visible()
    expect(tab.get_by_role("heading", name="Decision")).to_have_count(0)


def test_admin_approves_several_entries(tab: Page, site: Site, axe: str, request: pytest.FixtureRequest) -> None:
    mode = request.node.callspec.id
    addresses = [f"{name}.bulk.{mode}@example.com" for name in ("wera", "wido")]
    for address in addresses:
        join_waitlist(tab, site, address)
        open_lead(tab, site, address)
    tab.goto(f"{site.app}{LIST}?state__exact=pending")
    for address in addresses:
        tab.get_by_role("row").filter(has_text=address).get_by_role("checkbox").check()
    tab.get_by_role("combobox", name="Action").select_option(label="Approve selected waitlist entries…")
    tab.locator("button[name=index]").click()
    expect(tab.get_by_text("2 waitlist entries will be approved in Clerk.")).to_be_visible()
    if mode == "scripts":
        assert admin_violations(tab, axe) == []
    decide(tab, "Approve waitlist entries")
    expect(tab.get_by_text("2 approvals are queued.")).to_be_visible()
    for address in addresses:
        tab.goto(f"{site.app}{LIST}?state__exact=invited&q={address}")
        reload_until_visible(tab, tab.get_by_role("link", name=address, exact=True))


def test_admin_erases_an_entry(tab: Page, site: Site, axe: str, request: pytest.FixtureRequest) -> None:
    mode = request.node.callspec.id
    address = f"wilja.waits.{mode}@example.com"
    join_waitlist(tab, site, address)
    open_lead(tab, site, address)
    tab.get_by_role("link", name="Erase personal data…").click()
    expect(tab.get_by_text("The entry is also deleted in Clerk.")).to_be_visible()
    if mode == "scripts":
        assert admin_violations(tab, axe) == []
    tab.get_by_label("The person asked for it").check()
    tab.get_by_role("button", name="Erase personal data").click()
    expect(tab.get_by_text("The personal data was erased and")).to_be_visible()
    expect(tab.get_by_role("link", name="Erase personal data…")).to_have_count(0)
    expect(tab.get_by_text(address)).to_have_count(0)
    tab.goto(f"{site.clerk}/waitlist")
    expect(tab.get_by_text(address)).to_have_count(0)


def test_admin_invites_a_person(tab: Page, site: Site, request: pytest.FixtureRequest) -> None:
    tab.goto(f"{site.app}{LIST}")
    tab.get_by_role("link", name="Invite a person").click()
    tab.get_by_label("Email address").fill(f"ivo.invited.{request.node.callspec.id}@example.com")
    tab.get_by_label("Builder").check()
    decide(tab, "Send invitation")
    expect(tab.get_by_text("Invitation created. Clerk sends it by email.")).to_be_visible()
    expect(tab.get_by_role("button", name="Revoke invitation")).to_be_visible()


def test_enter_in_the_reason_decides_nothing(tab: Page, site: Site, request: pytest.FixtureRequest) -> None:
    address = f"wolf.waits.{request.node.callspec.id}@example.com"
    join_waitlist(tab, site, address)
    open_lead(tab, site, address)
    tab.get_by_label("Reason").fill("Runs a studio")
    tab.get_by_label("Reason").press("Enter")
    expect(tab.get_by_role("button", name="Approve")).to_be_visible()
    expect(tab.get_by_text("Clerk accepted the change")).to_have_count(0)


def test_person_who_was_approved_signs_up(
    admin: Page, chromium: Browser, site: Site, axe: str, console_errors: list[str]
) -> None:
    join_waitlist(admin, site, "winona@example.com")
    open_lead(admin, site, "winona@example.com")
    assert admin_violations(admin, axe) == []
    decide(admin, "Approve")
    expect(admin.get_by_text("New state: Invited.")).to_be_visible()
    context = chromium.new_context()
    page = context.new_page()
    sign_up(page, site, "Winona")
    expect_signed_in(page, "Winona")
    context.close()
    person = admin.get_by_role("link", name="Winona Browser")
    reload_until_visible(admin, person)
    expect(admin.get_by_text("Signed up", exact=True)).to_be_visible()
    person.click()
    admin.get_by_role("link", name="Waitlist and invitations").click()
    expect(admin.get_by_role("heading", level=1)).to_be_visible()
    assert admin_violations(admin, axe) == []
    assert console_errors == []
