"""Validate profile links. They must be public http or https URLs without lookalike hosts."""

import ipaddress
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

#: The host must contain a dot. URLs with a user name are rejected because the user name can be mistaken for the host. The
#: browser uses the same pattern.
PATTERN = "https?://[^\\s/?#@\\\\:]+\\.[^\\s/?#@\\\\:.]+\\.?(:\\d+)?([/?#]\\S*)?"
MESSAGES: dict[str, Any] = {
    "not_a_link": _("“%(entry)s” is not a valid URL. Enter a full URL that starts with https://."),
    "private_link": _("“%(entry)s” is on a private network. Link to a public page."),
    "disguised_link": _("“%(entry)s” has letters that imitate another domain. Use a URL without lookalike letters."),
}
#: Domains for private networks, from RFC 6761, RFC 6762 and RFC 8375, and .internal, which ICANN has reserved.
_PRIVATE_DOMAINS = ("localhost", "local", "internal", "home.arpa")
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
#: Cyrillic letters that look like Latin letters. A label that contains no other letters looks Latin.
_LOOKALIKES = frozenset("асԁеһіјӏорԛѕԝхуԍѵ")
_validate_url = URLValidator(schemes=["https", "http"])


def validate_link(link: str) -> None:
    """Validate one URL.

    Raises:
        ValidationError: its code is a key of `MESSAGES`.
    """
    try:
        _validate_url(link if re.fullmatch(PATTERN, link, re.IGNORECASE) else "")
    except ValidationError:
        raise _error("not_a_link", link) from None
    host = (urlsplit(link).hostname or "").rstrip(".")
    if _is_private(host):
        raise _error("private_link", link)
    if any(_is_disguised(label, tld_is_latin=host[-1].isascii()) for label in host.split(".")):
        raise _error("disguised_link", link)


def add_scheme(link: str) -> str:
    """Prepend `https://` to `link` if it has no scheme."""
    return link if ":" in link.split("/", maxsplit=1)[0] else f"https://{link}"


def _error(code: str, link: str) -> ValidationError:
    return ValidationError(MESSAGES[code], code, {"entry": link[:60]})


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith(tuple(f".{name}" for name in _PRIVATE_DOMAINS))


def _is_disguised(label: str, *, tld_is_latin: bool) -> bool:
    """Return whether a host label mixes alphabets, or has only lookalike letters under a Latin top-level domain."""
    letters = {character for character in label.casefold() if character.isalpha()}
    alphabets = {unicodedata.name(letter, "").split(" ")[0] for letter in letters} & set(_ALPHABETS)
    return len(alphabets) > 1 or (tld_is_latin and bool(letters) and letters <= _LOOKALIKES)
