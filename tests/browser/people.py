"""What people do in browser tests."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import SKEW_S, TOKEN_LIFE_S
from tests.helpers.site import Site

#: The one of the demo people who has the role.
ADMIN = "Ngozi Adébáyọ̀"
IDLE_MS = (TOKEN_LIFE_S + SKEW_S + 1) * 1000


def sign_up(page: Page, site: Site, first_name: str, target: str | None = "/account/") -> None:
    """Sign up to see the page `target`; with None, no page was wanted, and the first questions come."""
    page.goto(f"{site.app}/sign-up/" + (f"?next={target}" if target else ""))
    page.get_by_label("First name").fill(first_name)
    page.get_by_label("Last name").fill("Browser")
    page.get_by_label("E-mail address").fill(f"{first_name.lower()}@example.com")
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(f"{site.app}{target or '/welcome/'}")


def sign_in(page: Page, site: Site, name: str) -> None:
    """Sign in as one of the people that are there from the start."""
    page.goto(f"{site.app}/sign-in/")
    page.get_by_role("button", name=name).click()
    page.wait_for_url(f"{site.app}/account/")


def expect_signed_in(page: Page, first_name: str) -> None:
    # The webhook may come a moment after the person; the page that waits for it moves on by itself.
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{first_name} Browser", timeout=15_000)


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
