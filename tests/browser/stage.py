"""A stage for journeys: the filled-in product, seen in one width and colour scheme, with or without JavaScript."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE_MS, SKEW_S
from tests.helpers.processes import wait_until
from tests.helpers.site import Site, running_site

#: Seconds a token lives here: longer than filling in a form takes, and short enough for one that has run out.
LIFE_S = 20
HEIGHTS = {360: 740, 768: 1024, 1280: 800}
#: What Chromium itself says of answers that are expected here: refusals, conflicts, and pages that are not there.
_EXPECTED = re.compile(r"the server responded with a status of (401|403|404|409|422)")


@dataclass(frozen=True)
class Setting:
    """How somebody looks at the product."""

    width: int
    scheme: Literal["light", "dark"]
    scripts: bool

    def __str__(self) -> str:
        return f"{self.width} {self.scheme} {'scripts' if self.scripts else 'plain'}"

    @property
    def slug(self) -> str:
        """The setting as it stands in addresses."""
        return str(self).replace(" ", "-")

    @property
    def browser(self) -> dict[str, Any]:
        """What Playwright calls all of it."""
        viewport = {"width": self.width, "height": HEIGHTS[self.width]}
        looks = {"viewport": viewport, "color_scheme": self.scheme, "reduced_motion": "reduce"}
        return {**looks, "java_script_enabled": self.scripts}


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SETTINGS = tuple(
    Setting(width, scheme, scripts) for width in HEIGHTS for scheme in SCHEMES for scripts in (True, False)
)


@contextmanager
def filled_site(folder: Path, life_s: int = LIFE_S) -> Iterator[Site]:
    """Run the product with demo people who have filled in their pages, and a token's life that forms do not outlast."""
    with running_site(folder, DEMO_CONTENT="1", LOCALCLERK_TOKEN_LIFE_S=str(life_s)) as site:
        is_filled = lambda: "demo profiles are filled in" in (folder / "run.log").read_text()  # noqa: E731
        wait_until(is_filled, "the demo people were not done", 120)
        yield site


@dataclass
class Stage:
    """The product in one setting. Everybody has a browser of their own, and people made here are in no other setting."""

    chromium: Browser
    site: Site
    setting: Setting
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def person(self, first_name: str, *roles: str) -> str:
        """Have somebody sign up at Clerk, and return the id."""
        facts = {"first_name": first_name, "last_name": str(self.setting), "roles": list(roles)}
        email = f"{first_name.lower()}.{self.setting.slug}@example.com"
        return str(self.site.clerk_api("POST", "/local/users", {**facts, "email": email})["id"])

    def address(self, first_name: str) -> str:
        """Return the address of the page of a builder who was made here."""
        return f"{self.site.app}/builders/{first_name.lower()}-{self.setting.slug}/"

    def tab(self, user_id: str = "", to: str = "/account/") -> Page:
        """Return a page of a new browser, of somebody who is signed in and at `to`, or of a stranger at no page."""
        context = self.chromium.new_context(**self.setting.browser)
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", lambda said: self._complain(said.text) if said.type == "error" else None)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.contexts.append(context)
        page = context.new_page()
        if user_id:
            self.sign_in(page, user_id, to)
        return page

    def sign_in(self, page: Page, user_id: str, to: str = "/account/") -> None:
        """Sign in at the stand-in, which lists only the first people, and needs no JavaScript."""
        page.goto(f"{self.site.clerk}/sign-in?redirect_url={self.site.app}{to}")
        somebody = page.locator("form").filter(has=page.locator("[name=user_id]")).first
        somebody.locator("[name=user_id]").evaluate("(field, id) => { field.value = id }", user_id)
        somebody.get_by_role("button").click()
        page.wait_for_url(lambda url: url.startswith(self.site.app))
        # Clerk's webhook may come a moment after the person, on a page that moves on by itself.
        expect(page.get_by_role("heading", level=1).and_(page.get_by_text("Setting up"))).to_have_count(0)

    def somebody(self, first_name: str) -> str:
        """Return the id of one of the demo people."""
        people = self.site.clerk_api("GET", "/local/users")
        return str(next(person["id"] for person in people if person["first_name"] == first_name))

    def close(self) -> None:
        """Close every browser."""
        while self.contexts:
            self.contexts.pop().close()

    def _complain(self, text: str) -> None:
        if not _EXPECTED.search(text):
            self.complaints.append(text)


def fits(page: Page) -> None:
    """See that nobody has to scroll sideways."""
    page.wait_for_load_state()
    wide = page.evaluate(
        """() => document.documentElement.scrollWidth > innerWidth && [...document.querySelectorAll("body *")]
          .filter((each) => each.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map((each) => each.outerHTML.slice(0, 150))"""
    )
    assert not wide, f"{page.url} is wider than its window, by {wide}"


def token(context: BrowserContext) -> dict[str, Any]:
    """Return the cookie with the session token of a browser that is signed in."""
    return next(dict(each) for each in context.cookies() if each.get("name") == "__session")


def expire(context: BrowserContext, old: dict[str, Any], wait: Callable[[float], None]) -> None:
    """Have a browser show a token that has run out, as one does whose page could not reach Clerk for a while."""
    claims = old["value"].split(".")[1]
    expiry = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
    wait(max(0.0, expiry + SKEW_S + 1 - time.time()) * 1000)
    stale = [
        {**dict(each), "value": old["value"]}
        for each in context.cookies()
        if str(each.get("name")).startswith("__session")
    ]
    context.add_cookies(stale)  # type: ignore[arg-type]
