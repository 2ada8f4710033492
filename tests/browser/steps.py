"""Steps shared by browser tests."""

import time

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import CLOCK_SKEW_S, TIMEOUT_MS, TOKEN_LIFETIME_S
from tests.helpers.servers.site import Site

#: The demo user with the admin role.
ADMIN = "Ngozi Adébáyọ̀"
#: Seconds after which a token is always rejected as expired.
EXPIRY_MS = (TOKEN_LIFETIME_S + CLOCK_SKEW_S + 1) * 1000


def sign_up(page: Page, site: Site, first_name: str, target: str | None = "/account/") -> None:
    """Sign up, and expect the page at the path `target`, or the onboarding questions if `target` is None."""
    page.goto(f"{site.app}/sign-up/" + (f"?next={target}" if target else ""))
    page.get_by_label("First name").fill(first_name)
    page.get_by_label("Last name").fill("Browser")
    page.get_by_label("Email address").fill(f"{first_name.lower()}@example.com")
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(f"{site.app}{target or '/welcome/'}")


def sign_in(page: Page, site: Site, name: str) -> None:
    """Sign in as a demo user."""
    page.goto(f"{site.app}/sign-in/")
    page.get_by_role("button", name=name).click()
    page.wait_for_url(f"{site.app}/account/")


def go_to_page(page: Page, site: Site, name: str) -> None:
    """Open the signed-in builder's own page from their account, and wait until its scripts have run.

    Before that, links to forms open a new page instead of editing in place.
    """
    page.goto(f"{site.app}/account/")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("link", name="Edit introduction")).to_be_visible()
    page.wait_for_load_state()


def submit(page: Page, button: str) -> None:
    """Submit a form without JavaScript, and submit the preserved form if the token has expired since the page was loaded."""
    page.get_by_role("button", name=button).click()
    if page.url.endswith("?draft=1"):
        page.get_by_role("button", name="Save").click()


class HeldPosts:
    """Holds POST requests to URLs that match `pattern` until the test continues or aborts them."""

    def __init__(self, page: Page, pattern: str = "**/edit/**") -> None:
        self.page = page
        self.routes: list[Route] = []
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route) if route.request.method == "POST" else route.continue_()

    def take(self) -> Route:
        """Wait for the next held request, and return it."""
        end = time.monotonic() + TIMEOUT_MS / 1000
        while not self.routes:
            assert time.monotonic() < end, f"No form was posted from {self.page.url}."
            self.page.wait_for_timeout(20)
        return self.routes.pop(0)


def expect_signed_in(page: Page, first_name: str) -> None:
    # If the user arrives before the webhook, a waiting page is shown, which reloads itself.
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{first_name} Browser")


def let_token_expire(page: Page) -> None:
    """Leave the site so that no script renews the token, and wait until the token has expired."""
    page.goto("about:blank")
    page.wait_for_timeout(EXPIRY_MS)


def record_urls(page: Page) -> list[str]:
    """Return a list to which the URL of every later response is added."""
    urls: list[str] = []
    page.on("response", lambda response: urls.append(response.url))
    return urls


def user_id(site: Site, first_name: str) -> str:
    users = site.clerk_api("GET", "/local/users")
    return str(next(user["id"] for user in users if user["first_name"] == first_name))
