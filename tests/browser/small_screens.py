"""Layout on phones, landscape phones, at 200% zoom and on paper."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.journeys.steps import ZOFIA, ZOFIA_SLUG
from tests.browser.scenario import demo_site, expect_no_overflow
from tests.helpers.servers.site import Site

PHONE: ViewportSize = {"width": 360, "height": 740}
LANDSCAPE: ViewportSize = {"width": 740, "height": 360}
#: A window of 1280 by 800 pixels at 200% zoom.
ZOOMED: ViewportSize = {"width": 640, "height": 400}
#: Touch targets. Links in text and the skip link are exempt. https://www.w3.org/TR/WCAG22/#target-size-minimum
SMALL_TARGETS = """() => [...document.querySelectorAll("a:not(.skip-link), button, select, summary, input:not([type=hidden]), label:has(input)")]
  .filter((element) => element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }))
  .filter((element) => getComputedStyle(element).display !== "inline" && !element.closest("label:has(input)")?.contains(element.parentElement))
  .filter((element) => element.getBoundingClientRect().width > 1 && element.getBoundingClientRect().height < 43.5)
  .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with demo_site(tmp_path_factory.mktemp("small")) as site:
        yield site


@pytest.fixture
def touch_page(chromium: Browser) -> Iterator[Page]:
    """Return a page on a phone with a touch screen."""
    context = chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    yield context.new_page()
    context.close()


def bottom_of(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box
    return box["y"] + box["height"]


class TestBuilderPage:
    @pytest.mark.parametrize("window", (PHONE, LANDSCAPE, ZOOMED), ids=("phone", "landscape", "zoomed"))
    def test_name_and_portrait_are_visible_without_scrolling(
        self, page: Page, site: Site, window: ViewportSize
    ) -> None:
        page.set_viewport_size(window)
        page.goto(f"{site.app}/builders/{ZOFIA_SLUG}/")
        contact = page.locator(".contact").bounding_box()
        assert contact
        assert bottom_of(page, "h1") <= contact["y"]
        portrait, name = page.locator(".person .portrait").bounding_box(), page.locator("h1").bounding_box()
        assert portrait
        assert name
        assert portrait["y"] < name["y"] + name["height"]
        assert name["x"] >= portrait["x"] + portrait["width"]
        expect_no_overflow(page)

    @pytest.mark.parametrize("width", (280, 320, 360))
    @pytest.mark.parametrize("rate", ("PLN 320", "IDR 99,999.99"))
    def test_contact_bar_keeps_numbers_on_one_line(self, page: Page, site: Site, width: int, rate: str) -> None:
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(f"{site.app}/builders/{ZOFIA_SLUG}/")
        page.locator(".contact__rate b").evaluate("(element, rate) => { element.textContent = rate }", rate)
        assert page.locator(".contact__rate b").evaluate("(element) => element.getClientRects().length") == 1
        expect_no_overflow(page)
        button = page.get_by_role("link", name="Write a message").bounding_box()
        assert button
        assert button["height"] < 60


class TestProjects:
    def test_arrow_of_a_wrapped_link_stays_with_the_last_word(self, page: Page, site: Site) -> None:
        page.set_viewport_size(PHONE)
        page.goto(f"{site.app}/builders/{ZOFIA_SLUG}/")
        link = page.locator(".project .arrow-link").first
        for width in range(120, 320, 4):
            distance = link.evaluate(
                """(link, width) => {
                    link.parentElement.style.inlineSize = `${width}px`;
                    const range = document.createRange();
                    range.selectNodeContents(link.firstChild);
                    const middle = (box) => (box.top + box.bottom) / 2;
                    return middle([...range.getClientRects()].at(-1)) - middle(link.querySelector("svg").getBoundingClientRect());
                }""",
                width,
            )
            assert abs(distance) < 4


class TestHomePage:
    def test_builders_are_shown_before_decorations(self, page: Page, site: Site) -> None:
        page.set_viewport_size(PHONE)
        page.goto(site.app)
        expect(page.locator(".ampersand")).to_be_hidden()
        expect(page.locator(".card").first).to_be_in_viewport()
        expect_no_overflow(page)


class TestDirectory:
    @pytest.mark.parametrize("language", ("en", "de", "ar"))
    @pytest.mark.parametrize("query", ("", "?tier=3&availability=available", "?q=djnago"))
    def test_first_builder_is_in_the_upper_part_of_the_screen(
        self, chromium: Browser, site: Site, query: str, language: str
    ) -> None:
        context = chromium.new_context(viewport=PHONE, locale=language)
        page = context.new_page()
        page.goto(f"{site.app}/builders/{query}")
        card = page.locator(".card").first.bounding_box()
        assert card
        assert card["y"] < 0.75 * PHONE["height"]
        filters = page.locator(".found__head [popovertarget]").bounding_box()
        sort = page.locator("#sort").bounding_box()
        assert filters
        assert sort
        assert filters["y"] == sort["y"]
        expect_no_overflow(page)
        context.close()


class TestFilterSheet:
    def test_filter_button_shows_the_number_of_builders(self, page: Page, site: Site) -> None:
        page.set_viewport_size(PHONE)
        page.goto(f"{site.app}/builders/")
        page.get_by_role("button", name="Filters", exact=True).click()
        show = page.locator("#show")
        expect(show).to_have_text(re.compile(r"^Show \d+ builders$"))
        before = show.text_content() or ""
        page.get_by_role("checkbox", name="Expert").check()
        expect(show).not_to_have_text(before)
        expect(show).to_have_text(re.compile(r"^Show \d+ builders?$"))
        number = re.findall(r"\d+", show.text_content() or "")[0]
        show.click()
        expect(page.get_by_role("status")).to_have_text(re.compile(rf"^{number} builder"))


class TestTargets:
    @pytest.mark.parametrize(
        "path", ("/", "/builders/", "/builders/?tier=3&q=app", f"/builders/{ZOFIA_SLUG}/", "/sign-in/")
    )
    def test_touch_targets_are_large_enough(self, touch_page: Page, site: Site, path: str) -> None:
        touch_page.goto(f"{site.app}{path}")
        filters = touch_page.get_by_role("button", name="Filters", exact=True)
        if filters.count():
            filters.tap()
        assert touch_page.evaluate(SMALL_TARGETS) == []


class TestPrint:
    def test_builder_page_prints_on_two_pages_with_its_url(self, page: Page, site: Site) -> None:
        page.goto(f"{site.app}/builders/{ZOFIA_SLUG}/")
        document = page.pdf(format="A4", prefer_css_page_size=True)
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", document)) <= 2
        page.set_viewport_size({"width": 660, "height": 1000})
        page.emulate_media(media="print")
        expect(page.get_by_text(f"{site.app}/builders/{ZOFIA_SLUG}/")).to_be_visible()
        for hidden in (".site-nav", ".site-footer", ".contact", ".trail", ".button"):
            assert [element for element in page.locator(hidden).all() if element.is_visible()] == []
        # Nothing overlaps the name.
        name, portrait = page.locator("h1").bounding_box(), page.locator(".person .portrait").bounding_box()
        assert name
        assert portrait
        assert name["x"] + name["width"] <= portrait["x"]
        expect(page.get_by_role("heading", level=1)).to_have_text(ZOFIA)
        expect_no_overflow(page)
