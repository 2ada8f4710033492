"""Takes out of texts what may leave this system for nobody's eyes: what logs and Sentry get passes through here."""

import re

GONE = "…"
#: A word may hold a key, a token, a signature or an address of a person.
SECRETS = re.compile(
    r"""
    [\w.+%-]+@[\w-]+(?:\.[\w-]+)+                # an e-mail address
    | \b(?:whsec|sk_test|sk_live)_[\w+/=-]+      # keys of Clerk's and Svix's
    | \beyJ[\w-]*\.[\w-]+\.[\w-]*                # a session token
    | \bv1a?,[A-Za-z0-9+/=]{20,}                 # a signature of Svix's
    | (?i:\bbearer)\s+\S+
    | (?<=://)[^\s/@]+:[^\s/@]+(?=@)             # name and password in an address
    """,
    re.VERBOSE,
)
#: What follows the path in an address: words that people looked for, tokens.
QUERY = re.compile(r"(?<=[\w/])\?[^\s'\"]+")
#: Values in messages of errors. What PostgreSQL calls by name in quotes is no value.
QUOTED = re.compile(r"""(?<!constraint )(?<!column )(?<!relation )(?<!\w)("[^"\n]*"|'[^'\n]*')(?!\w)""")


def of_text(text: str) -> str:
    """Return a text of ours without secrets and addresses."""
    if "@" in text or "_" in text or "?" in text or "eyJ" in text or "v1" in text or "earer" in text.lower():
        return QUERY.sub(GONE, SECRETS.sub(GONE, text))
    return text


def of_error(text: str) -> str:
    """Return the message of an exception, which may quote anything: its first line, without what is in quotes.

    PostgreSQL writes the values of a row into the lines below.
    """
    first, _, _ = text.strip().partition("\n")
    return of_text(QUOTED.sub(GONE, first))
