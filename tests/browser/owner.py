"""What an owner's page says of itself while it is edited, and when it cannot be reached: `make browser-test`."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from tests.browser.editing import TOLD, edit
from tests.browser.people import Held, go_to_page, sign_in
from tests.helpers.site import Site

OMAR, ZOFIA = "Omar Haddad", "Zofia Wąsowska-Łęcka"
AVAILABILITY = "**/availability/"
ORDINARY = re.compile("^Saved\\.")


@pytest.fixture
def own_page(page: Page, site: Site) -> Page:
    """Return the tab of Omar, on his own page."""
    sign_in(page, site, OMAR)
    go_to_page(page, site, OMAR)
    return page


class TestBar:
    def test_it_follows_what_is_saved_and_is_told_once(self, own_page: Page, complaints: list[str]) -> None:
        ring = own_page.locator("#owner-bar .ring")
        before = ring.get_attribute("aria-label")
        own_page.evaluate(
            f"""() => {{
                window.told = [];
                new MutationObserver(() => told.push(document.querySelector("{TOLD}").textContent))
                    .observe(document.querySelector("{TOLD}"), {{childList: true}});
            }}"""
        )
        edit(own_page, "bio")
        own_page.locator("form").get_by_label("Bio", exact=True).fill("I build maps.")
        own_page.get_by_role("button", name="Save bio").click()
        expect(own_page.locator(TOLD)).to_have_text(re.compile(r"^Saved\. \d+% complete$"))
        assert ring.get_attribute("aria-label") != before
        assert own_page.evaluate("told.filter((text) => text.includes('% complete')).length") == 1
        expect(own_page.locator("#owner-bar")).to_have_count(1)
        expect(own_page.get_by_role("link", name="Write a bio")).to_have_count(0)
        expect(own_page.get_by_role("link", name="Edit bio")).to_be_focused()
        edit(own_page, "bio")
        own_page.locator("form").get_by_label("Bio", exact=True).fill("I build other maps.")
        own_page.get_by_role("button", name="Save bio").click()
        expect(own_page.locator(TOLD)).to_have_text("Saved.")
        assert complaints == []


class TestAvailability:
    @pytest.fixture(params=("page", "account"))
    def tab(self, request: pytest.FixtureRequest, own_page: Page, site: Site) -> Page:
        """Return a tab with the switch."""
        if request.param == "account":
            own_page.goto(f"{site.app}/account/")
        own_page.evaluate("window.same = true")
        return own_page

    def switched(self, page: Page, name: str) -> None:
        button = page.locator("[data-switch]").get_by_role("button", name=name, exact=True)
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator("[data-switch] [aria-pressed=true]")).to_have_count(1)

    def press(self, page: Page, name: str) -> None:
        page.locator("[data-switch]").get_by_role("button", name=name, exact=True).click()

    def test_it_shows_at_once_and_is_saved_in_place(self, tab: Page, complaints: list[str]) -> None:
        held = Held(tab, AVAILABILITY)
        for name in ("Limited", "Unavailable"):
            self.press(tab, name)
            self.switched(tab, name)
            tab.wait_for_timeout(3000)
            self.switched(tab, name)
            held.take().continue_()
            expect(tab.locator(TOLD)).to_have_text(ORDINARY)
            self.switched(tab, name)
            expect(tab.get_by_text("Confirmed a moment ago.")).to_be_visible()
            expect(tab.locator("[data-switch]").get_by_role("button", name=name, exact=True)).to_be_focused()
        self.press(tab, "Confirm again")
        held.take().continue_()
        expect(tab.get_by_role("button", name="Confirm again")).to_be_focused()
        self.switched(tab, "Unavailable")
        if tab.locator("#section-terms").count():
            expect(tab.locator("#section-terms")).to_contain_text("Unavailable")
        assert tab.evaluate("window.same")
        assert complaints == []

    @pytest.mark.parametrize("trouble", ("offline", "500"))
    def test_refused_it_is_as_it_was_and_can_be_pressed_again(self, tab: Page, trouble: str) -> None:
        was = tab.locator("[data-switch] [aria-pressed=true]").inner_text()
        other = "Available" if was == "Limited" else "Limited"
        held = Held(tab, AVAILABILITY)
        self.press(tab, other)
        self.switched(tab, other)
        post = held.take()
        post.abort() if trouble == "offline" else post.fulfill(status=500, body="Sorry")
        expect(tab.locator("[data-switch]").get_by_text("Could not save because of a connection")).to_be_visible()
        expect(tab.locator(TOLD)).to_contain_text("Could not save because of a connection")
        self.switched(tab, was)
        tab.unroute(AVAILABILITY)
        self.press(tab, other)
        expect(tab.locator(TOLD)).to_have_text(ORDINARY)
        self.switched(tab, other)
        expect(tab.locator("[data-switch] [data-error]")).to_be_hidden()

    def test_of_two_quick_presses_the_last_counts(self, tab: Page) -> None:
        for name in ("Available", "Limited", "Available", "Unavailable"):
            self.press(tab, name)
        self.switched(tab, "Unavailable")
        expect(tab.locator("[data-switch].htmx-request")).to_have_count(0)
        expect(tab.locator(TOLD)).to_have_text(ORDINARY)
        tab.reload()
        self.switched(tab, "Unavailable")

    def test_it_needs_no_javascript(self, chromium: Browser, site: Site) -> None:
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
                self.switched(page, name)
                expect(page.get_by_role("status")).to_have_text("Saved.")
        context.close()

    def test_what_it_changed_under_an_open_form_is_there_after_cancelling(self, own_page: Page) -> None:
        self.press(own_page, "Available")
        expect(own_page.locator("#section-terms")).to_contain_text("Available for hire")
        edit(own_page, "rate and availability")
        expect(own_page.get_by_role("button", name="Save rate and availability")).to_be_visible()
        self.press(own_page, "Unavailable")
        expect(own_page.locator(TOLD)).to_have_text(ORDINARY)
        own_page.get_by_role("link", name="Cancel").click()
        expect(own_page.locator("#section-terms")).to_contain_text("Unavailable")


class TestOffline:
    """Chromium is offline, as in a tunnel, and then is not."""

    @pytest.fixture(autouse=True)
    def online(self, page: Page) -> Iterator[None]:
        yield
        page.context.set_offline(False)

    @pytest.mark.parametrize("link", ("Edit skills", "Add project", re.compile("(Change|Upload) portrait$")))
    def test_opening_says_so_and_can_be_tried_again(self, own_page: Page, link: str) -> None:
        edit(own_page, "bio")
        typed = own_page.locator("form").get_by_label("Bio", exact=True)
        typed.fill("Typed in the tunnel")
        opening = own_page.get_by_role("link", name=link)
        own_page.context.set_offline(True)
        opening.click()
        expect(own_page.locator("[data-error]").filter(has_text="could not be opened")).to_be_in_viewport()
        expect(own_page.locator(TOLD)).to_contain_text("Your other changes are kept")
        expect(typed).to_have_value("Typed in the tunnel")
        own_page.get_by_role("button", name="Try again").click()  # still in the tunnel
        expect(own_page.get_by_role("button", name="Try again")).to_have_count(1)
        own_page.context.set_offline(False)
        own_page.get_by_role("button", name="Try again").click()
        expect(opening).to_have_count(0)
        expect(own_page.get_by_role("button", name="Try again")).to_have_count(0)
        expect(typed).to_have_value("Typed in the tunnel")

    def test_saving_says_so_and_can_be_tried_again(self, own_page: Page) -> None:
        edit(own_page, "introduction")
        headline = own_page.locator("form").get_by_label("Headline", exact=True)
        headline.fill("From the tunnel")
        own_page.context.set_offline(True)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator("[data-editing] [data-error]")).to_be_focused()
        expect(own_page.locator(TOLD)).to_contain_text("Could not save because of a connection")
        expect(headline).to_have_value("From the tunnel")
        own_page.context.set_offline(False)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(TOLD)).to_have_text(ORDINARY)
        expect(own_page.get_by_text("From the tunnel")).to_be_visible()

    @pytest.mark.parametrize("link", ("Edit skills", "Add project", re.compile("(Change|Upload) portrait$")))
    def test_cancelling_needs_nobody(self, own_page: Page, link: str) -> None:
        own_page.get_by_role("link", name=link).click()
        expect(own_page.get_by_role("link", name="Cancel")).to_be_visible()
        own_page.context.set_offline(True)
        own_page.get_by_role("link", name="Cancel").click()
        expect(own_page.get_by_role("link", name=link)).to_be_focused()
        own_page.context.set_offline(False)
        own_page.get_by_role("link", name=link).click()
        expect(own_page.get_by_role("link", name="Cancel")).to_be_visible()

    def test_a_server_that_does_not_answer_is_given_up(self, own_page: Page) -> None:
        own_page.evaluate("htmx.config.timeout = 300")
        own_page.route("**/edit/**", lambda _: None)
        own_page.get_by_role("link", name="Edit skills").click()
        expect(own_page.get_by_role("button", name="Try again")).to_be_visible()

    def test_taking_the_other_version_loses_nothing(self, own_page: Page) -> None:
        other = own_page.context.new_page()
        other.goto(own_page.url)
        for tab, words in ((other, "Theirs"), (own_page, "Mine")):
            edit(tab, "introduction")
            tab.locator("form").get_by_label("Tagline", exact=True).fill("Old")
            tab.locator("form").get_by_label("Headline", exact=True).fill(words)
        other.get_by_role("button", name="Save introduction").click()
        expect(other.locator(TOLD)).to_have_text(ORDINARY)
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


class TestTwiceAndBack:
    @pytest.mark.parametrize("how", ("clicks", "keys"))
    def test_saving_twice_is_saving_once(self, own_page: Page, how: str) -> None:
        posts: list[str] = []
        own_page.on("request", lambda r: posts.append(r.url) if r.method == "POST" and "/edit/" in r.url else None)

        def later(route: Route) -> None:
            own_page.wait_for_timeout(500)
            route.continue_()

        own_page.route("**/edit/**", later)
        edit(own_page, "introduction")
        headline = own_page.locator("form").get_by_label("Headline", exact=True)
        headline.fill(f"Saved once by {how}")
        if how == "clicks":
            own_page.get_by_role("button", name="Save introduction").dblclick()
        else:
            own_page.evaluate(
                """() => ["", ""].forEach(() => document.activeElement.dispatchEvent(
                    new KeyboardEvent("keydown", {key: "Enter", ctrlKey: true, bubbles: true})))"""
            )
        expect(own_page.locator(TOLD)).to_have_text(ORDINARY)
        own_page.wait_for_timeout(800)
        assert len(posts) == 1
        expect(own_page.get_by_text(f"Saved once by {how}")).to_be_visible()

    def test_adding_a_project_twice_adds_one(self, own_page: Page) -> None:
        own_page.get_by_role("link", name="Add project").click()
        own_page.get_by_label("Title", exact=True).fill("Only one")
        own_page.get_by_role("button", name="Add project").dblclick()
        expect(own_page.get_by_role("heading", name="Only one")).to_have_count(1)
        own_page.reload()
        expect(own_page.get_by_role("heading", name="Only one")).to_have_count(1)

    def test_going_back_shows_what_was_saved(self, own_page: Page, site: Site) -> None:
        asked: list[str] = []

        def leave(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        own_page.on("dialog", leave)
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Before going away")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(TOLD)).to_have_text(ORDINARY)
        own_page.get_by_role("link", name="All builders").click()
        expect(own_page).to_have_url(re.compile("/builders/$"))
        own_page.go_back()
        expect(own_page.get_by_text("Before going away")).to_be_visible()
        own_page.wait_for_load_state()
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("And again")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(TOLD)).to_have_text(ORDINARY)
        assert asked == []


def test_owners_who_look_as_visitors_are_told_that_the_page_is_theirs(own_page: Page) -> None:
    own_page.get_by_role("link", name="View as visitor").click()
    expect(own_page.get_by_text("This is what visitors see.")).to_be_visible()
    own_page.get_by_role("link", name="Write a message").click()
    expect(own_page.get_by_role("heading", level=1)).to_have_text("This is your own page")
    own_page.get_by_role("link", name="View as visitor").click()
    expect(own_page.get_by_text("This is what visitors see.")).to_be_visible()
    own_page.get_by_role("link", name="Back to your view").click()
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()


class TestLooks:
    def test_the_control_on_the_portrait_stays_on_it(self, own_page: Page) -> None:
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

    def test_the_control_of_a_file_has_the_fonts_of_the_page(self, own_page: Page, site: Site) -> None:
        own_page.goto(f"{own_page.url}picture/")
        font = "(field) => getComputedStyle(field, '::file-selector-button').fontFamily"
        ours = own_page.evaluate("getComputedStyle(document.body).fontFamily")
        assert own_page.locator("[type=file]").evaluate(font) == ours

    def test_each_paragraph_has_the_direction_of_its_words(self, own_page: Page) -> None:
        own_page.locator("main").evaluate(
            "(main) => { main.innerHTML = '<div class=prose dir=auto><p>أبني تطبيقات</p><p>Apps.</p></div>' }"
        )
        left = """(each) => { const range = document.createRange(); range.selectNodeContents(each);
            return range.getBoundingClientRect().left - each.getBoundingClientRect().left }"""
        arabic, english = (own_page.locator(".prose p").nth(place).evaluate(left) for place in (0, 1))
        assert english < 1 < arabic
