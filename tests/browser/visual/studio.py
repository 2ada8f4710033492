"""The pages for the visual regression test, served by this process with a frozen clock and fixed rows."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import time_machine
from django.core.management import call_command
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route
from pytest_django.live_server_helper import LiveServer

from accounts.clerk.cookies import DEV_BROWSER
from accounts.models import User
from profiles.models import Badge, BuilderProfile
from tests.browser.conftest import launch
from tests.browser.scenario import HEIGHTS, SCHEMES
from tests.helpers import tokens
from tests.helpers.factories import (
    BuilderProfileFactory,
    ClientProfileFactory,
    ProjectFactory,
    ProjectImageFactory,
    UserFactory,
)
from tests.helpers.images import image_file

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SITE = "http://bw.localhost"
PAGE = "/builders/olive-okafor/"
#: Flags that make text rendering independent of the desktop's settings.
CHROMIUM_FLAGS = ("--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb")
#: Waits for images and fonts, including lazily loaded images below the window.
WAIT_UNTIL_LOADED = """async () => {
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager" });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await document.fonts.ready;
}"""
#: A screenshot of a whole page leaves content blank if `content-visibility: auto` skips it below the window.
STYLE = """*, ::before, ::after { transition: none !important; animation: none !important; content-visibility: visible !important }
  progress:indeterminate { visibility: hidden }
  html { caret-color: transparent }"""


@dataclass
class Studio:
    """The served pages, and one browser context for each viewer."""

    browser: Browser
    people: dict[str, User]
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    def views(self, path: str, viewer: str) -> Iterator[tuple[str, Page]]:
        """Yield the page at each width and in each colour scheme, with a name such as 360-dark."""
        page = self.context(viewer).new_page()
        open_page(page, SITE + path)
        for width in HEIGHTS:
            resize(page, width)
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                yield f"{width}-{scheme}", page
        page.close()

    def context(self, viewer: str) -> BrowserContext:
        """Return the browser context of a viewer. An empty name means a visitor without a session."""
        if viewer not in self.contexts:
            context = self.browser.new_context(bypass_csp=True, locale="en-GB", timezone_id="UTC")
            context.clock.set_fixed_time(NOW)
            context.route(f"{tokens.ISSUER}/**", lambda route: route.abort())
            context.route("**/media/**", serve_picture)
            cookies = {DEV_BROWSER: "browser"} | (self.session_cookies(viewer) if viewer else {})
            context.add_cookies([{"name": name, "value": value, "url": SITE} for name, value in cookies.items()])
            self.contexts[viewer] = context
        return self.contexts[viewer]

    def session_cookies(self, viewer: str) -> dict[str, str]:
        token = tokens.mint(str(self.people[viewer].clerk_id), azp=SITE, lifetime_s=3600)
        return {"__session": token, "__client_uat": "1"}

    def case_path(self) -> str:
        """Return the path of a project's page, which contains the project's ID."""
        project = BuilderProfile.objects.get(user=self.people["olive"]).projects.order_by("position")[0]
        return str(project.get_absolute_url())


@contextmanager
def open_studio(playwright: Playwright, settings: pytest.MonkeyPatch) -> Iterator[Studio]:
    """Fill the database, serve it, and empty it at the end."""
    server = LiveServer("127.0.0.1")
    settings.setattr("django.conf.settings.CLERK_AUTHORIZED_PARTIES", [SITE])
    # Some pages show their address, which must not contain the port.
    rule = f"--host-resolver-rules=MAP {SITE.removeprefix('http://')}:80 127.0.0.1:{server.thread.port}"
    with launch(playwright.chromium, *CHROMIUM_FLAGS, rule) as browser, time_machine.travel(NOW, tick=False):
        yield Studio(browser, create_people())
    server.stop()
    call_command("flush", verbosity=0, interactive=False)
    connections.close_all()


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    page.add_style_tag(content=STYLE)
    page.evaluate(WAIT_UNTIL_LOADED)


def resize(page: Page, width: int) -> None:
    """Give the window a width, and the height of the page.

    Chromium can leave text blank that is outside the window, even in a screenshot of the whole page.
    """
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})


def capture(page: Page) -> bytes:
    """Return a screenshot. Chromium encodes it faster than the one of Playwright's `screenshot`."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    session = page.context.new_cdp_session(page)
    data = session.send("Page.captureScreenshot", {"optimizeForSpeed": True})["data"]
    session.detach()
    return base64.b64decode(data)


def serve_picture(route: Route) -> None:
    route.fulfill(body=image_file(600, 400, "PNG"), content_type="image/png")


def create_people() -> dict[str, User]:
    admin = UserFactory.create(admin=True, name="Adam Admin")
    client = ClientProfileFactory.create(
        user__name="Vera Visser", user__email="vera@example.com", user__confirmed=True, company_name="Acme"
    )
    newcomer = BuilderProfileFactory.create(user__name="Nina Novak", unpublished_at=NOW, headline="")
    for number in range(1, 6):
        create_builder(number)
    return {"adam": admin, "vera": client.user, "nina": newcomer.user, "olive": create_olive(admin)}


def create_builder(number: int) -> None:
    states = ("available", "limited", "unavailable")
    BuilderProfileFactory.create(
        user__name=f"Builder {'ABCDE'[number - 1]}",
        slug=f"builder-{number}",
        validation_tier=1 + number % 3,
        skills=["Django", "Maps"][: number % 3],
        hourly_rate=60 + number,
        availability=states[number % 3],
        availability_confirmed_at=NOW,
        created_at=NOW,
    )


def create_olive(admin: User) -> User:
    """Create a builder with a complete page."""
    user = UserFactory.create(builder=True, confirmed=True, name="Olive Okafor", email="olive@example.com")
    terms = {"availability": "available", "availability_confirmed_at": NOW, "hourly_rate": 95, "currency": "EUR"}
    words = {"bio": "I build **field apps**.\n\n* Maps\n* Forms", "headline": "Field apps that work offline"}
    lists = {"skills": ["Django", "Maps", "SQL"], "domains": ["web", "data"], "links": ["https://example.com/olive"]}
    facts = {"slug": "olive-okafor", "validation_tier": 3, "location": "Leeds", "created_at": NOW}
    profile = BuilderProfileFactory.create(user=user, **facts, **terms, **words, **lists)
    for title in ("Crew map", "Stock take"):
        project = ProjectFactory.create(
            builder=profile, title=title, description="Works offline.", technologies=["Django"]
        )
        if title == "Crew map":
            ProjectImageFactory.create(project=project, alt="A map of crews")
    Badge.objects.create(
        builder=profile, kind="identity", evidence="Passport checked.", awarded_at=NOW, awarded_by=admin
    )
    return user
