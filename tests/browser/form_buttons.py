"""Submit buttons stay in view, and opening a form focuses its first field."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.steps import go_to_page, sign_in
from tests.helpers.servers.site import Site

OMAR, ZOFIA = "Omar Haddad", "zofia-wasowska-lecka"
#: Phone, tablet and desktop. Zooming to 200 % halves the window in CSS pixels, so the last two are a desktop and a phone
#: at 200 %. The phone is 320 pixels wide, the narrowest window for which WCAG 1.4.10 requires reflow.
WINDOWS = ((360, 740), (768, 1024), (1280, 800), (640, 400), (320, 370))
IN_PLACE = (
    "Edit introduction",
    "Edit rate and availability",
    "Edit bio",
    "Edit skills",
    "Edit links",
    "Edit visibility",
    "Add project",
    "Upload portrait",
)
OWN_PAGES = (
    "/builders/omar-haddad/edit/introduction/",
    "/builders/omar-haddad/edit/terms/",
    "/builders/omar-haddad/edit/about/",
    "/builders/omar-haddad/edit/skills/",
    "/builders/omar-haddad/edit/links/",
    "/builders/omar-haddad/edit/visibility/",
    "/builders/omar-haddad/picture/",
    "/builders/omar-haddad/portfolio/new/",
    "/builders/omar-haddad/reviews/",
    f"/builders/{ZOFIA}/contact/",
    "/welcome/builder/",
    "/welcome/picture/",
    "/welcome/project/",
)
ADMIN_PAGES = tuple(f"/builders/{ZOFIA}/{name}/" for name in ("verify", "badges", "record", "hide"))
FIELDS = "input:not([type=hidden]), select, textarea"


def expect_button_in_view(page: Page, form: Locator) -> None:
    """Focus the form's last field at each window size, and expect an uncovered submit button in view."""
    button = form.locator(".actions button").first
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("window.scrollTo(0, 0)")
        form.locator(FIELDS).filter(visible=True).last.evaluate("(field) => { field.blur(); field.focus() }")
        expect(button, f"{width}×{height}: {page.url}").to_be_in_viewport(ratio=1)
        is_on_top = """(button) => {
            const { x, y, width, height } = button.getBoundingClientRect();
            return button.contains(document.elementFromPoint(x + width / 2, y + height / 2));
        }"""
        assert button.evaluate(is_on_top), f"The submit button is covered at {width}×{height} on {page.url}."


class TestInPlace:
    @pytest.fixture
    def own_page(self, page: Page, site: Site) -> Page:
        sign_in(page, site, OMAR)
        go_to_page(page, site, OMAR)
        return page

    def test_button_is_in_view_while_the_last_field_has_focus(self, own_page: Page) -> None:
        for link in IN_PLACE:
            own_page.set_viewport_size({"width": 1280, "height": 800})
            own_page.get_by_role("link", name=link).click()
            expect_button_in_view(own_page, own_page.locator("[data-editing] form"))
            own_page.get_by_role("link", name="Cancel").click()

    def test_first_field_has_the_focus(self, own_page: Page) -> None:
        for link in IN_PLACE:
            own_page.get_by_role("link", name=link).click()
            expect(own_page.locator("[data-editing] form").locator(FIELDS).first).to_be_focused()
            own_page.get_by_role("link", name="Cancel").click()

    def test_admin_sees_the_button_above_the_contact_bar(self, admin: Page, site: Site) -> None:
        admin.goto(f"{site.app}/builders/{ZOFIA}/")
        admin.get_by_role("link", name="Edit rate and availability").click()
        expect_button_in_view(admin, admin.locator("[data-editing] form"))


class TestPages:
    def test_owner_sees_the_button_while_the_last_field_has_focus(self, page: Page, site: Site) -> None:
        sign_in(page, site, OMAR)
        for path in OWN_PAGES:
            page.goto(site.app + path)
            expect_button_in_view(page, page.locator("main form.form"))

    def test_admin_sees_the_button_while_the_last_field_has_focus(self, admin: Page, site: Site) -> None:
        for path in ADMIN_PAGES:
            admin.goto(site.app + path)
            expect_button_in_view(admin, admin.locator("main form.form"))
