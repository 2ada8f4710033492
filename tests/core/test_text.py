"""Cleaning of lines and paragraphs, and text that PostgreSQL can store."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import clean_line, clean_paragraphs, first_letter, postgres_safe


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        pytest.param("Zo\x00fia", "Zo fia", id="NUL"),
        pytest.param("Zofia\r\nSet-Cookie: x", "Zofia Set-Cookie: x", id="line break"),
        pytest.param("\u202eaifoZ\u202c", "aifoZ", id="right-to-left marks"),
        pytest.param("a\ud800b", "a b", id="lone surrogate"),
        pytest.param("zero\u200bwidth\u2060\u00ad", "zerowidth", id="zero width"),
        pytest.param("\u200b\u200d\u3164\u2800", "", id="nothing visible"),
        pytest.param("\u3164\u0301", "", id="mark on a filler"),
        pytest.param("\u0301\u0302", "", id="marks only"),
        pytest.param("\u034f\ufe0f\U000e0100", "", id="joiners and variation selectors only"),
        pytest.param("\u206a\u17b4\u2065\ufff0\U0001d173\U0001bca0\U000e0fff", "", id="layout marks only"),
        pytest.param("\ue000\U0010fffd", "", id="private use only"),
        pytest.param("\u3164-", "\u3164-", id="punctuation is visible"),
        pytest.param("\U0001fae9", "\U0001fae9", id="new emoji"),
        pytest.param("e\u0301", "\u00e9", id="not normalised"),
        pytest.param("a" + "\u0301" * 50, "\u00e1\u0301\u0301", id="stacked marks"),
        pytest.param("\U0001f9d1\u200d\U0001f680", "\U0001f9d1\u200d\U0001f680", id="emoji with a joiner"),
        pytest.param(7, "", id="not a string"),
        pytest.param(None, "", id="None"),
    ),
)
def test_clean_line_removes_control_and_invisible_characters(text: object, expected: str) -> None:
    assert clean_line(text) == expected
    assert clean_line(expected) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        pytest.param("x" * 10_000, "x" * 100, id="long"),
        pytest.param("x" * 99 + " y", "x" * 99, id="space at the limit"),
        pytest.param("e\u0301" * 10_000, "\u00e9" * 100, id="accents"),
    ),
)
def test_clean_line_truncates_to_the_limit(text: str, expected: str) -> None:
    assert clean_line(text, limit=100) == expected


@given(st.text(alphabet=string.printable))
def test_clean_line_cleans_ascii_text_like_other_text(text: str) -> None:
    """ASCII text skips the steps that change only other characters."""
    assert clean_line(f"{text} \u00e9") == f"{clean_line(text)} \u00e9".strip()


def test_clean_paragraphs_keeps_line_breaks_and_tabs() -> None:
    assert clean_paragraphs("One\r\n\r\n\tTwo  \rThree\x00\u202e\u200b") == "One\n\n\tTwo\nThree"


@pytest.mark.parametrize(
    ("text", "nul", "expected"),
    (("a\x00b\ud800", "\ufffd", "a\ufffdb?"), ("a\x00b", "", "ab"), ("\u200b", "", "\u200b")),
)
def test_postgres_safe_replaces_nul_and_lone_surrogates(text: str, nul: str, expected: str) -> None:
    assert postgres_safe(text, nul=nul) == expected


@pytest.mark.parametrize(
    ("word", "letter"),
    (
        pytest.param("हिन्दी", "हि", id="vowel sign"),
        pytest.param("प्रिया", "प", id="virama"),
        pytest.param("สุดา", "สุ", id="Thai"),
        pytest.param("(E\u0301mile)", "E\u0301", id="decomposed"),
        pytest.param("\u3164a", "a", id="filler"),
        pytest.param("42!", "", id="none"),
    ),
)
def test_first_letter_includes_its_marks(word: str, letter: str) -> None:
    assert first_letter(word) == letter
