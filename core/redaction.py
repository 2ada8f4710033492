"""Takes out of texts what may leave this system for nobody's eyes: what logs and Sentry get passes through here.

So does what errors said before every admin reads it, who may not read the values in payloads.
"""

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
#: Values in messages of errors. What PostgreSQL and Python call by name in quotes is no value.
QUOTED = re.compile(
    r"""(?<!constraint )(?<!column )(?<!relation )(?<!table )(?<!attribute )(?<!argument )(?<!\w)"""
    r"""("[^"\n]*"|'[^'\n]*'(?! object))(?!\w)"""
)
#: A quote that is not closed before its line ends.
UNCLOSED = re.compile(r"""(?<!\w)"[^"\n]*\Z""")
#: As Clerk writes telephone numbers.
PHONE = re.compile(r"\+\d[\d ().-]{5,}\d")
#: Which columns PostgreSQL complains of; their values follow.
KEY = re.compile(r"^DETAIL: +(Key \(.*?\))=\(", re.MULTILINE)
#: Where the calls begin in a traceback. They are indented, and what the error said is not.
CALLS = "Traceback (most recent call last):"
#: What stands between two errors of which one led to the other.
CHAIN = re.compile(r"\n\n((?:During handling of|The above exception was) [^\n]*:)\n*\Z")
#: What PostgreSQL writes below its message, with values.
BELOW = re.compile(r"(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LINE \d+|Failing row)\b")

#: What people search for and may be kept for ever: a number, one of our objects, an id of Clerk's or Svix's.
IDS = re.compile(r"\d{1,19}|[a-z]+\.[a-z]+:\d{1,19}|(?:user|sess|org|ins|msg)_\w{1,64}", re.ASCII)


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


def of_search(term: str) -> str:
    """Return what somebody searched for, if it is an id; words and addresses may be of a person, who may be erased some day."""
    return term.strip() if IDS.fullmatch(term.strip()) else GONE


def of_shown(text: str) -> str:
    """Return what an error said, without values, for people who look for its cause.

    Args:
        text: a message, or a traceback as Python prints it. Of that the calls stay, which are our code.
    """
    shown: list[str] = []
    said: list[str] = []
    is_call = False
    for number, line in enumerate(text.split("\n")):
        if line == CALLS or (number == 0 and line.startswith(GONE)):  # the beginning of a long one is cut off
            shown += [*_told(said), line]
            said, is_call = [], True
        elif is_call and (line.startswith("  ") or number == 1):
            shown.append(of_text(line) if line.startswith("  ") else GONE)
        else:
            said, is_call = [*said, line], False
    return "\n".join([*shown, *_told(said)])


def _told(said: list[str]) -> list[str]:
    """Return the lines that are left of what one error said: its message, which columns, and what it led to."""
    text = "\n".join(said).strip("\n")
    if not text:
        return []
    columns, chain = KEY.search(text), CHAIN.search("\n".join(said))
    message = GONE if BELOW.match(text) else UNCLOSED.sub(GONE, PHONE.sub(GONE, of_error(text)))
    detail = [f"DETAIL: {columns[1]}=({GONE})"] if columns else []
    return [message, *detail, *(["", chain[1], ""] if chain else [])]
