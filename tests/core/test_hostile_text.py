"""Processing time for untrusted text is proportional to its length, not to the square of its length."""

import time
from collections.abc import Callable

import pytest

from core import redaction
from core.text import clean_line, clean_paragraphs
from profiles.forms.fields import LinksField
from profiles.forms.link_validation import validate_link
from webhooks.payloads import anonymize

#: Less than half of `redaction.MAX_TEXT_LENGTH`, so that the text is not truncated.
LENGTH = 2000
#: Processing twice the text takes about twice the time. With a quadratic algorithm, it takes four times as long.
MAX_RATIO = 3


def seconds(function: Callable[[str], object], text: str) -> float:
    """Return the CPU time for one call. Use the best of five calls, because the machine may be busy."""
    times = []
    for _ in range(5):
        start = time.thread_time()
        function(text)
        times.append(time.thread_time() - start)
    return min(times)


def ignore_errors(function: Callable[[str], object]) -> Callable[[str], object]:
    def run(text: str) -> object:
        try:
            return function(text)
        except Exception:  # noqa: BLE001  # only the time matters
            return None

    return run


LINKS = LinksField(max_items=3, max_entry_length=100)
CASES = {
    "email without an @": (redaction.redact_text, "?", "a"),
    "colons in a URL": (redaction.redact_text, "_://", "a:"),
    "starts of a token": (redaction.redact_text, "", "eyJ-"),
    "starts of a signature": (redaction.redact_text, "", "v1,"),
    "at signs": (redaction.redact_text, "", "a@"),
    "open quotes": (redaction.redact_error, "", "\"'"),
    "phone numbers": (redaction.redact_traceback, "", "+1 ("),
    "lines of a traceback": (redaction.redact_traceback, "", "a\n"),
    "chained errors": (redaction.redact_traceback, "", "\n\nDuring handling of :"),
    "details": (redaction.redact_traceback, "", "DETAIL: Key ()"),
    "marks in one line": (clean_line, "a", "\u0596\u05ae"),
    "marks in paragraphs": (clean_paragraphs, "a", "\u1df6\u1dc4"),
    "marks that decompose": (clean_paragraphs, "a", "\u0f73"),
    "spaces": (clean_line, "", " \u200b"),
    "dots in a link": (ignore_errors(validate_link), "https://", "a."),
    "links": (ignore_errors(LINKS.clean), "", "a. "),
    "email in a payload": (anonymize.EMAIL.fullmatch, "", "a"),
}


@pytest.mark.parametrize(("function", "start", "repeated"), CASES.values(), ids=CASES.keys())
def test_time_doubles_with_the_length(function: Callable[[str], object], start: str, repeated: str) -> None:
    text = start + repeated * (LENGTH // len(repeated))
    once = seconds(function, text)
    twice = seconds(function, text + text[len(start) :])
    assert twice < MAX_RATIO * once or twice < 0.001


@pytest.mark.parametrize("text", ("?" + "a" * 8000, "_://" + "a:" * 4000, "eyJ-" * 2000))
def test_redaction_of_the_longest_url_takes_milliseconds(text: str) -> None:
    assert seconds(redaction.redact_text, text) < 0.005
