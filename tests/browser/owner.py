"""The owner bar, the availability switch, and editing while offline or in several tabs."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.browser.editing import ANNOUNCEMENT, edit
from tests.browser.steps import HeldPosts, go_to_page, sign_in
from tests.helpers.servers.site import Site

OMAR, ZOFIA = "Omar Haddad", "Zofia Wąsowska-Łęcka"
AVAILABILITY = "**/availability/"
SAVED = re.compile("^Saved\\.")


@pytest.fixture
def own_page(page: Page, site: Site) -> Page:
    """Return a tab with Omar signed in on his own page."""
    sign_in(page, site, OMAR)
    go_to_page(page, site, OMAR)
    return page


class TestOwnerBar:
    def test_completeness_is_updated_and_announced_once(self, own_page: Page, console_errors: list[str]) -> None:
        ring = own_page.locator("#owner-bar .ring")
        before = ring.get_attribute("aria-label")
        own_page.evaluate(
            f"""() => {{
                window.announcements = [];
                new MutationObserver(() => announcements.push(document.querySelector("{ANNOUNCEMENT}").textContent))
                    .observe(document.querySelector("{ANNOUNCEMENT}"), {{childList: true}});
            }}"""
        )
        edit(own_page, "bio")
        own_page.locator("form").get_by_label("Bio", exact=True).fill("I build maps.")
        own_page.get_by_role("button", name="Save bio").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile(r"^Saved\. \d+% complete$"))
        assert ring.get_attribute("aria-label") != before
        assert own_page.evaluate("announcements.filter((text) => text.includes('% complete')).length") == 1
        expect(own_page.locator("#owner-bar")).to_have_count(1)
        expect(own_page.get_by_role("link", name="Write a bio")).to_have_count(0)
        expect(own_page.get_by_role("link", name="Edit bio")).to_be_focused()
        edit(own_page, "bio")
        own_page.locator("form").get_by_label("Bio", exact=True).fill("I build other maps.")
        own_page.get_by_role("button", name="Save bio").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text("Saved.")
        assert console_errors == []

    def test_link_is_copied_and_the_sheet_closes_with_escape(self, own_page: Page, site: Site) -> None:
        own_page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.app)
        own_page.evaluate(
            "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (t) => { copied = t }}})"
        )
        own_page.get_by_role("button", name="Copy link").click()
        expect(own_page.get_by_role("button", name="Link copied.")).to_be_visible()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text("Link copied.")
        assert own_page.evaluate("copied") == own_page.url
        more = own_page.locator(".bar__more > summary")
        expect(own_page.get_by_role("button", name="Unpublish")).to_be_hidden()
        more.press("Enter")
        expect(own_page.get_by_role("button", name="Unpublish")).to_be_visible()
        own_page.keyboard.press("Tab")
        own_page.keyboard.press("Escape")
        expect(own_page.get_by_role("button", name="Unpublish")).to_be_hidden()
        expect(more).to_be_focused()

    def test_menu_closes_after_a_click_outside(self, own_page: Page) -> None:
        own_page.locator(".bar__more > summary").click()
        unpublish = own_page.get_by_role("button", name="Unpublish")
        own_page.locator(".bar__sheet").click(position={"x": 5, "y": 5})
        expect(unpublish).to_be_visible()
        own_page.get_by_role("contentinfo").locator("p").first.click()
        expect(unpublish).to_be_hidden()

    def test_saved_note_fades(self, own_page: Page) -> None:
        edit(own_page, "links")
        own_page.locator("form").get_by_label("Links", exact=True).fill("example.com/faded")
        own_page.get_by_role("button", name="Save links").click()
        note = own_page.locator("#section-links").get_by_text("Saved.")
        expect(note).to_be_visible()
        expect(note).to_be_hidden()
        expect(own_page.get_by_role("link", name="Edit links")).to_be_focused()


def open_more(page: Page) -> None:
    """Open "More" in the owner's bar, which contains the availability switch, if the page has the bar."""
    closed = page.locator(".bar__more:not([open]) > summary")
    if closed.count():
        closed.click()


def close_more(page: Page) -> None:
    """Close "More", which covers the top of the page while it is open."""
    page.locator(".bar__more").evaluate("more => { more.open = false }")


class TestAvailability:
    @pytest.fixture(params=("page", "account"))
    def tab(self, request: pytest.FixtureRequest, own_page: Page, site: Site) -> Page:
        """Return a tab on each page that has the availability switch."""
        if request.param == "account":
            own_page.goto(f"{site.app}/account/")
        else:
            own_page.locator(".bar__more > summary").click()
        own_page.evaluate("window.same = true")
        return own_page

    def expect_selected(self, page: Page, name: str) -> None:
        open_more(page)
        button = page.locator("[data-switch]").get_by_role("button", name=name, exact=True)
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[data-switch] [aria-pressed=true]")).to_have_count(1)

    def press(self, page: Page, name: str) -> None:
        open_more(page)
        page.locator("[data-switch]").get_by_role("button", name=name, exact=True).click()

    def test_new_value_is_shown_immediately_and_saved_in_place(self, tab: Page, console_errors: list[str]) -> None:
        held = HeldPosts(tab, AVAILABILITY)
        for name in ("Limited", "Unavailable"):
            self.press(tab, name)
            self.expect_selected(tab, name)
            tab.wait_for_timeout(3000)
            self.expect_selected(tab, name)
            held.take().continue_()
            expect(tab.locator(ANNOUNCEMENT)).to_have_text(SAVED)
            self.expect_selected(tab, name)
            expect(tab.get_by_text("Confirmed a moment ago.")).to_be_visible()
            expect(tab.locator("[data-switch]").get_by_role("button", name=name, exact=True)).to_be_focused()
        self.press(tab, "Confirm again")
        held.take().continue_()
        expect(tab.get_by_role("button", name="Confirm again")).to_be_focused()
        self.expect_selected(tab, "Unavailable")
        if tab.locator("#section-terms").count():
            expect(tab.locator("#section-terms")).to_contain_text("Unavailable")
        assert tab.evaluate("window.same")
        assert console_errors == []

    @pytest.mark.parametrize("failure", ("offline", "500"))
    def test_failure_restores_the_old_value_and_can_be_retried(self, tab: Page, failure: str) -> None:
        old = tab.locator("[data-switch] [aria-pressed=true]").inner_text()
        new = "Available" if old == "Limited" else "Limited"
        held = HeldPosts(tab, AVAILABILITY)
        self.press(tab, new)
        self.expect_selected(tab, new)
        post = held.take()
        post.abort() if failure == "offline" else post.fulfill(status=500, body="Server error")
        expect(tab.locator("[data-switch]").get_by_text("Could not save because of a connection")).to_be_visible()
        expect(tab.locator(ANNOUNCEMENT)).to_contain_text("Could not save because of a connection")
        self.expect_selected(tab, old)
        tab.unroute(AVAILABILITY)
        self.press(tab, new)
        expect(tab.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        self.expect_selected(tab, new)
        expect(tab.locator("[data-switch] [data-error]")).to_be_hidden()

    def test_last_of_several_quick_presses_is_saved(self, tab: Page) -> None:
        for name in ("Available", "Limited", "Available", "Unavailable"):
            self.press(tab, name)
        self.expect_selected(tab, "Unavailable")
        expect(tab.locator("[data-switch].htmx-request")).to_have_count(0)
        expect(tab.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        tab.reload()
        self.expect_selected(tab, "Unavailable")

    def test_switch_works_without_javascript(self, chromium: Browser, site: Site) -> None:
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{site.clerk}/sign-in")
        page.get_by_role("button", name=ZOFIA).click()
        for path in ("/account/", "/builders/zofia-wasowska-lecka/"):
            for name in ("Unavailable", "Limited"):
                context.clear_cookies(name=re.compile("^__(session|clerk_redirect_count)"))
                page.goto(site.app + path)
                self.press(page, name)
                expect(page).to_have_url(site.app + path)
                self.expect_selected(page, name)
                expect(page.get_by_role("status")).to_have_text("Saved.")
        context.close()

    def test_cancelling_a_form_shows_availability_changed_meanwhile(self, own_page: Page) -> None:
        self.press(own_page, "Available")
        expect(own_page.locator("#section-terms")).to_contain_text("Available")
        close_more(own_page)
        edit(own_page, "rate and availability")
        expect(own_page.get_by_role("button", name="Save rate and availability")).to_be_visible()
        self.press(own_page, "Unavailable")
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        close_more(own_page)
        own_page.get_by_role("link", name="Cancel").click()
        expect(own_page.locator("#section-terms")).to_contain_text("Unavailable")


class TestOffline:
    """Chromium is offline for a while."""

    @pytest.fixture(autouse=True)
    def online(self, page: Page) -> Iterator[None]:
        yield
        page.context.set_offline(False)

    @pytest.mark.parametrize("link", ("Edit skills", "Add project", re.compile("(Change|Upload) portrait$")))
    def test_failure_to_open_a_form_is_shown_and_can_be_retried(self, own_page: Page, link: str) -> None:
        edit(own_page, "bio")
        typed = own_page.locator("form").get_by_label("Bio", exact=True)
        typed.fill("Typed while offline")
        opening = own_page.get_by_role("link", name=link)
        own_page.context.set_offline(True)
        opening.click()
        expect(own_page.locator("[data-error]").filter(has_text="could not be opened")).to_be_in_viewport()
        expect(own_page.locator(ANNOUNCEMENT)).to_contain_text("Your other changes are kept")
        expect(typed).to_have_value("Typed while offline")
        own_page.get_by_role("button", name="Try again").click()  # still offline
        expect(own_page.get_by_role("button", name="Try again")).to_have_count(1)
        own_page.context.set_offline(False)
        own_page.get_by_role("button", name="Try again").click()
        expect(opening).to_have_count(0)
        expect(own_page.get_by_role("button", name="Try again")).to_have_count(0)
        expect(typed).to_have_value("Typed while offline")

    def test_failure_to_save_is_shown_and_can_be_retried(self, own_page: Page) -> None:
        edit(own_page, "introduction")
        headline = own_page.locator("form").get_by_label("Headline", exact=True)
        headline.fill("Saved after being offline")
        own_page.context.set_offline(True)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator("[data-editing] [data-error]")).to_be_focused()
        expect(own_page.locator(ANNOUNCEMENT)).to_contain_text("Could not save because of a connection")
        expect(headline).to_have_value("Saved after being offline")
        own_page.context.set_offline(False)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        expect(own_page.get_by_text("Saved after being offline")).to_be_visible()

    @pytest.mark.parametrize("link", ("Edit skills", "Add project", re.compile("(Change|Upload) portrait$")))
    def test_cancelling_works_offline(self, own_page: Page, link: str) -> None:
        own_page.get_by_role("link", name=link).click()
        expect(own_page.get_by_role("link", name="Cancel")).to_be_visible()
        own_page.context.set_offline(True)
        own_page.get_by_role("link", name="Cancel").click()
        expect(own_page.get_by_role("link", name=link)).to_be_focused()
        own_page.context.set_offline(False)
        own_page.get_by_role("link", name=link).click()
        expect(own_page.get_by_role("link", name="Cancel")).to_be_visible()

    def test_request_without_a_response_times_out(self, own_page: Page) -> None:
        own_page.evaluate("htmx.config.timeout = 300")
        own_page.route("**/edit/**", lambda _: None)
        own_page.get_by_role("link", name="Edit skills").click()
        expect(own_page.get_by_role("button", name="Try again")).to_be_visible()

    def test_unsaved_changes_are_kept_until_the_other_version_is_loaded(self, own_page: Page) -> None:
        other = own_page.context.new_page()
        other.goto(own_page.url)
        for tab, text in ((other, "Theirs"), (own_page, "Mine")):
            edit(tab, "introduction")
            tab.locator("form").get_by_label("Tagline", exact=True).fill("Old")
            tab.locator("form").get_by_label("Headline", exact=True).fill(text)
        other.get_by_role("button", name="Save introduction").click()
        expect(other.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("by you in another tab")).to_be_visible()
        own_page.context.set_offline(True)
        own_page.get_by_role("link", name="use the current version").click()
        expect(own_page.locator("[data-editing] [data-error]")).to_be_visible()
        assert own_page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('unsaved')).length") == 1
        own_page.context.set_offline(False)
        own_page.get_by_role("link", name="use the current version").click()
        expect(own_page.get_by_role("link", name="Edit introduction")).to_be_focused()
        assert own_page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('unsaved')).length") == 0


class TestRepeatedSavingAndHistory:
    @pytest.mark.parametrize("method", ("clicks", "keys"))
    def test_saving_twice_sends_one_request(self, own_page: Page, method: str) -> None:
        posts: list[str] = []
        own_page.on("request", lambda r: posts.append(r.url) if r.method == "POST" and "/edit/" in r.url else None)

        def delay(route: Route) -> None:
            own_page.wait_for_timeout(500)
            route.continue_()

        own_page.route("**/edit/**", delay)
        edit(own_page, "introduction")
        headline = own_page.locator("form").get_by_label("Headline", exact=True)
        headline.fill(f"Saved once by {method}")
        if method == "clicks":
            own_page.get_by_role("button", name="Save introduction").dblclick()
        else:
            own_page.evaluate(
                """() => ["", ""].forEach(() => document.activeElement.dispatchEvent(
                    new KeyboardEvent("keydown", {key: "Enter", ctrlKey: true, bubbles: true})))"""
            )
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        own_page.wait_for_timeout(800)
        assert len(posts) == 1
        expect(own_page.get_by_text(f"Saved once by {method}")).to_be_visible()

    def test_double_click_adds_one_project(self, own_page: Page) -> None:
        own_page.get_by_role("link", name="Add project").click()
        own_page.get_by_label("Title", exact=True).fill("Only one")
        own_page.get_by_role("button", name="Add project").dblclick()
        expect(own_page.get_by_role("heading", name="Only one")).to_have_count(1)
        own_page.reload()
        expect(own_page.get_by_role("heading", name="Only one")).to_have_count(1)

    def test_going_back_shows_saved_values(self, own_page: Page, site: Site) -> None:
        dialogs: list[str] = []

        def leave(dialog: Dialog) -> None:
            dialogs.append(dialog.type)
            dialog.accept()

        own_page.on("dialog", leave)
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Before leaving")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        own_page.get_by_role("link", name="All builders").click()
        expect(own_page).to_have_url(re.compile("/builders/$"))
        own_page.go_back()
        expect(own_page.get_by_text("Before leaving")).to_be_visible()
        own_page.wait_for_load_state()
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("And again")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(SAVED)
        assert dialogs == []


def test_owner_viewing_as_visitor_cannot_contact_themselves(own_page: Page) -> None:
    own_page.get_by_role("link", name="View as visitor").click()
    expect(own_page.get_by_text("This is what visitors see.")).to_be_visible()
    own_page.get_by_role("link", name="Write a message").click()
    expect(own_page.get_by_role("heading", level=1)).to_have_text("This is your own page")
    own_page.get_by_role("link", name="View as visitor").click()
    expect(own_page.get_by_text("This is what visitors see.")).to_be_visible()
    own_page.get_by_role("link", name="Back to your view").click()
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()


class TestLayout:
    def test_edit_control_stays_within_the_portrait(self, own_page: Page) -> None:
        own_page.set_viewport_size({"width": 360, "height": 740})
        own_page.locator(".portrait__edit").evaluate(
            "(control) => { control.lastChild.textContent = 'Change portrait' }"
        )
        control, portrait = (
            own_page.locator(".portrait__edit").bounding_box(),
            own_page.locator("#portrait").bounding_box(),
        )
        assert control
        assert portrait
        assert portrait["x"] < control["x"]
        assert control["x"] + control["width"] < portrait["x"] + portrait["width"]
        icon = own_page.locator(".portrait__edit .icon").bounding_box()
        assert icon
        assert icon["x"] + icon["width"] / 2 == pytest.approx(control["x"] + control["width"] / 2, abs=1)
        assert icon["y"] + icon["height"] / 2 == pytest.approx(control["y"] + control["height"] / 2, abs=1)

    def test_file_input_uses_the_font_of_the_page(self, own_page: Page, site: Site) -> None:
        own_page.goto(f"{own_page.url}picture/")
        font = "(field) => getComputedStyle(field, '::file-selector-button').fontFamily"
        page_font = own_page.evaluate("getComputedStyle(document.body).fontFamily")
        assert own_page.locator("[type=file]").evaluate(font) == page_font

    def test_each_paragraph_has_its_own_text_direction(self, own_page: Page) -> None:
        own_page.locator("main").evaluate(
            "(main) => { main.innerHTML = '<div class=prose dir=auto><p>أبني تطبيقات</p><p>Apps.</p></div>' }"
        )
        left = """(element) => { const range = document.createRange(); range.selectNodeContents(element);
            return range.getBoundingClientRect().left - element.getBoundingClientRect().left }"""
        arabic, english = (own_page.locator(".prose p").nth(place).evaluate(left) for place in (0, 1))
        assert english < 1 < arabic
