"""Texts lose what is secret or personal, and keep what helps."""

import pytest

from core import redaction


@pytest.mark.parametrize(
    ("text", "left"),
    (
        ("Mail to olive.o+x@example.co.uk failed.", "Mail to … failed."),
        ("whsec_bm90IGEgc2VjcmV0 and sk_live_abcDEF123", "… and …"),
        ("Bearer eyJhbGciOi.eyJzdWIi.c2ln was refused", "… was refused"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln-_x", "token …"),
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "…"),
        ("Error handling request /api/x?email=a&q=olive", "Error handling request /api/x…"),
        ("https://olive:pass@host/path", "https://…@host/path"),
        ("Not Found: /builders/zofia/", "Not Found: /builders/zofia/"),
        ("Is Clerk's server away? user_2abc, 3 of 4", "Is Clerk's server away? user_2abc, 3 of 4"),
    ),
)
def test_texts_of_ours_lose_secrets(text: str, left: str) -> None:
    assert redaction.redact_text(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    (
        ("invalid literal for int() with base 10: 'Olive'", "invalid literal for int() with base 10: …"),
        (
            'duplicate key value violates unique constraint "accounts_user_email"\nDETAIL:  Key (email)=(o@x.co) exists.',
            'duplicate key value violates unique constraint "accounts_user_email"',
        ),
        ('invalid input syntax for type integer: "Olive"', "invalid input syntax for type integer: …"),
        (
            "Clerk's keys cannot be had, and nobody's name is 'Zofia'.",
            "Clerk's keys cannot be had, and nobody's name is ….",
        ),
        ("", ""),
    ),
)
def test_messages_of_errors_lose_what_they_quote(text: str, left: str) -> None:
    assert redaction.redact_error(text) == left


TAKEN = 'IntegrityError: duplicate key value violates unique constraint "accounts_user_email"'


@pytest.mark.parametrize(
    ("text", "left"),
    (
        (f"{TAKEN}\nDETAIL:  Key (email)=(Olive (o@x.co) already exists.", f"{TAKEN}\nDETAIL: Key (email)=(…)"),
        (
            f"{TAKEN}\nDETAIL:  Key (a, lower(name))=(1, Olive\nOwner) already exists.",
            f"{TAKEN}\nDETAIL: Key (a, lower(name))=(…)",
        ),
        ('null value in column "name"\nDETAIL:  Failing row contains (1, Olive).', 'null value in column "name"'),
        ("DETAIL:  Failing row contains (1, Olive).", "…"),
        ("Refused o@x.co at +48 (600) 700-800, user_2abc.", "Refused … at …, user_2abc."),
        (
            'DataError: invalid input syntax for type integer: "Olive\nOwner"',
            "DataError: invalid input syntax for type integer: …",
        ),
        ("'NoneType' object has no attribute 'name'", "'NoneType' object has no attribute 'name'"),
        ("KeyError: 'Olive'", "KeyError: …"),
        ("", ""),
    ),
)
def test_what_errors_said_is_shown_without_values(text: str, left: str) -> None:
    assert redaction.redact_traceback(text) == left


def test_a_traceback_is_shown_with_its_calls_and_without_values() -> None:
    calls = 'Traceback (most recent call last):\n  File "/app/sync.py", line 7, in apply\n    save(name="x")\n    ~~~~^^^^^^^^^^'
    chain = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    text = f"{calls}\n{TAKEN}\nDETAIL:  Key (email)=(o@x.co) already exists.{chain}{calls}\nValueError: 'Olive'\n  said Olive\n"
    left = f"{calls}\n{TAKEN}\nDETAIL: Key (email)=(…){chain}{calls}\nValueError: …"
    assert redaction.redact_traceback(text) == left


def test_a_traceback_without_its_beginning_is_shown_likewise() -> None:
    text = "… (cut)\nlive\", line 7, in apply\n    save()\nValueError: 'Olive'\n"
    assert redaction.redact_traceback(text) == "… (cut)\n…\n    save()\nValueError: …"
