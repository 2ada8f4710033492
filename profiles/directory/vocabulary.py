"""Words from listed builders' pages, used to correct misspelled searches."""

from collections.abc import Sequence

from django.db import connection, transaction

from profiles.directory import english, spelling
from profiles.directory.results import LISTED_CONDITION
from profiles.directory.synonyms import Synonyms
from profiles.directory.understanding import Concept
from profiles.models import SearchWord

#: Maximum number of builders, in directory order, to count words for, and maximum number of words to store.
MAX_BUILDERS, MAX_VOCABULARY = 20_000, 20_000
#: Maximum number of words to correct per search, and maximum number of candidates to compare.
MAX_CORRECTIONS, MAX_CANDIDATES = 3, 400

_COUNT = f"""
SELECT word, ndoc FROM ts_stat($$
    SELECT search FROM profiles_builderprofile WHERE {LISTED_CONDITION} ORDER BY score DESC, id DESC LIMIT {MAX_BUILDERS}
$$) WHERE length(word) BETWEEN {spelling.MIN_LENGTH} AND {spelling.MAX_LENGTH} AND word NOT LIKE '/%'
ORDER BY ndoc DESC, word LIMIT {MAX_VOCABULARY}
"""  # noqa: S608  # only constants


@transaction.atomic
def rebuild() -> int:
    """Store the most common words on listed pages, and return how many rows have changed."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT)
        counts: dict[str, int] = {word: number for word, number in cursor.fetchall() if spelling.max_distance(word)}
    rows = {word: (number, sorted(spelling.keys(word))) for word, number in counts.items()}
    stored = {word: (number, keys) for word, number, keys in SearchWord.objects.values_list("word", "builders", "keys")}
    changed = [
        SearchWord(word=word, builders=number, keys=keys)
        for word, (number, keys) in rows.items()
        if stored.get(word) != (number, keys)
    ]
    SearchWord.objects.bulk_create(
        changed, 1000, update_conflicts=True, unique_fields=["word"], update_fields=["builders", "keys"]
    )
    removed = stored.keys() - rows.keys()
    SearchWord.objects.filter(word__in=removed).delete()
    return len(changed) + len(removed)


def corrections(unknown: Sequence[Concept], synonyms: Synonyms) -> dict[str, str]:
    """Return corrections for misspelled concepts, keyed by the text as typed.

    Args:
        unknown: concepts that match no builder. Words in the vocabulary are not corrected.
    """
    words = {concept.words[0]: concept.text for concept in unknown if _is_word(concept)}
    words = dict(list(words.items())[:MAX_CORRECTIONS])
    if not words:
        return {}
    found = dict(similar_words(list(words)))
    candidates = [*((word, 1) for word in synonyms.words - found.keys()), *found.items()]
    known = {word for word, _ in candidates}
    corrected = {
        text: spelling.closest(word, candidates) or _completion(word, synonyms)
        for word, text in words.items()
        if word not in known
    }
    return {text: word for text, word in corrected.items() if word and word not in english.IGNORED_WORDS}


def _completion(word: str, synonyms: Synonyms) -> str:
    """Return the shortest synonym that starts with `word`, or "". The user may still be typing the word."""
    return min(
        (each for each in synonyms.words if each.startswith(word)), key=lambda each: (len(each), each), default=""
    )


def similar_words(words: Sequence[str]) -> list[tuple[str, int]]:
    """Return words that share a key with any of `words`, with the number of builders, most common first."""
    keys = sorted({key for word in words for key in spelling.keys(word)})
    similar = SearchWord.objects.filter(keys__overlap=keys).order_by("-builders", "word")
    return list(similar.values_list("word", "builders")[:MAX_CANDIDATES])


def _is_word(concept: Concept) -> bool:
    return len(concept.words) == 1 and spelling.max_distance(concept.words[0]) > 0
