"""Scenarios for tests on several devices: users, browsers and the demo content."""

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

from tests.browser.conftest import CLOCK_SKEW_S, TIMEOUT_MS
from tests.browser.steps import user_id
from tests.helpers.servers.site import Site, prepared_data, running_site

#: Lifetime of a session token in seconds. Long enough to fill in a form, but short enough to wait until it expires.
TOKEN_LIFETIME_S = 20
HEIGHTS = {360: 740, 768: 1024, 1280: 800}
#: Chromium logs these responses as errors, although they are expected: rejections, conflicts and missing pages. htmx logs
#: requests that a later one replaces, such as a search while the visitor types. A lost connection also logs htmx:sendError.
_EXPECTED_ERRORS = re.compile(
    r"the server responded with a status of (401|403|404|409|422)|htmx:(afterRequest|sendAbort)"
)


@dataclass(frozen=True)
class Device:
    """A window width and colour scheme, with or without JavaScript."""

    width: int
    scheme: Literal["light", "dark"]
    scripts: bool

    def __str__(self) -> str:
        return f"{self.width} {self.scheme} {'scripts' if self.scripts else 'plain'}"

    @property
    def slug(self) -> str:
        return str(self).replace(" ", "-")

    @property
    def context_options(self) -> dict[str, Any]:
        """Options for Playwright's `new_context`."""
        viewport = {"width": self.width, "height": HEIGHTS[self.width]}
        appearance = {"viewport": viewport, "color_scheme": self.scheme, "reduced_motion": "reduce"}
        return {**appearance, "java_script_enabled": self.scripts}


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DEVICES = tuple(Device(width, scheme, scripts) for width in HEIGHTS for scheme in SCHEMES for scripts in (True, False))


@contextmanager
def demo_site(folder: Path, token_lifetime_s: int = TOKEN_LIFETIME_S) -> Iterator[Site]:
    """Run the product with demo content. Tokens are valid long enough to fill in a form."""
    with running_site(
        folder, prepared_data(demo_content=True), DEMO_CONTENT="1", LOCALCLERK_TOKEN_LIFE_S=str(token_lifetime_s)
    ) as site:
        yield site


@dataclass
class Scenario:
    """The product on one device. Each user has a separate browser context, and new users belong to this device only."""

    chromium: Browser
    site: Site
    device: Device
    console_errors: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def create_user(self, first_name: str, *roles: str) -> str:
        """Create a user in Clerk, and return the id."""
        fields = {"first_name": first_name, "last_name": str(self.device), "roles": list(roles)}
        email = f"{first_name.lower()}.{self.device.slug}@example.com"
        return str(self.site.clerk_api("POST", "/local/users", {**fields, "email": email})["id"])

    def page_url(self, first_name: str) -> str:
        """Return the page URL of a builder created by `create_user`."""
        return f"{self.site.app}/builders/{first_name.lower()}-{self.device.slug}/"

    def open_tab(self, user_id: str = "", to: str = "/account/") -> Page:
        """Return a page in a new browser context: signed in and at the path `to`, or anonymous and blank."""
        # The certificate of `make cluster` is self-signed.
        context = self.chromium.new_context(**self.device.context_options, ignore_https_errors=True)
        context.set_default_timeout(TIMEOUT_MS)
        context.on("console", lambda message: self._collect(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: self.console_errors.append(str(error.error)))
        self.contexts.append(context)
        page = context.new_page()
        if user_id:
            self.sign_in(page, user_id, to)
        return page

    def sign_in(self, page: Page, user_id: str, to: str = "/account/") -> None:
        """Sign in with the stand-in's form, which needs no JavaScript but lists only the first users."""
        page.goto(f"{self.site.clerk}/sign-in?redirect_url={self.site.app}{to}")
        form = page.locator("form").filter(has=page.locator("[name=user_id]")).first
        form.locator("[name=user_id]").evaluate("(field, id) => { field.value = id }", user_id)
        form.get_by_role("button").click()
        page.wait_for_url(lambda url: url.startswith(self.site.app))
        # If the user arrives before Clerk's webhook, a waiting page is shown, which reloads itself.
        expect(page.get_by_role("heading", level=1).and_(page.get_by_text("Setting up"))).to_have_count(0)

    def demo_user(self, first_name: str) -> str:
        """Return the id of a demo user."""
        return user_id(self.site, first_name)

    def close(self) -> None:
        """Close all browser contexts."""
        while self.contexts:
            self.contexts.pop().close()

    def _collect(self, text: str) -> None:
        if not _EXPECTED_ERRORS.search(text):
            self.console_errors.append(text)


def expect_no_overflow(page: Page) -> None:
    """Fail if the page scrolls sideways."""
    page.wait_for_load_state()
    overflowing = page.evaluate(
        """() => document.documentElement.scrollWidth > innerWidth && [...document.querySelectorAll("body *")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .slice(0, 5).map((element) => element.outerHTML.slice(0, 150))"""
    )
    assert not overflowing, f"{page.url} is wider than its window because of {overflowing}"


def session_cookie(context: BrowserContext) -> dict[str, Any]:
    """Return the cookie with the session token of a signed-in browser."""
    return next(dict(cookie) for cookie in context.cookies() if cookie.get("name") == "__session")


def use_expired_token(context: BrowserContext, old: dict[str, Any], wait: Callable[[float], None]) -> None:
    """Wait until an old token has expired, and restore it, as if the page could not reach Clerk for a while."""
    claims = old["value"].split(".")[1]
    expiry = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
    wait(max(0.0, expiry + CLOCK_SKEW_S + 1 - time.time()) * 1000)
    expired = [
        {**dict(cookie), "value": old["value"]}
        for cookie in context.cookies()
        if str(cookie.get("name")).startswith("__session")
    ]
    context.add_cookies(expired)  # type: ignore[arg-type]  # the type of its argument is not public
