"""Clean user text: remove control, invisible and direction-changing characters before it is stored."""

import re
import unicodedata

from core.text import UNWANTED

#: Longer texts may contain line breaks and tabs, but no other control characters.
_UNWANTED_IN_PARAGRAPHS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+"
)
#: Soft hyphens, zero-width spaces, direction and annotation marks, tags. They are invisible and break searches.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u2060-\u2064\ufff9-\ufffb\U000e0000-\U000e007f]+")
#: Joiners and variation selectors belong in words and emoji, and fillers look blank. A text of only these is empty.
_VISIBLE = re.compile("[^\\s\u115f\u1160\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0]")
#: No script stacks more than three combining marks. Longer stacks (Zalgo text) cover the lines around them.
_STACKED_MARKS = re.compile("([\u0300-\u036f\u0489]{3})[\u0300-\u036f\u0489]+")


def clean_line(value: str) -> str:
    """Return `value` on one line, without control characters and direction overrides."""
    return _clean(" ".join(UNWANTED.sub(" ", value).split()))


def clean_paragraphs(value: str) -> str:
    """Return `value` with `\\n` line breaks, without control characters and trailing spaces."""
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    lines = (line.rstrip() for line in _UNWANTED_IN_PARAGRAPHS.sub(" ", text).split("\n"))
    return _clean("\n".join(lines))


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFC", _STACKED_MARKS.sub(r"\1", _INVISIBLE.sub("", text))).strip()
    return text if _VISIBLE.search(text) else ""
