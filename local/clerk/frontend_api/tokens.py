"""Signed tokens: session tokens, which are valid for a minute, and handshake tokens. Times are whole seconds.

Sources: https://clerk.com/docs/guides/sessions/session-tokens, and @clerk/backend 3.25.
"""

import json
import os
import secrets
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from django.conf import settings

from local.clerk.models import Session

#: The token type, which distinguishes session and handshake tokens from other tokens signed with the same key.
CATEGORY = "cl_B7d4PD111AAA"


def session_token(session: Session, party: str) -> str:
    """Return a token for `session` and the origin `party`."""
    now = int(time.time())
    claims = {
        "v": 2,
        "iss": settings.FRONTEND_API_URL,
        "azp": party,
        "sub": session.user_id,
        "sid": session.id,
        "sts": "active",
        "fva": [max(now * 1000 - session.verified_ms, 0) // 60_000, -1],
        "iat": now,
        "nbf": now - 10,
        "exp": now + settings.TOKEN_LIFE_S,
        "jti": secrets.token_hex(10),
    }
    return _sign(claims)


def handshake_token(directives: list[str]) -> str:
    """Return a handshake token, which contains Set-Cookie lines for the app."""
    return _sign({"handshake": directives, "iss": settings.FRONTEND_API_URL, "iat": int(time.time())})


def jwks() -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_key().public_key()))
    return {"keys": [public | {"use": "sig", "alg": "RS256", "kid": settings.INSTANCE_ID}]}


def _sign(claims: dict[str, Any]) -> str:
    headers = {"typ": "JWT", "cat": CATEGORY, "kid": settings.INSTANCE_ID}
    return jwt.encode(claims, _key(), algorithm="RS256", headers=headers)


@cache
def _key() -> RSAPrivateKey:
    """Return the key in the data folder. It is generated only once, so that sessions remain valid after a restart."""
    path = settings.DATA_DIR / "localclerk.pem"
    if not path.exists():
        private = generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        fresh = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
        with suppress(FileExistsError):  # A concurrent request created the key first. Use that key.
            path.hardlink_to(fresh)
        fresh.unlink()
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{path} is not an RSA key; delete it to generate a new one.")
    return key
