"""Where a page of a list begins: the id of the last row of the page before it."""

#: PostgreSQL's bigint; a larger number in the address is no cursor of ours.
MAX_ID = 2**63 - 1


def read_cursor(text: str) -> int | None:
    """Return the id in the address, or None for anything else, which starts at the beginning."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    return number if 0 < number <= MAX_ID else None
