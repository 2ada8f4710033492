"""Create readable slugs from names in any script."""

import hashlib
import re
import unicodedata

from accounts.models import User
from profiles.slugs.reserved import reserved_slugs

#: Replacements for letters that NFKD does not decompose into a base letter and an accent.
LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
MAX_LENGTH = 80
#: Optional marks: accents, vowel points of Hebrew and Arabic, and variants of symbols. Other marks are part of a
#: letter, for example vowel signs in Devanagari and Thai, and the marks of й, ї and が.
_ACCENTS = re.compile(
    "(?<![\u0400-\u052f])[\u0306\u0308]|[\u0300-\u0305\u0307\u0309-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u0652\u0656-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06ed\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
    "\U000e0100-\U000e01ef]"
)
#: NFKD splits these Thai and Lao vowels, and NFC does not recombine them.
_SPLIT_VOWELS = (("\u0e4d\u0e32", "\u0e33"), ("\u0ecd\u0eb2", "\u0eb3"))
#: Invisible letters. NFKD converts two more Hangul fillers to U+1160.
_FILLERS = re.compile("[\u115f\u1160]")


def fold(text: str) -> str:
    """Remove case and all marks: Łukasz becomes lukasz and ß becomes ss. Used for search, where й matches и."""
    bare = "".join(character for character in _decompose(text) if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare)


def fold_accents(text: str) -> str:
    """Remove case and accents, but keep marks that are part of a letter."""
    folded = unicodedata.normalize("NFC", _ACCENTS.sub("", _decompose(text)))
    for split, vowel in _SPLIT_VOWELS:
        folded = folded.replace(split, vowel)
    return folded


def slugify(text: str) -> str:
    """Return the letters, marks and digits of `text` in lower case and without accents, with hyphens between words.

    Django's slugify drops all marks, so कविता became two consonants.
    """
    words = re.split(r"[\s-]+", _FILLERS.sub("", fold_accents(text)))
    kept = ("".join(filter(_is_in_slugs, word)) for word in words)
    # A mark without a preceding letter would be combined with the slash in the URL.
    return "-".join(bare for word in kept if (bare := word.lstrip(_marks(word)))).strip("-_")


def _decompose(text: str) -> str:
    return unicodedata.normalize("NFKD", text.casefold()).translate(LETTERS)


def _is_in_slugs(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def _marks(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character)[0] == "M")


def slug_candidates(user: User) -> list[str]:
    """Return candidate slugs for a user in order of preference. The list is empty if the user has no name.

    The plain name comes first, unless it is reserved. Suffixes are derived from the Clerk ID, so that retries produce
    the same slugs. A name without letters or digits becomes "builder".
    """
    name = user.name or user.username
    if not name:
        return []
    plain = slugify(name)[: MAX_LENGTH - 20].strip("-_") or "builder"
    digest = hashlib.sha256((user.clerk_id or str(user.pk)).encode()).hexdigest()
    suffixed = [f"{plain}-{digest[:6]}", f"{plain}-{digest[:16]}"]
    return suffixed if plain in reserved_slugs() else [plain, *suffixed]
