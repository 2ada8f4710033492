"""Remove secrets and personal data from text before it is logged, sent to Sentry or shown to admins.

Admins can view error messages, but not the payload values that the messages can contain.
"""

import re

from core.quoted_names import MISSING_ARGUMENTS, NAME, OPENING, QUOTED, REDACTED, without_value

#: Maximum length of the text to search. Longer text is truncated, because clients choose URLs and error messages quote
#: input.
MAX_TEXT_LENGTH = 4096
#: Maximum length of an email address. Truncated text loses this many characters, because its end can contain half of an
#: address.
MAX_EMAIL_LENGTH = 320
#: Keys, tokens, signatures, passwords and email addresses. Every alternative has a fixed start and does not backtrack
#: (`++`), so the time is proportional to the text length.
SECRETS = re.compile(
    r"""
    (?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++)++  # an email address
    | \b(?:whsec|sk_test|sk_live)_[\w+/=-]++        # Clerk and Svix keys
    | \beyJ[\w-]*+(?:\.[\w-]++){0,2}               # a session token, possibly truncated
    | \bv1a?,[A-Za-z0-9+/=]{20,}+                   # a Svix signature
    | (?i:\bbearer)\s++\S++
    | (?<=://)[^\s/@:]++:[^\s/@]++(?=@)              # username and password in a URL
    """,
    re.VERBOSE,
)
#: A URL's query string, which can contain search terms and tokens.
QUERY = re.compile(r"(?<=[\w/])\?[^\s'\"]+")
#: A quoted value that continues on the next line.
UNCLOSED = re.compile(r"""(?<!\w)[bB]?"[^"\n]*\Z""")
#: A quoted value at the end of truncated text.
CUT = re.compile(r"""(?<!\w)[bB]?(?:"[^"\n]*|'[^'\n]*)\Z""")
#: Phone numbers in the format that Clerk uses.
PHONE = re.compile(r"\+\d[\d ().-]{5,}\d")
#: Columns in a PostgreSQL error detail, followed by their values.
DETAIL_COLUMNS = re.compile(r"^DETAIL: +(Key \(.*?\))=\(", re.MULTILINE)
#: A traceback header. Stack frames below it are indented, and the error message is not.
TRACEBACK_HEADER = "Traceback (most recent call last):"
#: The line between two chained exceptions.
CHAIN = re.compile(r"\n\n((?:During handling of|The above exception was) [^\n]*:)\n*\Z")
#: Lines that PostgreSQL adds below its message. They contain values.
MESSAGE_CONTEXT = re.compile(r"(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LINE \d+|Failing row)\b")

#: Search terms that are safe to store permanently: numbers, row references, and Clerk and Svix ids.
IDS = re.compile(r"\d{1,19}|[a-z]+\.[a-z]+:\d{1,19}|(?:user|sess|org|ins|msg)_\w{1,64}", re.ASCII)


def redact_text(text: str) -> str:
    """Remove secrets, email addresses and URL query strings. Text beyond `MAX_TEXT_LENGTH` is dropped."""
    if len(text) > MAX_TEXT_LENGTH:
        return redact_text(text[:MAX_TEXT_LENGTH])[:-MAX_EMAIL_LENGTH] + REDACTED
    if "@" in text or "_" in text or "?" in text or "eyJ" in text or "v1" in text or "earer" in text.lower():
        return QUERY.sub(REDACTED, SECRETS.sub(REDACTED, text))
    return text


def redact_error(text: str) -> str:
    """Return the first line of an exception message without quoted values.

    The message can quote any input, and PostgreSQL adds row values below the first line.
    """
    first, _, _ = text.strip().partition("\n")
    if len(first) > MAX_TEXT_LENGTH:
        start = _redact_quoted(first[:MAX_TEXT_LENGTH])
        return redact_text(CUT.sub(REDACTED, start))[:-MAX_EMAIL_LENGTH] + REDACTED
    return redact_text(_redact_quoted(first))


def _redact_quoted(text: str) -> str:
    """Redact quoted values, and the rest of the text after an unmatched quote. Keep quoted names."""
    parts: list[str] = []
    position = 0
    arguments = MISSING_ARGUMENTS.search(text)
    for found in QUOTED.finditer(text):
        between = text[position : found.start()]
        if opening := OPENING.search(between):
            return "".join([*parts, between[: opening.start()], REDACTED])
        is_argument = arguments is not None and found.start() >= arguments.end()
        parts += [between, found[0] if is_argument and NAME.fullmatch(found[2][1:-1]) else without_value(found)]
        position = found.end()
    rest = text[position:]
    opening = OPENING.search(rest)
    return "".join([*parts, rest[: opening.start()] + REDACTED if opening else rest])


def redact_search_term(term: str) -> str:
    """Return a search term only if it is an id. Other terms may be personal data, which must be erasable."""
    return term.strip() if IDS.fullmatch(term.strip()) else REDACTED


def redact_traceback(text: str) -> str:
    """Return an error message or traceback without values, so that admins can investigate its cause.

    Args:
        text: a message, or a traceback in Python's format. Stack frames are kept, because they contain only code.
    """
    lines: list[str] = []
    message: list[str] = []
    is_frame = False
    for number, line in enumerate(text.split("\n")):
        if line == TRACEBACK_HEADER or (
            number == 0 and line.startswith(REDACTED)
        ):  # Long tracebacks are truncated at the start.
            lines += [*_redact_message(message), line]
            message, is_frame = [], True
        elif is_frame and (line.startswith("  ") or number == 1):
            lines.append(redact_text(line) if line.startswith("  ") else REDACTED)
        else:
            message.append(line)
            is_frame = False
    return "\n".join([*lines, *_redact_message(message)])


def _redact_message(lines: list[str]) -> list[str]:
    """Return an exception's redacted message, the columns that it names, and the link to the next exception."""
    text = "\n".join(lines).strip("\n")
    if not text:
        return []
    columns, chain = DETAIL_COLUMNS.search(text), CHAIN.search("\n".join(lines))
    message = (
        REDACTED if MESSAGE_CONTEXT.match(text) else UNCLOSED.sub(REDACTED, PHONE.sub(REDACTED, redact_error(text)))
    )
    detail = [f"DETAIL: {columns[1]}=({REDACTED})"] if columns else []
    return [message, *detail, *(["", chain[1], ""] if chain else [])]
