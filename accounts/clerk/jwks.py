"""Public keys for verifying Clerk's tokens, as a JSON Web Key Set (JWKS, RFC 7517).

If CLERK_JWT_KEY is set, it is the only key. Otherwise, keys are fetched from the instance and cached in this process.
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
#: Age after which cached keys are fetched again.
MAX_AGE_S = 300.0
#: Minimum time between fetches, so that each token with a made-up key id does not cause a request.
MIN_INTERVAL_S = 60.0
PEM_BOUNDARY = re.compile(r"-----(BEGIN|END) (RSA )?PUBLIC KEY-----")


class KeysUnavailable(Exception):
    """No key is cached, and the keys cannot be fetched."""


class KeyServer:
    """A cache for one server's keys, by key id.

    Args:
        fetch: returns the server's keys by id. It may raise any exception.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self, fetch: Callable[[], dict[str, RSAPublicKey]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._tried_at = -math.inf
        self._fetched_at = -math.inf
        self._lock = threading.Lock()

    def find(self, key_id: str) -> RSAPublicKey | None:
        """Return the key, or None if the server does not have it.

        A cached key is returned immediately, even while another thread is fetching keys or the server is down.

        Raises:
            KeysUnavailable: no key is cached and the fetch failed.
        """
        known = self._keys.get(key_id)
        if known is None or self._is_stale():
            self._refresh(wait=known is None)
        if not self._keys:
            raise KeysUnavailable
        return self._keys.get(key_id)

    def _is_stale(self) -> bool:
        return self._clock() - self._fetched_at > MAX_AGE_S

    def _refresh(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return
        try:
            # Another thread may have fetched the keys while this thread waited for the lock.
            if self._clock() - self._tried_at >= MIN_INTERVAL_S:
                self._tried_at = self._clock()
                self._keys = self._fetch()
                self._fetched_at = self._clock()
        except Exception as error:  # noqa: BLE001  # cached keys stay valid whatever the network does
            log.error("Could not fetch Clerk's public keys: %s", error)
        finally:
            self._lock.release()


def find(key_id: str) -> RSAPublicKey | None:
    """Return the public key with this id, or None if it does not exist.

    Raises:
        KeysUnavailable: no key is cached and none could be fetched.
        ImproperlyConfigured: CLERK_JWT_KEY is set but is not a public key.
    """
    if settings.CLERK_JWT_KEY:
        return parse_pem(settings.CLERK_JWT_KEY)
    return _server(*_endpoint()).find(key_id)


def fetch() -> dict[str, RSAPublicKey]:
    """Fetch the keys by id, bypassing the cache.

    Raises:
        KeysUnavailable: neither a secret key nor a publishable key is configured.
        httpx.HTTPError: the server is unreachable or returns an error.
        ValueError: the response is not a key set.
    """
    return _fetch(*_endpoint())


def fetch_published() -> dict[str, RSAPublicKey]:
    """Fetch the public keys for the instance in CLERK_PUBLISHABLE_KEY, by id. No secret key is required.

    Raises:
        httpx.HTTPError: the server is unreachable or returns an error.
        ValueError: the response is not a key set.
    """
    return _fetch(f"{resolve_localhost(settings.CLERK_FRONTEND_API_URL)}/.well-known/jwks.json", "")


def resolve_localhost(url: str) -> str:
    """Replace a host name under .localhost with 127.0.0.1, because some resolvers ignore RFC 6761."""
    host = urlsplit(url).hostname or ""
    return url.replace(host, "127.0.0.1", 1) if host.endswith(".localhost") else url


def parse_key_set(data: Any) -> dict[str, RSAPublicKey]:
    """Return the RSA keys in a decoded JWKS document, by id.

    Raises:
        ValueError: `data` is not a key set.
    """
    try:
        found = jwt.PyJWKSet.from_dict(data).keys
    except (AttributeError, TypeError, jwt.PyJWTError) as error:
        raise ValueError(str(error)) from None
    return {key.key_id: key.key for key in found if key.key_id and isinstance(key.key, RSAPublicKey)}


@lru_cache(maxsize=8)
def parse_pem(text: str) -> RSAPublicKey:
    r"""Parse CLERK_JWT_KEY. Accepts PEM with newlines, with literal \n, on one line, or without BEGIN and END lines.

    Raises:
        ImproperlyConfigured: `text` is not an RSA public key.
    """
    encoded = re.sub(r"\s+", "", PEM_BOUNDARY.sub("", text.replace("\\n", "\n").strip("\"' ")))
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ImproperlyConfigured(
            "CLERK_JWT_KEY is not an RSA public key. Copy the PEM from the API keys page of Clerk's dashboard."
        )
    return key


def _endpoint() -> tuple[str, str]:
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
