"""Fill in the profiles of demo users: sign in at the stand-in for Clerk, and post the product's own forms.

`make run` starts this module in the background when the servers are ready: `python -m local.demo.fill_profiles`. An
interrupted run continues at the next start. Existing content is never overwritten: profiles that were edited before
the first run are skipped, and so is each form that has content.
"""

import json
import logging
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local.demo.browser import Browser, FormRejected
from local.demo.users import DEMO_USERS, DemoUser, call_stand_in, read_image

log = logging.getLogger(__name__)

ADMIN = "ngozi"
#: Seconds to wait until a webhook has created a new account.
SYNC_TIMEOUT_S = 30
#: API fields that contain text written by a builder or a client.
WRITTEN = (
    *("headline", "tagline", "bio", "location", "skills", "expertise", "links", "domains", "hourly_rate", "portfolio"),
    *("company_name", "industry", "project_preferences"),
)


class Progress:
    """Completed steps, stored in a file that survives an interruption.

    Args:
        path: the file's path. Each line records that a user's profile was started or completed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = set(path.read_text("utf-8").splitlines()) if path.exists() else set()

    def has(self, line: str) -> bool:
        return line in self.lines

    def add(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        self.lines.add(line)

    @property
    def is_complete(self) -> bool:
        return all(self.has(f"done {user.username}") for user in DEMO_USERS)


def read_progress(data_dir: Path) -> Progress:
    return Progress(data_dir / "demo-content.txt")


@dataclass
class Demo:
    """One run over all demo users.

    Attributes:
        app, clerk: the origins of the application and of the stand-in for Clerk.
        clerk_port: the port of the stand-in on this machine.
    """

    app: str
    clerk: str
    clerk_port: int
    progress: Progress
    ids: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Fill in the profiles, one user after the other."""
        _, body = call_stand_in(self.clerk_port, "GET", "/local/users")
        self.ids = {user["username"]: user["id"] for user in json.loads(body)}
        # Some demo users may have been deleted at the stand-in.
        existing = [user for user in DEMO_USERS if user.username in self.ids and user.username != ADMIN]
        admin = self.browser(ADMIN) if ADMIN in self.ids else None
        for user in existing:
            if not self.progress.has(f"done {user.username}"):
                self.fill_in(user, admin)
        for user in DEMO_USERS:
            if not self.progress.has(f"done {user.username}"):
                self.progress.add(f"done {user.username}")

    def browser(self, username: str) -> Browser:
        browser = Browser(self.app, self.clerk)
        browser.sign_in(self.ids[username])
        return browser

    def fill_in(self, user: DemoUser, admin: Browser | None) -> None:
        browser = self.browser(user.username)
        me = self.wait_until_synced(browser)
        if self.progress.has(f"begun {user.username}") or not _has_content(me):
            self.progress.add(f"begun {user.username}")
            if me["builder"]:
                self.fill_in_builder(browser, user, me["builder"])
                if admin and user.team:
                    assess(admin, user, me["builder"])
            if me["client"] and user.client:
                fill_form(browser, "/account/client/", user.client)
            log.info("Filled in the profile of %s.", user.username)
        self.progress.add(f"done {user.username}")

    def wait_until_synced(self, browser: Browser) -> Any:
        """Return the signed-in user from the API once the webhook has created the profiles."""
        deadline = time.monotonic() + SYNC_TIMEOUT_S
        while True:
            me = browser.json("/api/profiles/me")
            if not me["user"]["is_being_set_up"] or time.monotonic() > deadline:
                return me
            time.sleep(0.2)

    def fill_in_builder(self, browser: Browser, user: DemoUser, builder: dict[str, Any]) -> None:
        page = builder["url"]
        for section, data in user.sections.items():
            fill_form(browser, f"{page}edit/{section}/", data)
        if user.portrait and "/portraits/" not in (builder["image_url"] or ""):
            fill_form(browser, f"{page}picture/", {}, user.portrait)
        existing = {project["title"] for project in builder["portfolio"]}
        for project in user.projects:
            if project["title"] not in existing:
                data = {name: value for name, value in project.items() if name not in ("image", "more")}
                fill_form(browser, f"{page}portfolio/new/", data, project["image"])
        self.fill_in_galleries(browser, user, page)

    def fill_in_galleries(self, browser: Browser, user: DemoUser, page: str) -> None:
        """Add the further images of the projects that have only their first image."""
        more = {project["title"]: project.get("more", ()) for project in user.projects}
        for project in browser.json("/api/profiles/me")["builder"]["portfolio"] if any(more.values()) else ():
            for image in more.get(project["title"], ()) if len(project["images"]) < 2 else ():
                path = f"{page}portfolio/{project['id']}/images/"
                fill_form(browser, path, {"image_alt": image["image_alt"]}, image["image"])


def assess(admin: Browser, user: DemoUser, builder: dict[str, Any]) -> None:
    """Record the team's assessment of a builder: tier, track record, badges, and whether to feature them."""
    page, team = builder["url"], user.team
    fill_form(admin, f"{page}verify/", team["tier"])
    fill_form(admin, f"{page}record/", team["record"])
    existing = {badge["kind"] for badge in builder["badges"]}
    for badge in team.get("badges", ()):
        if badge["kind"] not in existing:
            fill_form(admin, f"{page}badges/", badge)
    if team.get("featured"):
        press(admin, page, f"{page}feature/", "on")


def press(browser: Browser, path: str, action: str, button: str) -> None:
    """Press a button on a page. A missing button is ignored, because a previous run may have pressed it."""
    form = browser.form(path, action)
    if form and button in form.buttons:
        form.press(button)
        browser.post(path, form)


def fill_form(browser: Browser, path: str, data: dict[str, Any], image: str = "") -> None:
    """Fill in and post a form, unless its page does not exist or it already has content.

    Args:
        image: a file in the folder `images`, for the field `image`.
    """
    form = browser.form(path, "image" if image else next(iter(data)))
    if form is None or not form.is_blank(set(data)):
        log.info("Skipped %s.", path)
        return
    form.fill(data)
    browser.post(path, form, ("image", read_image(image)) if image else None)


def _has_content(me: dict[str, Any]) -> bool:
    """Return whether one of the user's profiles has been edited."""
    profiles = (me["builder"] or {}, me["client"] or {})
    return any(profile.get(name) for profile in profiles for name in WRITTEN)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.nice(5)  # give priority to the servers, which have just started
    started = time.monotonic()
    try:
        app, clerk = os.environ["LOCALCLERK_APP_URL"], os.environ["CLERK_FRONTEND_API_URL"]
        Demo(app, clerk, int(os.environ["LOCALCLERK_PORT"]), read_progress(Path(os.environ["DATA_DIR"]))).run()
    except (FormRejected, httpx.HTTPError, OSError) as error:
        log.error("Filling in demo profiles failed: %s", error)
        return 1
    log.info("Finished after %.1f s.", time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
