"""Every journey in every setting: three widths, light and dark, with and without JavaScript."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.people import Held, sign_up
from tests.browser.stage import SETTINGS, Setting, Stage, expire, filled_site, fits, token
from tests.helpers.pictures import picture
from tests.helpers.processes import wait_until
from tests.helpers.site import Site

ZOFIA, ZOFIAS = "Zofia Wąsowska-Łęcka", "zofia-wasowska-lecka"
FILE: Any = {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": picture(900, 600)}
#: What only owners and admins may find on a page.
BARS = ("owner-bar", "admin-bar", "/edit/", "/hide/", "/publish/", "csrfmiddlewaretoken", "owner.css")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with filled_site(tmp_path_factory.mktemp("journeys")) as site:
        yield site


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda setting: setting.slug)
def setting(request: pytest.FixtureRequest) -> Setting:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def olive(chromium: Browser, site: Site, setting: Setting) -> Iterator[Page]:
    """Return the tab of a builder with an empty page, who is in this setting only."""
    stage = Stage(chromium, site, setting)
    yield stage.tab(stage.person("Olive", "BUILDER"))
    stage.close()


@pytest.fixture
def stage(chromium: Browser, site: Site, setting: Setting) -> Iterator[Stage]:
    stage = Stage(chromium, site, setting)
    yield stage
    stage.close()
    assert stage.complaints == []


@pytest.fixture
def own_page(olive: Page, stage: Stage) -> Page:
    """Return Olive's tab on her own page, and see that nothing there complains."""
    olive.goto(stage.address("Olive"))
    expect(olive.get_by_role("complementary", name="Your page")).to_be_visible()
    return olive


def told(page: Page, words: str | re.Pattern[str]) -> None:
    """See that the page says what was done, and fits."""
    expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
    fits(page)


def cards(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("heading", level=2).get_by_role("link")


def open_section(page: Page, section: str, field: str) -> Locator:
    """Open a section's form, and return a field of it."""
    page.get_by_role("link", name=f"Edit {section}").click()
    fits(page)
    return page.locator("form").get_by_label(field, exact=True)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def test_a_visitor_looks_at_a_builder(stage: Stage) -> None:
    page = stage.tab()
    page.goto(stage.site.app)
    fits(page)
    page.get_by_role("link", name="All builders").click()
    fits(page)
    page.goto(f"{stage.site.app}/builders/?q=lecka")
    cards(page).get_by_text(ZOFIA).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ZOFIA)
    for heading in ("Work", "Leśnik", "Skills", "Badges", "Elsewhere"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_text("Expert", exact=True)).to_be_visible()
    expect(page.get_by_role("complementary")).to_have_count(0)
    assert [each for each in BARS if each in page.content()] == []
    fits(page)
    page.get_by_role("link", name="Write a message").click()
    expect(page).to_have_url(re.compile("/sign-in/"))
    fits(page)


def test_somebody_writes_to_a_builder(stage: Stage) -> None:
    page = stage.tab(stage.person("Vera", "CLIENT"), f"/builders/{ZOFIAS}/")
    assert [each for each in BARS if each in page.content()] == []
    page.get_by_role("link", name="Write a message").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Write to {ZOFIA}")
    page.get_by_label("Subject").fill("  ")
    page.get_by_label("Message", exact=True).fill("A map for our foresters, please.")
    press(page, "Send message")
    told(page, "Say what it is about.")
    expect(page.get_by_label("Message", exact=True)).to_have_value("A map for our foresters, please.")
    page.get_by_label("Subject").fill("A map")
    press(page, "Send message")
    told(page, f"Your message is on its way to {ZOFIA}.")


def test_the_owner_looks_as_a_visitor(stage: Stage, own_page: Page) -> None:
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()
    own_page.get_by_role("link", name="View as visitor").click()
    told(own_page, "This is what visitors see.")
    expect(own_page.get_by_role("link", name=re.compile("^Edit"))).to_have_count(0)
    own_page.get_by_role("link", name="Back to your own view").click()
    expect(own_page.get_by_role("link", name="Edit introduction")).to_be_visible()
    fits(own_page)


def test_the_directory(stage: Stage) -> None:
    page = stage.tab()
    page.goto(f"{stage.site.app}/builders/")
    page.get_by_role("link", name="Show more builders").click()
    page.get_by_role("link", name="Back to the first page").click()
    page.get_by_label("Search builders").fill("zzzz")
    page.get_by_label("Search builders").press("Enter")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    fits(page)
    page.get_by_role("link", name="Show all builders").click()
    expect(page).to_have_url(f"{stage.site.app}/builders/")
    filter_by_tier(page, stage.setting)
    expect(page.get_by_role("link", name="Remove Expert")).to_be_visible()
    expect(cards(page).get_by_text(ZOFIA)).to_be_visible()
    fits(page)
    page.get_by_label("Search builders").fill("lecka")
    page.get_by_label("Search builders").press("Enter")
    expect(cards(page)).to_have_text([ZOFIA])
    page.get_by_role("link", name="Remove Expert").click()
    expect(page).to_have_url(f"{stage.site.app}/builders/?q=lecka")
    page.get_by_label("Order").select_option("newest")
    if not stage.setting.scripts:
        press(page, "Search")
    told(page, "Who joined last comes first.")


def filter_by_tier(page: Page, setting: Setting) -> None:
    """Choose Expert: beside the list, or where there is no room for that, on a sheet."""
    fits(page)
    sheet = page.get_by_role("button", name="Filters", exact=True)
    if is_sheet := sheet.is_visible():
        sheet.click()
    assert is_sheet is (setting.width < 1000)
    page.get_by_role("checkbox", name="Expert").check()
    fits(page)
    if not setting.scripts:
        press(page, "Apply filters")
    elif is_sheet:
        press(page, "Show builders")


def test_a_section_is_refused_and_then_saved(stage: Stage, own_page: Page) -> None:
    skills = open_section(own_page, "skills", "Skills")
    skills.fill(", ".join(f"Skill {number}" for number in range(21)))
    press(own_page, "Save skills")
    told(own_page, "Keep the 20 most important; there are 21.")
    expect(skills).to_have_value(re.compile("^Skill 0, .*Skill 20$"))
    skills.fill("Offline maps, Łódź, 地図")
    press(own_page, "Save skills")
    told(own_page, "Saved.")
    expect(own_page.get_by_role("listitem").get_by_text("地図")).to_be_visible()
    expect(own_page).to_have_url(re.compile(re.escape(stage.address("Olive"))))


def test_a_value_shows_at_once_and_a_refusal_takes_it_back(stage: Stage, own_page: Page) -> None:
    if not stage.setting.scripts:
        own_page.goto(f"{stage.address('Olive')}edit/visibility/")
        refuse_address(own_page)
        return
    held = Held(own_page)
    headline = open_section(own_page, "introduction", "Headline")
    headline.fill("Shown before it is saved")
    press(own_page, "Save introduction")
    expect(own_page.get_by_text("Shown before it is saved")).to_be_visible()  # and it is not: the post is held
    expect(own_page.get_by_text("Saving…").first).to_be_visible()
    fits(own_page)
    held.take().continue_()
    expect(own_page.locator("[data-ways]").get_by_text("Saved.")).to_be_visible()
    own_page.unroute("**/edit/**")
    own_page.get_by_role("link", name="Edit visibility").click()
    refuse_address(own_page)
    own_page.on("dialog", lambda dialog: dialog.accept())
    own_page.get_by_role("link", name="Cancel").click()
    own_page.get_by_role("link", name="Edit visibility").wait_for()


def refuse_address(page: Page) -> None:
    """Ask for an address that somebody has, and find what was typed beside what the server says of it."""
    address = page.get_by_label("Address of your page")
    address.fill(ZOFIAS)
    press(page, "Save visibility")
    told(page, "Somebody has this address")
    expect(address).to_have_value(ZOFIAS)


def test_the_portfolio(stage: Stage, own_page: Page) -> None:
    for title in ("Atlas", "Ledger"):
        own_page.get_by_role("link", name="Add a project").click()
        own_page.get_by_label("Title", exact=True).fill(title)
        if title == "Atlas":
            own_page.get_by_label("Picture", exact=True).set_input_files(FILE)
            press(own_page, "Add project")
            told(own_page, "Say what the picture shows")
            own_page.get_by_label("Picture", exact=True).set_input_files(FILE)
            own_page.get_by_label("What the picture shows").fill("A map of a meadow")
        press(own_page, "Add project")
        expect(own_page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        fits(own_page)
    expect(own_page.get_by_role("img", name="A map of a meadow")).to_be_attached()
    own_page.get_by_text("Change the order").click()
    press(own_page, "Move Ledger up")
    expect(own_page.locator(".project h3")).to_have_text(["Ledger", "Atlas"])
    fits(own_page)
    own_page.get_by_role("link", name="Delete Ledger").click()
    press(own_page, "Delete project")
    told(own_page, "“Ledger” is deleted.")
    own_page.get_by_role("link", name="Delete Atlas").click()
    press(own_page, "Delete project")
    told(own_page, "“Atlas” is deleted.")


def test_a_step_to_a_full_page(stage: Stage, own_page: Page) -> None:
    ring = own_page.get_by_role("img", name=re.compile("per cent complete"))
    before = str(ring.get_attribute("aria-label"))
    own_page.get_by_text(re.compile(r"^\d+ steps to a full page$")).click()
    fits(own_page)
    own_page.get_by_role("link", name="Link to where else you are found").click()
    own_page.locator("form").get_by_label("Links", exact=True).fill("example.com/olive")
    press(own_page, "Save links")
    told(own_page, "Saved.")
    expect(ring).to_have_attribute("aria-label", f"{int(before.split(maxsplit=1)[0]) + 5} per cent complete")
    expect(own_page.get_by_role("link", name="Link to where else you are found")).to_have_count(0)


def test_the_account(stage: Stage) -> None:
    page, visitor = stage.tab(stage.person("Ada", "BUILDER")), stage.tab()
    fits(page)
    press(page, "Limited")
    expect(page.get_by_role("button", name="Limited")).to_have_attribute("aria-pressed", "true")
    told(page, "Saved.")
    page.get_by_role("link", name="Stop being a builder").click()
    told(page, "Your page is away at once")
    press(page, "Stop being a builder")
    told(page, "You are not a builder any more.")
    visitor.goto(stage.address("Ada"))
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Nobody is at this address")
    press(page, "Become a client")
    expect(page.get_by_role("heading", level=1)).to_have_text("What do you look for?")
    page.get_by_label("Company").fill("Lovelace & Co")
    press(page, "Save and go on")
    page.goto(f"{stage.site.app}/account/")
    told(page, "Lovelace & Co")
    told(page, re.compile("Profile changed: .*availability"))
    press(page, "Make a copy of my data")
    told(page, "A copy of your data is being made.")
    page.get_by_role("link", name="Delete my account").click()
    fits(page)
    press(page, "Delete my account")
    told(page, re.compile("^This account will be deleted on"))
    press(page, "Keep my account")
    told(page, "Your account stays.")
    expect(page.get_by_text("This account will be deleted")).to_have_count(0)
    wait_until(lambda: page.reload() and page.get_by_role("link", name="Download the copy").count(), "no copy came")
    fits(page)


def test_an_admin_looks_after_a_builder(stage: Stage) -> None:
    mona = stage.person("Mona", "BUILDER")
    page = stage.tab(stage.somebody("Ngozi"))
    page.goto(stage.address("Mona"))
    bar = page.get_by_role("complementary", name="For admins")
    bar.get_by_role("link", name="Verify").click()
    page.get_by_label("Tier").select_option("2")
    press(page, "Set the tier")
    told(page, "Not saved. Look again at:")
    page.get_by_label("What it rests on").fill("Two apps read with their owners.")
    press(page, "Set the tier")
    told(page, "The tier is set.")
    bar.get_by_role("link", name="Badges").click()
    page.get_by_label("Badge").select_option("code")
    page.get_by_label("Evidence").fill("Read by two of us.")
    press(page, "Award the badge")
    told(page, "The badge is awarded.")
    expect(page.get_by_text("Read by two of us.")).to_be_visible()
    press(page, "Feature")
    told(page, "The page is featured now.")
    press(page, "Stop featuring")
    told(page, "The page is not featured any more.")
    page.get_by_role("link", name="Edit introduction").click()
    page.get_by_label("Tagline").fill("Written by an admin")
    press(page, "Save introduction")
    told(page, "Saved.")
    bar.get_by_role("link", name="Hide").click()
    page.get_by_label("Reason").fill("The picture is of somebody else.")
    press(page, "Hide this page")
    told(page, "The page is hidden.")
    owner = stage.tab(mona, f"/builders/mona-{stage.setting.slug}/")
    told(owner, "The picture is of somebody else.")
    expect(owner.get_by_text("Written by an admin")).to_be_visible()
    stranger = stage.tab()
    stranger.goto(stage.address("Mona"))
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Nobody is at this address")
    bar.get_by_role("link", name="Show again").click()
    fits(page)
    press(page, "Show it again")
    told(page, "The page is not hidden any more.")
    stranger.reload()
    expect(stranger.get_by_text("Written by an admin")).to_be_visible()
    owner.goto(f"{stage.site.app}/account/")
    told(owner, re.compile(r"Profile changed: .*\(by an admin\)"))


def test_signing_up_and_publishing(stage: Stage) -> None:
    """Only signing up itself needs JavaScript, at Clerk."""
    if stage.setting.scripts:
        page = stage.tab()
        sign_up(page, stage.site, f"New {stage.setting.slug}".replace(" ", "-"), target=None)
    else:
        page = stage.tab(stage.person("New"), "/welcome/")
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you here for?", timeout=20_000)
    fits(page)
    page.get_by_label("I build apps").check()
    press(page, "Go on")
    page.get_by_label("Headline").fill("Maps for people who are rarely online")
    page.get_by_label("Skills", exact=True).fill("Maps, Sync, Python")
    page.get_by_label("Hourly rate").fill("85")
    fits(page)
    press(page, "Save and go on")
    expect(page).to_have_url(f"{stage.site.app}/welcome/preview/")
    told(page, "This is what clients will see.")
    press(page, "Publish profile")
    told(page, "Published. Everybody sees your page, and it is in the directory.")
    stranger = stage.tab()
    stranger.goto(page.url)
    expect(stranger.get_by_text("Maps for people who are rarely online")).to_be_visible()


def test_two_tabs_save_at_once(stage: Stage, own_page: Page) -> None:
    other = own_page.context.new_page()
    other.goto(own_page.url)
    mine, theirs = (open_section(page, "the text about you", "About you") for page in (own_page, other))
    theirs.fill("Theirs")
    press(other, "Save the text about you")
    told(other, "Saved.")
    mine.fill("Mine")
    press(own_page, "Save the text about you")
    told(own_page, "Not saved: this was changed")
    expect(own_page.locator(".conflict").get_by_text("Theirs")).to_be_visible()
    expect(mine).to_have_value("Mine")
    press(own_page, "Keep mine and save")
    told(own_page, "Saved.")
    other.goto(stage.address("Olive"))
    expect(other.get_by_text("Mine", exact=True)).to_be_visible()
    other.close()


def test_pages_that_are_not_there_or_not_open(stage: Stage, own_page: Page) -> None:
    own_page.goto(f"{stage.site.app}/builders/nobody-at-all/")
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Nobody is at this address")
    fits(own_page)
    own_page.goto(f"{stage.site.app}/builders/{ZOFIAS}/edit/about/")
    expect(own_page.get_by_role("heading", level=1)).to_have_text("This page is not open to you")
    fits(own_page)
    own_page.get_by_role("link", name="Browse builders").click()
    expect(own_page.get_by_role("heading", level=1)).to_have_text("Builders")


def test_a_session_that_ended_keeps_what_was_typed(stage: Stage, own_page: Page, ended: dict[str, Any]) -> None:
    own_page.route("**/v1/client/sessions/*/tokens*", lambda route: route.abort())
    own_page.reload()  # no token that was asked for earlier comes late
    if stage.setting.scripts:
        own_page.evaluate("window.Clerk.load()")  # which brings one
    about = open_section(own_page, "the text about you", "About you")
    about.fill("Typed over a long lunch")
    expire(own_page.context, ended, own_page.wait_for_timeout)
    press(own_page, "Save the text about you")
    told(own_page, "Nothing is lost")
    expect(about).to_have_value("Typed over a long lunch")
    own_page.unroute_all()
    press(own_page, "Save the text about you")
    told(own_page, "Saved.")
    expect(own_page.get_by_text("Typed over a long lunch")).to_be_visible()


@pytest.fixture(scope="module", autouse=True)
def ended(olive: Page) -> dict[str, Any]:
    """Return Olive's first token, which has run out by the time she is back from lunch."""
    return token(olive.context)
