"""A journey in Chromium through the TLS edge: a builder edits their page, and a visitor sees the change."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect, sync_playwright

from accounts.clerk import samples
from tests.browser.conftest import launch
from tests.cluster.cluster import Cluster
from tests.cluster.edge import HOST
from tests.cluster.proofs import Proofs
from tests.faults.workload import Message
from tests.helpers.images import image_file
from tests.helpers.tokens import mint
from tests.helpers.webhooks import person

SKILL = "Cluster repairs"
PATH = "/builders/rosa-cluster/"
PICTURE: FilePayload = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": image_file()}
#: Until the image has been loaded, its width is 0.
HAS_LOADED = "(image) => image.complete && image.naturalWidth > 0"


def prove_browser_journey(proofs: Proofs) -> None:
    """Sign up a builder, edit their page in a browser, and look at it as a visitor."""
    cluster = proofs.cluster
    proofs.deliver([message := _sign_up()])
    proofs.sent.append(message)
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        owner = _open(browser, cluster, _session(cluster, message.clerk_id))
        _edit(owner)
        source = owner.locator(".portrait__picture").first.get_attribute("src") or ""
        visitor = _open(browser, cluster)
        found = {
            "skill": visitor.get_by_text(SKILL).count() > 0,
            "portrait": visitor.locator(f'img[src="{source}"]').first.evaluate(HAS_LOADED),
            "no control of the owner": visitor.get_by_role("link", name="Edit skills").count() == 0,
        }
        browser.close()
    missing = [name for name, is_found in found.items() if not is_found]
    proofs.check("browser: a visitor sees what the builder has changed, and no controls", missing)
    name = urlsplit(source).path.removeprefix("/media/")
    proofs.check("browser: the uploaded image is in the object store", name not in cluster.object_names())


def _sign_up() -> Message:
    user = person(first_name="Rosa", last_name="Cluster", roles=["BUILDER"], updated_at=datetime.now(UTC))
    body = samples.encode(samples.user_event("user.created", user))
    return Message("msg_browser", user.clerk_id, body)


def _session(cluster: Cluster, clerk_id: str) -> dict[str, str]:
    """Return the cookies that Clerk's script sets when a user has signed in."""
    token = mint(clerk_id, lifetime_s=3600, iss=f"https://clerk.{HOST}", azp=cluster.url)
    return {"__session": token, "__client_uat": "1", "__clerk_db_jwt": "dvb_any"}


def _open(browser: Browser, cluster: Cluster, cookies: dict[str, str] | None = None) -> Page:
    context: BrowserContext = browser.new_context(ignore_https_errors=True)
    context.add_cookies([{"name": name, "value": value, "url": cluster.url} for name, value in (cookies or {}).items()])
    # Clerk's script is not part of the cluster.
    context.route(f"https://clerk.{HOST}/**", lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{cluster.url}{PATH}", wait_until="load")
    return page


def _edit(page: Page) -> None:
    """Change the skills, and upload a portrait."""
    page.get_by_role("link", name="Edit skills").click()
    page.locator("form").get_by_label("Skills", exact=True).fill(SKILL)
    page.get_by_role("button", name="Save skills").click()
    expect(page.get_by_text(SKILL).first).to_be_visible()
    page.get_by_role("link", name=re.compile("(Change|Upload) portrait$")).click()
    page.locator("input[type=file]").set_input_files(PICTURE)
    page.get_by_role("button", name="Save portrait").click()
    expect(page.get_by_role("link", name="Change portrait")).to_be_visible()
