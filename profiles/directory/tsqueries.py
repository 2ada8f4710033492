"""Build tsquery literals."""

from collections.abc import Iterable


def quoted(word: str) -> str:
    """Return `word` quoted for tsvector and tsquery literals."""
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def exact(word: str, weights: str = "") -> str:
    """Match a whole word.

    Args:
        weights: the fields to match, for example "ABC" for all except the bio and the location. Defaults to all fields.
    """
    return f"{quoted(word)}:{weights}" if weights else quoted(word)


def prefix(word: str, weights: str = "") -> str:
    """Match words that start with `word`. See `exact`."""
    return f"{quoted(word)}:*{weights}"


def quoted_prefixes(words: Iterable[str]) -> str:
    return " & ".join(map(prefix, words))


def any_of(tsqueries: Iterable[str]) -> str:
    """Join tsqueries with OR. The result is parenthesised, so that it can be combined with AND."""
    alternatives = list(dict.fromkeys(tsqueries))
    return alternatives[0] if len(alternatives) == 1 else f"({' | '.join(alternatives)})"
