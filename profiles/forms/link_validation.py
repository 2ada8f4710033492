"""Addresses that people link to: of pages that everybody can open, and that are what they seem to be."""

import ipaddress
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

#: What each has to look like: a host with a dot, and nobody's name before it, which could pass for the host.
SHAPE = "https?://[^\\s/?#@\\\\:]+\\.[^\\s/?#@\\\\:.]+\\.?(:\\d+)?([/?#]\\S*)?"
MESSAGES: dict[str, Any] = {
    "not_a_link": _("“%(entry)s” is not the address of a page. Begin it with https://, as your browser shows it."),
    "private_link": _("“%(entry)s” leads into a private network, where nobody else gets. Link to a public page."),
    "disguised_link": _("“%(entry)s” has letters that pass for those of another address. Link to a plainer one."),
}
#: Names that only a network of one's own knows. RFC 6761, RFC 6762, RFC 8375, and .internal, which ICANN keeps free.
_PRIVATE = ("localhost", "local", "internal", "home.arpa")
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
#: Cyrillic letters that look like Latin ones; a name of nothing else passes for a Latin one.
_LOOKALIKES = frozenset("асԁеһіјӏорԛѕԝхуԍѵ")
_is_url = URLValidator(schemes=["https", "http"])


def check(link: str) -> None:
    """Refuse what is no link to show to others.

    Raises:
        ValidationError: its code is a key of `MESSAGES`.
    """
    try:
        _is_url(link if re.fullmatch(SHAPE, link, re.IGNORECASE) else "")
    except ValidationError:
        raise _refusal("not_a_link", link) from None
    host = (urlsplit(link).hostname or "").rstrip(".")
    if _is_private(host):
        raise _refusal("private_link", link)
    if any(_is_disguised(label, is_latin=host[-1].isascii()) for label in host.split(".")):
        raise _refusal("disguised_link", link)


def whole(link: str) -> str:
    """Return what was typed as a link with its scheme, which may be left out."""
    return link if ":" in link.split("/", maxsplit=1)[0] else f"https://{link}"


def _refusal(code: str, link: str) -> ValidationError:
    return ValidationError(MESSAGES[code], code, {"entry": link[:60]})


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith(tuple(f".{name}" for name in _PRIVATE))


def _is_disguised(label: str, *, is_latin: bool) -> bool:
    """Return whether a part of a host mixes alphabets, or looks Latin before a Latin ending and is not."""
    letters = {each for each in label.casefold() if each.isalpha()}
    alphabets = {unicodedata.name(each, "").split(" ")[0] for each in letters} & set(_ALPHABETS)
    return len(alphabets) > 1 or (is_latin and bool(letters) and letters <= _LOOKALIKES)
