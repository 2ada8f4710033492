"""Edit a builder's page in place."""

import re
import time

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from tests.browser.steps import EXPIRY_MS, HeldPosts, go_to_page, sign_in, submit
from tests.helpers.servers.site import Site

OMAR, ZOFIA, LAYLA = "Omar Haddad", "Zofia Wąsowska-Łęcka", "ليلى منصور"


@pytest.fixture
def own_page(page: Page, site: Site) -> Page:
    """Return a tab with Omar signed in on his own page."""
    sign_in(page, site, OMAR)
    go_to_page(page, site, OMAR)
    return page


def edit(page: Page, section: str) -> None:
    page.get_by_role("link", name=f"Edit {section}").click()


#: The status message for screen readers.
ANNOUNCEMENT = "main > [role=status].visually-hidden"


def fonts_of_italics(page: Page) -> str:
    return str(page.locator(".prose em").first.evaluate("(em) => getComputedStyle(em).font"))


class TestPreview:
    def test_bio_preview_updates_while_typing(self, own_page: Page, console_errors: list[str]) -> None:
        edit(own_page, "bio")
        field = own_page.locator("form").get_by_label("Bio", exact=True)
        preview = own_page.locator("[data-markdown-preview]")
        field.fill("I build *maps*.")
        preview.get_by_text("Preview").click()
        expect(preview.locator("em")).to_have_text("maps")
        assert "italic" in fonts_of_italics(own_page)
        assert "Newsreader" in fonts_of_italics(own_page)
        field.press_sequentially(" ~~Games~~ www.maps.example")
        expect(preview.locator("s")).to_have_text("Games")
        expect(preview.get_by_role("link")).to_have_attribute("href", "https://www.maps.example")
        expect(field).to_be_focused()
        own_page.get_by_role("button", name="Save bio").click()
        expect(own_page.locator("#section-about em")).to_have_text("maps")
        assert console_errors == []

    def test_preview_keeps_the_last_text_while_offline(self, own_page: Page) -> None:
        edit(own_page, "bio")
        preview = own_page.locator("[data-markdown-preview]")
        own_page.locator("form").get_by_label("Bio", exact=True).fill("I build *maps*.")
        preview.get_by_text("Preview").click()
        expect(preview.locator("em")).to_have_text("maps")
        own_page.route("**/preview/", lambda route: route.abort())
        with own_page.expect_event("requestfailed"):
            own_page.locator("form").get_by_label("Bio", exact=True).fill("I build *games*.")
        expect(preview.locator("em")).to_have_text("maps")
        expect(own_page.locator("form").get_by_label("Bio", exact=True)).to_have_value("I build *games*.")


class TestInPlace:
    def test_section_is_edited_by_keyboard(self, own_page: Page, console_errors: list[str]) -> None:
        link = own_page.get_by_role("link", name="Edit introduction")
        link.focus()
        own_page.keyboard.press("Enter")
        expect(own_page.locator("form").get_by_label("Name", exact=True)).to_be_focused()
        expect(own_page.get_by_role("heading", level=1)).to_have_count(1)
        own_page.keyboard.press("Escape")
        expect(link).to_be_focused()
        own_page.keyboard.press("Enter")
        own_page.locator("form").get_by_label("Tagline", exact=True).fill("By keyboard")
        own_page.keyboard.press("Control+Enter")
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        expect(own_page.get_by_text("By keyboard")).to_be_visible()
        expect(link).to_be_focused()
        assert console_errors == []

    def test_form_submitted_as_soon_as_it_appears_is_saved_in_place(self, own_page: Page) -> None:
        own_page.evaluate(
            """() => {
                window.same = true;
                new MutationObserver((_, observer) => {
                    const form = document.querySelector("[data-editing] form");
                    if (!form) return;
                    observer.disconnect();
                    form.requestSubmit();
                }).observe(document.querySelector("main"), {childList: true, subtree: true});
            }"""
        )
        edit(own_page, "introduction")
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        assert own_page.evaluate("window.same")

    @pytest.mark.parametrize(
        ("section", "field", "typed", "shown"),
        (
            ("bio", "Bio", "I build maps.\n\nOffline.", "I build maps."),
            ("skills", "Skills", "Python, Łódź, 地図", "地図"),
            ("links", "Links", "example.com/omar", "example.com"),
        ),
    )
    def test_every_section_is_saved_in_place(
        self, own_page: Page, section: str, field: str, typed: str, shown: str
    ) -> None:
        edit(own_page, section)
        expect(own_page.locator("form").get_by_label(field, exact=True)).to_be_focused()
        own_page.locator("form").get_by_label(field, exact=True).fill(typed)
        own_page.get_by_role("button", name=f"Save {section}").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        expect(own_page.get_by_text(shown).first).to_be_visible()

    def test_new_slug_changes_the_url(self, page: Page, site: Site) -> None:
        sign_in(page, site, LAYLA)
        go_to_page(page, site, LAYLA)
        edit(page, "visibility")
        page.get_by_label("Page URL").fill("Layla Maps")
        page.get_by_role("button", name="Save visibility").click()
        page.wait_for_url(f"{site.app}/builders/layla-maps/")
        expect(page.get_by_text("Saved.")).to_be_visible()


class TestValidation:
    def test_browser_shows_the_servers_message_and_sends_nothing(self, own_page: Page) -> None:
        posts: list[str] = []
        own_page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
        edit(own_page, "introduction")
        headline = own_page.locator("form").get_by_label("Headline", exact=True)
        headline.fill("")
        own_page.keyboard.insert_text("x" * 161)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(headline).to_be_focused()
        expect(headline).to_have_attribute("aria-invalid", "true")
        expect(headline).to_have_accessible_description(re.compile("Use 160 characters or fewer. You entered 161."))
        own_page.keyboard.press("Backspace")
        expect(own_page.get_by_text("characters or fewer")).to_have_count(0)
        assert not any("/edit/" in url for url in posts)

    @pytest.mark.parametrize(
        ("section", "field", "typed", "message"),
        (
            ("rate and availability", "Hourly rate", "-5", "Enter a rate above zero"),
            ("rate and availability", "Hourly rate", "100000", "Enter a rate of 99999 or less."),
            ("rate and availability", "Hourly rate", "1.005", "at most two decimal places"),
            ("rate and availability", "Hourly rate", "1e", "Enter the rate as a number"),
            ("skills", "Skills", ",".join(map(str, range(21))), "Enter at most 20. You entered 21."),
            ("skills", "Skills", "y" * 41, "has 41 characters. Use 40 or fewer."),
            ("links", "Links", "javascript:alert(1)", "is not a valid URL"),
            ("links", "Links", "https://google.com@evil.example", "is not a valid URL"),
            ("visibility", "Page URL", "", "Enter a URL"),
        ),
    )
    def test_lists_numbers_and_links_are_validated_in_the_browser(
        self, own_page: Page, section: str, field: str, typed: str, message: str
    ) -> None:
        edit(own_page, section)
        control = own_page.locator("form").get_by_label(field, exact=True)
        control.fill("")
        control.press_sequentially(typed) if len(typed) < 9 else control.fill(typed)
        own_page.get_by_role("button", name=f"Save {section}").click()
        expect(own_page.get_by_text(message)).to_be_visible()
        expect(control).to_be_focused()

    def test_link_of_a_project_is_validated_like_other_links(self, own_page: Page) -> None:
        own_page.get_by_role("link", name="Add project").click()
        own_page.locator("form").get_by_label("Title", exact=True).fill("Tide tables")
        link = own_page.locator("form").get_by_label("Link", exact=True)
        link.fill("ftp://example.com/tides")
        own_page.get_by_role("button", name="Add project").click()
        expect(own_page.get_by_text("“ftp://example.com/tides” is not a valid URL.")).to_be_visible()
        expect(link).to_be_focused()
        link.fill("example.com/tides")
        own_page.get_by_role("button", name="Add project").click()
        visit = own_page.get_by_role("link", name="Visit Tide tables")
        expect(visit).to_have_attribute("href", "https://example.com/tides")

    def test_server_side_error_is_shown_beside_its_field(self, own_page: Page) -> None:
        edit(own_page, "visibility")
        slug = own_page.locator("form").get_by_label("Page URL", exact=True)
        slug.fill("zofia-wasowska-lecka")
        own_page.get_by_role("button", name="Save visibility").click()
        expect(own_page.get_by_text("This URL is taken")).to_be_visible()
        expect(own_page.get_by_role("alert").filter(has_text="Not saved. Please check:")).to_be_visible()
        expect(slug).to_have_value("zofia-wasowska-lecka")
        expect(slug).to_be_focused()


class TestOptimisticSaving:
    def test_new_value_is_shown_before_it_is_saved(self, own_page: Page) -> None:
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Shown before it is saved")
        held = HeldPosts(own_page)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("Shown before it is saved")).to_be_visible()  # the POST request is still held
        expect(own_page.get_by_text("Saving…").first).to_be_visible()
        expect(own_page.get_by_role("heading", level=1)).to_have_count(1)
        own_page.wait_for_timeout(3000)
        expect(own_page.get_by_text("Saving…").first).to_be_visible()
        held.take().continue_()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        expect(own_page.get_by_text("Shown before it is saved")).to_be_visible()
        expect(own_page.get_by_role("link", name="Edit introduction")).to_be_focused()

    @pytest.mark.parametrize("failure", ("offline", "500"))
    def test_failure_restores_the_form_with_its_values_and_an_error(self, own_page: Page, failure: str) -> None:
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Fails to save")
        held = HeldPosts(own_page)
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("Fails to save")).to_be_visible()
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_be_hidden()
        post = held.take()
        post.abort() if failure == "offline" else post.fulfill(status=500, body="Server error")
        expect(
            own_page.locator("[data-editing] [data-error]").filter(has_text="Could not save because of a connection")
        ).to_be_visible()
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_have_value("Fails to save")
        own_page.unroute("**/edit/**")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))

    def test_focus_stays_in_a_form_opened_while_another_is_saved(self, own_page: Page) -> None:
        edit(own_page, "bio")
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Tagline", exact=True).fill("Saved in the background")
        held = HeldPosts(own_page)
        own_page.get_by_role("button", name="Save introduction").click()
        bio = own_page.locator("form").get_by_label("Bio", exact=True)
        bio.focus()
        held.take().continue_()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        expect(bio).to_be_focused()


class TestTwoTabs:
    @pytest.fixture
    def other(self, context: BrowserContext, own_page: Page) -> Page:
        """Return a second tab on the same page."""
        other = context.new_page()
        other.goto(own_page.url)
        return other

    def cause_conflict(self, own_page: Page, other: Page) -> None:
        edit(own_page, "introduction")
        edit(other, "introduction")
        other.locator("form").get_by_label("Headline", exact=True).fill(f"Theirs {time.monotonic()}")
        other.get_by_role("button", name="Save introduction").click()
        expect(other.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Mine")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("Not saved. This section was changed while you were editing it")).to_be_visible()
        expect(own_page.get_by_text("Theirs")).to_be_visible()
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_have_value("Mine")
        expect(own_page.locator(".conflict")).to_be_focused()

    def test_own_version_can_be_kept(self, own_page: Page, other: Page) -> None:
        self.cause_conflict(own_page, other)
        own_page.get_by_role("button", name="Save my version").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        other.reload()
        expect(other.get_by_text("Mine")).to_be_visible()

    def test_newer_version_can_be_loaded(self, own_page: Page, other: Page) -> None:
        self.cause_conflict(own_page, other)
        own_page.get_by_role("link", name="use the current version").click()
        expect(own_page.get_by_text("Theirs")).to_be_visible()
        expect(own_page.get_by_role("link", name="Edit introduction")).to_be_focused()
        edit(own_page, "introduction")
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_have_value(re.compile("Theirs"))


class TestUnsavedChanges:
    def test_leaving_and_cancelling_require_confirmation(self, own_page: Page) -> None:
        dialogs: list[str] = []

        def stay(dialog: Dialog) -> None:
            dialogs.append(dialog.type)
            dialog.dismiss()

        own_page.on("dialog", stay)
        edit(own_page, "introduction")
        expect(own_page.locator("form").get_by_label("Name", exact=True)).to_be_focused()
        own_page.keyboard.press("Escape")  # without changes
        edit(own_page, "introduction")
        headline = own_page.locator("form").get_by_label("Headline", exact=True)
        headline.press_sequentially(" more")
        own_page.keyboard.press("Escape")
        expect(headline).to_be_visible()
        with own_page.expect_event("dialog"):
            own_page.evaluate("location.assign('/')")
        expect(headline).to_be_visible()
        assert dialogs == ["confirm", "beforeunload"]
        own_page.remove_listener("dialog", stay)
        own_page.on("dialog", lambda dialog: dialog.accept())
        own_page.keyboard.press("Escape")
        expect(headline).to_have_count(0)
        own_page.goto("about:blank")
        assert dialogs == ["confirm", "beforeunload"]

    def test_saving_requires_no_confirmation(self, own_page: Page) -> None:
        dialogs: list[str] = []

        def leave(dialog: Dialog) -> None:
            dialogs.append(dialog.type)
            dialog.accept()

        own_page.on("dialog", leave)
        own_page.goto(f"{own_page.url}edit/introduction/")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("From the page of the form")
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("From the page of the form")).to_be_visible()
        assert not own_page.url.endswith("/edit/introduction/")
        assert dialogs == []

    def test_unsaved_changes_survive_signing_out_in_another_tab(
        self, own_page: Page, context: BrowserContext, site: Site
    ) -> None:
        own_page.on("dialog", lambda dialog: dialog.accept())
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Typed before signing out")
        context.clear_cookies(name=re.compile("^__"))  # delete Clerk's cookies
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page).to_have_url(re.compile("/sign-in/"))
        own_page.get_by_role("button", name=ZOFIA).click()  # another user, who cannot edit this page
        expect(own_page).to_have_url(re.compile("/edit/introduction/"))
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_have_count(0)
        context.clear_cookies(name=re.compile("^__"))
        sign_in(own_page, site, OMAR)
        go_to_page(own_page, site, OMAR)
        edit(own_page, "introduction")
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_have_value("Typed before signing out")
        expect(own_page.get_by_text("Your unsaved changes were restored")).to_be_visible()
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.locator(ANNOUNCEMENT)).to_have_text(re.compile("^Saved\\."))
        edit(own_page, "introduction")
        expect(own_page.get_by_text("Your unsaved changes were restored")).to_be_hidden()

    def test_form_is_preserved_if_the_csrf_cookie_is_missing(self, own_page: Page, context: BrowserContext) -> None:
        edit(own_page, "introduction")
        own_page.locator("form").get_by_label("Headline", exact=True).fill("Typed before the cookie was cleared")
        context.clear_cookies(name=re.compile("csrftoken"))
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("Your changes have not been saved yet")).to_be_visible()
        expect(own_page.locator("form").get_by_label("Headline", exact=True)).to_have_value(
            "Typed before the cookie was cleared"
        )
        own_page.get_by_role("button", name="Save introduction").click()
        expect(own_page.get_by_text("Typed before the cookie was cleared")).to_be_visible()

    def test_form_is_preserved_if_the_session_expires(self, own_page: Page) -> None:
        own_page.route("**/v1/client/sessions/*/tokens*", lambda route: route.abort())
        edit(own_page, "bio")
        own_page.locator("form").get_by_label("Bio", exact=True).fill("Typed over a long lunch")
        own_page.wait_for_timeout(EXPIRY_MS)
        own_page.get_by_role("button", name="Save bio").click()
        expect(own_page.get_by_text("Your changes have not been saved yet")).to_be_visible()
        expect(own_page.locator("form").get_by_label("Bio", exact=True)).to_have_value("Typed over a long lunch")


class TestWithoutJavaScript:
    def test_forms_are_pages_and_show_conflicts(self, chromium: Browser, site: Site) -> None:
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{site.clerk}/sign-in")
        page.get_by_role("button", name="美咲 高橋").click()
        go_to_page(page, site, "美咲 高橋")
        edit(page, "skills")
        expect(page.get_by_role("heading", level=1)).to_have_text("Skills and expertise")
        page.locator("form").get_by_label("Skills", exact=True).fill(",".join(map(str, range(21))))
        submit(page, "Save skills")
        expect(page.get_by_text("Enter at most 20. You entered 21.")).to_be_visible()
        page.locator("form").get_by_label("Skills", exact=True).fill("Mine")
        other = context.new_page()
        other.goto(page.url)
        other.locator("form").get_by_label("Skills", exact=True).fill("Theirs")
        submit(other, "Save skills")
        expect(other.get_by_text("Saved.")).to_be_visible()
        submit(page, "Save skills")
        expect(page.get_by_text("Not saved. This section was changed")).to_be_visible()
        submit(page, "Save my version")
        expect(page).to_have_url(re.compile("/builders/[^/]+/$"))
        expect(page.get_by_text("Mine")).to_be_visible()
        context.close()
