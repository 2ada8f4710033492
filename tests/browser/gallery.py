"""The gallery of a project: several uploads at once, cropping, dropping, ordering, failures and accessibility."""

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.axe import violations
from tests.browser.scenario import HEIGHTS, expect_no_overflow
from tests.browser.steps import sign_in
from tests.helpers.images import image_file
from tests.helpers.servers.site import Site

NAME, PATH = "Zofia Wąsowska-Łęcka", "/builders/zofia-wasowska-lecka/"
WIDE, TALL = image_file(320, 240), image_file(240, 480)

DROP = """([form, files]) => {
    const transfer = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
    }
    for (const name of ["dragenter", "dragover", "drop"])
        form.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def file(name: str, content: bytes = WIDE) -> Any:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def open_gallery(page: Page, site: Site, title: str) -> None:
    """Add a project, and open the page with its images."""
    page.goto(f"{site.app}{PATH}portfolio/new/")
    page.get_by_label("Title", exact=True).fill(title)
    page.get_by_role("button", name="Add project").click()
    page.get_by_role("link", name=f"Images {title}").click()
    expect(page.get_by_role("heading", name="Images", exact=True)).to_be_visible()
    page.wait_for_load_state()


def drop(page: Page, *names: str) -> None:
    files = [[name, base64.b64encode(WIDE).decode()] for name in names]
    page.locator("[data-upload]").first.evaluate(f"(form, files) => ({DROP})([form, files])", files)


def descriptions(page: Page) -> list[str]:
    fields = page.locator("[data-reorder] input[name=alt]")
    found: list[str] = fields.evaluate_all("(all) => all.map((field) => field.value)")
    return found


def describe_all(page: Page, *texts: str) -> None:
    fields = page.locator("[data-upload] input[name=image_alt]")
    expect(fields).to_have_count(len(texts))
    for field, text in zip(fields.all(), texts, strict=True):
        field.fill(text)


@pytest.fixture
def owner(page: Page, site: Site) -> Page:
    sign_in(page, site, NAME)
    return page


def test_several_chosen_images_are_uploaded(owner: Page, site: Site, console_errors: list[str]) -> None:
    open_gallery(owner, site, "Several")
    owner.get_by_label("Image", exact=True).set_input_files([file("a.jpg"), file("b.jpg", TALL), file("c.jpg", TALL)])
    describe_all(owner, "First", "Second", "Third")
    expect(owner.locator("[data-upload] canvas")).to_have_count(3)
    for canvas in owner.locator("[data-upload] canvas").all():
        expect(canvas).to_be_visible()
    owner.get_by_role("button", name="Add all images").click()
    expect(owner.locator("[data-row]")).to_have_count(3)
    assert descriptions(owner) == ["First", "Second", "Third"]
    assert console_errors == []


def test_dropped_images_above_the_limit_are_counted(owner: Page, site: Site) -> None:
    open_gallery(owner, site, "Twenty")
    drop(owner, *(f"{number}.jpg" for number in range(20)))
    expect(owner.locator("[data-upload]")).to_have_count(12)
    expect(owner.get_by_text("Images added: 12. A project can have up to 12 images.")).to_be_visible()


def test_crop_is_drawn_on_the_preview(owner: Page, site: Site) -> None:
    open_gallery(owner, site, "Cropped")
    owner.get_by_label("Image", exact=True).set_input_files(file("a.jpg"))
    owner.get_by_text("Crop", exact=True).click()
    canvas = owner.locator("[data-upload] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    owner.mouse.move(box["x"] + box["width"] / 2, box["y"] + 1)
    owner.mouse.down()
    owner.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 1, steps=5)
    owner.mouse.up()
    assert 45 <= float(owner.get_by_label("Left", exact=True).input_value()) <= 55
    owner.locator("[data-upload]").get_by_label("Image description").fill("The blue half")
    owner.get_by_role("button", name="Add image").click()
    expect(owner.locator("[data-row]")).to_have_count(1)
    assert 140 <= int(owner.locator("[data-row] img").get_attribute("width") or 0) <= 180


def test_crop_outside_the_image_is_explained(owner: Page, site: Site) -> None:
    open_gallery(owner, site, "Outside")
    owner.get_by_label("Image", exact=True).set_input_files(file("a.jpg"))
    owner.get_by_text("Crop", exact=True).click()
    for side in ("Left", "Right"):
        owner.get_by_label(side, exact=True).fill("60")
    owner.locator("[data-upload]").get_by_label("Image description").fill("A map")
    owner.get_by_role("button", name="Add image").click()
    expect(owner.get_by_text("The crop is outside the image.")).to_be_visible()
    for side in ("Left", "Right"):
        owner.get_by_label(side, exact=True).fill("10")
    owner.get_by_role("button", name="Add image").click()  # The form still has the file.
    expect(owner.locator("[data-row]")).to_have_count(1)


@pytest.mark.parametrize("failure", ("503", "offline"))
def test_failed_upload_keeps_the_image_and_can_be_repeated(owner: Page, site: Site, failure: str) -> None:
    open_gallery(owner, site, f"Failure {failure}")

    def fail(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif failure == "503":
            route.fulfill(status=503)
        else:
            route.abort()

    owner.get_by_label("Image", exact=True).set_input_files(file("a.jpg"))
    owner.locator("[data-upload]").get_by_label("Image description").fill("A map")
    owner.route("**/images/", fail)
    owner.get_by_role("button", name="Add image").click()
    expect(owner.locator("[data-upload] [data-error]")).to_be_visible()
    owner.unroute_all()
    owner.get_by_role("button", name="Add image").click()
    expect(owner.locator("[data-row]")).to_have_count(1)
    assert descriptions(owner) == ["A map"]


@pytest.mark.parametrize("width", HEIGHTS)
def test_images_are_described_ordered_removed_and_restored(owner: Page, site: Site, width: int) -> None:
    owner.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    open_gallery(owner, site, f"Ordered {width}")
    for text in ("First", "Second"):
        owner.get_by_label("Image", exact=True).set_input_files(file("a.jpg"))
        owner.locator("[data-upload]").get_by_label("Image description").fill(text)
        owner.get_by_role("button", name="Add image").click()
        expect(owner.locator("[data-row]")).to_have_count(1 if text == "First" else 2)
    with owner.expect_response(lambda response: response.url.endswith("/order/")):
        owner.get_by_role("button", name="Move Second up").press("Enter")
    expect(owner.get_by_text("Moved to position 1 of 2.")).to_be_visible()
    owner.reload()
    assert descriptions(owner) == ["Second", "First"]
    owner.get_by_role("button", name="Remove Second").click()
    expect(owner.get_by_text("Image removed.")).to_be_visible()
    assert descriptions(owner) == ["First"]
    owner.get_by_role("button", name="Undo").click()
    expect(owner.get_by_text("Restored.")).to_be_visible()
    assert descriptions(owner) == ["Second", "First"]


def test_phone_screenshots_are_side_by_side_on_phones(owner: Page, site: Site) -> None:
    open_gallery(owner, site, "Phones")
    owner.get_by_label("Image", exact=True).set_input_files([file("a.jpg", TALL), file("b.jpg", TALL)])
    describe_all(owner, "A list", "A map")
    owner.get_by_role("button", name="Add all images").click()
    expect(owner.locator("[data-row]")).to_have_count(2)
    owner.set_viewport_size({"width": 360, "height": 740})
    owner.get_by_role("link", name="Phones").click()
    expect(owner).to_have_url(re.compile("/work/"))
    boxes = [image.bounding_box() for image in owner.locator(".project__picture--tall").all()]
    assert len(boxes) == 2
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_space_is_reserved_for_an_image_that_is_still_loading(owner: Page, site: Site) -> None:
    open_gallery(owner, site, "Slow")
    owner.get_by_label("Image", exact=True).set_input_files(file("a.jpg"))
    describe_all(owner, "A map")
    owner.get_by_role("button", name="Add image").click()
    expect(owner.locator("[data-row]")).to_have_count(1)
    address = owner.get_by_role("link", name="Slow").get_attribute("href")
    waiting: list[Route] = []

    def wait(route: Route) -> None:  # Playwright cannot register a built-in method.
        waiting.append(route)

    owner.route("**/media/projects/**", wait)
    owner.goto(f"{site.app}{address}", wait_until="domcontentloaded")
    image = owner.locator(".project__picture")
    reserved = image.bounding_box()
    for route in waiting:
        route.continue_()
    owner.wait_for_load_state()
    assert waiting
    assert reserved == image.bounding_box()


def expect_no_overflow_at_any_width(page: Page) -> None:
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        expect_no_overflow(page)


def test_pages_have_no_accessibility_violations(owner: Page, site: Site, axe: str) -> None:
    owner.emulate_media(reduced_motion="reduce")
    open_gallery(owner, site, "Accessible")
    owner.get_by_label("Image", exact=True).set_input_files([file("a.jpg"), file("b.jpg", TALL)])
    owner.get_by_text("Crop", exact=True).first.click()
    assert violations(owner, axe) == []
    describe_all(owner, "A list", "A map")
    owner.get_by_role("button", name="Add all images").click()
    expect(owner.locator("[data-row]")).to_have_count(2)
    assert violations(owner, axe) == []
    expect_no_overflow_at_any_width(owner)
    owner.get_by_role("link", name="Accessible").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Accessible")
    assert violations(owner, axe) == []
    expect_no_overflow_at_any_width(owner)
