"""Build email headers from user-entered text, so that no input can make an email impossible to send."""

import re
from email.utils import formataddr

from core.text import clean_line

_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: Escaped pairs within a quoted local part. https://www.rfc-editor.org/rfc/rfc5322#section-3.2.4
_ESCAPED = re.compile(r"\\(.)")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_MAX_LOCAL_LENGTH = 64


def header_text(text: str) -> str:
    """Return `text` for a header. Python decodes encoded words (=?utf-8?q?=0A?=), and rejects the line breaks in them."""
    return clean_line(text).replace("=?", "= ?")


def mailbox(email: str | None, *, name: str = "") -> str | None:
    """Return `email` as the value of an address header, with `name` in front of it, or None if it has no ASCII form.

    Many mail servers do not support SMTPUTF8. So local parts with unusual dots are quoted and domains are encoded with IDNA.
    Non-ASCII local parts cannot be encoded.
    """
    local, _, domain = (email or "").rpartition("@")
    local_part, host = _ascii_local_part(local), _ascii_domain(domain)
    if local_part is None or host is None:
        return None
    return formataddr((header_text(name), f"{local_part}@{host}"))


def _ascii_local_part(text: str) -> str | None:
    if quoted := _QUOTED.fullmatch(text):
        text = _ESCAPED.sub(r"\1", quoted[1])
    is_ascii = text.isascii() and text.isprintable() and "=?" not in text
    if not is_ascii or not 0 < len(text) <= _MAX_LOCAL_LENGTH:
        return None
    if _DOT_ATOM.fullmatch(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _ascii_domain(text: str) -> str | None:
    try:
        domain = text.lower().encode("idna").decode("ascii")
        # Python encodes faß.de as fass.de, which belongs to someone else.
        is_same = text.isascii() or domain.encode().decode("idna") == text.lower()
    except UnicodeError:
        return None
    return domain if is_same and _DOMAIN.fullmatch(domain) else None
