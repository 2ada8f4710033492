"""docs/ownership.md says who owns which field; the code has to agree."""

import json
import re

from accounts.clerk.fields import METADATA_KEYS
from accounts.sync import outbox
from accounts.sync.apply import SYNCED_FIELDS
from config.environment import BASE_DIR
from profiles import clerk_metadata

PAGE = (BASE_DIR / "docs" / "ownership.md").read_text("utf-8")


def table(heading: str) -> list[tuple[str, ...]]:
    """Return the rows of the first table below a heading, without marks of code."""
    section = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip("` ") for cell in row) for row in rows[2:]]


def test_clerks_fields_are_those_that_sync_writes() -> None:
    assert [field for field, _ in table("Clerk owns")] == list(SYNCED_FIELDS)


def test_our_facts_are_those_that_are_brought_to_clerk() -> None:
    named = {
        **{f"BuilderProfile.{field}": key for field, key in clerk_metadata.BUILDER_FIELDS.items()},
        **{f"ClientProfile.{field}": key for field, key in clerk_metadata.CLIENT_FIELDS.items()},
    }
    rows = table("We own, and bring")
    assert {field: key for field, key, _ in rows} == named
    assert tuple(key for _, key, _ in rows) == METADATA_KEYS
    told = {key: None if default == "none" else json.loads(default) for _, key, default in rows}
    assert told == {key: outbox.DEFAULTS.get(key) for key in METADATA_KEYS}


def test_what_is_said_of_the_loop_breaker_is_so() -> None:
    assert re.search(r"after three\s+times within an hour", PAGE)
    assert (outbox.MAX_BOUNCES, outbox.BOUNCE_WINDOW.total_seconds()) == (3, 3600)
