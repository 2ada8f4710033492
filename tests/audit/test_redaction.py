"""Texts lose what is secret or personal, and keep what helps."""

import pytest

from audit import redaction


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
    assert redaction.of_text(text) == left


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
    assert redaction.of_error(text) == left
