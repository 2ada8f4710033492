"""An admin makes another user an admin, after verifying with Clerk again."""

import re

from playwright.sync_api import Page, expect

from tests.browser.axe import admin_violations
from tests.browser.conftest import npm_file
from tests.helpers.servers.site import Site

REASON = "Joined the support team"


def forget_verification(admin: Page, site: Site) -> None:
    """Pretend that the admin verified an hour ago, and drop the token that contains the newer verification."""
    admin.goto(f"{site.clerk}/sessions")
    admin.get_by_role("button", name="Expire verification").first.click()
    admin.context.clear_cookies(name=re.compile("^__session"))


def fill_in_form(admin: Page, site: Site) -> None:
    admin.goto(f"{site.app}/admin/accounts/user/?q=Priya")
    admin.get_by_role("link", name="Priya Ramanathan").click()
    admin.get_by_role("link", name="Roles", exact=True).click()
    admin.get_by_label("Admin", exact=True).select_option("add")
    admin.get_by_label("Reason").fill(REASON)
    admin.get_by_role("button", name="Change roles").click()


def test_admin_verifies_and_returns_to_the_form(admin: Page, site: Site, axe: str, console_errors: list[str]) -> None:
    forget_verification(admin, site)
    fill_in_form(admin, site)
    dialog = admin.get_by_role("dialog", name="Verification required")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    for text in ("Loading the form…", "The form could not be loaded."):
        expect(admin.get_by_text(text)).to_be_hidden()
    assert admin_violations(admin, axe) == []
    admin.get_by_role("button", name="Verify now").click()
    admin.get_by_role("dialog").get_by_role("button", name="Continue").click()
    expect(admin.get_by_text("Nothing has been changed yet.")).to_be_visible()
    expect(admin.get_by_label("Reason")).to_have_value(REASON)
    admin.get_by_role("button", name="Change roles").click()
    expect(admin.get_by_text("Roles changed and recorded in the audit log.")).to_be_visible()
    assert console_errors == []


def test_admin_signs_in_again_if_clerks_form_cannot_be_loaded(admin: Page, site: Site) -> None:
    forget_verification(admin, site)
    admin.route("**/ui.browser.js", lambda route: route.abort())
    admin.goto(f"{site.app}/admin/verify/?next=/admin/audit/auditlog/")
    expect(admin.get_by_text("The form could not be loaded.")).to_be_visible()
    expect(admin.get_by_role("button", name="Verify now")).to_be_hidden()
    admin.unroute("**/ui.browser.js")
    admin.get_by_role("button", name="Sign out and sign in again").click()
    admin.get_by_role("link", name="Sign in with your account").click()
    admin.get_by_role("button", name="Ngozi").click()
    admin.wait_for_url(f"{site.app}/admin/audit/auditlog/")


def test_clerks_script_contains_the_function_that_opens_the_form() -> None:
    script = npm_file("@clerk/clerk-js", "dist/clerk.browser.js").read_text()
    assert "__internal_openReverification=" in script
    assert "afterVerification" in npm_file("@clerk/ui", "dist/ui.browser.js").read_text()
