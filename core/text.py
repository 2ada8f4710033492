"""Clean external text before it is stored or displayed."""

import re
import unicodedata
from itertools import dropwhile, takewhile

_BIDI_MARKS_AND_SURROGATES = "\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
#: Control characters, lone surrogates, and invisible marks that change the text direction.
_CONTROL = re.compile(f"[\x00-\x1f\x7f-\x9f{_BIDI_MARKS_AND_SURROGATES}]+")
#: The same characters except tabs and line breaks.
_CONTROL_IN_PARAGRAPHS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI_MARKS_AND_SURROGATES}]+")
#: Characters that are never visible: soft hyphens, zero-width spaces, and marks of direction, annotation and layout. They
#: break searches. Joiners and variation selectors are also invisible, but are part of words and emoji.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]+"
)
#: Letters and symbols that look like a space.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
#: Emoji that Python's version of Unicode may not contain yet.
_NEW_EMOJI = re.compile("[\U0001f000-\U0001fbff]")
#: Marks of which no script stacks more than three. Taller stacks overlap adjacent lines.
_EXCESS_MARKS = re.compile("([\u0300-\u036f\u0489]{3})[\u0300-\u036f\u0489]+")
#: The combining class of marks that join a consonant to the next one.
_VIRAMA = 9
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
    if value.isascii() and value.isprintable():
        return " ".join(value.split())[:limit].strip()
    return _normalize(" ".join(_CONTROL.sub(" ", value).split()))[:limit].strip()


def clean_paragraphs(value: str) -> str:
    """Return `value` with Unix line breaks and without control characters, invisible characters and trailing spaces."""
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return _normalize("\n".join(line.rstrip() for line in _CONTROL_IN_PARAGRAPHS.sub(" ", text).split("\n")))


def first_letter(word: str) -> str:
    """Return the first letter of `word` with its accents and vowel signs, or "" if it contains no letter."""
    rest = "".join(dropwhile(lambda character: not character.isalpha() or character in _BLANK, word))
    marks = takewhile(lambda character: unicodedata.category(character)[0] == "M", rest[1:])
    return rest[:1] + "".join(mark for mark in marks if unicodedata.combining(mark) != _VIRAMA)


def postgres_safe(text: str, *, nul: str = "\ufffd") -> str:
    """Replace characters that PostgreSQL cannot store: NUL with `nul`, and lone surrogates with "?"."""
    return text.replace("\x00", nul).encode("utf-8", "replace").decode()


def _normalize(text: str) -> str:
    text = _limit_marks(_EXCESS_MARKS.sub(r"\1", _INVISIBLE.sub("", text)))
    text = unicodedata.normalize("NFC", text).strip()
    return text if _is_visible(text) else ""


def _is_visible(text: str) -> bool:
    """Return whether `text` contains a letter, number, symbol or punctuation mark. Combining marks alone are not visible."""
    return any(_is_visible_character(character) for character in text)


def _is_visible_character(character: str) -> bool:
    if unicodedata.category(character)[0] in "LNPS":
        return character not in _BLANK
    return bool(_NEW_EMOJI.match(character))


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
