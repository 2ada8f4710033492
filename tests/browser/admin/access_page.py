"""An admin changes a user's access in Clerk, from the user list to the confirmation."""

from playwright.sync_api import Page, expect

from tests.browser.axe import admin_violations
from tests.helpers.servers.site import Site


def test_admin_bans_a_user_and_removes_the_ban(admin: Page, site: Site, axe: str, console_errors: list[str]) -> None:
    admin.goto(f"{site.app}/admin/accounts/user/?q=Wanjir")
    admin.get_by_role("link", name="Wanjirũ Kamau").click()
    admin.get_by_role("link", name="Access", exact=True).click()
    assert admin_violations(admin, axe) == []
    admin.get_by_label("Reason").fill("Sent spam")
    admin.get_by_role("button", name="Ban", exact=True).click()
    expect(admin.get_by_text("Banned in Clerk. The user is signed out.")).to_be_visible()
    admin.get_by_label("Reason").fill("It was a mistake")
    admin.get_by_role("button", name="Remove ban").click()
    expect(admin.get_by_text("The ban was removed in Clerk.")).to_be_visible()
    admin.get_by_label("Reason").fill("Reported a stolen phone")
    admin.get_by_role("button", name="Lock", exact=True).click()
    expect(admin.get_by_text("Locked in Clerk.")).to_be_visible()
    expect(admin.get_by_role("button", name="Lock", exact=True)).to_have_count(0)
    admin.get_by_label("Reason").fill("Has the phone again")
    admin.get_by_role("button", name="Remove lock").click()
    expect(admin.get_by_text("The lock was removed in Clerk.")).to_be_visible()
    admin.get_by_role("link", name="Show active sessions").click()
    expect(admin.get_by_text("No active sessions.")).to_be_visible()
    assert admin_violations(admin, axe) == []
    assert console_errors == []


def test_enter_in_the_reason_changes_nothing(admin: Page, site: Site) -> None:
    admin.goto(f"{site.app}/admin/accounts/user/?q=Wanjir")
    admin.get_by_role("link", name="Wanjirũ Kamau").click()
    admin.get_by_role("link", name="Access", exact=True).click()
    admin.get_by_label("Reason").fill("Sent spam")
    admin.get_by_label("Reason").press("Enter")
    admin.get_by_role("link", name="Show active sessions").click()
    expect(admin.get_by_role("button", name="Ban", exact=True)).to_be_visible()
    expect(admin.get_by_text("Banned in Clerk")).to_have_count(0)
