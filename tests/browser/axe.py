"""Run axe-core on a page in several window sizes and in both colour schemes."""

from typing import Literal

from playwright.sync_api import Page

PHONE, TABLET, DESKTOP = (360, 740), (768, 1024), (1280, 800)
SIZES = (PHONE, TABLET, DESKTOP)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def violations(page: Page, axe: str, sizes: tuple[tuple[int, int], ...] = SIZES) -> list[str]:
    """Return the violations that axe-core finds in each size and colour scheme."""
    found = []
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found += _run(page, axe, f"{width} {scheme}")
    return found


def admin_violations(page: Page, axe: str) -> list[str]:
    """Return the violations on an admin page, and the sizes in which it scrolls sideways.

    Without JavaScript only the width is checked, because axe-core waits for timers that do not run.
    """
    found = []
    schemes = () if page.evaluate("matchMedia('(scripting: none)').matches") else SCHEMES
    for width, height in (PHONE, DESKTOP):
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{page.url} is wider than {width} px")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_timeout(400)  # Django's admin animates colours even with reduced motion
            found += _run(page, axe, f"{width} {scheme}")
    return found


def _run(page: Page, axe: str, label: str) -> list[str]:
    page.evaluate(axe)
    found = []
    for violation in page.evaluate("axe.run()")["violations"]:
        nodes = "; ".join(f"{node['target']} {node['failureSummary']}" for node in violation["nodes"][:3])
        found.append(f"{page.url} {label}: {violation['id']} {nodes}")
    return found
