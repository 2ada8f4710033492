"""Signing in, staying signed in and being out, in a real browser with the real product: `make browser-test`.

Not named test_*, because it needs Chromium, which `make test` does without.
"""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import bundle
from tests.browser.people import IDLE_MS, addresses, expect_signed_in, idle, sign_up, user_id
from tests.helpers.site import Site


class TestStayingSignedIn:
    def test_a_page_after_the_tokens_life_is_still_signed_in(
        self, page: Page, site: Site, complaints: list[str]
    ) -> None:
        sign_up(page, site, "Idle")
        expect_signed_in(page, "Idle")
        idle(page)
        seen = addresses(page)
        page.goto(f"{site.app}/account/")
        expect_signed_in(page, "Idle")
        assert any("/v1/client/handshake" in url for url in seen)
        assert page.url == f"{site.app}/account/"
        assert complaints == []

    def test_an_open_page_keeps_its_token_fresh(self, page: Page, site: Site) -> None:
        sign_up(page, site, "Open")
        expect_signed_in(page, "Open")
        page.wait_for_timeout(IDLE_MS)
        seen = addresses(page)
        page.goto(f"{site.app}/account/")
        expect_signed_in(page, "Open")
        assert not any("/v1/client/handshake" in url for url in seen)

    def test_an_open_page_of_the_admin_does_so_too(self, page: Page, site: Site, complaints: list[str]) -> None:
        page.goto(f"{site.app}/admin/")
        page.get_by_role("link", name="Sign in with your account").click()
        page.get_by_role("button", name="Ngozi Adébáyọ̀").click()
        page.wait_for_url(f"{site.app}/admin/")
        page.wait_for_timeout(IDLE_MS)
        seen = addresses(page)
        page.get_by_role("link", name="Groups").click()
        expect(page.get_by_role("heading", name="Select group to view")).to_be_visible()
        assert not any("/v1/client/handshake" in url for url in seen)
        # Chromium says so of every way from our pages, which cross-fade, to one that does not.
        assert [text for text in complaints if "ViewTransition opt-in disabled" not in text] == []

    def test_it_needs_no_javascript(self, chromium: Browser, site: Site) -> None:
        """Signing in at Clerk's own page does, but not what follows."""
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{site.clerk}/sign-in")
        page.get_by_role("button", name="Omar Haddad").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Omar Haddad")
        assert page.url == f"{site.app}/account/"
        idle(page)
        page.goto(f"{site.app}/account/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Omar Haddad")
        context.close()

    def test_a_visitor_lands_on_the_page_that_was_wanted(self, page: Page, site: Site) -> None:
        page.goto(f"{site.app}/account/")
        expect(page).to_have_url(re.compile("/sign-in/"))
        page.get_by_role("button", name="Grace O’Sullivan").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Grace O’Sullivan")
        assert page.url == f"{site.app}/account/"


class TestBeingOut:
    def test_signing_out_in_one_tab_is_out_in_the_other(self, context: BrowserContext, site: Site) -> None:
        here, there = context.new_page(), context.new_page()
        sign_up(here, site, "Leaver")
        expect_signed_in(here, "Leaver")
        there.goto(f"{site.app}/builders/")
        expect(there.get_by_role("link", name="Account")).to_be_visible()
        here.bring_to_front()
        here.get_by_role("button", name="Sign out").click()
        expect(here.get_by_role("link", name="Sign in")).to_be_visible()
        expect(there.get_by_role("link", name="Sign in")).to_be_visible(timeout=20_000)

    @pytest.mark.parametrize("name", ("Banned", "Deleted", "Revoked"))
    def test_trouble_at_clerk_is_out_here(self, page: Page, site: Site, name: str) -> None:
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
            # Closing a page that is on its way elsewhere can hang for ever (Chromium 156); the context closes it.
            expect(session.get_by_role("button")).to_have_count(0)
        page.wait_for_timeout(1500)  # the webhook is on its way
        page.goto(f"{site.app}/account/")
        expect(page).to_have_url(re.compile("/sign-in/"))


class TestClerksOwnScripts:
    def test_they_load_under_our_policy(self, page: Page, site: Site, complaints: list[str]) -> None:
        """Taken from npm in place of the stand-in's. What they then ask of Clerk only Clerk can answer."""

        def answer(route: Route) -> None:
            package = "ui" if "@clerk/ui" in route.request.url else "clerk-js"
            file = bundle(f"@clerk/{package}", f"dist/{'ui' if package == 'ui' else 'clerk'}.browser.js")
            headers = {"access-control-allow-origin": "*"}
            route.fulfill(path=file, content_type="text/javascript", headers=headers)

        page.route("**/npm/@clerk/*@*/dist/*.browser.js", answer)
        page.goto(f"{site.app}/sign-in/")
        page.wait_for_function("() => Boolean(window.Clerk && window.__internal_ClerkUICtor)")
        assert page.evaluate("window.Clerk.version").startswith("6.")
        # Clerk's script knows https only, and the stand-in is on http; a real instance's address is in the policy.
        refused = [text for text in complaints if "Content Security Policy" in text and site.clerk[7:] not in text]
        assert refused == []
