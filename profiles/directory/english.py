"""English words and spellings in search text.

The rules only ignore words and add alternatives, so searches in other languages still work.
"""

from collections.abc import Iterator

#: Function words, and words about the request, not the builder. They are ignored if other words remain.
_REQUEST_WORDS = (
    "a about am an and any are as at be been by can could do does for from has have help helps hire hiring how i if in into"
    " is it like looking make makes making me my need needed needs of on or our please search searching should so some"
    " somebody someone speak speaking speaks that the their them there this to us want wanted wants we what which who whose"
    " with work working works would you your create creates creating build building builds built find finding get"
    " good great"
)
REQUEST_WORDS = frozenset(_REQUEST_WORDS.split())
#: Generic words for builders, their work and their clients. They are ignored if other words remain.
_GENERAL_WORDS = (
    "agency agencies app application applications apps builder builders business coder coders company companies consultant"
    " consultants contractor contractors dev developer developers devs engineer engineers expert experts freelance"
    " freelancer freelancers platform platforms product professional programmer programmers project projects remote"
    " remotely service services software solution solutions specialist specialists system systems team tool tools"
)
GENERAL_WORDS = frozenset(_GENERAL_WORDS.split())
IGNORED_WORDS = REQUEST_WORDS | GENERAL_WORDS

MIN_LENGTH = 4
#: British and American endings.
_SPELLINGS = (
    ("isation", "ization"),
    ("ise", "ize"),
    ("ised", "ized"),
    ("iser", "izer"),
    ("ising", "izing"),
    ("yse", "yze"),
    ("our", "or"),
    ("tre", "ter"),
    ("ogue", "og"),
    ("elling", "eling"),
    ("elled", "eled"),
    ("eller", "eler"),
    ("gramme", "gram"),
    ("cence", "cense"),
)


def singular(word: str) -> str:
    """Return the singular of an English plural, or `word` itself if it is not a plural."""
    if len(word) < MIN_LENGTH or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > MIN_LENGTH:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def plural(word: str) -> str:
    """Return a plural that does not start with the singular, such as "bakeries", or `word` itself."""
    has_consonant = word[-2:-1] not in ("", *"aeiou")
    return f"{word[:-1]}ies" if word.endswith("y") and has_consonant and word.isascii() else word


def spellings(word: str) -> Iterator[str]:
    """Yield the British and American spellings that differ from `word`."""
    if len(word) < MIN_LENGTH or not word.isascii():
        return
    for british, american in _SPELLINGS:
        for ending, other in ((british, american), (american, british)):
            if word.endswith(ending):
                yield word.removesuffix(ending) + other
