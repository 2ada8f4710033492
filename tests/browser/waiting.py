"""Busy states of links, forms, uploads and the directory, and notices for failed requests."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.steps import HeldPosts, go_to_page, sign_in
from tests.helpers.images import image_file
from tests.helpers.servers.site import Site

NAME, PATH = "Zofia Wąsowska-Łęcka", "/builders/zofia-wasowska-lecka/"
FILE: Any = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": image_file()}


class HeldGets(HeldPosts):
    """Holds requests of htmx to URLs that match `pattern`."""

    def _hold(self, route: Route) -> None:
        self.routes.append(route) if "hx-request" in route.request.headers else route.continue_()


@pytest.fixture
def own_page(page: Page, site: Site) -> Page:
    sign_in(page, site, NAME)
    go_to_page(page, site, NAME)
    return page


def test_link_is_busy_while_its_form_opens(own_page: Page) -> None:
    held = HeldGets(own_page, "**/edit/links/")
    link = own_page.get_by_role("link", name="Edit links")
    link.click()
    expect(link).to_have_attribute("aria-busy", "true")
    held.take().continue_()
    expect(own_page.locator("form").get_by_label("Links", exact=True)).to_be_focused()
    expect(own_page.locator("[aria-busy]")).to_have_count(0)


def test_form_without_htmx_is_busy_until_the_page_changes(own_page: Page, site: Site) -> None:
    own_page.goto(f"{site.app}{PATH}edit/links/")
    held = HeldPosts(own_page)
    own_page.get_by_role("button", name="Save links").click()
    expect(own_page.locator("form[aria-busy=true] .actions")).to_be_visible()
    held.take().continue_()
    own_page.wait_for_url(f"{site.app}{PATH}**")


def test_upload_shows_its_progress(own_page: Page) -> None:
    own_page.get_by_role("link", name="Add project").click()
    own_page.get_by_label("Title", exact=True).fill("Progress")
    own_page.get_by_label("Image", exact=True).set_input_files(FILE)
    own_page.get_by_label("Image description").fill("A map")
    held = HeldPosts(own_page, "**/portfolio/new/")
    own_page.get_by_role("button", name="Add project").click()
    expect(own_page.locator("form > progress")).to_be_visible()
    held.take().continue_()
    expect(own_page.get_by_role("heading", name="Progress", exact=True)).to_be_visible()
    expect(own_page.locator("progress")).to_have_count(0)


def test_results_are_busy_during_a_search(page: Page, site: Site) -> None:
    page.goto(f"{site.app}/builders/")
    held = HeldGets(page, "**/builders/?*")
    page.get_by_role("searchbox").fill("maps")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    held.take().continue_()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def test_fast_requests_are_never_busy(own_page: Page) -> None:
    own_page.evaluate(
        """() => {
            window.busy = 0;
            new MutationObserver((changes) => (window.busy += changes.length)).observe(
                document.body, { attributes: true, attributeFilter: ["aria-busy"], subtree: true });
        }"""
    )
    own_page.route("**/edit/links/", lambda route: route.fulfill(body="<p id=opened>Opened</p>"))
    own_page.clock.install()  # The delay does not pass.
    own_page.get_by_role("link", name="Edit links").click()
    expect(own_page.locator("#opened")).to_be_visible()
    assert own_page.evaluate("window.busy") == 0


def test_lost_connection_is_announced_once(page: Page, site: Site) -> None:
    page.goto(f"{site.app}/builders/")
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_have_count(1)
    page.get_by_role("searchbox").fill("maps")
    page.wait_for_event("requestfailed")
    expect(page.get_by_role("alert")).to_have_text("You are offline. This page works again when you are connected.")
    page.context.set_offline(False)
    note = page.get_by_role("alert").filter(has_text="The search failed")
    expect(note).to_be_visible()
    note.get_by_role("button", name="Try again").click()
    expect(note).to_be_hidden()
