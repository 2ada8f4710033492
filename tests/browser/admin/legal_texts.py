"""An admin publishes terms of use, and people read them and agree to them."""

from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import admin_violations, violations
from tests.browser.conftest import TIMEOUT_MS
from tests.browser.steps import sign_up
from tests.helpers.servers.site import Site

LIST = "/admin/accounts/legalversion/"


def publish(admin: Page, site: Site, text: str, german: str = "", changes: str = "") -> None:
    admin.goto(site.app + LIST)
    admin.get_by_role("link", name="Publish: Terms of use").click()
    admin.get_by_label("What changed").fill(changes)
    admin.get_by_label("English").fill(text)
    admin.get_by_label("Deutsch").fill(german)
    admin.get_by_role("button", name="Publish", exact=True).click()


def test_admin_publishes_terms_and_a_new_user_agrees(
    admin: Page, chromium: Browser, site: Site, axe: str, console_errors: list[str]
) -> None:
    context = chromium.new_context(locale="de-DE")
    context.set_default_timeout(TIMEOUT_MS)
    visitor = context.new_page()
    visitor.goto(site.app)
    visitor.get_by_role("contentinfo").get_by_role("link").nth(1).click()
    expect(visitor.get_by_role("article")).to_have_attribute("lang", "en")
    publish(admin, site, "Operated by [name of the company].")
    expect(admin.get_by_text("Replace “[name of the company]” before you publish the text.")).to_be_visible()
    admin.get_by_label("English").fill("## The rules\n\nBe **kind**.")
    admin.get_by_label("Deutsch").fill("## Die Regeln\n\nSeien Sie **freundlich**.")
    admin.get_by_label("What changed").press("Enter")
    expect(admin.get_by_role("heading", name="Die Regeln")).to_be_visible()
    assert admin_violations(admin, axe) == []
    admin.get_by_role("button", name="Publish", exact=True).click()
    expect(admin.get_by_text("Published: Terms of use 1.")).to_be_visible()
    assert admin_violations(admin, axe) == []
    visitor.goto(f"{site.app}/terms/")
    expect(visitor.get_by_role("article")).to_have_attribute("lang", "de")
    expect(visitor.get_by_role("heading", name="Die Regeln")).to_be_visible()
    assert violations(visitor, axe) == []
    context.close()
    assert console_errors == []


def test_user_agrees_at_sign_up_and_to_a_newer_version(admin: Page, chromium: Browser, site: Site, axe: str) -> None:
    publish(admin, site, "Be very kind.", changes="More kindness.")
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(f"{site.app}/sign-up/")
    expect(page.get_by_text("By signing up, you agree to the terms of use")).to_be_visible()
    sign_up(page, site, "Agnes")
    expect(page.get_by_role("heading", level=1)).to_have_text("Agnes Browser")
    expect(page.get_by_role("button", name="I agree")).to_have_count(0)
    publish(admin, site, "Be extremely kind.", changes="Even more kindness.")
    page.reload()
    expect(page.get_by_text("Even more kindness.")).to_be_visible()
    assert violations(page, axe) == []
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_text("Thank you. Your agreement is recorded.")).to_be_visible()
    expect(page.get_by_role("button", name="I agree")).to_have_count(0)
    admin.goto(f"{site.app}/admin/accounts/agreement/")
    expect(admin.get_by_role("row", name="Sign-up page")).to_have_count(1)
    expect(admin.get_by_role("row", name="Notice on the account page")).to_have_count(1)
    context.close()


def test_pages_can_be_read_without_scripts(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    for path, heading in (("/privacy/", "Privacy policy"), ("/contact/", "Contact")):
        page.goto(site.app + path)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    context.close()
