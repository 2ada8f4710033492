"""Error group and job pages, on a phone and on a desktop."""

from playwright.sync_api import Page, expect

from tests.browser.admin.repairing import failed_event_url, faulty_site, site, tab
from tests.browser.axe import admin_violations
from tests.helpers.servers.faulty_site import FaultySite

__all__ = ["failed_event_url", "faulty_site", "site", "tab"]

FAILED_JOB = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts)
VALUES ('nobody', '{task}', 'failed', 9) RETURNING id
"""
TASK = "profiles.contact.emails.mail_contact_message"


def test_error_group_of_failed_event_is_resolved(tab: Page, failed_event_url: str, axe: str) -> None:
    tab.goto(failed_event_url)
    tab.get_by_role("link", name="All failures with this error").click()
    expect(tab.locator(".status-summary")).to_contain_text("with this error")
    assert admin_violations(tab, axe) == []
    tab.get_by_role("button", name="Mark as resolved").click()
    expect(tab.locator(".status-summary")).to_contain_text("Resolved.")
    tab.get_by_role("link", name="Replay all events").click()
    expect(tab.get_by_role("button", name="Dry run")).to_be_visible()
    tab.get_by_role("link", name="Errors", exact=True).click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Error groups")
    assert admin_violations(tab, axe) == []


def test_given_up_job_is_retried(tab: Page, faulty_site: FaultySite, axe: str) -> None:
    faulty_site.execute(
        f"DELETE FROM procrastinate_jobs WHERE task_name = '{TASK}' AND status = 'failed'"
    )  # a constant
    [[job]] = faulty_site.execute(FAILED_JOB.format(task=TASK))
    tab.goto(f"{faulty_site.site.app}/admin/webhooks/job/?state=given_up&task={TASK}")
    assert admin_violations(tab, axe) == []
    tab.get_by_role("link", name="Retry all matching jobs").click()
    expect(tab.locator(".status-summary")).to_contain_text("1 failed job.")
    assert admin_violations(tab, axe) == []
    tab.goto(f"{faulty_site.site.app}/admin/webhooks/job/{job}/change/")
    assert admin_violations(tab, axe) == []
    tab.get_by_role("button", name="Retry").click()
    expect(tab.locator(".status-summary")).to_contain_text("Retrying.")
