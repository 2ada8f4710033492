"""Forms whose session token expires while they are being filled in, with and without JavaScript."""

import re

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.steps import EXPIRY_MS, go_to_page, record_urls, sign_in
from tests.helpers.servers.site import Site

HEADLINE = "Maps for people who are rarely online & <b>"


def open_form(page: Page, site: Site, name: str) -> None:
    go_to_page(page, site, name)
    page.get_by_role("link", name="Edit Introduction").click()
    expect(page.get_by_label("Headline")).to_be_visible()


def save(page: Page, headline: str = HEADLINE) -> None:
    page.get_by_label("Headline").fill(headline)
    page.get_by_role("button", name="Save").click()


def sleep_until_token_expires(page: Page) -> None:
    """Let the token of an open page expire while offline, as on a sleeping laptop."""
    page.context.set_offline(True)
    page.wait_for_timeout(EXPIRY_MS)
    page.context.set_offline(False)


class TestInPlace:
    def test_section_is_saved_in_place(self, page: Page, site: Site, console_errors: list[str]) -> None:
        sign_in(page, site, "Zofia Wąsowska-Łęcka")
        open_form(page, site, "Zofia Wąsowska-Łęcka")
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        save(page)
        expect(page.get_by_role("status")).to_have_text(re.compile("^Saved\\."))
        expect(page.get_by_text(HEADLINE)).to_be_visible()
        expect(page.get_by_role("link", name="Edit Introduction")).to_be_focused()
        assert not page.url.endswith("/edit/introduction/")
        assert console_errors == []

    def test_expired_token_is_renewed_and_the_form_is_posted_again(self, page: Page, site: Site) -> None:
        sign_in(page, site, "Omar Haddad")
        open_form(page, site, "Omar Haddad")
        sleep_until_token_expires(page)
        statuses: list[int] = []
        page.on(
            "response",
            lambda r: (
                statuses.append(r.status) if r.request.method == "POST" and "/edit/introduction/" in r.url else None
            ),
        )
        save(page)
        expect(page.get_by_text(HEADLINE)).to_be_visible()
        expect(page.get_by_role("status")).to_have_text(re.compile("^Saved\\."))
        assert statuses in ([401, 200], [200])  # Clerk's script may have renewed the token first

    def test_form_is_preserved_if_the_token_cannot_be_renewed(self, page: Page, site: Site) -> None:
        page.route("**/v1/client/sessions/*/tokens*", lambda route: route.abort())
        sign_in(page, site, "美咲 高橋")
        open_form(page, site, "美咲 高橋")
        page.wait_for_timeout(EXPIRY_MS)
        save(page)
        expect(page.get_by_text("Your changes have not been saved yet")).to_be_visible()
        expect(page.get_by_label("Headline")).to_have_value(HEADLINE)


class TestWithoutJavaScript:
    def test_form_is_preserved_after_the_token_expires(self, chromium: Browser, site: Site) -> None:
        context: BrowserContext = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{site.clerk}/sign-in")
        page.get_by_role("button", name="ليلى منصور").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("ليلى منصور")
        open_form(page, site, "ليلى منصور")
        page.wait_for_timeout(EXPIRY_MS)
        urls = record_urls(page)
        save(page)
        expect(page.get_by_text("Your changes have not been saved yet")).to_be_visible()
        expect(page.get_by_label("Headline")).to_have_value(HEADLINE)
        assert page.url.endswith("/edit/introduction/?draft=1")
        assert any("/v1/client/handshake" in url for url in urls)
        page.get_by_role("button", name="Save").click()
        expect(page).to_have_url(re.compile("/builders/[^/]+/$"))
        expect(page.get_by_text(HEADLINE)).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("Saved.")
        context.close()
