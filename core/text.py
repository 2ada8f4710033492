"""Clean text from outside before it is stored: PostgreSQL refuses NUL, and lone surrogates cannot be encoded."""

import re
import unicodedata

#: Control characters, lone surrogates, and the invisible marks that turn the direction of all text after them.
UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")


def clean_line(value: object, *, limit: int) -> str:
    """Return `value` as one line of at most `limit` characters; "" for whatever is not a string."""
    if not isinstance(value, str):
        return ""
    # Shortened first as well, so that a hostile length costs nothing. Normalising may lengthen it again.
    text = UNWANTED.sub(" ", value[: limit * 4])
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return text[:limit].strip()
