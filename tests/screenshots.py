"""Retake the documentation's screenshots: `make screenshots`.

The product is started with demo content and a generated history, and each page is opened by the right user. A
screenshot has 1280 × 800 pixels or the size of a phone, and at most 250 kB.
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
from tests.helpers.servers.faulty_site import FaultySite
from tests.helpers.servers.processes import wait_until
from tests.helpers.servers.site import Site, running_site
from tests.helpers.webhooks import new_svix_id, person

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
#: The number of colours is reduced until the screenshot is small enough.
MAX_BYTES, COLOURS = 250_000, (256, 128, 64)
OMAR, ADMIN = "Omar Haddad", "Ngozi Adébáyọ̀"
EVENTS = "/admin/webhooks/webhookevent/"


@dataclass
class Camera:
    """Takes screenshots of a site."""

    browser: Browser
    site: Site

    @contextmanager
    def tab(self, name: str = "", viewport: dict[str, int] = DESKTOP, scheme: str = "light") -> Iterator[Page]:
        """Yield a page in a new browser, signed in as the named demo user or anonymous."""
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
        """Save a screenshot of the page, after opening `path` if given."""
        if path:
            page.goto(self.site.app + path)
        load_images(page)
        (FOLDER / f"{name}.png").write_bytes(compress(page.screenshot()))
        print(f"{name:24}{page.url}", flush=True)


def main() -> int:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name, running_site(Path(name), DEMO_CONTENT="1") as site:
        is_filled = lambda: "demo profiles are filled in" in (Path(name) / "run.log").read_text()  # noqa: E731
        wait_until(is_filled, "the demo profiles were not filled in", 180)
        make_history(FaultySite(site))
        with sync_playwright() as playwright:
            sandbox = [] if os.getuid() else ["--no-sandbox"]
            browser = playwright.chromium.launch(executable_path=executable, args=sandbox)
            camera = Camera(browser, site)
            take_public_pages(camera)
            take_owners_pages(camera)
            take_operators_pages(camera)
            browser.close()
    return 0


def make_history(faulty_site: FaultySite) -> None:
    """Generate a day of events, some of which failed."""
    site = faulty_site.site
    faulty_site.add_day_of_events()
    ids = {user["first_name"]: user["id"] for user in site.clerk_api("GET", "/local/users")}
    site.clerk_api("PATCH", f"/local/users/{ids['Omar']}", {"username": "omar.haddad"})
    for first_name in ("Rene", "Ada", "Noor"):
        user = site.clerk_api("POST", "/local/users", {"first_name": first_name, "last_name": "Brandt"})
        site.clerk_api("PATCH", f"/local/users/{user['id']}", {"last_name": "Brandt-Ito"})
    site.clerk_api("DELETE", f"/local/users/{user['id']}")
    repeated, svix_id = samples.user_event("session.pending", person(updated_at=datetime.now(UTC))), new_svix_id()
    for _delivery in range(3):
        faulty_site.deliver(repeated, svix_id=svix_id)
    for _attempt in range(24):
        faulty_site.deliver(repeated, secret="whsec_" + "bm9ib2R5IGhhcyBhZ3JlZWQgdXBvbiB0aGlz")
    faulty_site.deliver_dead()
    with faulty_site.failing_updates("Whitcombe-Rao"):
        site.clerk_api("PATCH", f"/local/users/{ids['Hannah']}", {"last_name": "Whitcombe-Rao"})
        faulty_site.wait_for("SELECT 1 FROM webhooks_webhookevent WHERE state = 'failed' AND error_class = 'internal'")
    # Alert rules are evaluated once a minute.
    faulty_site.wait_for("SELECT 1 FROM webhooks_alert WHERE rule = 'dead_events'")
    faulty_site.wait_for("SELECT 1 FROM webhooks_alert WHERE rule = 'rejected_requests'")


def take_public_pages(camera: Camera) -> None:
    """Pages for every visitor."""
    with camera.tab() as page:
        camera.take(page, "builder", "/builders/omar-haddad/")
        camera.take(page, "directory", "/builders/")
        page.goto(camera.site.clerk)
        camera.take(page, "stand-in")
    with camera.tab(viewport=PHONE, scheme="dark") as page:
        camera.take(page, "builder-dark-phone", "/builders/omar-haddad/")
        camera.take(page, "directory-dark-phone", "/builders/")


def take_owners_pages(camera: Camera) -> None:
    """A builder's pages."""
    with camera.tab(OMAR) as page:
        camera.take(page, "account", "/account/")
        page.goto(f"{camera.site.app}/builders/omar-haddad/")
        page.get_by_role("link", name="Edit").first.click()
        page.locator("form textarea, form input[type=text]").first.wait_for()
        camera.take(page, "editing")


def take_operators_pages(camera: Camera) -> None:
    """Admin pages."""
    with camera.tab(ADMIN) as page:
        camera.take(page, "dashboard", "/admin/webhooks/dashboard/")
        camera.take(page, "events", EVENTS)
        page.goto(f"{camera.site.app}{EVENTS}?state=dead&event_type=user.updated")
        page.locator(".events .received a").first.click()
        camera.take(page, "event")
        page.get_by_text("Repair…").click()
        page.locator(".repair").get_by_label("Reason").fill("The handler works again")
        page.get_by_role("button", name="Dry run").click()
        camera.take(page, "dry-run")
        page.goto(f"{camera.site.app}/admin/accounts/user/?q=omar@example.com")
        page.locator("#result_list tbody th a").first.click()
        page.get_by_role("link", name="Timeline", exact=True).click()
        camera.take(page, "timeline")
        page.goto(f"{camera.site.app}/admin/webhooks/alert/?rule__exact=dead_events")
        page.locator("#result_list tbody th a").first.click()
        camera.take(page, "alert")
    with camera.tab(ADMIN, PHONE, "dark") as page:
        camera.take(page, "dashboard-dark-phone", "/admin/webhooks/dashboard/")


def load_images(page: Page) -> None:
    """Load lazy images, and wait until all images are decoded."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelectorAll('img[loading=lazy]').forEach((image) => { image.loading = 'eager' })")
    page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => {})))")


def compress(png: bytes) -> bytes:
    """Return the image with the largest number of colours that fits into MAX_BYTES."""
    for colours in COLOURS:
        if len(png) <= MAX_BYTES:
            break
        buffer = io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").quantize(colours).save(buffer, "PNG", optimize=True)
        png = buffer.getvalue()
    return png


if __name__ == "__main__":
    sys.exit(main())
