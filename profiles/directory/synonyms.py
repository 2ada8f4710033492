"""Search synonyms, compiled from the database and cached in memory.

Synonyms are not expanded recursively, so rows that refer to each other cannot cause a loop.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import Count, Max

from profiles.directory import english, terms
from profiles.directory.tsqueries import exact, prefix, quoted
from profiles.models import Domain, SearchSynonym
from profiles.models.search import MAX_SYNONYMS

#: Maximum number of words in a phrase. Longer phrases are not recognised.
MAX_PHRASE_WORDS = 4
#: Shorter synonyms match whole words only: “Go” does not match “Google”.
MIN_PREFIX_LENGTH = 4
#: Fields that synonyms match: all except the bio and the location, where words are too ambiguous.
_WEIGHTS = "ABC"
#: Seconds before a process checks again whether the rows have changed.
MAX_AGE_S = 10.0


class Meaning(NamedTuple):
    """The expansion of a phrase.

    Attributes:
        labels: display names of the synonyms and domains.
        skills: the term keys of the synonyms, to compare with skills.
        domains: the domains that the phrase stands for.
    """

    tsqueries: tuple[str, ...]
    labels: tuple[str, ...]
    skills: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Synonyms:
    """Compiled synonym rows.

    Attributes:
        version: the number of rows and the time of the latest change.
        words: all words in all phrases, normalized.
    """

    version: object = None
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    def find(self, words: Iterable[str]) -> Meaning | None:
        """Return the expansion of a phrase. Ignores plurals, spaces and hyphens."""
        return self.meanings.get(_key(words))


NO_SYNONYMS = Synonyms()


class _Cache:
    """This process's synonyms, and when they were last checked."""

    synonyms = NO_SYNONYMS
    checked_at = float("-inf")


def current() -> Synonyms:
    """Return the synonyms. Check for changes with one query every `MAX_AGE_S` seconds."""
    if time.monotonic() - _Cache.checked_at >= MAX_AGE_S:
        # Set the time first, so that only one thread checks.
        _Cache.checked_at = time.monotonic()
        if (version := _version()) != _Cache.synonyms.version:
            _Cache.synonyms = load(version)
    return _Cache.synonyms


def forget() -> None:
    """Check for changes at the next search. Other processes notice changes within `MAX_AGE_S` seconds."""
    _Cache.checked_at = float("-inf")


def load(version: object) -> Synonyms:
    rows = list(SearchSynonym.objects.order_by("pk")[:MAX_SYNONYMS])
    meanings: dict[str, Meaning] = {}
    for row in rows:
        for phrase in row.searches:
            if key := _key(terms.query_prefixes(phrase)):
                meanings[key] = _merge(meanings.get(key), _compile_row(row, key))
    return Synonyms(version, meanings, frozenset(_single_words(rows)))


def _version() -> object:
    return tuple(SearchSynonym.objects.aggregate(number=Count("pk"), latest=Max("updated_at")).values())


def _key(words: Iterable[str]) -> str:
    return "".join(map(english.singular, words))


def _compile_row(row: SearchSynonym, key: str) -> Meaning:
    """Return the expansion of one of the row's phrases."""
    others = [phrase for phrase in row.searches if _key(terms.query_prefixes(phrase)) != key]
    phrases = [phrase for phrase in (*row.finds, *others) if terms.term_key(phrase)]
    domains = [domain for domain in row.domains if domain in Domain]
    tsqueries = (*map(_tsquery, phrases), *(quoted(f"/domain/{domain}") for domain in domains))
    labels = (*row.finds, *map(Domain.label_for, domains))
    return Meaning(tsqueries, labels, frozenset(map(terms.term_key, phrases)), frozenset(domains))


def _merge(first: Meaning | None, second: Meaning) -> Meaning:
    if first is None:
        return second
    labels = tuple(dict.fromkeys(first.labels + second.labels))
    return Meaning(
        first.tsqueries + second.tsqueries, labels, first.skills | second.skills, first.domains | second.domains
    )


def _tsquery(phrase: str) -> str:
    words = [
        (exact if len(word) < MIN_PREFIX_LENGTH else prefix)(word, _WEIGHTS) for word in terms.query_prefixes(phrase)
    ]
    return words[0] if len(words) == 1 else f"({' & '.join(words)})"


def _single_words(rows: Sequence[SearchSynonym]) -> Iterable[str]:
    return (word for row in rows for phrase in (*row.searches, *row.finds) for word in terms.query_prefixes(phrase))
