"""Searching the directory in a real browser: as one types, back and forth, on a phone, and without JavaScript."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect

from tests.helpers.site import Site

ZOFIA, OMAR, MISAKI = "Zofia Wąsowska-Łęcka", "Omar Haddad", "美咲 高橋"
PHONE: ViewportSize = {"width": 360, "height": 740}


def cards(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("heading", level=2).get_by_role("link")


def open_directory(page: Page, site: Site, query: str = "") -> None:
    page.goto(f"{site.app}/builders/{query}")
    expect(page.get_by_role("heading", level=1, name="Builders")).to_be_visible()


def type_in(page: Page, text: str) -> None:
    page.get_by_label("Search builders").press_sequentially(text, delay=30)


def later(route: Route) -> None:
    """Let a request wait as on a slow line."""
    time.sleep(1.5)
    route.continue_()


@pytest.fixture
def quiet(chromium: Browser) -> Iterator[Page]:
    """Return a page of a browser without JavaScript."""
    context = chromium.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


class TestSearchAsYouType:
    def test_the_list_and_the_address_follow(self, page: Page, site: Site, complaints: list[str]) -> None:
        open_directory(page, site)
        expect(cards(page).filter(has_text=OMAR)).to_be_visible()
        type_in(page, "lecka")
        expect(cards(page)).to_have_text([ZOFIA])
        expect(page).to_have_url(f"{site.app}/builders/?q=lecka")
        expect(page.get_by_role("status")).to_have_text("1 builder")
        expect(page.get_by_label("Search builders")).to_be_focused()
        assert complaints == []

    def test_one_search_is_one_step_back(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        everybody = cards(page).all_text_contents()
        for text in ("ha", "d", "dad"):
            type_in(page, text)
            expect(page).to_have_url(re.compile(f"={page.get_by_label('Search builders').input_value()}$"))
        expect(page).to_have_url(f"{site.app}/builders/?q=haddad")
        page.go_back()
        expect(page).to_have_url(f"{site.app}/builders/")
        expect(cards(page)).to_have_text(everybody)
        expect(page.get_by_label("Search builders")).to_have_value("")
        page.go_forward()
        expect(cards(page)).to_have_text([OMAR])
        expect(page.get_by_label("Search builders")).to_have_value("haddad")
        # It works on as before.
        page.get_by_label("Search builders").fill("lecka")
        expect(cards(page)).to_have_text([ZOFIA])

    def test_coming_back_from_a_builder_finds_the_same_list(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        type_in(page, "高橋")
        expect(cards(page)).to_have_text([MISAKI])
        cards(page).filter(has_text=MISAKI).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(MISAKI)
        page.go_back()
        expect(cards(page)).to_have_text([MISAKI])
        expect(page.get_by_label("Search builders")).to_have_value("高橋")

    def test_typing_asks_once_it_pauses_and_the_last_answer_counts(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "builders/?" in request.url else None)
        type_in(page, "lecka")
        expect(cards(page)).to_have_text([ZOFIA])
        assert 1 <= len(asked) <= 3
        # An answer that comes late does not overtake.
        page.route(re.compile(r"q=om(&|$)"), later)
        with page.expect_request(re.compile(r"q=om(&|$)")):
            page.get_by_label("Search builders").fill("om")
        page.get_by_label("Search builders").fill("lecka")
        page.wait_for_timeout(2500)
        expect(cards(page)).to_have_text([ZOFIA])

    def test_nothing_found_says_what_to_drop(self, page: Page, site: Site) -> None:
        open_directory(page, site, "?tier=1")
        type_in(page, "zzzz")
        expect(page.get_by_role("heading", name="No builders found")).to_be_visible()
        page.get_by_role("link", name="Without “zzzz”").click()
        expect(page).to_have_url(f"{site.app}/builders/?tier=1")
        expect(cards(page).filter(has_text=OMAR)).to_be_visible()


class TestFilters:
    def test_a_filter_narrows_and_its_chip_drops_it(self, page: Page, site: Site, complaints: list[str]) -> None:
        open_directory(page, site)
        page.get_by_role("checkbox", name="Entry").check()
        expect(page).to_have_url(f"{site.app}/builders/?tier=1")
        expect(page.get_by_role("checkbox", name="Entry")).to_be_checked()
        expect(page.get_by_role("checkbox", name="Entry")).to_be_focused()
        page.get_by_role("link", name="Remove Entry").click()
        expect(page).to_have_url(f"{site.app}/builders/")
        expect(page.get_by_role("checkbox", name="Entry")).not_to_be_checked()
        assert complaints == []

    def test_the_order_is_explained(self, page: Page, site: Site) -> None:
        open_directory(page, site)
        page.get_by_label("Sort by").select_option("newest")
        expect(page.get_by_text("Builders who joined most recently come first.")).to_be_visible()
        expect(page).to_have_url(f"{site.app}/builders/?sort=newest")

    def test_on_a_phone_they_are_a_sheet(self, page: Page, site: Site) -> None:
        page.set_viewport_size(PHONE)
        open_directory(page, site)
        entry = page.get_by_role("checkbox", name="Entry")
        expect(entry).to_be_hidden()
        page.get_by_role("button", name="Filters").click()
        entry.check()
        expect(page).to_have_url(f"{site.app}/builders/?tier=1")
        expect(entry).to_be_visible()
        page.get_by_role("button", name="Show results").click()
        expect(entry).to_be_hidden()
        expect(page.get_by_role("link", name="Remove Entry")).to_be_visible()
        page.get_by_role("button", name="Filters").press("Enter")
        expect(entry).to_be_checked()
        page.keyboard.press("Escape")
        expect(entry).to_be_hidden()

    def test_on_a_tablet_nothing_shines_through_beside_its_button(self, page: Page, site: Site) -> None:
        page.set_viewport_size({"width": 768, "height": 700})
        open_directory(page, site)
        page.get_by_role("button", name="Filters").click()
        end, facets = page.locator(".sheet__end").bounding_box(), page.locator("#facets").bounding_box()
        assert end
        assert facets
        assert end["width"] == facets["width"]


class TestWithoutJavaScript:
    def test_search_and_filters_are_a_form(self, quiet: Page, site: Site) -> None:
        open_directory(quiet, site)
        quiet.get_by_label("Search builders").fill("lecka")
        quiet.get_by_role("button", name="Search").click()
        expect(cards(quiet)).to_have_text([ZOFIA])
        quiet.get_by_role("checkbox", name="Entry").check()
        quiet.get_by_role("button", name="Apply filters").click()
        expect(cards(quiet)).to_have_text([ZOFIA])
        assert "q=lecka" in quiet.url
        assert "tier=1" in quiet.url
        quiet.get_by_role("link", name="Remove “lecka”").click()
        expect(quiet).to_have_url(f"{site.app}/builders/?tier=1")

    def test_the_sheet_opens_on_a_phone(self, quiet: Page, site: Site) -> None:
        quiet.set_viewport_size(PHONE)
        open_directory(quiet, site)
        quiet.get_by_role("button", name="Filters").click()
        quiet.get_by_role("checkbox", name="Entry").check()
        quiet.get_by_role("button", name="Apply filters").click()
        expect(quiet.get_by_role("link", name="Remove Entry")).to_be_visible()

    def test_arabic_is_not_typed_upon_the_icon(self, quiet: Page, site: Site) -> None:
        open_directory(quiet, site, "?q=ليلى")
        field = quiet.get_by_label("Search builders")
        expect(field).to_have_css("direction", "rtl")
        assert field.evaluate("field => parseFloat(getComputedStyle(field).paddingLeft)") > 45

    def test_the_sign_in_page_promises_no_form(self, quiet: Page, site: Site) -> None:
        quiet.goto(f"{site.app}/sign-in/")
        expect(quiet.get_by_text("Loading the form…")).to_be_hidden()

    def test_home_leads_there(self, quiet: Page, site: Site) -> None:
        quiet.goto(site.app)
        quiet.get_by_label("Search builders").fill("omar")
        quiet.get_by_role("button", name="Search").click()
        expect(cards(quiet)).to_have_text([OMAR])


@pytest.mark.parametrize("name", ("Thảo Linh Nguyễn", "Fọlákẹ́ Ọládélé", "Wanjirũ Kamau", "Ẹ̀kọ́ Ọ̀rọ̀"))
@pytest.mark.parametrize("style", ("normal", "italic"))
def test_one_font_draws_all_of_a_name(page: Page, site: Site, name: str, style: str) -> None:
    """A letter, or an accent, from another font stands out, and beside its place."""
    open_directory(page, site)
    page.locator("h1").evaluate(
        "(h1, [name, style]) => { h1.textContent = name; h1.style.fontStyle = style }", [name, style]
    )
    page.evaluate("document.fonts.ready")
    assert [font for font in fonts_of(page, "h1") if not font["isCustomFont"]] == []


def test_greek_is_not_drawn_by_a_font_for_japanese(page: Page, site: Site) -> None:
    open_directory(page, site)
    page.locator("h1").evaluate("(h1) => { h1.textContent = 'Ιωάννα Παπαδάκη Ткаченко' }")
    page.evaluate("document.fonts.ready")
    assert [font["familyName"] for font in fonts_of(page, "h1") if "JP" in font["familyName"]] == []


def fonts_of(page: Page, selector: str) -> list[dict[str, Any]]:
    """Return the fonts that really draw an element."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("DOM.enable")
    protocol.send("CSS.enable")
    root = protocol.send("DOM.getDocument")["root"]["nodeId"]
    node = protocol.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    return list(protocol.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"])


@pytest.mark.parametrize("width", (360, 768, 1280))
@pytest.mark.parametrize("url", ("/", "/builders/", "/builders/?q=zzzz&tier=1&tier=2&availability=limited"))
def test_no_page_is_wider_than_its_screen(page: Page, site: Site, width: int, url: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{site.app}{url}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_an_address_of_the_api_is_in_one_piece(page: Page, site: Site) -> None:
    page.goto(f"{site.app}/api/docs/")
    lines = page.locator("h2 > code").evaluate_all("(all) => all.map((each) => each.getClientRects().length)")
    assert set(lines) == {1}
