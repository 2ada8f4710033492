"""Parse search text into concepts, such as “mobile app” and “bakery”, and convert each concept to a tsquery."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from profiles.directory import english, terms
from profiles.directory.hints import Hint, find_hint
from profiles.directory.synonyms import MAX_PHRASE_WORDS, NO_SYNONYMS, Synonyms
from profiles.directory.tsqueries import any_of, exact, prefix, quoted_prefixes

#: Maximum number of concepts, and of words in a concept. The rest is ignored.
MAX_WORDS = 8
#: Shorter prefixes match too many words to be selective.
MIN_PREFIX_LENGTH = 3


class Condition(NamedTuple):
    """A tsquery for one concept.

    Attributes:
        is_short: whether the tsquery is a one- or two-letter prefix, for which the index is slow.
    """

    tsquery: str
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class Concept:
    """One or more words that are searched for as a unit.

    Attributes:
        text: the words as typed.
        words: the normalized words.
        literal: matches the words in all spellings, without synonyms.
        broad: also matches synonyms.
        also: the synonyms, for display.
        skills: the term keys of the words and their synonyms, to compare with skills.
        domains: the domains that the words stand for.
    """

    text: str
    words: tuple[str, ...]
    literal: Condition
    broad: Condition
    also: tuple[str, ...] = ()
    skills: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Understanding:
    """Parsed search text.

    Attributes:
        ignored: words that are not used for the search, as typed.
        hints: filters and sort orders that the text suggests, such as the lowest rate for “cheap”.
        is_general: whether the text contains only generic words, such as “developer”, which are then matched literally.
    """

    concepts: tuple[Concept, ...] = ()
    ignored: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    is_general: bool = False

    @property
    def has_synonyms(self) -> bool:
        return any(concept.also for concept in self.concepts)

    @property
    def literal(self) -> tuple[Condition, ...]:
        return tuple(concept.literal for concept in self.concepts)

    @property
    def broad(self) -> tuple[Condition, ...]:
        return tuple(concept.broad for concept in self.concepts)

    @property
    def any_concept(self) -> tuple[Condition, ...]:
        return (Condition(any_of(condition.tsquery for condition in self.broad)),) if self.concepts else ()

    def text_without(self, concept: Concept) -> str:
        """Return the search text without `concept` and ignored words."""
        hints = (hint.text for hint in self.hints)
        return " ".join([*(each.text for each in self.concepts if each is not concept), *hints])

    def text_with(self, corrections: dict[str, str]) -> str:
        """Return the corrected search text without ignored words."""
        return " ".join(corrections.get(concept.text, concept.text) for concept in self.concepts)


class _Chunk(NamedTuple):
    """Text between spaces, and its normalized words."""

    text: str
    words: tuple[str, ...]

    @property
    def is_ignored(self) -> bool:
        return len(self.words) == 1 and self.words[0] in english.IGNORED_WORDS


def understand(text: str, synonyms: Synonyms = NO_SYNONYMS) -> Understanding:
    chunks = [chunk for chunk in map(_chunk, text.split()) if chunk.words]
    concepts, ignored, hints = list[Concept](), list[str](), list[Hint]()
    position = 0
    while position < len(chunks):
        rest = chunks[position : position + MAX_PHRASE_WORDS]
        length, found = _next_concept(rest, synonyms)
        if isinstance(found, Hint):
            hints.append(found)
        elif found is None:
            ignored.append(rest[0].text)
        elif all(found.literal != concept.literal for concept in concepts):
            concepts.append(found)
        position += length
    if not concepts:
        return _understand_literally(chunks, hints)
    return Understanding(tuple(concepts[:MAX_WORDS]), tuple(ignored), tuple(hints))


def _understand_literally(chunks: Sequence[_Chunk], hints: Sequence[Hint]) -> Understanding:
    """Match all words literally, because the text contains only ignored words and hints."""
    concepts = {concept.literal: concept for concept in (_concept([chunk]) for chunk in chunks)}
    is_general = bool(hints) or any(chunk.words[0] in english.GENERAL_WORDS for chunk in chunks)
    return Understanding(tuple(concepts.values())[:MAX_WORDS], hints=tuple(hints), is_general=is_general)


def _chunk(text: str) -> _Chunk:
    return _Chunk(text, tuple(dict.fromkeys(terms.query_prefixes(text)))[:MAX_WORDS])


def _next_concept(chunks: Sequence[_Chunk], synonyms: Synonyms) -> tuple[int, Concept | Hint | None]:
    """Return the next concept or hint (None for an ignored word), preceded by the number of chunks in it."""
    for length in range(len(chunks), 0, -1):
        phrase = chunks[:length]
        if meaning := synonyms.find([word for chunk in phrase for word in chunk.words]):
            concept = _concept(phrase)
            broad = Condition(any_of([concept.literal.tsquery, *meaning.tsqueries]))
            skills = concept.skills | meaning.skills
            return length, replace(concept, broad=broad, also=meaning.labels, skills=skills, domains=meaning.domains)
        if hint := find_hint([word for chunk in phrase for word in chunk.words], _join(phrase)):
            return length, hint
    return 1, None if chunks[0].is_ignored else _concept(chunks[:1])


def _join(chunks: Sequence[_Chunk]) -> str:
    return " ".join(chunk.text for chunk in chunks)


def _concept(chunks: Sequence[_Chunk]) -> Concept:
    words = tuple(word for chunk in chunks for word in chunk.words)
    parts = [_tsquery(chunk) for chunk in chunks]
    is_short = len(words) == 1 and len(words[0]) < MIN_PREFIX_LENGTH and words[0].isalpha() and words[0].isascii()
    condition = Condition(parts[0] if len(parts) == 1 else f"({' & '.join(parts)})", is_short)
    text = _join(chunks)
    return Concept(text, words, condition, condition, skills=frozenset({terms.term_key(text)}))


def _tsquery(chunk: _Chunk) -> str:
    """Return a tsquery for a chunk. Hyphenated words such as “e-commerce” are also matched as one word."""
    words = chunk.words
    if len(words) == 1:
        return any_of(_alternatives(words[0]))
    if not all(word.isascii() for word in words):
        return f"({quoted_prefixes(words)})"
    # A short prefix matches too many words, so short parts of a word must match exactly.
    parts = [exact(word) if len(word) < MIN_PREFIX_LENGTH else prefix(word) for word in words]
    return any_of([f"({' & '.join(parts)})", *_alternatives("".join(words))])


def _alternatives(word: str) -> Iterator[str]:
    yield prefix(word)
    base = english.singular(word)
    if base != word:
        yield exact(base)
    elif len(word) >= english.MIN_LENGTH and (other := english.plural(word)) != word:
        yield exact(other)
    yield from (prefix(spelling) for spelling in english.spellings(base))
