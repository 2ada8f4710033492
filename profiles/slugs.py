"""Readable addresses for people with any name."""

import hashlib
import unicodedata

from django.utils.text import slugify

from accounts.models import User

#: Letters that Unicode does not take apart into a base letter and an accent.
LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
MAX_LENGTH = 80


def fold(text: str) -> str:
    """Return `text` without case and accents: Łukasz is lukasz, Müller muller, ß ss. Other scripts stay as they are."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).translate(LETTERS)
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare)


def slug_candidates(user: User) -> list[str]:
    """Return the addresses to try for a person, best first; empty while no name is known.

    The plain name comes first. The suffixes come from the Clerk id, so nobody has to look for a free one and a repeated
    attempt ends the same. A name without letters or digits leaves only the suffix.
    """
    name = user.name or user.username
    if not name:
        return []
    plain = slugify(fold(name), allow_unicode=True)[: MAX_LENGTH - 20].strip("-_") or "builder"
    digest = hashlib.sha256((user.clerk_id or str(user.pk)).encode()).hexdigest()
    return [plain, f"{plain}-{digest[:6]}", f"{plain}-{digest[:16]}"]
