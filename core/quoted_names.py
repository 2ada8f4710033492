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
    r"<class |\bDid you mean: |\bReverse for |\([45]\d\d, "
    r"|\b(?:argument|attribute|column|constraint|configuration parameter|cursor|database|extension|function|host name"
    r"|import name|index|keyword|module|module named|name|relation|savepoint|schema|server at|statement|table) "
)
#: The words after a name.
AFTER = r"(?: object| codec| instance)\b| is not defined\b(?! )"
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
HOST = re.compile(r"[\w.-]{1,255}", re.ASCII)
#: The start of a URL, up to its path.
ORIGIN = re.compile(r"https?://([\w.-]{1,255})(?::\d{1,5})?(?=/|\Z)/?", re.ASCII)
#: A path of Clerk's API after the first slash. Its parts are words and ids.
API_PATH = re.compile(r"v1(?:/\w{1,64}(?=[/?…]|\Z))*", re.ASCII)
#: The reply of a mail server: its enhanced code and its text. Enhanced codes with the subject 1 or 2 are about addresses
#: and mailboxes. Source: https://www.rfc-editor.org/rfc/rfc3463
REPLY = re.compile(r"(?:([45]\.(\d{1,3})\.\d{1,3})[ -])?(.*)")
ABOUT_MAILBOXES = ("1", "2")
#: Status codes of replies about the connection or the login. All other replies can name the recipient or the sender.
#: Source: https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3 and https://www.rfc-editor.org/rfc/rfc4954#section-6
CONNECTION_STATUSES = ("421", "454", "530", "534", "535", "538")
#: An address in a mail server's reply.
ANGLE_BRACKETS = re.compile(r"<[^<>]*>")

#: Field, key, model and setting names from our code and Clerk's schema, and other known texts. Names are added with
#: `keep_names` when Django starts.
known_names: set[str] = {
    *(name for name in dir(builtins) if isinstance(getattr(builtins, name), type)),
    *(f"{status.value} {status.phrase}" for status in HTTPStatus),
    *("NoneType", "This field cannot be blank.", "This field cannot be null.", "This field is required."),
}
#: Hosts and folders in the settings. Paths below the folders, and of URLs, are redacted.
known_hosts: set[str] = set()
known_folders: set[str] = set()
#: Hosts of APIs. The paths of their URLs contain no names of people and are kept.
known_apis: set[str] = set()


def keep_names(names: Iterable[str]) -> None:
    """Do not redact these names in quotes. A value that happens to equal a name is kept too, which is harmless."""
    known_names.update(names)


def keep_places(hosts: Iterable[str], folders: Iterable[str], apis: Iterable[str] = ()) -> None:
    """Do not redact these folders, hosts and API hosts. Paths in the folders and on the hosts can name people."""
    known_hosts.update(filter(None, hosts))
    known_folders.update(filter(None, folders))
    known_apis.update(filter(None, apis))


def without_value(found: re.Match[str]) -> str:
    """Return a match of QUOTED, with "…" instead of the quoted text if it can be a value."""
    before, quoted, after = found[1] or "", found[2][1:-1], found[3] or ""
    if before.startswith("("):
        is_reply = found[0][len(before)] in "bB"
        return f"{before}b'{_reply(before[1:4], quoted)}'{after}" if is_reply else f"{before}{REDACTED}{after}"
    if _is_name(before, quoted, after):
        return found[0]
    if start := _known_start(quoted):
        return found[0] if start == quoted else f"{before}'{start}{REDACTED}'{after}"
    return f"{before}{REDACTED}{after}"


def _is_name(before: str, quoted: str, after: str) -> bool:
    """Return whether a quoted text is a name, either known or marked by the words around it."""
    if quoted in known_names or SYNTAX.fullmatch(quoted) or MODULE.fullmatch(quoted):
        return True
    if HOST.fullmatch(quoted) and _is_own_host(quoted):
        return True
    if before in ("server at ", "host name "):
        return SERVER.fullmatch(quoted) is not None
    is_marked = after == " is not defined" if before == "name " else before or after not in ("", " is not defined")
    return bool(is_marked) and NAME.fullmatch(quoted) is not None


def _known_start(quoted: str) -> str:
    """Return the part of a path or URL that contains no names of people: our folder, or the scheme and our host."""
    for folder in known_folders:
        if quoted.startswith(f"{folder}/"):
            return f"{folder}/"
    origin = ORIGIN.match(quoted)
    if origin is None or not _is_own_host(origin[1]):
        return ""
    path = API_PATH.match(quoted, origin.end()) if origin[1] in known_apis else None
    return origin[0] + (path[0] if path else "")


def _is_own_host(host: str) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in (*known_hosts, *known_apis))


def _reply(status: str, text: str) -> str:
    """Return the enhanced code of a mail server's reply, and its text if it is about the connection or the login."""
    code, subject, words = REPLY.fullmatch(text).groups()  # type: ignore[union-attr]  # matches every line
    start = f"{code} " if code else ""
    has_no_person = status in CONNECTION_STATUSES and subject not in ABOUT_MAILBOXES
    return start + (ANGLE_BRACKETS.sub(REDACTED, words) if has_no_person else REDACTED)
