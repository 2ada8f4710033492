"""Similar words: the distance between two words, and keys that similar words share."""

from collections.abc import Iterable

#: Only the start of a word is part of its keys, which limits their number to 8. Mistakes after it change no key.
KEY_LENGTH = 7
MIN_LENGTH, MAX_LENGTH = 4, 40
#: Words of this length may have two mistakes. Shorter words may have one.
LONG_WORD = 6


def max_distance(word: str) -> int:
    """Return the number of mistakes to correct in `word`."""
    if not MIN_LENGTH <= len(word) <= MAX_LENGTH or not word.isalpha():
        return 0
    return 2 if len(word) >= LONG_WORD else 1


def keys(word: str) -> set[str]:
    """Return the start of `word`, and the same without one of its letters.

    Two words that differ in one letter share a key: without the letter, both are the same. This is the method of SymSpell.
    """
    start = word[:KEY_LENGTH]
    return {start, *(start[:i] + start[i + 1 :] for i in range(len(start)))}


def distance(one: str, other: str) -> int:
    """Return the number of letters to insert, delete, replace or swap with their neighbour to turn `one` into `other`."""
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
        candidates: words and how many builders use them. More common words win.
    """
    limit = max_distance(word)
    near = [
        (steps, -builders, candidate)
        for candidate, builders in candidates
        if abs(len(candidate) - len(word)) <= limit and (steps := distance(word, candidate)) <= limit
    ]
    return min(near)[2] if near else ""
