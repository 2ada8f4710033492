"""Recognise the names in the quoted text of error messages: names from code and schemas, our own hosts, HTTP statuses.

Everything else in quotes can be a value that a person has entered.
"""

import builtins
import re
from collections.abc import Iterable
from http import HTTPStatus

REDACTED = "…"
#: The words before a name, in messages of PostgreSQL, Python, Django and smtplib.
BEFORE = (
    r"<class |Did you mean: |Reverse for |\([45]\d\d, "
    r"|(?:argument|attribute|column|constraint|configuration parameter|cursor|database|extension|function|host name"
    r"|import name|index|keyword|module|module named|name|relation|savepoint|schema|server at|statement|table) "
)
#: The words after a name.
AFTER = r" object| codec| instance| is not defined(?! )"
#: Quoted text, with the words around it. A prefix marks bytes.
QUOTED = re.compile(rf"""({BEFORE})?(?<!\w)[bB]?("[^"\n]*"|'[^'\n]*'|“[^”\n]*”)(?!\w)({AFTER})?""")
#: An unmatched opening quote. The value may contain quotes, so its end is unknown.
OPENING = re.compile(r"""(?<!\w)[bB]?["'“](?=\S)""")
#: All quoted texts after these words are names.
MISSING_ARGUMENTS = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: ")

#: An identifier in code or in the database, and the address of a server.
NAME = re.compile(r"[A-Za-z_][\w.:$-]{0,127}", re.ASCII)
SERVER = re.compile(r"[\w.:/-]{1,255}", re.ASCII)
#: A module, class or function of this project or Django.
MODULE = re.compile(r"(?:accounts|audit|config|core|django|profiles|webhooks)(?:\.\w{1,64}){1,8}", re.ASCII)
#: Characters that a parser expects, and the schemes of URLs.
SYNTAX = re.compile(r"[^\w\s]{1,3}|https?://")
#: A host, or a URL.
HOST = re.compile(r"([\w.-]{1,255})|https?://([\w.-]{1,255})(?::\d{1,5})?(?:/[^\s\\]*)?", re.ASCII)
#: The reply of a mail server: its status code, its enhanced code and its text. Enhanced codes with the subject 1 or 2 are
#: about addresses and mailboxes. Source: https://www.rfc-editor.org/rfc/rfc3463
REPLY = re.compile(r"(?:([45]\.(\d{1,3})\.\d{1,3})[ -])?(.*)")
ABOUT_MAILBOXES = ("1", "2")
#: Status codes of replies about mailboxes, if they have no enhanced code.
MAILBOX_STATUSES = ("450", "451", "550", "551", "552")
#: An address in a mail server's reply.
ANGLE_BRACKETS = re.compile(r"<[^<>]*>")

#: Field, key, model and setting names from our code and Clerk's schema, and other known texts. Names are added with
#: `keep_names` when Django starts.
known_names: set[str] = {
    *(name for name in dir(builtins) if isinstance(getattr(builtins, name), type)),
    *(f"{status.value} {status.phrase}" for status in HTTPStatus),
    *("NoneType", "This field cannot be blank.", "This field cannot be null.", "This field is required."),
}
#: Hosts and folders in the settings. Paths below the folders are redacted.
known_hosts: set[str] = set()
known_folders: set[str] = set()


def keep_names(names: Iterable[str]) -> None:
    """Do not redact these names in quotes. A value that happens to equal a name is kept too, which is harmless."""
    known_names.update(names)


def keep_places(hosts: Iterable[str], folders: Iterable[str]) -> None:
    """Do not redact these hosts, their URLs, and these folders."""
    known_hosts.update(filter(None, hosts))
    known_folders.update(filter(None, folders))


def without_value(found: re.Match[str]) -> str:
    """Return a match of QUOTED, with "…" instead of the quoted text if it can be a value."""
    before, quoted, after = found[1] or "", found[2][1:-1], found[3] or ""
    if before.startswith("("):
        is_reply = found[0][len(before)] in "bB"
        return f"{before}b'{_reply(before[1:4], quoted)}'{after}" if is_reply else f"{before}{REDACTED}{after}"
    if _is_name(before, quoted, after):
        return found[0]
    for folder in known_folders:
        if quoted.startswith(f"{folder}/"):
            return f"{before}'{folder}/{REDACTED}'{after}"
    return f"{before}{REDACTED}{after}"


def _is_name(before: str, quoted: str, after: str) -> bool:
    """Return whether a quoted text is a name, either known or marked by the words around it."""
    if quoted in known_names or SYNTAX.fullmatch(quoted) or MODULE.fullmatch(quoted) or _is_own_host(quoted):
        return True
    if before in ("server at ", "host name "):
        return SERVER.fullmatch(quoted) is not None
    is_marked = after == " is not defined" if before == "name " else before or after not in ("", " is not defined")
    return bool(is_marked) and NAME.fullmatch(quoted) is not None


def _is_own_host(quoted: str) -> bool:
    found = HOST.fullmatch(quoted)
    host = (found[1] or found[2]) if found else ""
    return any(host == known or host.endswith(f".{known}") for known in known_hosts)


def _reply(status: str, text: str) -> str:
    """Return a mail server's reply without addresses. Replies about a mailbox can name its owner, so only the code is kept."""
    code, subject, words = REPLY.fullmatch(text).groups()  # type: ignore[union-attr]  # matches every line
    start = f"{code} " if code else ""
    is_about_mailbox = subject in ABOUT_MAILBOXES if code else status in MAILBOX_STATUSES
    return start + (REDACTED if is_about_mailbox else ANGLE_BRACKETS.sub(REDACTED, words))
