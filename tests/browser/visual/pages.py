"""Visual regression test: the component pages and the most important pages, in light and dark mode, at three widths.

`make references` retakes the references after an intended change. See "Appearance" in docs/patterns.md.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Playwright
from pytest_django import DjangoDbBlocker

from local.components.views import GROUPS
from tests.browser.visual import comparison
from tests.browser.visual.comparison import BROWSER_VERSION, DIFFERENCES, OTHER_BROWSER, SAME_BROWSER
from tests.browser.visual.studio import PAGE, Studio, capture, open_studio

IS_RETAKING = bool(os.environ.get("RETAKE_REFERENCES"))
#: The path and the viewer of each page.
PAGES = {
    "home": ("/", ""),
    "directory": ("/builders/", ""),
    "filters": ("/builders/?tier=3&availability=available", ""),
    "no-results": ("/builders/?tier=3&q=zzzz", ""),
    "builder": (PAGE, ""),
    "case": ("", ""),
    "owner": (PAGE, "olive"),
    "admin-bar": (PAGE, "adam"),
    "editing": (f"{PAGE}edit/terms/", "olive"),
    "project-form": (f"{PAGE}portfolio/new/", "olive"),
    "history": (f"{PAGE}history/", "olive"),
    "onboarding": ("/welcome/builder/", "nina"),
    "contact": (f"{PAGE}contact/", "vera"),
    "client": ("/account/client/", "vera"),
    "account": ("/account/", "vera"),
    "sign-in": ("/sign-in/", ""),
    "error": ("/nowhere/", ""),
    **{f"components-{group}": (f"/local/components/{group}/", "") for group in GROUPS},
}


#: The database exists only if a test has this mark. The rows are committed, so that the server finds them.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def studio(playwright: Playwright, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Studio]:
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), open_studio(playwright, patch) as studio:
        yield studio


@pytest.mark.parametrize("name", PAGES)
def test_page_looks_like_its_reference(studio: Studio, name: str) -> None:
    path, viewer = PAGES[name]
    check = save if IS_RETAKING else problem_of
    views = studio.views(path or studio.case_path(), viewer)
    problems = [check(page, f"{name}-{suffix}", studio.browser.version) for suffix, page in views]
    if any(problems):
        pytest.fail("\n".join([*filter(None, problems), advice(studio.browser.version)]), pytrace=False)


def problem_of(page: Page, name: str, version: str) -> str:
    """Compare the page with its reference. If they differ, save pictures and return a description."""
    tolerance = SAME_BROWSER if version == version_of_references() else OTHER_BROWSER
    # A second screenshot excludes faults of the screenshot itself.
    for _attempt in range(2):
        png = capture(page)
        problem = comparison.compare(name, png, tolerance)
        if not problem:
            return ""
    comparison.save_pictures(name, png, tolerance)
    return problem


def save(page: Page, name: str, version: str) -> str:
    """Save a new reference. Return a description of the problem if two screenshots differ."""
    png = capture(page)
    comparison.save_reference(name, png)
    BROWSER_VERSION.write_text(f"{version}\n")
    return comparison.compare(name, capture(page), SAME_BROWSER)


def version_of_references() -> str:
    return BROWSER_VERSION.read_text().strip() if BROWSER_VERSION.exists() else "an unknown version"


def advice(version: str) -> str:
    """Explain the next step after a failure."""
    lines = [
        f"Compare the pictures in {DIFFERENCES}. If the change is intended, run `make references` and commit the result."
    ]
    if version != version_of_references():
        lines.append(
            f"The references were taken with Chromium {version_of_references()}, and this is {version}. If you changed "
            "nothing, the new version of Chromium caused the differences, and `make references` removes them."
        )
    return "\n".join(lines)
