"""Sign in, stay signed in and sign out."""

import re
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import launch, npm_file
from tests.browser.steps import EXPIRY_MS, expect_signed_in, let_token_expire, record_urls, sign_up, user_id
from tests.helpers.servers.site import Site

#: Record whether a restored page is visible before the scripts of the page run.
KEEP_VISIBILITY = """
window.addEventListener("pageshow", (event) => {
  const { visibility } = getComputedStyle(document.body);
  if (event.persisted && visibility !== "hidden") sessionStorage.shown = visibility;
}, { capture: true });
"""


def drop_cache_control(page: Page, pattern: str) -> None:
    """Remove the Cache-Control header from responses before Chromium reads it."""
    devtools = page.context.new_cdp_session(page)

    def forward(event: dict[str, Any]) -> None:
        kept = [header for header in event["responseHeaders"] if header["name"].lower() != "cache-control"]
        changes = {"responseCode": event["responseStatusCode"], "responseHeaders": kept}
        devtools.send("Fetch.continueResponse", {"requestId": event["requestId"]} | changes)

    devtools.on("Fetch.requestPaused", forward)
    devtools.send("Fetch.enable", {"patterns": [{"urlPattern": pattern, "requestStage": "Response"}]})


def without_party(token: str, key: str) -> str:
    """Return the token that Clerk issues for a request without an Origin header."""
    claims = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    claims |= {"azp": "", "iat": now, "nbf": now - 10, "exp": now + 60}
    return jwt.encode(claims, key, algorithm="RS256", headers=jwt.get_unverified_header(token))


class TestSignedIn:
    def test_expired_token_is_renewed_by_a_handshake(self, page: Page, site: Site, console_errors: list[str]) -> None:
        sign_up(page, site, "Idle")
        expect_signed_in(page, "Idle")
        let_token_expire(page)
        urls = record_urls(page)
        page.goto(f"{site.app}/account/")
        expect_signed_in(page, "Idle")
        assert any("/v1/client/handshake" in url for url in urls)
        assert page.url == f"{site.app}/account/"
        assert console_errors == []

    def test_open_page_renews_its_token(self, page: Page, site: Site) -> None:
        sign_up(page, site, "Open")
        expect_signed_in(page, "Open")
        page.wait_for_timeout(EXPIRY_MS)
        urls = record_urls(page)
        page.goto(f"{site.app}/account/")
        expect_signed_in(page, "Open")
        assert not any("/v1/client/handshake" in url for url in urls)

    def test_open_admin_page_renews_its_token(self, page: Page, site: Site, console_errors: list[str]) -> None:
        page.goto(f"{site.app}/admin/")
        page.get_by_role("link", name="Sign in with your account").click()
        page.get_by_role("button", name="Ngozi Adébáyọ̀").click()
        page.wait_for_url(f"{site.app}/admin/")
        page.wait_for_timeout(EXPIRY_MS)
        urls = record_urls(page)
        page.get_by_role("link", name="Groups", exact=True).click()
        expect(page.get_by_role("heading", name="Groups", exact=True, level=1)).to_be_visible()
        assert not any("/v1/client/handshake" in url for url in urls)
        # Chromium logs this if the page has a view transition and the next page does not.
        assert [text for text in console_errors if "ViewTransition opt-in disabled" not in text] == []

    def test_token_without_azp_is_replaced(self, page: Page, context: BrowserContext, site: Site) -> None:
        """Clerk issues such tokens during redirects, so the page after the handshake can also have one."""
        sign_up(page, site, "Nowhere")
        expect_signed_in(page, "Nowhere")
        key = site.data.joinpath("localclerk.pem").read_text()
        cookies = [each for each in context.cookies(site.app) if each["name"].startswith("__session")]
        for cookie in cookies:
            cookie["value"] = without_party(cookie["value"], key)
        context.add_cookies([*cookies, {"name": "__clerk_redirect_count", "value": "1", "url": site.app}])  # type: ignore[list-item]  # as in scenario.py
        seen: list[int] = []
        page.on("response", lambda response: seen.append(response.status) if "/account/" in response.url else None)
        page.goto(f"{site.app}/account/")
        expect_signed_in(page, "Nowhere")
        assert seen == [401, 200]

    def test_sessions_work_without_javascript(self, chromium: Browser, site: Site) -> None:
        """With a real instance, only Clerk's sign-in page needs JavaScript."""
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{site.clerk}/sign-in")
        page.get_by_role("button", name="Omar Haddad").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Omar Haddad")
        assert page.url == f"{site.app}/account/"
        let_token_expire(page)
        page.goto(f"{site.app}/account/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Omar Haddad")
        context.close()

    def test_visitor_returns_to_the_requested_page_after_signing_in(self, page: Page, site: Site) -> None:
        page.goto(f"{site.app}/account/")
        expect(page).to_have_url(re.compile("/sign-in/"))
        page.get_by_role("button", name="Grace O’Sullivan").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Grace O’Sullivan")
        assert page.url == f"{site.app}/account/"


class TestSignedOut:
    def test_signing_out_in_one_tab_signs_out_the_other(self, context: BrowserContext, site: Site) -> None:
        first, second = context.new_page(), context.new_page()
        sign_up(first, site, "Leaver")
        expect_signed_in(first, "Leaver")
        second.goto(f"{site.app}/builders/")
        expect(second.get_by_role("link", name="Account")).to_be_visible()
        first.bring_to_front()
        first.get_by_role("button", name="Sign out").click()
        expect(first.get_by_role("link", name="Sign in")).to_be_visible()
        expect(second.get_by_role("link", name="Sign in")).to_be_visible(timeout=20_000)

    @pytest.mark.parametrize("name", ("Banned", "Deleted", "Revoked"))
    def test_user_without_a_session_at_clerk_is_signed_out(self, page: Page, site: Site, name: str) -> None:
        sign_up(page, site, name)
        expect_signed_in(page, name)
        if name == "Banned":
            site.clerk_api("PATCH", f"/local/users/{user_id(site, name)}", {"banned": True})
        elif name == "Deleted":
            site.clerk_api("DELETE", f"/local/users/{user_id(site, name)}")
        else:
            admin = page.context.new_page()
            admin.goto(f"{site.clerk}/sessions")
            session = admin.get_by_role("listitem").filter(has_text=f"{name} Browser")
            session.get_by_role("button", name="Revoke").click()
            # The page is not closed, because Chromium 156 can hang if a page is closed while it navigates.
            expect(session.get_by_role("button")).to_have_count(0)
        page.wait_for_timeout(1500)  # the webhook arrives meanwhile
        page.goto(f"{site.app}/account/")
        expect(page).to_have_url(re.compile("/sign-in/"))


class TestRestoredPages:
    """The back/forward cache keeps whole pages in memory. Playwright disables it, so these tests start another Chromium."""

    @pytest.fixture
    def context(self, chromium: Browser) -> Iterator[BrowserContext]:
        browser = launch(chromium.browser_type, ignore_default_args=["--disable-back-forward-cache"])
        context = browser.new_context()
        context.add_init_script(
            "addEventListener('pageshow', (event) => event.persisted && (sessionStorage.restored = 1))"
        )
        yield context
        browser.close()

    def sign_out_and_go_back(self, page: Page, site: Site) -> None:
        """Sign out, and go back to the page that is open now."""
        page.goto(f"{site.app}/account/")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        page.evaluate("history.go(-2)")
        page.wait_for_url(f"{site.app}/builders/")
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()

    def test_page_is_not_restored_after_sign_out(self, page: Page, site: Site) -> None:
        sign_up(page, site, "Gone")
        page.goto(f"{site.app}/builders/")
        self.sign_out_and_go_back(page, site)
        assert page.evaluate("sessionStorage.restored") is None

    def test_page_in_a_browser_that_ignores_no_store_is_loaded_again(self, page: Page, site: Site) -> None:
        """Safari also restores pages with `Cache-Control: no-store`."""

        sign_up(page, site, "Kept")
        drop_cache_control(page, "*/builders/")
        page.goto(f"{site.app}/builders/")
        page.evaluate(KEEP_VISIBILITY)
        self.sign_out_and_go_back(page, site)
        assert page.evaluate("sessionStorage.restored") == "1"
        assert page.evaluate("sessionStorage.shown") is None


class TestClerkScripts:
    def test_scripts_load_under_the_content_security_policy(
        self, page: Page, site: Site, console_errors: list[str]
    ) -> None:
        """Clerk's scripts from npm replace those of the stand-in. Their requests to Clerk's API are not tested."""

        def fulfil(route: Route) -> None:
            package = "ui" if "@clerk/ui" in route.request.url else "clerk-js"
            file = npm_file(f"@clerk/{package}", f"dist/{'ui' if package == 'ui' else 'clerk'}.browser.js")
            headers = {"access-control-allow-origin": "*"}
            route.fulfill(path=file, content_type="text/javascript", headers=headers)

        page.route("**/npm/@clerk/*@*/dist/*.browser.js", fulfil)
        page.goto(f"{site.app}/sign-in/")
        page.wait_for_function("() => Boolean(window.Clerk && window.__internal_ClerkUICtor)")
        assert page.evaluate("window.Clerk.version").startswith("6.")
        # Clerk's script only uses https, so its requests to the stand-in are blocked. The policy allows a real instance.
        blocked = [text for text in console_errors if "Content Security Policy" in text and site.clerk[7:] not in text]
        assert blocked == []
