"""Session tokens for tests, signed with a key that is generated for each run."""

import json
import os
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

#: The publishable key of a development instance: base64 of clerk.bw.localhost:8001$.
PUBLISHABLE_KEY = "pk_test_Y2xlcmsuYncubG9jYWxob3N0OjgwMDEk"
ISSUER = "http://clerk.bw.localhost:8001"
PARTY = "http://testserver"
KEY_ID = "ins_2testinstance00000000000000"
SESSION = "cl_B7d4PD111AAA"
TEMPLATE, MACHINE = "cl_B7d4PD222AAA", "cl_B7d4PD333AAA"


def new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: RSAPrivateKey) -> str:
    """Return the public key in the same format as Clerk's dashboard."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _key_of_this_run() -> RSAPrivateKey:
    """Return the key shared by this process and its child processes."""
    pem = os.environ.get("TESTS_CLERK_KEY")
    if pem is None:
        private = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem = os.environ["TESTS_CLERK_KEY"] = private.decode()
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


KEY = _key_of_this_run()


def key_set(key: RSAPublicKey, key_id: str = KEY_ID) -> dict[str, Any]:
    """Return a JSON Web Key Set with one public key."""
    return {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key)) | {"kid": key_id, "alg": "RS256"}]}


def claims(clerk_id: str, *, age_s: float = 0, lifetime_s: float = 60, **overrides: Any) -> dict[str, Any]:
    """Return the claims of a session token. Claims that are None are omitted."""
    issued_at = int(time.time() - age_s)
    all_claims = {
        "v": 2,
        "iss": ISSUER,
        "azp": PARTY,
        "sub": clerk_id,
        "sid": f"sess_{clerk_id[5:]}",
        "sts": "active",
        "fva": [0, -1],
        "iat": issued_at,
        "nbf": issued_at - 10,
        "exp": issued_at + lifetime_s,
        "jti": "abc",
    } | overrides
    return {name: value for name, value in all_claims.items() if value is not None}


def mint(
    clerk_id: str,
    *,
    key: RSAPrivateKey = KEY,
    header: dict[str, Any] | None = None,
    algorithm: str = "RS256",
    **overrides: Any,
) -> str:
    """Return a signed session token. `overrides` is passed to `claims`."""
    return sign(claims(clerk_id, **overrides), key=key, header=header, algorithm=algorithm)


def sign(
    payload: dict[str, Any],
    *,
    key: RSAPrivateKey = KEY,
    header: dict[str, Any] | None = None,
    algorithm: str = "RS256",
) -> str:
    """Return a token with an arbitrary payload."""
    headers = {"typ": "JWT", "kid": KEY_ID, "cat": SESSION} | (header or {})
    return jwt.encode(payload, key, algorithm=algorithm, headers={k: v for k, v in headers.items() if v is not None})


def handshake_token(*cookies: str, **overrides: Any) -> str:
    """Return a handshake token that sets these cookies."""
    return sign({"handshake": list(cookies), "iss": ISSUER, "iat": int(time.time())} | overrides)
