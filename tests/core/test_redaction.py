"""Redaction removes secrets and personal data and keeps other text."""

import ast
from pathlib import Path

import pytest

from accounts.clerk import fields
from core import quoted_names, redaction

#: Functions that read a key of a payload.
READERS = ("get", "read", "read_text", "read_time")


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


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("KeyError: 'email_addresses'", "KeyError: 'email_addresses'"),
        ("'primary_email_address_id'", "'primary_email_address_id'"),
        ("User() got unexpected keyword arguments: 'clerk_updated_at'", None),
        ("CLERK_SECRET_KEY is not set: 'CLERK_SECRET_KEY'", None),
        ("Cannot resolve keyword 'clerk_user_id' into field.", None),
        ("'AnonymousUser' object has no attribute 'clerk_id'", None),
        ('null value in column "headline" of relation "profiles_builderprofile"', None),
    ),
)
def test_names_from_the_code_and_clerk_are_kept(text: str, expected: str | None) -> None:
    assert redaction.redact_error(text) == (expected or text)


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("KeyError: 'Olive'", "KeyError: …"),
        ("KeyError: 'email_addresses Olive'", "KeyError: …"),
        ("KeyError: 'Email_Addresses'", "KeyError: …"),
        ('KeyError: "O\'Brien"', "KeyError: …"),
        ("The value 'O'Brien' of 'email_address' is too long", "The value …"),
        ("The value 'Olive 'Oli' Owner' of 'username' is too long", "The value …"),
        ("“Olive” is not a valid choice for 'role'.", "… is not a valid choice for 'role'."),
        ("attribute 'Olive Owner'", "attribute …"),
        ("column 'olive@example.com'", "column …"),
        ("'Olive Owner' object", "… object"),
        ("'Olive", "…"),
        ("The name “Olive", "The name …"),
        ("first 'username' then 'Olive' then 'last_name'", "first 'username' then … then 'last_name'"),
        ("username='Olive', first_name='Vera'", "username=…, first_name=…"),
    ),
)
def test_values_that_look_like_names_are_hidden(text: str, expected: str) -> None:
    assert redaction.redact_error(text) == expected


def test_payload_keys_read_by_parsers_are_kept() -> None:
    """The keys are the constants in calls such as `read(data, "first_name", str)` and `data.get("id")`."""
    folder = Path(fields.__file__).parent
    keys = {
        argument.value
        for name in ("envelope", "payloads", "user_fields", "session_payloads")
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in READERS
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value.isidentifier()
    }
    assert len(keys) > 10
    assert keys <= quoted_names.known_names
