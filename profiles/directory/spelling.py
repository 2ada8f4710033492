"""Find similar words: edit distance, and keys that similar words share."""

from collections.abc import Iterable

#: Keys are made from the start of a word only. This limits a word to 8 keys and tolerates any mistake after the start.
KEY_LENGTH = 7
MIN_LENGTH, MAX_LENGTH = 4, 40
#: Words of at least this length may have two mistakes, shorter words one.
LONG_WORD = 6


def max_distance(word: str) -> int:
    """Return the maximum number of mistakes to correct in `word`."""
    if not MIN_LENGTH <= len(word) <= MAX_LENGTH or not word.isalpha():
        return 0
    return 2 if len(word) >= LONG_WORD else 1


def keys(word: str) -> set[str]:
    """Return the start of `word`, and each variant with one letter deleted.

    Words that differ in one letter share a key, because they are equal once that letter is deleted (the SymSpell
    algorithm).
    """
    start = word[:KEY_LENGTH]
    return {start, *(start[:i] + start[i + 1 :] for i in range(len(start)))}


def distance(one: str, other: str) -> int:
    """Return the edit distance, counting insertions, deletions, replacements and swaps of adjacent letters."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, previous, row = row, before, [i]
        for j, target in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != target))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == target:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
    return row[-1]


def closest(word: str, candidates: Iterable[tuple[str, int]]) -> str:
    """Return the most similar word, or "" if no word is similar enough.

    Args:
        candidates: words, each with the number of builders who use it. More common words win ties.
    """
    limit = max_distance(word)
    near = [
        (steps, -builders, candidate)
        for candidate, builders in candidates
        if abs(len(candidate) - len(word)) <= limit and (steps := distance(word, candidate)) <= limit
    ]
    return min(near)[2] if near else ""
