"""A builder asks for a review with evidence, and an admin decides."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.journeys.emails import emails_to
from tests.browser.journeys.steps import expect_message, press
from tests.browser.scenario import Scenario, expect_no_overflow
from tests.helpers.documents import pdf_file
from tests.helpers.servers.processes import wait_until

DOCUMENT: Any = {"name": "Certificate.pdf", "mimeType": "application/pdf", "buffer": pdf_file()}
SCRIPT: Any = {"name": "page.pdf", "mimeType": "application/pdf", "buffer": b"<script>alert(1)</script>"}


def send_request(page: Page, file: Any) -> None:
    page.get_by_label("What should we review?").select_option(label="Established")
    page.get_by_label("Description").fill("Two shops for bakeries. The owners can confirm it.")
    page.get_by_label("Files").set_input_files(file)
    press(page, "Send request")


def grant(page: Page, builder: str) -> None:
    """Find the open request in the queue, read the evidence, and grant the request."""
    page.locator("#result_list tr", has_text=builder).get_by_role("link").first.click()
    expect(page.get_by_text("Two shops for bakeries.")).to_be_visible()
    press(page, "Assign to me")
    expect(page.get_by_text("Assigned to you.")).to_be_visible()
    with page.expect_download() as download:
        press(page, "Download")
    assert download.value.suggested_filename == "Certificate.pdf"
    page.get_by_role("link", name="Decide").click()
    expect_no_overflow(page)
    page.get_by_label("Identity").check()
    page.get_by_label("Number of completed projects checked").fill("2")
    page.get_by_label("Reason for the decision").fill("Both owners confirmed the work.")
    press(page, "Grant")
    expect(page.get_by_text("Decision saved.")).to_be_visible()
    expect_no_overflow(page)


def test_builder_asks_for_a_review_and_an_admin_grants_it(scenario: Scenario) -> None:
    builder = scenario.open_tab(scenario.create_user("Rena", "BUILDER"))
    builder.goto(scenario.page_url("Rena"))
    builder.get_by_role("complementary", name="Your page").get_by_text("More", exact=True).click()
    builder.get_by_role("link", name="Ask for a review").click()
    send_request(builder, SCRIPT)
    expect_message(builder, "page.pdf: This file is not a PDF, JPEG, PNG, WebP or GIF.")
    expect(builder.get_by_label("Description")).to_have_value("Two shops for bakeries. The owners can confirm it.")
    send_request(builder, DOCUMENT)
    expect_message(builder, "Request sent.")
    expect(builder.get_by_role("button", name="Withdraw request")).to_be_visible()
    admin = scenario.open_tab(scenario.demo_user("Ngozi"), "/admin/profiles/reviewrequest/")
    admin.goto(f"{scenario.site.app}/admin/profiles/reviewrequest/?state__exact=open")
    grant(admin, f"Rena {scenario.device}")
    visitor = scenario.open_tab()
    visitor.goto(scenario.page_url("Rena"))
    expect_message(visitor, "Checked by our team on")
    expect_message(visitor, ": identity, 2 completed projects.")
    builder.reload()
    expect_message(builder, "Both owners confirmed the work.")


def test_admin_declines_a_request_and_the_builder_reads_the_reason(scenario: Scenario) -> None:
    builder = scenario.open_tab(scenario.create_user("Ruth", "BUILDER"))
    own_reviews = f"{scenario.page_url('Ruth')}reviews/"
    builder.goto(own_reviews)
    send_request(builder, DOCUMENT)
    expect_message(builder, "Request sent.")
    admin = scenario.open_tab(scenario.demo_user("Ngozi"), "/admin/profiles/reviewrequest/")
    admin.goto(f"{scenario.site.app}/admin/profiles/reviewrequest/?state__exact=open")
    admin.locator("#result_list tr", has_text=f"Ruth {scenario.device}").get_by_role("link").first.click()
    admin.get_by_role("link", name="Decide").click()
    expect(admin.get_by_label("Reason for the decision")).to_have_attribute("required", "")
    admin.get_by_label("Reason for the decision").fill("The owners of the shops did not answer.")
    press(admin, "Decline")
    expect(admin.get_by_text("Decision saved.")).to_be_visible()
    expect_no_overflow(admin)
    builder.goto(own_reviews)
    expect_message(builder, "The owners of the shops did not answer.")
    expect_message(builder, "Declined")
    expect(builder.get_by_role("button", name="Send request")).to_be_visible()
    visitor = scenario.open_tab()
    visitor.goto(scenario.page_url("Ruth"))
    expect(visitor.get_by_text("Checked by our team on")).to_have_count(0)
    wait_until(lambda: emails_to(scenario, "Ruth"), "the decision was not emailed")
    assert "The owners of the shops did not answer." in "".join(emails_to(scenario, "Ruth"))


def test_builder_withdraws_a_request(scenario: Scenario) -> None:
    builder = scenario.open_tab(scenario.create_user("Rolf", "BUILDER"))
    builder.goto(f"{scenario.page_url('Rolf')}reviews/")
    send_request(builder, DOCUMENT)
    expect_message(builder, "Request sent.")
    builder.get_by_role("group").get_by_text("Show evidence").click()
    expect(builder.get_by_role("link", name="Certificate.pdf")).to_be_visible()
    expect_no_overflow(builder)
    builder.get_by_role("button", name="Withdraw request").click()
    expect_message(builder, "Request withdrawn. Your evidence has been erased.")
    expect_message(builder, "The evidence has been erased.")
