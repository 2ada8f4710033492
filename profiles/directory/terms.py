"""Words as the search sees them: without case, accents, and what people spell differently from one day to the next.

The same function takes apart what is stored and what is typed, so PostgreSQL compares and never interprets: no text
search configuration, dictionary or parser of its own has a say.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from profiles.slugs import fold

#: Of one text; the rest is not read.
MAX_TEXT_LENGTH = 6000
MAX_WORD_LENGTH = 60

#: One letter for what Arabic, Persian and Urdu write in several ways, and none for the stroke that only stretches.
_ARABIC = {"ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ة": "ه", "ہ": "ه", "ک": "ك", "ڪ": "ك", "ـ": None}
_SPELLINGS = str.maketrans(_ARABIC)
#: Scripts without spaces, or with particles grown onto words: Thai, Lao, Burmese, Khmer, Korean, kana and Han.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"([{_SPACELESS}]+)|[^{_SPACELESS}]+")


def normalize(text: str) -> str:
    """Return `text` folded: Łukasz is lukasz, ß ss, ٣ 3, أحمد the same as احمد. Other scripts stay as they are."""
    folded = fold(text[:MAX_TEXT_LENGTH]).casefold().translate(_SPELLINGS)
    return "".join(str(digit) if (digit := unicodedata.digit(each, None)) is not None else each for each in folded)


def index_words(text: str) -> Iterator[str]:
    """Yield the words under which `text` is found. A run of a script without spaces is found by any part of it."""
    for chunk in normalize(text).split():
        words = list(_words(chunk))
        for word, is_run in words:
            yield from (word[i : i + 2] for i in range(len(word))) if is_run else (word,)
        if len(words) > 1:
            # O’Sullivan and Node.js are also found as one word.
            yield "".join(word for word, _ in words)[:MAX_WORD_LENGTH]


def query_prefixes(text: str) -> Iterator[str]:
    """Yield the words that must begin a word of what is found."""
    for word, is_run in (each for chunk in normalize(text).split() for each in _words(chunk)):
        yield from (word[i : i + 2] for i in range(max(1, len(word) - 1))) if is_run else (word,)


@lru_cache(4096)
def term_key(text: str) -> str:
    """Return what two spellings of one skill have in common: "Node.JS" and "node js" are the same, "C" and "C#" are not."""
    return " ".join(word for chunk in normalize(text).split() for word, _ in _words(chunk))


def _words(chunk: str) -> Iterator[tuple[str, bool]]:
    """Yield words and runs of scripts without spaces, and which of both each is."""
    # Marks that only steer how text is shown are not there at all; a letter keeps its vowel signs, and C its #.
    kinds = [(each, unicodedata.category(each)) for each in chunk]
    kept = (each if kind[0] in "LMN" or each in "+#" else " " for each, kind in kinds if kind != "Cf")
    for word in "".join(kept).split():
        for run in _RUN.finditer(word.lstrip("+#")):
            yield run[0][:MAX_WORD_LENGTH], run[1] is not None
