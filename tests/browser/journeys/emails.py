"""Choose which emails to get, and turn emails off with the link in an email."""

import re
from email import message_from_bytes, policy
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.journeys.steps import expect_message, press
from tests.browser.scenario import Scenario, expect_no_overflow
from tests.helpers.servers.processes import wait_until


def emails_to(scenario: Scenario, first_name: str) -> list[str]:
    """Return the text of the emails to a user of this device."""
    address = f"{first_name.lower()}.{scenario.device.slug}@example.com"
    files = Path(scenario.site.data, "mail").glob("*.log")
    emails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]
    bodies = [email.get_body(("plain",)) for email in emails if address in email["To"]]
    return [str(body.get_content()) for body in bodies if body]


def test_turn_emails_off_and_on(scenario: Scenario) -> None:
    owner = scenario.open_tab(scenario.create_user("Yusra", "BUILDER"))
    owner.get_by_role("link", name="Email settings").click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("Email settings")
    expect(owner.get_by_label("Messages")).to_be_checked()
    expect_message(owner, "Sign-ins from new devices")
    sender = scenario.open_tab(scenario.create_user("Vittorio", "CLIENT"), "/account/")
    sender.goto(f"{scenario.page_url('Yusra')}contact/")
    sender.get_by_label("Subject").fill("A timetable")
    sender.get_by_label("Message", exact=True).fill("For our buses, please.")
    press(sender, "Send message")
    expect_message(sender, "was sent.")
    wait_until(lambda: emails_to(scenario, "Yusra"), "the message was not emailed")
    [text] = emails_to(scenario, "Yusra")
    link = re.search(r"Stop these emails: (\S+)", text)
    assert link
    stranger = scenario.open_tab()
    stranger.goto(link[1])
    expect_message(stranger, "You will no longer get “Messages” emails.")
    owner.reload()
    expect(owner.get_by_label("Messages")).to_be_checked()
    press(stranger, "Turn off")
    expect_message(stranger, "You no longer get “Messages” emails.")
    owner.reload()
    expect(owner.get_by_label("Messages")).not_to_be_checked()
    owner.get_by_label("Messages").check()
    owner.get_by_label("Roles").uncheck()
    owner.get_by_label("Language of emails").select_option("de")
    expect_no_overflow(owner)
    press(owner, "Save settings")
    expect_message(owner, "Saved.")
    expect(owner.get_by_label("Messages")).to_be_checked()
    expect(owner.get_by_label("Roles")).not_to_be_checked()
    expect(owner.get_by_label("Language of emails")).to_have_value("de")
