"""Redaction removes secrets and personal data and keeps other text."""

import pytest

from core import redaction


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("Mail to olive.o+x@example.co.uk failed.", "Mail to … failed."),
        ("whsec_bm90IGEgc2VjcmV0 and sk_live_abcDEF123", "… and …"),
        ("Bearer eyJhbGciOi.eyJzdWIi.c2ln was refused", "… was refused"),
        ("token eyJhbGciOi.eyJzdWIi.c2ln-_x", "token …"),
        ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "…"),
        ("Error handling request /api/x?email=a&q=olive", "Error handling request /api/x…"),
        ("https://olive:pass@host/path", "https://…@host/path"),
        ("Not Found: /builders/zofia/", "Not Found: /builders/zofia/"),
        ("Is Clerk's server down? user_2abc, 3 of 4", "Is Clerk's server down? user_2abc, 3 of 4"),
    ),
)
def test_redact_text_removes_secrets(text: str, expected: str) -> None:
    assert redaction.redact_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("invalid literal for int() with base 10: 'Olive'", "invalid literal for int() with base 10: …"),
        (
            'duplicate key value violates unique constraint "accounts_user_email"\nDETAIL:  Key (email)=(o@x.co) exists.',
            'duplicate key value violates unique constraint "accounts_user_email"',
        ),
        ('invalid input syntax for type integer: "Olive"', "invalid input syntax for type integer: …"),
        (
            "Clerk's keys cannot be fetched, and the user's name is 'Zofia'.",
            "Clerk's keys cannot be fetched, and the user's name is ….",
        ),
        ("", ""),
    ),
)
def test_redact_error_removes_quoted_values(text: str, expected: str) -> None:
    assert redaction.redact_error(text) == expected


DUPLICATE_EMAIL = 'IntegrityError: duplicate key value violates unique constraint "accounts_user_email"'


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        (
            f"{DUPLICATE_EMAIL}\nDETAIL:  Key (email)=(Olive (o@x.co) already exists.",
            f"{DUPLICATE_EMAIL}\nDETAIL: Key (email)=(…)",
        ),
        (
            f"{DUPLICATE_EMAIL}\nDETAIL:  Key (a, lower(name))=(1, Olive\nOwner) already exists.",
            f"{DUPLICATE_EMAIL}\nDETAIL: Key (a, lower(name))=(…)",
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
def test_redact_traceback_removes_values_from_messages(text: str, expected: str) -> None:
    assert redaction.redact_traceback(text) == expected


def test_redact_traceback_keeps_stack_frames() -> None:
    frames = 'Traceback (most recent call last):\n  File "/app/sync.py", line 7, in apply\n    save(name="x")\n    ~~~~^^^^^^^^^^'
    chain = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    text = f"{frames}\n{DUPLICATE_EMAIL}\nDETAIL:  Key (email)=(o@x.co) already exists.{chain}{frames}\nValueError: 'Olive'\n  said Olive\n"
    expected = f"{frames}\n{DUPLICATE_EMAIL}\nDETAIL: Key (email)=(…){chain}{frames}\nValueError: …"
    assert redaction.redact_traceback(text) == expected


def test_redact_traceback_accepts_a_truncated_traceback() -> None:
    text = "… (cut)\nlive\", line 7, in apply\n    save()\nValueError: 'Olive'\n"
    assert redaction.redact_traceback(text) == "… (cut)\n…\n    save()\nValueError: …"
