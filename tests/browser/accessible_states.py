"""What pages become while they are used, under axe-core: open forms, refusals, conflicts, sheets, confirmations."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import SIZES, violations
from tests.browser.conftest import bundle
from tests.browser.people import Held
from tests.browser.stage import Setting, Stage, filled_site, fits
from tests.helpers.site import Site

#: axe takes its time with a page that is being saved.
LIFE_S = 600
PATH = "/builders/zofia-wasowska-lecka/"
TOO_MANY = ", ".join(map(str, range(21)))
SECTIONS = ("introduction", "rate and availability", "bio", "skills", "links", "visibility")
#: One wrong thing for each section that can be wrong.
WRONG = {"Headline": "x" * 161, "Hourly rate": "-5", "Skills": TOO_MANY, "Links": "javascript:alert(1)"}

#: What Chromium and htmx say of a request that a test cut off.
CUT = re.compile("ERR_FAILED|htmx:(sendError|afterRequest)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled_site(tmp_path_factory.mktemp("states"), LIFE_S) as site:
        yield site


@pytest.fixture(scope="module")
def axe() -> str:
    return bundle("axe-core", "axe.min.js").read_text()


@pytest.fixture(scope="module")
def stage(chromium: Browser, site: Site) -> Iterator[Stage]:
    stage = Stage(chromium, site, Setting(1280, "light", scripts=True))
    yield stage
    stage.close()
    assert stage.complaints == []


@pytest.fixture(scope="module")
def zofias(stage: Stage) -> Page:
    return leaving(stage.tab(stage.somebody("Zofia"), PATH))


@pytest.fixture
def zofia(zofias: Page, stage: Stage) -> Page:
    """Return the tab of somebody whose page is full, and in which nothing typed is kept."""
    zofias.unroute_all()
    zofias.evaluate("sessionStorage.clear()")
    zofias.goto(stage.site.app + PATH)
    return zofias


@pytest.fixture(scope="module")
def olive(stage: Stage) -> Page:
    """Return the tab of somebody whose page is empty."""
    return leaving(stage.tab(stage.person("Olive", "BUILDER", "CLIENT")))


@pytest.fixture(scope="module")
def admin(stage: Stage) -> Page:
    return stage.tab(stage.somebody("Ngozi"))


def clean(page: Page, axe: str, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """See that axe finds nothing, and that the page fits the narrowest window."""
    assert violations(page, axe, sizes) == []
    page.set_viewport_size({"width": 360, "height": 740})
    fits(page)
    page.set_viewport_size({"width": 1280, "height": 800})


def leaving(page: Page) -> Page:
    """Return the tab of somebody who leaves forms as they stand."""
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def post(page: Page, name: str) -> None:
    """Press a button whose form the browser does not check, so that the server refuses it."""
    button = page.get_by_role("button", name=name, exact=True)
    button.evaluate("button => { button.form.noValidate = true }")
    button.click()
    expect(page.get_by_role("main").locator(".errorlist > *, [role=alert]:not([hidden])").first).to_be_visible()


@contextmanager
def cutting_the_line(stage: Stage) -> Iterator[None]:
    """Let nobody complain of what fails here on purpose, whether or not the test does."""
    before = len(stage.complaints)
    try:
        yield
    finally:
        stage.complaints[before:] = [each for each in stage.complaints[before:] if not CUT.search(each)]


def open_every_form(page: Page) -> None:
    for section in SECTIONS:
        page.get_by_role("link", name=f"Edit {section}").click()
        expect(page.get_by_role("button", name=f"Save {section}")).to_be_visible()
    for link in ("Edit Leśnik", "Delete Meter round", "Add project", "Change portrait"):
        page.get_by_role("link", name=link).click()
        expect(page.get_by_role("link", name=link)).to_have_count(0)


class TestOwner:
    def test_every_form_in_its_place_and_with_its_errors(self, zofia: Page, stage: Stage, axe: str) -> None:
        open_every_form(zofia)
        clean(zofia, axe)
        for label, typed in WRONG.items():
            zofia.locator("form").get_by_label(label, exact=True).fill(typed)
        zofia.locator("form").get_by_label("Page URL").fill("omar-haddad")
        for section in ("introduction", "rate and availability", "skills", "links"):
            press(zofia, f"Save {section}")
        for button in ("Save visibility", "Add project", "Save portrait"):
            post(zofia, button)
        expect(zofia.get_by_text("This URL is taken")).to_be_visible()
        clean(zofia, axe)

    def test_while_it_is_saved_and_afterwards(self, zofia: Page, stage: Stage, axe: str) -> None:
        held = Held(zofia)
        zofia.get_by_role("link", name="Edit introduction").click()
        zofia.locator("form").get_by_label("Tagline", exact=True).fill("Said at once")
        press(zofia, "Save introduction")
        expect(zofia.get_by_text("Saving…").first).to_be_visible()
        clean(zofia, axe)
        held.take().continue_()
        expect(zofia.locator("[data-actions]").get_by_text("Saved.")).to_be_visible()
        clean(zofia, axe)
        zofia.get_by_role("link", name="Edit introduction").click()
        zofia.locator("form").get_by_label("Tagline", exact=True).fill("Refused")
        press(zofia, "Save introduction")
        with cutting_the_line(stage):
            held.take().abort()
            refusal = zofia.locator("[data-editing] [data-error]")
            expect(refusal.filter(has_text="Could not save because of a connection")).to_be_visible()
            clean(zofia, axe)

    def test_two_versions_of_a_section_and_of_a_project(self, zofia: Page, stage: Stage, axe: str) -> None:
        other = zofia.context.new_page()
        other.goto(stage.site.app + PATH)
        for page, said in ((zofia, "Mine"), (other, "Theirs")):
            page.get_by_role("link", name="Edit skills").click()
            page.get_by_role("link", name="Edit Leśnik").click()
            page.locator("form").get_by_label("Skills", exact=True).fill(said)
            page.locator("form").get_by_label("Description", exact=True).fill(said)
        press(other, "Save skills")
        press(other, "Save project")
        expect(other.get_by_role("link", name="Edit Leśnik")).to_be_visible()
        press(zofia, "Save skills")
        press(zofia, "Save project")
        expect(zofia.get_by_text("Not saved. This section was changed")).to_be_visible()
        expect(zofia.get_by_text("This project was changed while you were editing it")).to_be_visible()
        clean(zofia, axe)
        for button in ("Save my version", "Save project"):
            press(zofia, button)
        expect(zofia.get_by_role("link", name="Edit Leśnik")).to_be_visible()

    def test_while_the_order_changes(self, zofia: Page, stage: Stage, axe: str) -> None:
        zofia.goto(f"{stage.site.app}{PATH}?arrange=1")
        zofia.locator("[data-reorder]").scroll_into_view_if_needed()
        grip = zofia.locator("[data-grip]").first.bounding_box()
        assert grip
        zofia.mouse.move(grip["x"] + 20, grip["y"] + 20)
        zofia.mouse.down()
        zofia.mouse.move(grip["x"] + 20, grip["y"] + 90, steps=6)
        clean(zofia, axe, SIZES[2:])
        zofia.mouse.up()
        expect(zofia.locator("#portfolio-order [role=status]")).not_to_be_empty()
        clean(zofia, axe)

    def test_a_form_that_came_back_as_a_draft(self, zofia: Page, stage: Stage, axe: str) -> None:
        zofia.goto(f"{stage.site.app}{PATH}edit/about/")
        zofia.locator("form").get_by_label("Bio", exact=True).fill("Over lunch")
        zofia.context.clear_cookies(name=re.compile("csrftoken"))
        press(zofia, "Save bio")
        expect(zofia.get_by_text("Your changes have not been saved yet")).to_be_visible()
        clean(zofia, axe)


class TestOwnerOfAnEmptyPage:
    def test_it_invites_and_lists_the_steps(self, olive: Page, stage: Stage, axe: str) -> None:
        olive.goto(stage.address("Olive"))
        olive.get_by_text("steps to a complete page").click()
        clean(olive, axe)
        olive.get_by_role("button", name="Unpublish").click()
        expect(olive.get_by_text("until you publish it").last).to_be_visible()
        clean(olive, axe)
        olive.goto(f"{stage.address('Olive')}?as=visitor")
        expect(olive.get_by_text("Visitors cannot currently see this page.")).to_be_visible()
        clean(olive, axe)

    def test_the_first_steps_with_errors(self, olive: Page, stage: Stage, axe: str) -> None:
        olive.goto(f"{stage.site.app}/welcome/")
        olive.evaluate("document.querySelectorAll('[name=goal]').forEach((radio) => { radio.checked = false })")
        post(olive, "Continue")
        clean(olive, axe)
        olive.goto(f"{stage.site.app}/welcome/builder/")
        olive.get_by_label("Skills", exact=True).fill(TOO_MANY)
        olive.get_by_label("Hourly rate").fill("-5")
        post(olive, "Save and continue")
        clean(olive, axe)

    def test_the_client_profile_with_errors(self, olive: Page, stage: Stage, axe: str) -> None:
        olive.goto(f"{stage.site.app}/account/client/")
        clean(olive, axe)
        olive.get_by_label("Company").evaluate("field => field.removeAttribute('maxlength')")
        olive.get_by_label("Company").fill("x" * 121)
        press(olive, "Save client profile")
        expect(olive.get_by_text("Use 120 characters or fewer")).to_be_visible()
        clean(olive, axe)

    def test_the_account_after_each_change(self, olive: Page, stage: Stage, axe: str) -> None:
        olive.goto(f"{stage.site.app}/account/")
        press(olive, "Limited")
        expect(olive.get_by_text("Saved.").first).to_be_visible()
        press(olive, "Request a copy")
        expect(olive.get_by_text("A copy of your data is being prepared.").first).to_be_visible()
        clean(olive, axe)
        olive.get_by_role("link", name="Stop being a client").click()
        clean(olive, axe)
        press(olive, "Stop being a client")
        olive.get_by_role("link", name="Delete account").click()
        press(olive, "Delete account")
        expect(olive.get_by_text("This account will be deleted on")).to_be_visible()
        clean(olive, axe)


class TestVisitors:
    def test_the_directory_with_its_sheet_chips_and_nothing_found(self, stage: Stage, axe: str) -> None:
        page = stage.tab()
        for size in SIZES[:2]:
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.goto(f"{stage.site.app}/builders/?tier=3&q=a")
            press(page, "Filters")
            expect(page.get_by_role("button", name="Show results")).to_be_visible()
            assert violations(page, axe, (size,)) == []
        for query in ("?tier=3&availability=limited&q=o&sort=newest", "?tier=3&q=zzzz", "?q=%00&sort=nonsense"):
            page.goto(f"{stage.site.app}/builders/{query}")
            clean(page, axe)

    def test_the_colours_by_the_switch(self, stage: Stage, axe: str) -> None:
        page = stage.tab()
        page.goto(stage.site.app)
        for colours in ("Dark", "Light"):
            page.get_by_role("radio", name=colours).check()
            clean(page, axe)

    def test_a_message_that_is_refused_and_one_that_is_sent(self, stage: Stage, axe: str) -> None:
        page = stage.tab(stage.person("Vera", "CLIENT"), PATH)
        for times in range(2):
            page.goto(f"{stage.site.app}{PATH}contact/")
            if not times:
                post(page, "Send message")
                clean(page, axe)
            page.get_by_label("Subject").fill("A map")
            page.get_by_label("Message", exact=True).fill("For foresters.")
            press(page, "Send message")
            told = "You have already sent this message" if times else "Your message to"
            expect(page.get_by_text(told)).to_be_visible()
            clean(page, axe)

    def test_pages_that_lead_nowhere(self, stage: Stage, axe: str) -> None:
        page = stage.tab(stage.person("Nora", "CLIENT"))
        for path in (f"{PATH}edit/about/", "/builders/nobody/", "/sign-out/"):
            page.goto(stage.site.app + path)
            clean(page, axe)
        page.goto(f"{stage.site.app}/account/roles/")
        page.context.clear_cookies(name=re.compile("csrftoken"))
        press(page, "Save roles")
        clean(page, axe)


class TestAdmins:
    def test_colours_chosen_in_the_admin_are_those_of_the_site(self, admin: Page, stage: Stage) -> None:
        admin.goto(f"{stage.site.app}/admin/")
        admin.goto(stage.site.app)
        expect(admin.get_by_role("radio", name="System")).to_be_checked()
        admin.get_by_role("radio", name="Dark").check()
        admin.goto(f"{stage.site.app}/admin/")
        expect(admin.locator("html")).to_have_attribute("data-theme", "dark")
        admin.goto(stage.site.app)
        expect(admin.get_by_role("radio", name="Dark")).to_be_checked()
        admin.get_by_role("radio", name="System").check()
        admin.goto(f"{stage.site.app}/admin/")
        expect(admin.locator("html")).to_have_attribute("data-theme", "auto")

    def test_the_forms_of_the_bar_with_errors(self, admin: Page, stage: Stage, axe: str) -> None:
        for path, button in (("hide/", "Hide page"), ("badges/", "Award badge")):
            admin.goto(f"{stage.site.app}/builders/omar-haddad/{path}")
            post(admin, button)
            clean(admin, axe)
        admin.goto(f"{stage.site.app}/builders/omar-haddad/record/")
        admin.get_by_label("Completed projects").fill("-1")
        post(admin, "Save track record")
        clean(admin, axe)
        stage.person("Mona", "BUILDER")
        admin.goto(stage.site.app)
        expect(admin.get_by_role("heading", level=1)).to_be_visible()
        admin.goto(f"{stage.address('Mona')}verify/")
        admin.get_by_label("Tier").select_option("2")
        post(admin, "Save tier")
        clean(admin, axe)

    def test_a_page_that_is_hidden(self, admin: Page, stage: Stage, axe: str) -> None:
        nina = stage.person("Nina", "BUILDER")
        owner = stage.tab(nina, f"/builders/nina-{stage.setting.slug}/")
        admin.goto(f"{stage.address('Nina')}hide/")
        admin.get_by_label("Reason").fill("The picture is of somebody else.")
        press(admin, "Hide page")
        expect(admin.get_by_text("The page is hidden.")).to_be_visible()
        clean(admin, axe)
        owner.goto(stage.address("Nina"))
        expect(owner.get_by_text("The picture is of somebody else.")).to_be_visible()
        clean(owner, axe)
        admin.goto(f"{stage.address('Nina')}hide/")
        clean(admin, axe)
