"""Compare docs/ownership.md with the code."""

import json
import re

from accounts.clerk.user_fields import METADATA_KEYS
from accounts.sync import outbox
from accounts.sync.fields import SYNCED_FIELDS
from config.environment import BASE_DIR
from profiles import clerk_metadata

PAGE = (BASE_DIR / "docs" / "ownership.md").read_text("utf-8")


def table(heading: str) -> list[tuple[str, ...]]:
    """Return the rows of the first table below a heading, without backticks."""
    section = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip("` ") for cell in row) for row in rows[2:]]


def test_fields_owned_by_clerk_match_the_synced_fields() -> None:
    assert [field for field, _ in table("Owned by Clerk")] == list(SYNCED_FIELDS)


def test_pushed_fields_match_the_metadata_keys() -> None:
    pushed = {
        **{f"BuilderProfile.{field}": key for field, key in clerk_metadata.BUILDER_FIELDS.items()},
        **{f"ClientProfile.{field}": key for field, key in clerk_metadata.CLIENT_FIELDS.items()},
    }
    rows = table("Owned here and pushed to Clerk")
    assert {field: key for field, key, _ in rows} == pushed
    assert tuple(key for _, key, _ in rows) == METADATA_KEYS
    defaults = {key: None if default == "none" else json.loads(default) for _, key, default in rows}
    assert defaults == {key: outbox.DEFAULTS.get(key) for key in METADATA_KEYS}


def test_documented_bounce_limit_matches_the_code() -> None:
    assert re.search(r"After three\s+corrections within an hour", PAGE)
    assert (outbox.MAX_BOUNCES, outbox.BOUNCE_WINDOW.total_seconds()) == (3, 3600)
