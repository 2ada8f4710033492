"""What people do in browser tests."""

import time

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PATIENCE_MS, SKEW_S, TOKEN_LIFE_S
from tests.helpers.site import Site

#: The one of the demo people who has the role.
ADMIN = "Ngozi Adébáyọ̀"
IDLE_MS = (TOKEN_LIFE_S + SKEW_S + 1) * 1000


def sign_up(page: Page, site: Site, first_name: str, target: str | None = "/account/") -> None:
    """Sign up to see the page `target`; with None, no page was wanted, and the first questions come."""
    page.goto(f"{site.app}/sign-up/" + (f"?next={target}" if target else ""))
    page.get_by_label("First name").fill(first_name)
    page.get_by_label("Last name").fill("Browser")
    page.get_by_label("Email address").fill(f"{first_name.lower()}@example.com")
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(f"{site.app}{target or '/welcome/'}")


def sign_in(page: Page, site: Site, name: str) -> None:
    """Sign in as one of the people that are there from the start."""
    page.goto(f"{site.app}/sign-in/")
    page.get_by_role("button", name=name).click()
    page.wait_for_url(f"{site.app}/account/")


def go_to_page(page: Page, site: Site, name: str) -> None:
    """Find somebody's own page from the directory, and wait until its scripts are there: without, links lead away."""
    page.goto(f"{site.app}/builders/")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("link", name="Edit introduction")).to_be_visible()
    page.wait_for_load_state()


class Held:
    """What a page posts, to addresses like `pattern`: each post waits until a test says what becomes of it."""

    def __init__(self, page: Page, pattern: str = "**/edit/**") -> None:
        self.page = page
        self.routes: list[Route] = []
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route) if route.request.method == "POST" else route.continue_()

    def take(self) -> Route:
        """Return the post that waits, as soon as there is one."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not self.routes:
            assert time.monotonic() < end, f"Nothing was posted from {self.page.url}."
            self.page.wait_for_timeout(20)
        return self.routes.pop(0)


def expect_signed_in(page: Page, first_name: str) -> None:
    # The webhook may come a moment after the person; the page that waits for it moves on by itself.
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{first_name} Browser")


def idle(page: Page) -> None:
    """Leave every page, so that nothing keeps the session fresh, until the token has expired."""
    page.goto("about:blank")
    page.wait_for_timeout(IDLE_MS)


def addresses(page: Page) -> list[str]:
    """Return a list to which every address is added that the page asks from now on."""
    seen: list[str] = []
    page.on("response", lambda response: seen.append(response.url))
    return seen


def user_id(site: Site, first_name: str) -> str:
    people = site.clerk_api("GET", "/local/users")
    return str(next(person["id"] for person in people if person["first_name"] == first_name))
