"""Portraits, projects and their order: by mouse, touch and keyboard, with and without JavaScript."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.axe import violations
from tests.browser.forms import sleep_until_token_expires
from tests.browser.steps import go_to_page, sign_in
from tests.helpers.images import image_file
from tests.helpers.servers.site import Site

NAME, PATH = "Zofia Wąsowska-Łęcka", "/builders/zofia-wasowska-lecka/"
PROJECTS = ("Atlas", "Ledger", "Meadow")
FILE: Any = {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": image_file(1800, 1200)}
UNREADABLE_IMAGE: Any = {**FILE, "buffer": b"<svg/>"}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module", autouse=True)
def portfolio(chromium: Browser, site: Site) -> None:
    """Add three projects in place, the first with an image."""
    page = chromium.new_page()
    console_errors: list[str] = []
    page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
    sign_in(page, site, NAME)
    page.goto(site.app + PATH)
    expect(page.get_by_text("Add a project. Clients look at projects first.")).to_be_visible()
    for title in PROJECTS:
        page.get_by_role("link", name="Add project").click()
        expect(page.get_by_label("Title", exact=True)).to_be_focused()
        page.get_by_label("Title", exact=True).fill(title)
        if title == "Atlas":
            page.get_by_label("Image", exact=True).set_input_files(FILE)
            page.get_by_role("button", name="Add project").click()
            # The form keeps the chosen file and shows an error for the missing value.
            expect(page.get_by_text("Enter an image description")).to_be_visible()
            page.get_by_label("Image description").fill("A map of a meadow")
        page.get_by_role("button", name="Add project").click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(page.get_by_role("link", name=f"Edit {title}")).to_be_focused()
    expect(page.get_by_role("img", name="A map of a meadow")).to_be_visible()
    expect(page.get_by_text("Add a project. Clients look at projects first.")).to_have_count(0)
    assert [text for text in console_errors if "422" not in text] == []
    page.context.close()


@pytest.fixture(scope="module", params=({}, PHONE), ids=("desktop", "phone"))
def tab(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Page]:
    context = chromium.new_context(**request.param)
    context.set_default_timeout(15_000)
    page = context.new_page()
    sign_in(page, site, NAME)
    yield page
    context.close()


@pytest.fixture
def owner(tab: Page, site: Site) -> Page:
    """Return the page with the projects in their original order."""
    tab.unroute_all()
    tab.goto(f"{site.app}{PATH}?arrange=1")
    for title in PROJECTS[:-1]:
        while order(tab).index(title) > PROJECTS.index(title):
            press(tab, f"Move {title} up")
    return tab


def order(page: Page) -> list[str]:
    """Return the titles in page order, and check that the sortable list has the same order."""
    titles = page.locator(".project h3").all_inner_texts()
    assert [row.strip() for row in page.locator("[data-row]").all_inner_texts()] in (titles, [])
    return titles


def press(page: Page, name: str) -> None:
    """Press a button by keyboard, and wait for the response."""
    with page.expect_response(lambda response: response.url.endswith("/order/")) as response_info:
        page.get_by_role("button", name=name).press("Enter")
    assert response_info.value.status == 204


def drag_positions(page: Page, source: str, target: str) -> tuple[float, float, float]:
    """Return the centre (x, y) of one row's grip, and a y coordinate in the lower part of another row."""
    grip = page.locator("[data-row]", has_text=source).locator("[data-grip]").bounding_box()
    row = page.locator("[data-row]", has_text=target).bounding_box()
    assert grip
    assert row
    return grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2, row["y"] + row["height"] * 0.75


def expect_saved_order(page: Page, *titles: str) -> None:
    assert order(page) == list(titles)
    page.reload()
    assert order(page) == list(titles)


class TestOrder:
    def test_reordering_by_keyboard(self, owner: Page) -> None:
        press(owner, "Move Atlas down")
        expect(owner.locator("#portfolio-order [role=status]")).to_have_text("Moved to position 2 of 3.")
        expect(owner.get_by_role("button", name="Move Atlas down")).to_be_focused()
        press(owner, "Move Atlas down")
        expect(owner.locator("#portfolio-order [role=status]")).to_have_text("Moved to position 3 of 3.")
        expect_saved_order(owner, "Ledger", "Meadow", "Atlas")

    def test_reordering_by_mouse(self, owner: Page) -> None:
        owner.locator("[data-reorder]").scroll_into_view_if_needed()
        x, start, end = drag_positions(owner, "Atlas", "Meadow")
        with owner.expect_response(lambda response: response.url.endswith("/order/")):
            owner.mouse.move(x, start)
            owner.mouse.down()
            owner.mouse.move(x, end, steps=12)
            owner.mouse.up()
        expect(owner.locator("#portfolio-order [role=status]")).to_have_text("Moved to position 3 of 3.")
        expect_saved_order(owner, "Ledger", "Meadow", "Atlas")

    def test_unchanged_order_is_not_sent(self, owner: Page) -> None:
        sent: list[str] = []
        owner.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        owner.locator("[data-reorder]").scroll_into_view_if_needed()
        x, start, end = drag_positions(owner, "Atlas", "Meadow")
        owner.mouse.move(x, start)
        owner.mouse.down()
        owner.mouse.move(x, end, steps=6)
        owner.mouse.move(x, start - 20, steps=6)
        owner.mouse.up()
        assert order(owner) == list(PROJECTS)
        assert [url for url in sent if url.endswith("/order/")] == []

    def test_new_order_is_shown_before_the_response(self, owner: Page) -> None:
        def delay(route: Route) -> None:
            owner.wait_for_timeout(3000)
            route.continue_()

        owner.route("**/order/", delay)
        with owner.expect_response(lambda response: response.url.endswith("/order/")):
            owner.get_by_role("button", name="Move Meadow up").click()
            assert order(owner) == ["Atlas", "Meadow", "Ledger"]
        expect_saved_order(owner, "Atlas", "Meadow", "Ledger")

    @pytest.mark.parametrize("failure", ("503", "offline"))
    def test_failure_restores_the_order_and_shows_an_error(self, owner: Page, failure: str) -> None:
        owner.route("**/order/", lambda r: r.fulfill(status=503) if failure == "503" else r.abort())
        owner.get_by_role("button", name="Move Meadow up").click()
        expect(owner.locator("#portfolio-order [role=status]")).to_contain_text("The order was not saved")
        expect(owner.get_by_role("button", name="Move Meadow up")).to_be_focused()
        assert order(owner) == list(PROJECTS)


def test_reordering_by_touch(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(**PHONE)
    page = context.new_page()
    sign_in(page, site, NAME)
    page.goto(f"{site.app}{PATH}?arrange=1")
    page.locator("[data-reorder]").scroll_into_view_if_needed()
    titles = order(page)
    x, start, end = drag_positions(page, titles[0], titles[2])
    finger = context.new_cdp_session(page)

    def touch(kind: str, *points: float) -> None:
        touches = [{"x": x, "y": y} for y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    with page.expect_response(lambda response: response.url.endswith("/order/")):
        touch("touchStart", start)
        for part in range(1, 13):
            touch("touchMove", start + (end - start) * part / 12)
        touch("touchEnd")
    expect_saved_order(page, titles[1], titles[2], titles[0])
    context.close()


def test_portfolio_without_javascript(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()

    def follow(link: str) -> None:
        """Follow a link with a new token, so that the token does not expire while the form is filled in."""
        context.clear_cookies(name=re.compile("^__(session|clerk_redirect_count)"))
        page.get_by_role("link", name=link).click()

    page.goto(f"{site.clerk}/sign-in")
    page.get_by_role("button", name="美咲 高橋").click()
    page.goto(f"{site.app}/account/")
    follow("美咲 高橋")
    follow("Upload portrait")
    page.get_by_label("Portrait", exact=True).set_input_files(UNREADABLE_IMAGE)
    page.get_by_role("button", name="Save portrait").click()
    expect(page.get_by_text("SVG files are not supported.")).to_be_visible()
    follow("Cancel")
    follow("Upload portrait")
    page.get_by_label("Portrait", exact=True).set_input_files(FILE)
    page.get_by_role("button", name="Save portrait").click()
    expect(page.locator(".portrait img")).to_have_attribute("src", re.compile("^/media/portraits/"))
    for title in ("One", "Two"):
        follow("Add project")
        page.get_by_label("Title", exact=True).fill(title)
        page.get_by_role("button", name="Add project").click()
        expect(page.get_by_role("status")).to_have_text("Saved.")
    page.get_by_text("Change order").click()
    page.get_by_role("button", name="Move Two up").click()
    expect(page.locator(".project h3")).to_have_text(["Two", "One"])
    page.get_by_role("button", name="Move Two down").click()  # the list stays open
    expect(page.locator(".project h3")).to_have_text(["One", "Two"])
    follow("Edit One")
    page.get_by_label("Title", exact=True).fill("Eins")
    page.get_by_role("button", name="Save project").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    follow("Delete Two")
    page.get_by_role("button", name="Delete project").click()
    expect(page.get_by_role("status")).to_have_text("“Two” deleted.")
    expect(page.locator(".project h3")).to_have_text(["Eins"])
    follow("Change portrait")
    page.get_by_role("button", name="Remove portrait").click()
    expect(page.get_by_role("link", name="Upload portrait")).to_be_visible()
    context.close()


def test_editing_in_place_leaves_other_forms_open(page: Page, site: Site, console_errors: list[str]) -> None:
    sign_in(page, site, "ليلى منصور")
    go_to_page(page, site, "ليلى منصور")
    url = page.url
    page.get_by_role("link", name="Upload portrait").click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Upload portrait").click()
    page.get_by_label("Portrait", exact=True).set_input_files(FILE)
    page.get_by_role("button", name="Save portrait").click()
    expect(page.get_by_role("link", name="Change portrait")).to_be_focused()
    expect(page.locator(".portrait img")).to_have_js_property("naturalWidth", 800)
    for title in ("One", "Two"):
        page.get_by_role("link", name="Add project").click()
        page.get_by_label("Title", exact=True).fill(title)
        page.get_by_role("button", name="Add project").click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    # With two open forms, saving one keeps the text in the other.
    page.get_by_role("link", name="Edit One").click()
    page.locator("form", has=page.get_by_role("button", name="Save project")).get_by_label("Title").fill("Eins")
    page.get_by_role("link", name="Delete Two").click()
    page.get_by_role("button", name="Delete project").click()
    expect(page.locator("[data-announce]", has_text="“Two” deleted.")).to_be_focused()
    page.get_by_role("button", name="Save project").click()
    expect(page.get_by_role("heading", name="Eins", exact=True)).to_be_visible()
    assert page.url == url
    assert console_errors == []


def test_text_and_image_survive_an_expired_session(page: Page, site: Site) -> None:
    sign_in(page, site, "Omar Haddad")
    page.goto(f"{site.app}/builders/omar-haddad/")
    page.get_by_role("link", name="Add project").click()
    page.get_by_label("Title", exact=True).fill("Lantern")
    page.get_by_label("Image", exact=True).set_input_files(FILE)
    page.get_by_label("Image description").fill("A lantern")
    sleep_until_token_expires(page)
    page.get_by_role("button", name="Add project").click()
    expect(page.get_by_role("img", name="A lantern")).to_be_visible()


def test_forms_have_no_accessibility_violations(page: Page, site: Site, axe: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    sign_in(page, site, NAME)
    for path in ("portfolio/new/", "picture/"):
        page.goto(f"{site.app}{PATH}{path}")
        assert violations(page, axe) == []
    page.goto(f"{site.app}{PATH}?arrange=1")
    assert violations(page, axe) == []
    for name in ("Edit Atlas", "Delete Ledger", "Add project", "Change portrait", "Upload portrait"):
        link = page.get_by_role("link", name=name)
        if link.count():
            link.click()
            expect(link).to_have_count(0)
    page.get_by_role("button", name="Add project").click()
    page.get_by_label("Title", exact=True).last.fill(" ")
    page.get_by_role("button", name="Add project").click()
    expect(page.get_by_text("Enter a title.")).to_be_visible()
    assert violations(page, axe) == []
