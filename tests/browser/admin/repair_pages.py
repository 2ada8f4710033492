"""Repair pages: accessibility, and a comparison with Clerk from dry run to repair."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import admin_violations
from tests.helpers.servers.site import Site

PATHS = (
    *(
        "webhooks/repairs/",
        "webhooks/repairs/recovery/",
        "webhooks/repairs/secrets/",
        "webhooks/repairs/test-delivery/",
    ),
    *("webhooks/rejections/", "webhooks/diagnostics/", "accounts/reconciliation/compare/"),
    *("accounts/organization/", "accounts/organizationmembership/", "accounts/notification/"),
    *("audit/auditverification/", "accounts/user/987654/change/"),
)


@pytest.mark.parametrize("path", PATHS)
def test_page_is_accessible(admin: Page, site: Site, axe: str, path: str) -> None:
    admin.goto(f"{site.app}/admin/{path}")
    assert admin_violations(admin, axe) == []


def test_missing_user_is_compared_and_repaired(admin: Page, site: Site, axe: str, console_errors: list[str]) -> None:
    site.clerk_api("PATCH", "/local/settings", {"lose_percent": 100})
    site.clerk_api("POST", "/local/users", {"first_name": "Rene", "last_name": "Lost", "email": "rene@example.com"})
    site.clerk_api("PATCH", "/local/settings", {"lose_percent": 0})
    admin.goto(f"{site.app}/admin/webhooks/repairs/")
    admin.get_by_role("link", name="A person is missing or out of date here").click()
    admin.get_by_label("Clerk ID or email").fill("rene@example.com")
    admin.get_by_label("Reason").fill("Rene wrote to us")
    admin.get_by_role("button", name="Dry run").click()
    admin.get_by_role("button", name="Repair these differences").click()
    expect(admin.get_by_text("All differences were repaired.")).to_be_visible()
    expect(admin.get_by_text("Rene wrote to us")).to_be_visible()
    assert admin_violations(admin, axe) == []
    admin.goto(f"{site.app}/admin/accounts/user/?q=Rene")
    expect(admin.get_by_role("link", name="Rene Lost")).to_be_visible()
    assert console_errors == []


def test_test_delivery_uses_the_public_url(admin: Page, site: Site, console_errors: list[str]) -> None:
    admin.goto(f"{site.app}/admin/webhooks/repairs/test-delivery/")
    admin.get_by_label("Reason").fill("Checking the proxy")
    admin.get_by_role("button", name="Send test delivery").click()
    expect(admin.get_by_text("The delivery was accepted.")).to_be_visible()
    admin.get_by_role("link", name="msg_test").click()
    expect(admin.get_by_text("A test delivery that an admin sent to this site.").first).to_be_visible()
    assert console_errors == []
