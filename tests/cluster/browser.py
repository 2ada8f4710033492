"""Journeys in Chromium through the TLS edge: a builder, a visitor, a client without JavaScript, and an admin."""

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

#: First names and roles.
PEOPLE = {"Rosa": "BUILDER", "Clara": "CLIENT", "Ada": "ADMIN"}
SKILL, SUBJECT = "Cluster repairs", "A broken cluster"
PATH = "/builders/rosa-cluster/"
PICTURE: FilePayload = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": image_file()}
#: Until the image has been loaded, its width is 0.
HAS_LOADED = "(image) => image.complete && image.naturalWidth > 0"


def prove_browser_journeys(proofs: Proofs) -> None:
    """Sign up a builder, a client and an admin, and use the site as each of them."""
    builder, client, admin = (_sign_up(name, role) for name, role in PEOPLE.items())
    proofs.deliver([builder, client, admin])
    proofs.sent += [builder, client, admin]
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        _prove_builder(proofs, browser, builder)
        _prove_client(proofs, browser, client)
        _prove_admin(proofs, browser, admin)
        browser.close()


def _prove_builder(proofs: Proofs, browser: Browser, builder: Message) -> None:
    """Edit a page, and look at it as a visitor."""
    cluster = proofs.cluster
    owner = _open(browser, cluster, _session(cluster, builder.clerk_id))
    _edit(owner)
    source = owner.locator(".portrait__picture").first.get_attribute("src") or ""
    visitor = _open(browser, cluster)
    found = {
        "skill": visitor.get_by_text(SKILL).count() > 0,
        "portrait": visitor.locator(f'img[src="{source}"]').first.evaluate(HAS_LOADED),
        "no control of the owner": visitor.get_by_role("link", name="Edit skills").count() == 0,
    }
    missing = [name for name, is_found in found.items() if not is_found]
    proofs.check("browser: a visitor sees what the builder has changed, and no controls", missing)
    name = urlsplit(source).path.removeprefix("/media/")
    proofs.check("browser: the uploaded image is in the object store", name not in cluster.object_names())


def _prove_client(proofs: Proofs, browser: Browser, client: Message) -> None:
    """Save a builder and write a message, without JavaScript. A worker emails the message."""
    cluster = proofs.cluster
    page = _open(browser, cluster, _session(cluster, client.clerk_id), java_script_enabled=False)
    page.get_by_role("button", name="Save to shortlist").click()
    page.goto(f"{cluster.url}/account/shortlist/")
    proofs.check("browser: the shortlist has the builder", page.get_by_text("Rosa Cluster").count() == 0)
    page.goto(f"{cluster.url}{PATH}contact/")
    page.get_by_label("Subject").fill(SUBJECT)
    page.get_by_label("Message").fill("Can you repair ours?")
    page.get_by_role("button", name="Send message").click()
    proofs.check("browser: the message is confirmed", page.get_by_text("was sent").count() == 0)
    cluster.wait(lambda: any(SUBJECT.encode() in mail for mail in cluster.mails), "the message was not emailed")


def _prove_admin(proofs: Proofs, browser: Browser, admin: Message) -> None:
    """Open the dashboard, and find the new builder."""
    cluster = proofs.cluster
    page = _open(browser, cluster, _session(cluster, admin.clerk_id))
    response = page.goto(f"{cluster.url}/admin/webhooks/dashboard/")
    proofs.check("browser: the dashboard opens", response is None or response.status != 200 or "login" in page.url)
    page.goto(f"{cluster.url}/admin/accounts/user/?q=Rosa")
    proofs.check("browser: an admin finds the builder", page.get_by_role("link", name="Rosa Cluster").count() == 0)


def _sign_up(first_name: str, role: str) -> Message:
    user = person(first_name=first_name, last_name="Cluster", roles=[role], updated_at=datetime.now(UTC))
    body = samples.encode(samples.user_event("user.created", user))
    return Message(f"msg_{first_name.lower()}", user.clerk_id, body)


def _session(cluster: Cluster, clerk_id: str) -> dict[str, str]:
    """Return the cookies that Clerk's script sets when a user has signed in."""
    token = mint(clerk_id, lifetime_s=3600, iss=f"https://clerk.{HOST}", azp=cluster.url)
    return {"__session": token, "__client_uat": "1", "__clerk_db_jwt": "dvb_any"}


def _open(
    browser: Browser, cluster: Cluster, cookies: dict[str, str] | None = None, *, java_script_enabled: bool = True
) -> Page:
    """Open the builder's page in a new browser context."""
    context: BrowserContext = browser.new_context(ignore_https_errors=True, java_script_enabled=java_script_enabled)
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
