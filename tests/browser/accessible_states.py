"""Run axe-core on pages in use: open forms, validation errors, conflicts, the filter sheet and confirmations."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import DESKTOP, PHONE, SIZES, TABLET, violations
from tests.browser.scenario import Device, Scenario, demo_site, expect_no_overflow
from tests.browser.steps import HeldPosts
from tests.helpers.servers.site import Site

#: Token lifetime in seconds. axe-core must be able to check an open form in all sizes.
TOKEN_LIFETIME_S = 600
PATH = "/builders/zofia-wasowska-lecka/"
TOO_MANY_SKILLS = ", ".join(map(str, range(21)))
SECTIONS = ("introduction", "rate and availability", "bio", "skills", "links", "visibility")
#: An invalid value for each section that validates its fields.
INVALID_VALUES = {"Headline": "x" * 161, "Hourly rate": "-5", "Skills": TOO_MANY_SKILLS, "Links": "javascript:alert(1)"}
#: Console messages of Chromium and htmx about a request that a test aborted.
CONNECTION_ERRORS = re.compile("ERR_FAILED|htmx:(sendError|afterRequest)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with demo_site(tmp_path_factory.mktemp("states"), TOKEN_LIFETIME_S) as site:
        yield site


@pytest.fixture(scope="module")
def scenario(chromium: Browser, site: Site) -> Iterator[Scenario]:
    scenario = Scenario(chromium, site, Device(1280, "light", scripts=True))
    yield scenario
    scenario.close()
    assert scenario.console_errors == []


@pytest.fixture(scope="module")
def zofia_tab(scenario: Scenario) -> Page:
    return accept_dialogs(scenario.open_tab(scenario.demo_user("Zofia"), PATH))


@pytest.fixture
def zofia(zofia_tab: Page, scenario: Scenario) -> Page:
    """Return a tab of a builder with a complete page, without unsaved changes from earlier tests."""
    zofia_tab.unroute_all()
    zofia_tab.evaluate("sessionStorage.clear()")
    zofia_tab.goto(scenario.site.app + PATH)
    return zofia_tab


@pytest.fixture(scope="module")
def olive(scenario: Scenario) -> Page:
    """Return a tab of a builder with an empty page."""
    return accept_dialogs(scenario.open_tab(scenario.create_user("Olive", "BUILDER", "CLIENT")))


@pytest.fixture(scope="module")
def admin(scenario: Scenario) -> Page:
    return scenario.open_tab(scenario.demo_user("Ngozi"))


def expect_accessible(page: Page, axe: str, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """Expect no violations, and no sideways scrolling in the narrowest window."""
    assert violations(page, axe, sizes) == []
    page.set_viewport_size({"width": 360, "height": 740})
    expect_no_overflow(page)
    page.set_viewport_size({"width": 1280, "height": 800})


def accept_dialogs(page: Page) -> Page:
    """Accept all dialogs, such as the warning about unsaved changes."""
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def submit_invalid(page: Page, name: str) -> None:
    """Submit an invalid form without the browser's validation, and wait for the server's errors."""
    button = page.get_by_role("button", name=name, exact=True)
    button.evaluate("button => { button.form.noValidate = true }")
    button.click()
    expect(page.get_by_role("main").locator(".errorlist > *, [role=alert]:not([hidden])").first).to_be_visible()


@contextmanager
def ignoring_connection_errors(scenario: Scenario) -> Iterator[None]:
    """Ignore console errors about connections that the test aborts intentionally."""
    before = len(scenario.console_errors)
    try:
        yield
    finally:
        scenario.console_errors[before:] = [
            each for each in scenario.console_errors[before:] if not CONNECTION_ERRORS.search(each)
        ]


def open_every_form(page: Page) -> None:
    for section in SECTIONS:
        page.get_by_role("link", name=f"Edit {section}").click()
        expect(page.get_by_role("button", name=f"Save {section}")).to_be_visible()
    for link in ("Edit Leśnik", "Delete Meter round", "Add project", "Change portrait"):
        page.get_by_role("link", name=link).click()
        expect(page.get_by_role("link", name=link)).to_have_count(0)


class TestOwnerOfACompletePage:
    def test_all_forms_with_and_without_errors(self, zofia: Page, scenario: Scenario, axe: str) -> None:
        open_every_form(zofia)
        expect_accessible(zofia, axe)
        for label, typed in INVALID_VALUES.items():
            zofia.locator("form").get_by_label(label, exact=True).fill(typed)
        zofia.locator("form").get_by_label("Page URL").fill("omar-haddad")
        for section in ("introduction", "rate and availability", "skills", "links"):
            press(zofia, f"Save {section}")
        for button in ("Save visibility", "Add project", "Save portrait"):
            submit_invalid(zofia, button)
        expect(zofia.get_by_text("This URL is taken")).to_be_visible()
        expect_accessible(zofia, axe)

    def test_section_during_and_after_saving_and_after_a_failure(
        self, zofia: Page, scenario: Scenario, axe: str
    ) -> None:
        zofia.evaluate("htmx.config.timeout = 0")  # axe-core may take longer than the usual timeout of 20 s
        held = HeldPosts(zofia)
        zofia.get_by_role("link", name="Edit introduction").click()
        zofia.locator("form").get_by_label("Tagline", exact=True).fill("Shown while saving")
        press(zofia, "Save introduction")
        expect(zofia.get_by_text("Saving…").first).to_be_visible()
        expect_accessible(zofia, axe)
        held.take().continue_()
        expect(zofia.locator("[data-actions]").get_by_text("Saved.")).to_be_visible()
        expect_accessible(zofia, axe)
        zofia.get_by_role("link", name="Edit introduction").click()
        zofia.locator("form").get_by_label("Tagline", exact=True).fill("Fails to save")
        press(zofia, "Save introduction")
        with ignoring_connection_errors(scenario):
            held.take().abort()
            error = zofia.locator("[data-editing] [data-error]")
            expect(error.filter(has_text="Could not save because of a connection")).to_be_visible()
            expect_accessible(zofia, axe)

    def test_edit_conflicts_of_a_section_and_a_project(self, zofia: Page, scenario: Scenario, axe: str) -> None:
        other = zofia.context.new_page()
        other.goto(scenario.site.app + PATH)
        for page, text in ((zofia, "Mine"), (other, "Theirs")):
            page.get_by_role("link", name="Edit skills").click()
            page.get_by_role("link", name="Edit Leśnik").click()
            page.locator("form").get_by_label("Skills", exact=True).fill(text)
            page.locator("form").get_by_label("Description", exact=True).fill(text)
        # Each answer moves the page, so the next button is pressed once it has arrived.
        press(other, "Save skills")
        expect(other.get_by_role("link", name="Edit skills")).to_be_visible()
        press(other, "Save project")
        expect(other.get_by_role("link", name="Edit Leśnik")).to_be_visible()
        press(zofia, "Save skills")
        expect(zofia.get_by_text("Not saved. This section was changed")).to_be_visible()
        press(zofia, "Save project")
        expect(zofia.get_by_text("This project was changed while you were editing it")).to_be_visible()
        expect_accessible(zofia, axe)
        press(zofia, "Save my version")
        expect(zofia.get_by_role("link", name="Edit skills")).to_be_visible()
        press(zofia, "Save project")
        expect(zofia.get_by_role("link", name="Edit Leśnik")).to_be_visible()

    def test_reordering_projects(self, zofia: Page, scenario: Scenario, axe: str) -> None:
        zofia.goto(f"{scenario.site.app}{PATH}?arrange=1")
        zofia.locator("[data-reorder]").scroll_into_view_if_needed()
        grip = zofia.locator("[data-grip]").first.bounding_box()
        assert grip
        zofia.mouse.move(grip["x"] + 20, grip["y"] + 20)
        zofia.mouse.down()
        zofia.mouse.move(grip["x"] + 20, grip["y"] + 90, steps=6)
        expect_accessible(zofia, axe, (DESKTOP,))
        zofia.mouse.up()
        expect(zofia.locator("#portfolio-order [role=status]")).not_to_be_empty()
        expect_accessible(zofia, axe)

    def test_preserved_form(self, zofia: Page, scenario: Scenario, axe: str) -> None:
        zofia.goto(f"{scenario.site.app}{PATH}edit/about/")
        zofia.locator("form").get_by_label("Bio", exact=True).fill("Over lunch")
        zofia.context.clear_cookies(name=re.compile("csrftoken"))
        press(zofia, "Save bio")
        expect(zofia.get_by_text("Your changes have not been saved yet")).to_be_visible()
        expect_accessible(zofia, axe)


class TestOwnerOfAnEmptyPage:
    def test_empty_unpublished_and_previewed_page(self, olive: Page, scenario: Scenario, axe: str) -> None:
        olive.goto(scenario.page_url("Olive"))
        olive.get_by_text("More", exact=True).click()
        expect_accessible(olive, axe)
        olive.get_by_role("button", name="Unpublish").click()
        expect(olive.get_by_text("until you publish it").first).to_be_visible()
        expect_accessible(olive, axe)
        olive.goto(f"{scenario.page_url('Olive')}?as=visitor")
        expect(olive.get_by_text("Visitors cannot currently see this page.")).to_be_visible()
        expect_accessible(olive, axe)

    def test_onboarding_with_errors(self, olive: Page, scenario: Scenario, axe: str) -> None:
        olive.goto(f"{scenario.site.app}/welcome/")
        olive.evaluate("document.querySelectorAll('[name=goal]').forEach((radio) => { radio.checked = false })")
        submit_invalid(olive, "Continue")
        expect_accessible(olive, axe)
        olive.goto(f"{scenario.site.app}/welcome/builder/")
        olive.get_by_label("Skills", exact=True).fill(TOO_MANY_SKILLS)
        olive.get_by_label("Hourly rate").fill("-5")
        submit_invalid(olive, "Save and continue")
        expect_accessible(olive, axe)

    def test_client_profile_with_errors(self, olive: Page, scenario: Scenario, axe: str) -> None:
        olive.goto(f"{scenario.site.app}/account/client/")
        expect_accessible(olive, axe)
        olive.get_by_label("Company").evaluate("field => field.removeAttribute('maxlength')")
        olive.get_by_label("Company").fill("x" * 121)
        press(olive, "Save client profile")
        expect(olive.get_by_text("Use 120 characters or fewer")).to_be_visible()
        expect_accessible(olive, axe)

    def test_account_after_each_change(self, olive: Page, scenario: Scenario, axe: str) -> None:
        olive.goto(f"{scenario.site.app}/account/")
        press(olive, "Limited")
        expect(olive.get_by_text("Saved.").first).to_be_visible()
        press(olive, "Request a copy")
        expect(olive.get_by_text("We are preparing a copy of your data.").first).to_be_visible()
        expect_accessible(olive, axe)
        olive.get_by_role("link", name="Stop being a client").click()
        expect_accessible(olive, axe)
        press(olive, "Stop being a client")
        olive.get_by_role("link", name="Delete account").click()
        press(olive, "Delete account")
        expect(olive.get_by_text("This account will be deleted on")).to_be_visible()
        expect_accessible(olive, axe)


class TestVisitors:
    def test_directory_with_filter_sheet_chips_and_no_results(self, scenario: Scenario, axe: str) -> None:
        page = scenario.open_tab()
        for size in (PHONE, TABLET):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.goto(f"{scenario.site.app}/builders/?tier=3&q=a")
            press(page, "Filters")
            expect(page.locator("#show")).to_be_visible()
            assert violations(page, axe, (size,)) == []
        for query in ("?tier=3&availability=limited&q=o&sort=newest", "?tier=3&q=zzzz", "?q=%00&sort=nonsense"):
            page.goto(f"{scenario.site.app}/builders/{query}")
            expect_accessible(page, axe)

    def test_chosen_colour_scheme(self, scenario: Scenario, axe: str) -> None:
        page = scenario.open_tab()
        page.goto(scenario.site.app)
        for scheme in ("Dark", "Light"):
            page.get_by_role("radio", name=scheme).check()
            expect_accessible(page, axe)

    def test_rejected_sent_and_repeated_message(self, scenario: Scenario, axe: str) -> None:
        page = scenario.open_tab(scenario.create_user("Vera", "CLIENT"), PATH)
        for number in range(2):
            page.goto(f"{scenario.site.app}{PATH}contact/")
            if number == 0:
                submit_invalid(page, "Send message")
                expect_accessible(page, axe)
            page.get_by_label("Subject").fill("A map")
            page.get_by_label("Message", exact=True).fill("For foresters.")
            press(page, "Send message")
            message = "You have already sent this message" if number else "Your message to"
            expect(page.get_by_text(message)).to_be_visible()
            expect_accessible(page, axe)

    def test_error_pages(self, scenario: Scenario, axe: str) -> None:
        page = scenario.open_tab(scenario.create_user("Nora", "CLIENT"))
        for path in (f"{PATH}edit/about/", "/builders/missing/", "/sign-out/"):
            page.goto(scenario.site.app + path)
            expect_accessible(page, axe)
        page.goto(f"{scenario.site.app}/account/roles/")
        page.context.clear_cookies(name=re.compile("csrftoken"))
        press(page, "Save roles")
        expect_accessible(page, axe)


class TestAdmins:
    def test_site_and_admin_share_the_colour_scheme(self, admin: Page, scenario: Scenario) -> None:
        admin.goto(f"{scenario.site.app}/admin/")
        admin.goto(scenario.site.app)
        expect(admin.get_by_role("radio", name="System")).to_be_checked()
        admin.get_by_role("radio", name="Dark").check()
        admin.goto(f"{scenario.site.app}/admin/")
        expect(admin.locator("html")).to_have_attribute("data-theme", "dark")
        admin.goto(scenario.site.app)
        expect(admin.get_by_role("radio", name="Dark")).to_be_checked()
        admin.get_by_role("radio", name="System").check()
        admin.goto(f"{scenario.site.app}/admin/")
        expect(admin.locator("html")).to_have_attribute("data-theme", "auto")

    def test_admin_forms_with_errors(self, admin: Page, scenario: Scenario, axe: str) -> None:
        for path, button in (("hide/", "Hide page"), ("badges/", "Award badge")):
            admin.goto(f"{scenario.site.app}/builders/omar-haddad/{path}")
            submit_invalid(admin, button)
            expect_accessible(admin, axe)
        admin.goto(f"{scenario.site.app}/builders/omar-haddad/record/")
        admin.get_by_label("Completed projects").fill("-1")
        submit_invalid(admin, "Save track record")
        expect_accessible(admin, axe)
        scenario.create_user("Mona", "BUILDER")
        admin.goto(scenario.site.app)
        expect(admin.get_by_role("heading", level=1)).to_be_visible()
        admin.goto(f"{scenario.page_url('Mona')}verify/")
        admin.get_by_label("Tier").select_option("2")
        submit_invalid(admin, "Save tier")
        expect_accessible(admin, axe)

    def test_hidden_page(self, admin: Page, scenario: Scenario, axe: str) -> None:
        nina = scenario.create_user("Nina", "BUILDER")
        owner = scenario.open_tab(nina, f"/builders/nina-{scenario.device.slug}/")
        admin.goto(f"{scenario.page_url('Nina')}hide/")
        admin.get_by_label("Reason").fill("The portrait shows a different person.")
        press(admin, "Hide page")
        expect(admin.get_by_text("The page is hidden.")).to_be_visible()
        expect_accessible(admin, axe)
        owner.goto(scenario.page_url("Nina"))
        expect(owner.get_by_text("The portrait shows a different person.")).to_be_visible()
        expect_accessible(owner, axe)
        admin.goto(f"{scenario.page_url('Nina')}hide/")
        expect_accessible(admin, axe)
