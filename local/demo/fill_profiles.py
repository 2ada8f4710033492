"""Demo people fill in their profiles: they sign in at the stand-in for Clerk and post the product's own forms.

`make run` starts this beside the rest, once it is ready: `python -m local.demo.fill_profiles`. It goes on where it was
interrupted, and keeps off what somebody else has written: profiles that were edited before it came are left alone, and so
is each form that has something in it.
"""

import functools
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local.demo.browser import Browser, Refused
from local.demo.people import PEOPLE, Person, ask_clerk
from local.demo.portraits import portrait
from local.demo.screens import screen

log = logging.getLogger(__name__)

ADMIN = "ngozi"
#: A new account arrives by a webhook, which may take a moment.
ARRIVAL_S = 30
#: What a builder or a client has written, in the words of the API.
WRITTEN = (
    *("headline", "tagline", "bio", "location", "skills", "expertise", "links", "domains", "hourly_rate", "portfolio"),
    *("company_name", "industry", "project_preferences"),
)


class Progress:
    """What is done, in a file that outlives an interruption.

    Args:
        path: of the file; a line is written when something begins and when it ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = set(path.read_text("utf-8").splitlines()) if path.exists() else set()

    def has(self, line: str) -> bool:
        return line in self.lines

    def note(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        self.lines.add(line)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return all(self.has(f"done {person.username}") for person in PEOPLE)


def progress(data_dir: Path) -> Progress:
    """Return what is done in this folder."""
    return Progress(data_dir / "demo-content.txt")


@dataclass
class Demo:
    """Fills in everything that is not filled in yet."""

    port: int
    progress: Progress
    ids: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Let one person after the other fill in what is theirs, and then the admin what is the team's."""
        _, answer = ask_clerk(self.port + 1, "GET", "/local/users")
        self.ids = {person["username"]: person["id"] for person in json.loads(answer)}
        # Somebody may have deleted some of them.
        here = [person for person in PEOPLE if person.username in self.ids and person.username != ADMIN]
        admin = self.browser(ADMIN) if ADMIN in self.ids else None
        for person in here:
            if not self.progress.has(f"done {person.username}"):
                self.fill_in(person, admin)
        for person in PEOPLE:
            if not self.progress.has(f"done {person.username}"):
                self.progress.note(f"done {person.username}")

    def browser(self, username: str) -> Browser:
        browser = Browser(self.port)
        browser.sign_in(self.ids[username])
        return browser

    def fill_in(self, person: Person, admin: Browser | None) -> None:
        browser = self.browser(person.username)
        known = self.arrived(browser, person)
        if self.progress.has(f"begun {person.username}") or not _is_written(known):
            self.progress.note(f"begun {person.username}")
            if known["builder"]:
                self.fill_in_builder(browser, person, known["builder"])
                if admin and person.team:
                    judge(admin, person, known["builder"])
            if known["client"] and person.client:
                fill_form(browser, "/account/client/", person.client)
            log.info("%s has filled in everything.", person.username)
        self.progress.note(f"done {person.username}")

    def arrived(self, browser: Browser, person: Person) -> Any:
        """Return who the product says is signed in, as soon as the webhook has made the profiles."""
        until = time.monotonic() + ARRIVAL_S
        while True:
            known = browser.json("/api/profiles/me")
            if not known["user"]["is_being_set_up"] or time.monotonic() > until:
                return known
            time.sleep(0.2)

    def fill_in_builder(self, browser: Browser, person: Person, builder: dict[str, Any]) -> None:
        page = builder["url"]
        for section, typed in person.sections.items():
            fill_form(browser, f"{page}edit/{section}/", typed)
        if person.portrait and "/portraits/" not in (builder["image_url"] or ""):
            fill_form(browser, f"{page}picture/", {}, lambda: portrait(person.username, **person.portrait))
        there = {project["title"] for project in builder["portfolio"]}
        for project in person.projects:
            if project["title"] not in there:
                typed = {name: value for name, value in project.items() if name != "picture"}
                draw = functools.partial(screen, project["picture"], project["title"])
                fill_form(browser, f"{page}portfolio/new/", typed, draw)


def judge(admin: Browser, person: Person, builder: dict[str, Any]) -> None:
    """Say what the team says of a builder."""
    page, team = builder["url"], person.team
    fill_form(admin, f"{page}verify/", team["tier"])
    fill_form(admin, f"{page}record/", team["record"])
    there = {badge["kind"] for badge in builder["badges"]}
    for badge in team.get("badges", ()):
        if badge["kind"] not in there:
            fill_form(admin, f"{page}badges/", badge)
    if team.get("featured"):
        press(admin, page, f"{page}feature/", "on")


def press(browser: Browser, path: str, action: str, button: str) -> None:
    """Press a button on a page, unless it is not there, perhaps because it is pressed already."""
    form = browser.form(path, action)
    if form and button in form.buttons:
        form.press(button)
        browser.post(path, form)


def fill_form(browser: Browser, path: str, typed: dict[str, Any], draw: Callable[[], bytes] | None = None) -> None:
    """Fill in one form and post it, unless its page is not there or somebody has written into it.

    Args:
        draw: makes the picture for the field `image`.
    """
    form = browser.form(path, "image" if draw else next(iter(typed)))
    if form is None or not form.is_blank(set(typed)):
        log.info("%s is left as it is.", path)
        return
    form.fill(typed)
    browser.post(path, form, ("image", draw()) if draw else None)


def _is_written(known: dict[str, Any]) -> bool:
    """Return whether somebody has edited a profile."""
    profiles = (known["builder"] or {}, known["client"] or {})
    return any(profile.get(name) for profile in profiles for name in WRITTEN)


def main() -> int:
    """Do it; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    os.nice(5)  # whoever has just started the product comes first
    started = time.monotonic()
    try:
        Demo(int(os.environ["PORT"]), progress(Path(os.environ["DATA_DIR"]))).run()
    except (Refused, httpx.HTTPError, OSError) as error:
        log.error("The demo people stopped: %s", error)
        return 1
    log.info("It took %.1f s.", time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
