"""Create readable slugs from names in any script."""

import hashlib
import unicodedata

from django.utils.text import slugify

from accounts.models import User

#: Replacements for letters that NFKD does not decompose into a base letter and an accent.
LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
MAX_LENGTH = 80


def fold(text: str) -> str:
    """Remove case and accents: Łukasz becomes lukasz and ß becomes ss. Other scripts are unchanged."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).translate(LETTERS)
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare)


def slug_candidates(user: User) -> list[str]:
    """Return candidate slugs for a user in order of preference. The list is empty if the user has no name.

    The plain name comes first. The suffixes are derived from the Clerk id, so that retries produce the same slugs. A
    name without letters or digits becomes "builder".
    """
    name = user.name or user.username
    if not name:
        return []
    plain = slugify(fold(name), allow_unicode=True)[: MAX_LENGTH - 20].strip("-_") or "builder"
    digest = hashlib.sha256((user.clerk_id or str(user.pk)).encode()).hexdigest()
    return [plain, f"{plain}-{digest[:6]}", f"{plain}-{digest[:16]}"]
