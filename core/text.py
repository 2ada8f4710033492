"""Clean external text before it is stored or displayed."""

import re
import unicodedata

_BIDI_MARKS_AND_SURROGATES = "\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
#: Control characters, lone surrogates, and invisible marks that change the text direction.
_CONTROL = re.compile(f"[\x00-\x1f\x7f-\x9f{_BIDI_MARKS_AND_SURROGATES}]+")
#: The same characters except tabs and line breaks.
_CONTROL_IN_PARAGRAPHS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI_MARKS_AND_SURROGATES}]+")
#: Soft hyphens, zero-width spaces, direction marks, annotation marks and tags. They are invisible and break searches.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u2060-\u2064\ufff9-\ufffb\U000e0000-\U000e007f]+")
#: Joiners, variation selectors and fillers. They are part of words and emoji, but text that contains only these
#: characters looks blank.
_VISIBLE = re.compile("[^\\s\u115f\u1160\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0]")
#: Marks of which no script stacks more than three. Taller stacks overlap adjacent lines.
_EXCESS_MARKS = re.compile("([\u0300-\u036f\u0489]{3})[\u0300-\u036f\u0489]+")
#: Consecutive marks of any kind, which normalization sorts in quadratic time.
#: https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
_MAX_MARKS = 30
#: Maximum number of consecutive marks. Sorting them takes less than 0.1 ms.
_SHORT_TEXT_LENGTH = 400


def clean_line(value: object, *, limit: int | None = None) -> str:
    """Return `value` as one line without control and invisible characters, or "" if it is not a string.

    Args:
        limit: the maximum number of characters. Longer text is truncated.
    """
    if not isinstance(value, str):
        return ""
    if limit is not None:
        # Limits the work for very long text. It is truncated again below, because NFC can lengthen text.
        value = value[: limit * 4]
    return _normalize(" ".join(_CONTROL.sub(" ", value).split()))[:limit].strip()


def clean_paragraphs(value: str) -> str:
    """Return `value` with Unix line breaks and without control characters, invisible characters and trailing spaces."""
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return _normalize("\n".join(line.rstrip() for line in _CONTROL_IN_PARAGRAPHS.sub(" ", text).split("\n")))


def has_invisible(text: str) -> bool:
    """Return whether `clean_line` would remove invisible characters, so that its result could equal another text."""
    return bool(_INVISIBLE.search(text))


def postgres_safe(text: str, *, nul: str = "\ufffd") -> str:
    """Replace characters that PostgreSQL cannot store: NUL with `nul`, and lone surrogates with "?"."""
    return text.replace("\x00", nul).encode("utf-8", "replace").decode()


def _normalize(text: str) -> str:
    text = _limit_marks(_EXCESS_MARKS.sub(r"\1", _INVISIBLE.sub("", text)))
    text = unicodedata.normalize("NFC", text).strip()
    return text if _VISIBLE.search(text) else ""


def _limit_marks(text: str) -> str:
    """Remove consecutive marks after the first `_MAX_MARKS`. No writing system needs more."""
    if len(text) <= _SHORT_TEXT_LENGTH or text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)
