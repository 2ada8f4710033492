"""Search in the directory: search as you type, browser history, phones, and without JavaScript."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect

from tests.browser.scenario import demo_site
from tests.helpers.servers.site import Site

ZOFIA, OMAR, MISAKI = "Zofia Wąsowska-Łęcka", "Omar Haddad", "美咲 高橋"
PHONE: ViewportSize = {"width": 360, "height": 740}


def cards(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("heading", level=2).get_by_role("link")


def open_directory(page: Page, site: Site, query: str = "") -> None:
    page.goto(f"{site.app}/builders/{query}")
    expect(page.get_by_role("heading", level=1, name="Builders")).to_be_visible()


def type_in(page: Page, text: str) -> None:
    page.get_by_label("Search builders").press_sequentially(text, delay=30)


def delay(route: Route) -> None:
    """Delay a request, as on a slow connection."""
    time.sleep(1.5)
    route.continue_()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product with demo content, because the directory does not list pages without a headline."""
    with demo_site(tmp_path_factory.mktemp("directory")) as site:
        yield site


@pytest.fixture
def plain_page(chromium: Browser) -> Iterator[Page]:
    """Return a page with JavaScript disabled."""
    context = chromium.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


class TestSearchAsYouType:
    def test_typing_updates_the_list_and_the_url(self, page: Page, site: Site, console_errors: list[str]) -> None:
        open_directory(page, site)
        expect(cards(page).filter(has_text=OMAR)).to_be_visible()
        type_in(page, "lecka")
        expect(cards(page)).to_have_text([ZOFIA])
        expect(page).to_have_url(f"{site.app}/builders/?q=lecka")
        expect(page.get_by_role("status")).to_have_text("1 builder")
        expect(page.get_by_label("Search builders")).to_be_focused()
        assert console_errors == []

    def test_one_search_is_one_history_entry(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        all_builders = cards(page).all_text_contents()
        for text in ("ha", "d", "dad"):
            type_in(page, text)
            expect(page).to_have_url(re.compile(f"={page.get_by_label('Search builders').input_value()}$"))
        expect(page).to_have_url(f"{site.app}/builders/?q=haddad")
        page.go_back()
        expect(page).to_have_url(f"{site.app}/builders/")
        expect(cards(page)).to_have_text(all_builders)
        expect(page.get_by_label("Search builders")).to_have_value("")
        page.go_forward()
        expect(cards(page)).to_have_text([OMAR])
        expect(page.get_by_label("Search builders")).to_have_value("haddad")
        # The search still works.
        page.get_by_label("Search builders").fill("lecka")
        expect(cards(page)).to_have_text([ZOFIA])

    def test_going_back_from_a_builder_restores_the_list(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        type_in(page, "高橋")
        expect(cards(page)).to_have_text([MISAKI])
        cards(page).filter(has_text=MISAKI).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(MISAKI)
        page.go_back()
        expect(cards(page)).to_have_text([MISAKI])
        expect(page.get_by_label("Search builders")).to_have_value("高橋")

    def test_requests_are_debounced_and_late_responses_are_ignored(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url) if "builders/?" in request.url else None)
        type_in(page, "lecka")
        expect(cards(page)).to_have_text([ZOFIA])
        assert 1 <= len(requested) <= 3
        # A late response does not replace a newer one.
        page.route(re.compile(r"q=om(&|$)"), delay)
        with page.expect_request(re.compile(r"q=om(&|$)")):
            page.get_by_label("Search builders").fill("om")
        page.get_by_label("Search builders").fill("lecka")
        page.wait_for_timeout(2500)
        expect(cards(page)).to_have_text([ZOFIA])

    def test_empty_result_suggests_filters_to_remove(self, page: Page, site: Site) -> None:
        open_directory(page, site, "?tier=2")
        type_in(page, "zzzz")
        expect(page.get_by_text("No builders found")).to_be_visible()
        page.get_by_role("link", name="Without “zzzz”").click()
        expect(page).to_have_url(f"{site.app}/builders/?tier=2")
        expect(cards(page).filter(has_text=OMAR)).to_be_visible()


class TestFilters:
    def test_filter_is_applied_and_its_chip_removes_it(self, page: Page, site: Site, console_errors: list[str]) -> None:
        open_directory(page, site)
        page.get_by_role("checkbox", name="New here").check()
        expect(page).to_have_url(f"{site.app}/builders/?tier=1")
        expect(page.get_by_role("checkbox", name="New here")).to_be_checked()
        expect(page.get_by_role("checkbox", name="New here")).to_be_focused()
        page.get_by_role("link", name="Remove New here").click()
        expect(page).to_have_url(f"{site.app}/builders/")
        expect(page.get_by_role("checkbox", name="New here")).not_to_be_checked()
        assert console_errors == []

    def test_sort_order_is_explained(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        page.get_by_label("Sort by").select_option("newest")
        expect(page).to_have_url(f"{site.app}/builders/?sort=newest")
        page.get_by_text("About the order and the tiers").click()
        expect(page.get_by_text("Builders who joined most recently come first.")).to_be_visible()
        page.get_by_label("Sort by").select_option("rate-low")
        expect(page.get_by_text("Builders without a rate are not shown.")).to_be_visible()

    def test_filters_open_as_a_sheet_on_a_phone(self, page: Page, site: Site) -> None:
        page.set_viewport_size(PHONE)
        open_directory(page, site)
        entry = page.get_by_role("checkbox", name="New here")
        expect(entry).to_be_hidden()
        page.get_by_role("button", name="Filters").click()
        entry.check()
        expect(page).to_have_url(f"{site.app}/builders/?tier=1")
        expect(entry).to_be_visible()
        page.get_by_role("button", name=re.compile(r"^Show \d+ builders?$")).click()
        expect(entry).to_be_hidden()
        expect(page.get_by_role("link", name="Remove New here")).to_be_visible()
        page.get_by_role("button", name="Filters").press("Enter")
        expect(entry).to_be_checked()
        page.keyboard.press("Escape")
        expect(entry).to_be_hidden()

    def test_buttons_of_the_sheet_cover_its_width_on_a_tablet(self, page: Page, site: Site) -> None:
        page.set_viewport_size({"width": 768, "height": 700})
        open_directory(page, site)
        page.get_by_role("button", name="Filters").click()
        end, facets = page.locator(".sheet__end").bounding_box(), page.locator("#facets").bounding_box()
        assert end
        assert facets
        assert end["width"] == facets["width"]


class TestForgivingSearch:
    @pytest.mark.parametrize("text", ("django developer", "djnago", "e-commerce", "I need a mobile app for my bakery"))
    def test_clients_wording_finds_builders(self, page: Page, site: Site, text: str) -> None:
        open_directory(page, site)
        page.get_by_label("Search builders").fill(text)
        expect(page).to_have_url(re.compile(r"\?q="))
        expect(page.get_by_text("No builders found")).to_be_hidden()
        expect(cards(page).first).to_be_visible()

    def test_corrected_search_is_explained(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        type_in(page, "djnago")
        expect(page.get_by_text("No builders match “djnago”. These match django.")).to_be_visible()


class TestReturning:
    def test_all_builders_link_returns_to_the_search(self, page: Page, site: Site) -> None:
        open_directory(page, site, "?sort=newest")
        type_in(page, "haddad")
        expect(cards(page)).to_have_text([OMAR])
        cards(page).click()
        page.get_by_role("link", name="All builders").click()
        expect(page).to_have_url(f"{site.app}/builders/?q=haddad&sort=newest")
        expect(cards(page)).to_have_text([OMAR])

    @pytest.mark.parametrize(
        "referrer", ("https://other.example/builders/?q=x", "{app}/?q=x", "{app}/builders/x/?q=x", "")
    )
    def test_unrelated_referrers_are_ignored(self, page: Page, site: Site, referrer: str) -> None:
        page.add_init_script(
            f"Object.defineProperty(document, 'referrer', {{ value: '{referrer.format(app=site.app)}' }})"
        )
        page.goto(f"{site.app}/builders/omar-haddad/")
        page.wait_for_load_state()
        expect(page.get_by_role("link", name="All builders")).to_have_attribute("href", "/builders/")


class TestWithoutJavaScript:
    def test_search_and_filters_work_as_a_form(self, plain_page: Page, site: Site) -> None:
        open_directory(plain_page, site)
        plain_page.get_by_label("Search builders").fill("lecka")
        plain_page.get_by_role("button", name="Search").click()
        expect(cards(plain_page)).to_have_text([ZOFIA])
        plain_page.get_by_role("checkbox", name="Expert").check()
        plain_page.get_by_role("button", name="Apply filters").click()
        expect(cards(plain_page)).to_have_text([ZOFIA])
        assert "q=lecka" in plain_page.url
        assert "tier=3" in plain_page.url
        plain_page.get_by_role("link", name="Remove “lecka”").click()
        expect(plain_page).to_have_url(f"{site.app}/builders/?tier=3")

    def test_filter_sheet_opens_on_a_phone(self, plain_page: Page, site: Site) -> None:
        plain_page.set_viewport_size(PHONE)
        open_directory(plain_page, site)
        plain_page.get_by_role("button", name="Filters").click()
        plain_page.get_by_role("checkbox", name="New here").check()
        plain_page.get_by_role("button", name="Apply filters").click()
        expect(plain_page.get_by_role("link", name="Remove New here")).to_be_visible()

    def test_arabic_search_text_does_not_overlap_the_icon(self, plain_page: Page, site: Site) -> None:
        open_directory(plain_page, site, "?q=ليلى")
        field = plain_page.get_by_label("Search builders")
        expect(field).to_have_css("direction", "rtl")
        assert field.evaluate("field => parseFloat(getComputedStyle(field).paddingLeft)") > 45

    def test_sign_in_page_shows_no_loading_message(self, plain_page: Page, site: Site) -> None:
        plain_page.goto(f"{site.app}/sign-in/")
        expect(plain_page.get_by_text("Loading the form…")).to_be_hidden()

    def test_search_on_the_home_page_opens_the_directory(self, plain_page: Page, site: Site) -> None:
        plain_page.goto(site.app)
        plain_page.get_by_label("Search builders").fill("omar")
        plain_page.get_by_role("button", name="Search").click()
        expect(cards(plain_page)).to_have_text([OMAR])


@pytest.mark.parametrize("name", ("Thảo Linh Nguyễn", "Fọlákẹ́ Ọládélé", "Wanjirũ Kamau", "Ẹ̀kọ́ Ọ̀rọ̀"))
@pytest.mark.parametrize("style", ("normal", "italic"))
def test_name_is_rendered_in_one_font(page: Page, site: Site, name: str, style: str) -> None:
    """Letters and accents from a fallback font look different and may be misplaced."""
    open_directory(page, site)
    page.locator("h1").evaluate(
        "(h1, [name, style]) => { h1.textContent = name; h1.style.fontStyle = style }", [name, style]
    )
    page.evaluate("document.fonts.ready")
    assert [font for font in fonts_of(page, "h1") if not font["isCustomFont"]] == []


def test_greek_is_not_rendered_in_a_japanese_font(page: Page, site: Site) -> None:
    open_directory(page, site)
    page.locator("h1").evaluate("(h1) => { h1.textContent = 'Ιωάννα Παπαδάκη Ткаченко' }")
    page.evaluate("document.fonts.ready")
    assert [font["familyName"] for font in fonts_of(page, "h1") if "JP" in font["familyName"]] == []


def fonts_of(page: Page, selector: str) -> list[dict[str, Any]]:
    """Return the fonts that Chromium used to render an element."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("DOM.enable")
    protocol.send("CSS.enable")
    root = protocol.send("DOM.getDocument")["root"]["nodeId"]
    node = protocol.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    return list(protocol.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"])


@pytest.mark.parametrize("width", (360, 768, 1280))
@pytest.mark.parametrize("url", ("/", "/builders/", "/builders/?q=zzzz&tier=1&tier=2&availability=limited"))
def test_page_does_not_scroll_sideways(page: Page, site: Site, width: int, url: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{site.app}{url}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_api_paths_do_not_wrap(page: Page, site: Site) -> None:
    page.goto(f"{site.app}/api/docs/")
    lines = page.locator("h2 > code").evaluate_all(
        "(elements) => elements.map((element) => element.getClientRects().length)"
    )
    assert set(lines) == {1}


INITIALS = re.compile(r'(<span class="portrait__initials"[^>]*>[^<]*</span>)')
BROKEN = (
    '<img class="portrait__picture" src="https://img.clerk.com/missing" alt="" width="240" height="240" data-portrait>'
)


@pytest.mark.parametrize("scripts", (True, False), ids=("with scripts", "without scripts"))
def test_initials_replace_a_broken_portrait(chromium: Browser, site: Site, *, scripts: bool) -> None:
    context = chromium.new_context(java_script_enabled=scripts, reduced_motion="reduce")
    page, failed = context.new_page(), []
    open_directory(page, site)
    expected = page.locator(".card .portrait").first.screenshot()
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.route("https://img.clerk.com/**", lambda route: route.abort())
    page.set_content(INITIALS.sub(rf"\1{BROKEN}", page.content()))
    page.wait_for_timeout(500)
    assert "https://img.clerk.com/missing" in failed
    assert page.locator(".card .portrait").first.screenshot() == expected
    context.close()


class TestWaiting:
    def test_results_fade_while_a_search_runs(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        page.route("**/builders/?**", delay)
        type_in(page, "lecka")
        expect(page.locator("#results")).to_have_css("opacity", "0.4")
        expect(cards(page)).to_have_text([ZOFIA])
        expect(page.locator("#results")).to_have_css("opacity", "1")

    @pytest.mark.parametrize("failure", ("no connection", "500"))
    def test_failed_search_can_be_retried(self, page: Page, site: Site, failure: str) -> None:
        open_directory(page, site)
        fail = lambda route: route.abort() if failure == "no connection" else route.fulfill(status=500)  # noqa: E731
        page.route("**/builders/?**", fail)
        type_in(page, "lecka")
        expect(page.get_by_role("alert").filter(has_text="The search failed")).to_be_visible()
        expect(cards(page).filter(has_text=OMAR)).to_be_visible()
        page.unroute("**/builders/?**")
        page.get_by_role("button", name="Try again").click()
        expect(cards(page)).to_have_text([ZOFIA])
        expect(page.get_by_role("alert").filter(has_text="The search failed")).to_be_hidden()

    def test_offline_notice_is_shown_until_reconnected(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        note = page.get_by_role("alert").filter(has_text="You are offline.")
        for is_offline in (True, False):
            page.context.set_offline(is_offline)
            expect(note).to_be_visible(visible=is_offline)
