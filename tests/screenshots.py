"""The pictures of the documents, all made anew: `make screenshots`.

The product is started with its demo people, some history is made for it, and each page is seen as somebody sees it who
is signed in. A picture has 1280 × 800 points, or those of a telephone, and at most 250 kB.
"""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from accounts.clerk import samples
from tests.helpers.faulty_site import FaultySite
from tests.helpers.processes import wait_until
from tests.helpers.site import Site, running_site
from tests.helpers.webhooks import new_svix_id, person

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
DESK = {"width": 1280, "height": 800}
TELEPHONE = {"width": 360, "height": 740}
#: Bytes of a picture at most, and colours it is reduced to until it fits.
MOST_BYTES, COLOURS = 250_000, (256, 128, 64)
OMAR, ADMIN = "Omar Haddad", "Ngozi Adébáyọ̀"
EVENTS = "/admin/webhooks/webhookevent/"


@dataclass
class Album:
    """Where pictures are put, and who takes them."""

    browser: Browser
    site: Site

    @contextmanager
    def tab(self, name: str = "", viewport: dict[str, int] = DESK, scheme: str = "light") -> Iterator[Page]:
        """Yield a page of a new browser, of one of the demo people or of a stranger."""
        options: dict[str, Any] = {"viewport": viewport, "color_scheme": scheme, "reduced_motion": "reduce"}
        context = self.browser.new_context(**options)
        page = context.new_page()
        if name:
            page.goto(f"{self.site.app}/sign-in/")
            page.get_by_role("button", name=name).click()
            page.wait_for_url(f"{self.site.app}/account/")
        yield page
        context.close()

    def take(self, page: Page, name: str, path: str = "") -> None:
        """Put what a page shows, or what is at `path`, into a file."""
        if path:
            page.goto(self.site.app + path)
        load_pictures(page)
        (FOLDER / f"{name}.png").write_bytes(light(page.screenshot()))
        print(f"{name:24}{page.url}", flush=True)


def main() -> int:
    """Take every picture."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, running_site(Path(name), DEMO_CONTENT="1") as site:
        is_filled = lambda: "demo profiles are filled in" in (Path(name) / "run.log").read_text()  # noqa: E731
        wait_until(is_filled, "the demo people were not done", 180)
        make_history(FaultySite(site))
        with sync_playwright() as playwright:
            sandbox = [] if os.getuid() else ["--no-sandbox"]
            browser = playwright.chromium.launch(executable_path=executable, args=sandbox)
            album = Album(browser, site)
            take_public_pages(album)
            take_owners_pages(album)
            take_operators_pages(album)
            browser.close()
    return 0


def make_history(faulty_site: FaultySite) -> None:
    """Let a day have gone by in which most went well, and some did not."""
    site = faulty_site.site
    faulty_site.add_day_of_events()
    people = {each["first_name"]: each["id"] for each in site.clerk_api("GET", "/local/users")}
    site.clerk_api("PATCH", f"/local/users/{people['Omar']}", {"username": "omar.haddad"})
    for first_name in ("Rene", "Ada", "Noor"):
        somebody = site.clerk_api("POST", "/local/users", {"first_name": first_name, "last_name": "Brandt"})
        site.clerk_api("PATCH", f"/local/users/{somebody['id']}", {"last_name": "Brandt-Ito"})
    site.clerk_api("DELETE", f"/local/users/{somebody['id']}")
    repeated, svix_id = samples.user_event("session.created", person(updated_at=datetime.now(UTC))), new_svix_id()
    for _delivery in range(3):
        faulty_site.deliver(repeated, svix_id=svix_id)
    for _attempt in range(24):
        faulty_site.deliver(repeated, secret="whsec_" + "bm9ib2R5IGhhcyBhZ3JlZWQgdXBvbiB0aGlz")
    faulty_site.deliver_dead()
    with faulty_site.failing_updates("Whitcombe-Rao"):
        site.clerk_api("PATCH", f"/local/users/{people['Hannah']}", {"last_name": "Whitcombe-Rao"})
        faulty_site.wait_for("SELECT 1 FROM webhooks_webhookevent WHERE state = 'failed' AND error_class = 'internal'")
    # Rules are judged once a minute.
    faulty_site.wait_for("SELECT 1 FROM webhooks_alert WHERE rule = 'dead_events'")
    faulty_site.wait_for("SELECT 1 FROM webhooks_alert WHERE rule = 'rejected_requests'")


def take_public_pages(album: Album) -> None:
    """What anybody sees."""
    with album.tab() as page:
        album.take(page, "builder", "/builders/omar-haddad/")
        album.take(page, "directory", "/builders/")
        page.goto(album.site.clerk)
        album.take(page, "stand-in")
    with album.tab(viewport=TELEPHONE, scheme="dark") as page:
        album.take(page, "builder-dark-phone", "/builders/omar-haddad/")
        album.take(page, "directory-dark-phone", "/builders/")


def take_owners_pages(album: Album) -> None:
    """What Omar sees of what is his."""
    with album.tab(OMAR) as page:
        album.take(page, "account", "/account/")
        page.goto(f"{album.site.app}/builders/omar-haddad/")
        page.get_by_role("link", name="Edit").first.click()
        page.locator("form textarea, form input[type=text]").first.wait_for()
        album.take(page, "editing")


def take_operators_pages(album: Album) -> None:
    """What Ngozi sees of how things go."""
    with album.tab(ADMIN) as page:
        album.take(page, "dashboard", "/admin/webhooks/dashboard/")
        album.take(page, "events", EVENTS)
        page.goto(f"{album.site.app}{EVENTS}?state=dead&event_type=user.updated")
        page.locator(".events .received a").first.click()
        album.take(page, "event")
        page.get_by_text("Repair…").click()
        page.locator(".repair").get_by_label("Reason").fill("The handler works again")
        page.get_by_role("button", name="Dry run").click()
        album.take(page, "dry-run")
        page.goto(f"{album.site.app}/admin/accounts/user/?q=omar@example.com")
        page.locator("#result_list tbody th a").first.click()
        page.get_by_role("link", name="Timeline", exact=True).click()
        album.take(page, "timeline")
        page.goto(f"{album.site.app}/admin/webhooks/alert/?rule=dead_events")
        page.locator("#result_list tbody th a").first.click()
        album.take(page, "alert")
    with album.tab(ADMIN, TELEPHONE, "dark") as page:
        album.take(page, "dashboard-dark-phone", "/admin/webhooks/dashboard/")


def load_pictures(page: Page) -> None:
    """Have pictures loaded that wait until somebody scrolls to them, and all of them drawn."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelectorAll('img[loading=lazy]').forEach((image) => { image.loading = 'eager' })")
    page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => {})))")


def light(png: bytes) -> bytes:
    """Return a picture with as many colours as fit into MOST_BYTES."""
    for colours in COLOURS:
        if len(png) <= MOST_BYTES:
            break
        target = io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").quantize(colours).save(target, "PNG", optimize=True)
        png = target.getvalue()
    return png


if __name__ == "__main__":
    sys.exit(main())
