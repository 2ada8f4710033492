"""Split text into search words, ignoring case, accents and common spelling variants.

The same functions process indexed text and search text. PostgreSQL only compares the resulting words and does not use a
text search configuration, dictionary or parser.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from profiles.slugs.text import fold

#: Maximum length of indexed text. The rest is ignored.
MAX_TEXT_LENGTH = 6000
MAX_WORD_LENGTH = 60

#: Letter variants in Arabic, Persian and Urdu. Tatweel, which only stretches a word, is removed.
_ARABIC = {"ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ة": "ه", "ہ": "ه", "ک": "ك", "ڪ": "ك", "ـ": None}
_SPELLINGS = str.maketrans(_ARABIC)
#: Scripts without spaces or with attached particles: Thai, Lao, Burmese, Khmer, Korean, kana and Han.
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"([{_SPACELESS}]+)|[^{_SPACELESS}]+")


def normalize(text: str) -> str:
    """Normalize case and spelling variants: Łukasz becomes lukasz, ß becomes ss, ٣ becomes 3, أحمد becomes احمد."""
    folded = fold(text[:MAX_TEXT_LENGTH]).casefold().translate(_SPELLINGS)
    return "".join(str(digit) if (digit := unicodedata.digit(char, None)) is not None else char for char in folded)


def index_words(text: str) -> Iterator[str]:
    """Yield index words for `text`. Scripts without spaces are indexed as pairs of letters."""
    for chunk in normalize(text).split():
        words = list(_words(chunk))
        for word, is_run in words:
            yield from (word[i : i + 2] for i in range(len(word))) if is_run else (word,)
        if len(words) > 1:
            # O’Sullivan and Node.js are also indexed as one word.
            yield "".join(word for word, _ in words)[:MAX_WORD_LENGTH]


def query_prefixes(text: str) -> Iterator[str]:
    """Yield prefixes. Each one must match an indexed word."""
    for word, is_run in (each for chunk in normalize(text).split() for each in _words(chunk)):
        yield from (word[i : i + 2] for i in range(max(1, len(word) - 1))) if is_run else (word,)


@lru_cache(4096)
def term_key(text: str) -> str:
    """Return a key that is equal for all spelling variants of a skill.

    "Node.JS" and "node js" have the same key, but "C" and "C#" do not.
    """
    return " ".join(word for chunk in normalize(text).split() for word, _ in _words(chunk))


def _words(chunk: str) -> Iterator[tuple[str, bool]]:
    """Yield each word, and whether it belongs to a script without spaces."""
    # Format characters (Cf) are dropped. Vowel signs stay with their letter, and # and + are kept for C# and C++.
    categories = [(char, unicodedata.category(char)) for char in chunk]
    kept = (char if category[0] in "LMN" or char in "+#" else " " for char, category in categories if category != "Cf")
    for word in "".join(kept).split():
        for run in _RUN.finditer(word.lstrip("+#")):
            yield run[0][:MAX_WORD_LENGTH], run[1] is not None
