"""Session tokens, cookies and handshakes."""

import base64
import json
import time
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.fuzz import mutations
from tests.fuzz.requests import Request, browser_headers
from tests.fuzz.world import World
from tests.helpers.clients import PAGE
from tests.helpers.tokens import ISSUER, KEY, KEY_ID, SESSION, claims, new_key

SUFFIXED = "__session_AbCd1234"
HEADER = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID, "cat": SESSION}
OTHER_KEY = new_key()
PATHS = ("/", "/account/", "/builders/", "/welcome/", "/api/profiles/me", "/admin/", "/sign-in/")


def session_token(random: Random, world: World) -> Request:
    """Return a request with a mutated session token, usually signed with the right key."""
    token = _token(random, str(random.choice((world.olive.clerk_id, "user_2unknown"))))
    if random.random() < 0.5:
        scheme = random.choice(("Bearer ",) * 8 + ("bearer ", "", "Basic "))
        path, headers = random.choice(("/api/profiles/me", "/account/")), {"authorization": f"{scheme}{token}"[:60_000]}
    else:
        path = random.choice(PATHS)
        headers = {
            "cookie": f"__session={quote(token, safe='=.', errors='surrogatepass')}; __client_uat=1; __clerk_db_jwt=dvb_any"
        }
    return Request("GET", path, headers=headers | browser_headers(random))


def cookies(random: Random, world: World) -> Request:
    """Return a request whose Cookie header has mutated, repeated or missing cookies."""
    valid = {
        "__session": world.tokens["olive"],
        "__client_uat": str(int(time.time())),
        "__clerk_db_jwt": "dvb_any",
        SUFFIXED: world.tokens["vera"],
        "__client_uat_AbCd1234": "1",
        "__clerk_redirect_count": "1",
        "sessionid_8000": "a" * 32,
        "csrftoken_8000": "f" * 32,
        "messages": '["",[["__json_message",0,25,"Saved."]]]',
        "dwf_directory_facets": "True",
    }
    chosen = {name: value for name, value in valid.items() if random.random() < 0.6} or valid
    header = random.choice(("; ", ";", "; ", ", ")).join("=".join(pair) for pair in mutations.fields(random, chosen))
    if random.random() < 0.2:
        header = mutations.text(random, header)
    path = random.choice(PATHS)
    return Request(
        random.choice(("GET", "GET", "GET", "HEAD", "POST")),
        path,
        headers={"cookie": header[:30_000]} | browser_headers(random),
    )


def handshake(random: Random, world: World) -> Request:
    """Return the request that follows a redirect back from Clerk, with a mutated handshake."""
    given = [
        f"__session={world.tokens['olive']}; Path=/; Secure; SameSite=Lax",
        "__client_uat=1793000000; Path=/; Domain=example.com; Max-Age=31536000",
        f"{SUFFIXED}={world.tokens['olive']}; Path=/; HttpOnly; Expires=Thu, 01 Jan 2032 00:00:00 GMT",
    ]
    payload = mutations.json_value(random, {"handshake": given, "iss": ISSUER, "iat": int(time.time())})
    token = _encode(random, HEADER, payload)
    if random.random() < 0.2:
        token = mutations.text(random, token)
    parameters = {"__clerk_handshake": token, "__clerk_db_jwt": "dvb_any", "__clerk_help": "1", "next": "/account/"}
    chosen = {name: value for name, value in parameters.items() if name == "__clerk_handshake" or random.random() < 0.2}
    in_cookie = random.random() < 0.3
    headers = {"cookie": f"__clerk_db_jwt=dvb_any; {'; '.join('='.join(pair) for pair in chosen.items())}"[:60_000]}
    query = "" if in_cookie else urlencode(chosen, errors="surrogatepass")
    return Request("GET", random.choice(PATHS), query, PAGE | (headers if in_cookie else {}))


def _token(random: Random, clerk_id: str) -> str:
    age_s = random.choice((0, 0, 0, 30, 120, 4000, 10**8, -1000))
    given = claims(clerk_id, age_s=age_s)
    payload = given if random.random() < 0.1 else mutations.json_value(random, given)
    header = HEADER if random.random() < 0.7 else mutations.json_value(random, HEADER)
    token = _encode(random, header, payload)
    if random.random() < 0.3:
        token = mutations.text(random, token)
    if random.random() < 0.05:
        token = ".".join(random.choices(token.split("."), k=random.randint(1, 6)))
    return token


def _encode(random: Random, header: Any, payload: Any) -> str:
    """Sign any JSON value, including values that JWT libraries reject."""
    signed = f"{_base64(header)}.{_base64(payload)}"
    key = OTHER_KEY if random.random() < 0.1 else KEY
    return f"{signed}.{_base64_bytes(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _base64(value: Any) -> str:
    return _base64_bytes(json.dumps(value).encode())


def _base64_bytes(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
