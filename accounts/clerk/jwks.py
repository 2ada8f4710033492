"""The public keys that Clerk's tokens are signed with.

CLERK_JWT_KEY, if set, is the only one. Otherwise they come from the instance's key server and are kept in this process.
"""

import logging
import math
import re
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.clerk import instance

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0
#: Seconds for which fetched keys are used without asking again.
FRESH_S = 300.0
#: Seconds between two fetches at least, so that made-up key ids and forged signatures cost nobody anything.
PAUSE_S = 60.0
BOUNDARY = re.compile(r"-----(BEGIN|END) (RSA )?PUBLIC KEY-----")


class KeysUnavailable(Exception):
    """No key is known, and the key server cannot be asked now."""


class KeyServer:
    """The keys of one key server, by id.

    Args:
        fetch: asks the server; returns keys by id, or raises whatever it likes.
        clock: seconds that never run backwards.
    """

    def __init__(
        self, fetch: Callable[[], dict[str, RSAPublicKey]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._asked_at = -math.inf
        self._answered_at = -math.inf
        self._one_at_a_time = threading.Lock()

    def find(self, key_id: str) -> RSAPublicKey | None:
        """Return the key, or None if the server has no such key.

        A known key is returned at once while another thread asks the server, and for as long as the server is away.

        Raises:
            KeysUnavailable: no key at all is known.
        """
        known = self._keys.get(key_id)
        if known is None or self._is_stale():
            self._refresh(wait=known is None)
        if not self._keys:
            raise KeysUnavailable
        return self._keys.get(key_id)

    def _is_stale(self) -> bool:
        return self._clock() - self._answered_at > FRESH_S

    def _refresh(self, *, wait: bool) -> None:
        if not self._one_at_a_time.acquire(blocking=wait):
            return
        try:
            # Whoever waited finds that somebody else has just asked.
            if self._clock() - self._asked_at >= PAUSE_S:
                self._asked_at = self._clock()
                self._keys = self._fetch()
                self._answered_at = self._clock()
        except Exception as error:  # noqa: BLE001  # whatever the network does, keys that are known still count
            log.error("Clerk's keys could not be fetched: %s", error)
        finally:
            self._one_at_a_time.release()


def find(key_id: str) -> RSAPublicKey | None:
    """Return the key that signs tokens with this id, or None.

    Raises:
        KeysUnavailable: the key server could not be asked, and nothing is known yet.
        ImproperlyConfigured: CLERK_JWT_KEY is set, but is no public key.
    """
    if settings.CLERK_JWT_KEY:
        return parse_pem(settings.CLERK_JWT_KEY)
    return _server(*_address()).find(key_id)


def fetch() -> dict[str, RSAPublicKey]:
    """Ask the key server now, and return its keys by id.

    Raises:
        KeysUnavailable: no server is configured.
        httpx.HTTPError: it cannot be reached, or refuses.
        ValueError: its answer is no set of keys.
    """
    return _fetch(*_address())


def fetch_published() -> dict[str, RSAPublicKey]:
    """Return the keys that the instance of the publishable key shows to everybody, by id.

    Raises:
        httpx.HTTPError: it cannot be reached, or refuses.
        ValueError: its answer is no set of keys.
    """
    return _fetch(f"{_reachable(settings.CLERK_FRONTEND_API_URL)}/.well-known/jwks.json", "")


def _reachable(url: str) -> str:
    """Return `url` with a name below localhost as the address that it has by RFC 6761; not every resolver knows them."""
    host = urlsplit(url).hostname or ""
    return url.replace(host, "127.0.0.1", 1) if host.endswith(".localhost") else url


def parse_key_set(answer: Any) -> dict[str, RSAPublicKey]:
    """Return the RSA keys of a key set, by id.

    Raises:
        ValueError: it is none.
    """
    try:
        found = jwt.PyJWKSet.from_dict(answer).keys
    except (AttributeError, TypeError, jwt.PyJWTError) as error:
        raise ValueError(str(error)) from None
    return {key.key_id: key.key for key in found if key.key_id and isinstance(key.key, RSAPublicKey)}


@lru_cache(maxsize=8)
def parse_pem(text: str) -> RSAPublicKey:
    r"""Return the public key in `text`: PEM with newlines, with \n instead, on one line, or without its BEGIN and END.

    Raises:
        ImproperlyConfigured: it is none of these.
    """
    encoded = re.sub(r"\s+", "", BOUNDARY.sub("", text.replace("\\n", "\n").strip("\"' ")))
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ImproperlyConfigured("CLERK_JWT_KEY is not an RSA public key; copy the PEM from Clerk's API keys page.")
    return key


def _address() -> tuple[str, str]:
    """Return where keys are: the Backend API if there is a secret key for it, else the public page of the instance."""
    if settings.CLERK_SECRET_KEY:
        return f"{settings.CLERK_API_URL}/v1/jwks", settings.CLERK_SECRET_KEY
    configured = instance.current()
    if configured is None:
        raise KeysUnavailable
    return f"{configured.frontend_api_url}/.well-known/jwks.json", ""


@lru_cache(maxsize=8)
def _server(url: str, secret_key: str) -> KeyServer:
    return KeyServer(lambda: _fetch(url, secret_key))


def _fetch(url: str, secret_key: str) -> dict[str, RSAPublicKey]:
    headers = {"Authorization": f"Bearer {secret_key}"} if secret_key else {}
    response = httpx.get(url, headers=headers, timeout=TIMEOUT_S)
    response.raise_for_status()
    return parse_key_set(response.json())
