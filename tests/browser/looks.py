"""Whether a page is fit to be seen, in each size and colour scheme."""

from typing import Any

from playwright.sync_api import Page

SIZES = ((360, 740), (1280, 800))
SCHEMES: tuple[Any, ...] = ("light", "dark")


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe finds in each size and colour scheme, and whether the page is wider than the window."""
    found = []
    # Without scripts, the timers that axe-core waits for stand still.
    schemes = () if page.evaluate("matchMedia('(scripting: none)').matches") else SCHEMES
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{page.url} is wider than {width} px")
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_timeout(400)  # the stock admin fades from colour to colour, whatever people prefer
            page.evaluate(axe)
            for each in page.evaluate("axe.run()")["violations"]:
                places = "; ".join(f"{node['target']} {node['failureSummary']}" for node in each["nodes"][:3])
                found.append(f"{page.url} {width} {scheme}: {each['id']} {places}")
    return found
