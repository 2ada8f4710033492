"""Error messages of libraries keep the words that explain the error, and lose people's values."""

import pytest

from core import quoted_names, redaction

OWN_HOSTS = {"smtp.example.net", "db.internal", "s3.example.net", "profiles.example.com"}
#: A message as stored with a failure, and the text that operators see. None: the message is unchanged.
MESSAGES: tuple[tuple[str, str | None], ...] = (
    # psycopg
    ('UndefinedTable: relation "accounts_user" does not exist', None),
    ('UndefinedFunction: extension "unaccent" is not available', None),
    ('InvalidCatalogName: database "profiles" does not exist', None),
    ('InvalidSqlStatementName: prepared statement "_pg3_0" already exists', None),
    ('UndefinedObject: unrecognized configuration parameter "app.user"', None),
    ('connection to server at "10.0.0.5", port 5432 failed: Connection refused', None),
    ('[Errno -2] could not translate host name "db.internal" to address: Name or service not known', None),
    (
        'UniqueViolation: violates unique constraint "accounts_user_login_key"\nDETAIL:  Key (login)=(olive) exists.',
        'UniqueViolation: violates unique constraint "accounts_user_login_key"\nDETAIL: Key (login)=(…)',
    ),
    ('invalid input syntax for type date: "3 May 1985"', "invalid input syntax for type date: …"),
    # httpx
    (
        "HTTPStatusError: Client error '401 Unauthorized' for url 'https://api.clerk.com/v1/users?query=olive'",
        "HTTPStatusError: Client error '401 Unauthorized' for url 'https://api.clerk.com/v1/users…'",
    ),
    ("HTTPStatusError: Client error '404 Not Found' for url 'https://api.clerk.com/v1/users/user_2abc/metadata'", None),
    (
        "HTTPStatusError: Client error '404 Not Found' for url 'https://api.clerk.com/v1/domains/olive-owner.example'",
        "HTTPStatusError: Client error '404 Not Found' for url 'https://api.clerk.com/v1/domains…'",
    ),
    (
        "HTTPStatusError: Client error '404 Not Found' for url 'https://profiles.example.com/builders/olive-owner/'",
        "HTTPStatusError: Client error '404 Not Found' for url 'https://profiles.example.com/…'",
    ),
    (
        "HTTPStatusError: Client error '404 Not Found' for url 'https://profiles.example.com/v1/olive'",
        "HTTPStatusError: Client error '404 Not Found' for url 'https://profiles.example.com/…'",
    ),
    (
        "HTTPStatusError: Client error '404 Not Found' for url 'https://olive:owner@api.clerk.com/v1/users'",
        "HTTPStatusError: Client error '404 Not Found' for url …",
    ),
    (
        "HTTPStatusError: Server error '503 Service Unavailable' for url 'https://olive.example.org/hook'",
        "HTTPStatusError: Server error '503 Service Unavailable' for url …",
    ),
    ("UnsupportedProtocol: Request URL is missing an 'http://' or 'https://' protocol.", None),
    ("LocalProtocolError: Illegal header value b'Olive Owner'", "LocalProtocolError: Illegal header value …"),
    # smtplib
    ("SMTPAuthenticationError: (535, b'5.7.8 Error: authentication failed: bad password')", None),
    (
        "SMTPSenderRefused: (553, b'5.7.1 <no-reply@example.com>: Sender not owned by user', 'no-reply@example.com')",
        "SMTPSenderRefused: (553, b'5.7.1 …', …)",
    ),
    (
        "SMTPRecipientsRefused: {'olive@example.com': (550, b'5.1.1 Olive Owner has left the company')}",
        "SMTPRecipientsRefused: {…: (550, b'5.1.1 …')}",
    ),
    ("SMTPDataError: (550, b'Olive Owner has left')", "SMTPDataError: (550, b'…')"),
    ("SMTPDataError: (452, b'Olive Owner is over quota')", "SMTPDataError: (452, b'…')"),
    ("SMTPDataError: (553, b'Olive Owner has no mailbox here')", "SMTPDataError: (553, b'…')"),
    ("SMTPDataError: (554, b'5.7.1 Message from Olive Owner rejected')", "SMTPDataError: (554, b'5.7.1 …')"),
    ("SMTPDataError: (421, b'4.7.0 Try again later')", None),
    ("SMTPDataError: (421, b'4.2.1 Olive Owner receives too many messages')", "SMTPDataError: (421, b'4.2.1 …')"),
    # ssl
    (
        "SSLCertVerificationError: Hostname mismatch, certificate is not valid for 'smtp.example.net'. (_ssl.c:1032)",
        None,
    ),
    # botocore
    ("ClientError: An error occurred (AccessDenied) when calling the PutObject operation: Access Denied", None),
    (
        'EndpointConnectionError: Could not connect to the endpoint URL: "https://s3.example.net:9000"',
        None,
    ),
    (
        'EndpointConnectionError: Could not connect to the endpoint URL: "https://s3.example.net/media/olive/a.webp"',
        "EndpointConnectionError: Could not connect to the endpoint URL: 'https://s3.example.net/…'",
    ),
    # Clerk's API
    ('Clerk answered PATCH /users/user_2abc with 422 form_param_unknown: "public_metadata" is not valid.', None),
    (
        "ClerkRejectedError: Clerk answered POST /invitations with 422 form_identifier_exists: olive@example.com is taken.",
        "ClerkRejectedError: Clerk answered POST /invitations with 422 form_identifier_exists: … is taken.",
    ),
    ("ClerkApiError: Clerk's response to GET /users is not JSON: Expecting ',' delimiter: line 1 column 5", None),
    # Python and Django
    ("ModuleNotFoundError: No module named 'pillow_heif'", None),
    ("ImportError: cannot import name 'read_users' from 'accounts.clerk.api' (unknown location)", None),
    ("AttributeError: module 'accounts.clerk.api' has no attribute 'read'. Did you mean: 'read_all'?", None),
    ("NameError: name 'user_ids' is not defined", None),
    ("TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'", None),
    ("TypeError: apply() missing 2 required positional arguments: 'user' and 'roles'", None),
    ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", None),
    ("TypeError: expected str instance, <class 'accounts.models.users.User'> found", None),
    ("FieldError: Cannot resolve keyword 'headlin' into field. Choices are: headline, id", None),
    ("ValidationError: {'headline': ['This field cannot be blank.']}", None),
    (
        'ValueError: "BuilderProfile.user" must be a "User" instance, not "Olive Owner".',
        'ValueError: "BuilderProfile.user" must be a "User" instance, not ….',
    ),
    ("NoReverseMatch: Reverse for 'profiles:page' not found.", None),
    (
        "PermissionError: [Errno 13] Permission denied: '/srv/media/portraits/olive.webp'",
        "PermissionError: [Errno 13] Permission denied: '/srv/media/…'",
    ),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: '/home/olive/cv.pdf'",
        "FileNotFoundError: [Errno 2] No such file or directory: …",
    ),
    ("KeyError: 'CLERK_SECRET_KEY'", None),
    ("ValueError: (400, 'Olive', 'Owner')", "ValueError: (400, …, …)"),
    ("KeyError: b'Olive'", "KeyError: …"),
    ("ValueError: not acceptable 'Olive'", "ValueError: not acceptable …"),
    ("ValueError: an overstatement 'Olive'", "ValueError: an overstatement …"),
    ("ValueError: 'Olive' objected", "ValueError: … objected"),
    ("ValueError: name 'Olive' is already taken", "ValueError: name … is already taken"),
    ("ValueError: 'Olive' is not defined by the form", "ValueError: … is not defined by the form"),
    ("ValueError: 'Olive Owner, www.db.internal' is too long", "ValueError: … is too long"),
    ("ValueError: '401 Olive Street' is not an address", "ValueError: … is not an address"),
)


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quoted_names, "known_hosts", OWN_HOSTS)
    monkeypatch.setattr(quoted_names, "known_folders", {"/srv/media"})
    monkeypatch.setattr(quoted_names, "known_apis", {"api.clerk.com"})


@pytest.mark.parametrize(("text", "expected"), MESSAGES)
def test_error_keeps_names_and_hides_values(text: str, expected: str | None) -> None:
    redacted = redaction.redact_traceback(text)
    assert redacted == (text if expected is None else expected)
    assert redaction.redact_traceback(redacted) == redacted
