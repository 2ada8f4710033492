"""Clean what people type, so that what is stored is what is seen."""

import re
import unicodedata

from core.text import UNWANTED

#: Line breaks and tabs are all that a longer text may have of the control characters.
_UNWANTED_IN_TEXT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+"
)
#: Soft hyphens, spaces without width, marks of direction and annotation, tags: nobody sees them, and searches stumble.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u2060-\u2064\ufff9-\ufffb\U000e0000-\U000e007f]+")
#: Joiners and variation selectors belong to words and emoji, and fillers look like nothing: alone they are no text.
_SEEN = re.compile("[^\\s\u115f\u1160\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0]")
#: No script stacks more of these than three; a tower of them covers the lines around it.
_TOWER = re.compile("([\u0300-\u036f\u0489]{3})[\u0300-\u036f\u0489]+")


def one_line(value: str) -> str:
    """Return `value` without line breaks, control characters and marks that turn the direction of what follows."""
    return _seen(" ".join(UNWANTED.sub(" ", value).split()))


def paragraphs(value: str) -> str:
    """Return `value` with plain line breaks, without control characters and trailing spaces."""
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    lines = (line.rstrip() for line in _UNWANTED_IN_TEXT.sub(" ", text).split("\n"))
    return _seen("\n".join(lines))


def _seen(text: str) -> str:
    text = unicodedata.normalize("NFC", _TOWER.sub(r"\1", _INVISIBLE.sub("", text))).strip()
    return text if _SEEN.search(text) else ""
