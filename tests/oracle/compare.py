"""Compare authentication decisions with Clerk's own library for many requests: `make oracle`.

The file is not named test_*, because it needs Node, which `make test` does not require.
"""

import base64
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from config.clerk_environment import frontend_api_url
from tests.helpers.tokens import KEY, MACHINE, PARTY, TEMPLATE, handshake_token, mint, new_key, public_pem

pytestmark = pytest.mark.django_db

FOLDER = Path(__file__).parent
HOST = "clerk.oracle.example"
ENCODED = base64.b64encode(f"{HOST}$".encode()).decode().rstrip("=")
INSTANCES = {"development": f"pk_test_{ENCODED}", "production": f"pk_live_{ENCODED}"}
ISSUER = f"https://{HOST}"
OLIVE = "user_2olive0000000000000000000000"
MINTED_AT = datetime.now(UTC)
FRESH = str(int(time.time()) - 3600)
DOCUMENT = {"sec-fetch-dest": "document", "accept": "text/html"}

TOKENS = {
    "valid": mint(OLIVE, iss=ISSUER),
    "expired": mint(OLIVE, iss=ISSUER, age_s=600),
    "not yet valid": mint(OLIVE, iss=ISSUER, nbf=int(time.time()) + 60),
    "from the future": mint(OLIVE, iss=ISSUER, age_s=-60, nbf=None),
    "forged": mint(OLIVE, iss=ISSUER, key=new_key()),
    "forged and expired": mint(OLIVE, iss=ISSUER, key=new_key(), age_s=600),
    "template": mint(OLIVE, iss=ISSUER, header={"cat": TEMPLATE}),
    "machine": mint("mch_2machine", iss=ISSUER, header={"cat": MACHINE}),
    "unknown category": mint(OLIVE, iss=ISSUER, header={"cat": "cl_other"}),
    "no category": mint(OLIVE, iss=ISSUER, header={"cat": None}),
    "other party": mint(OLIVE, iss=ISSUER, azp="https://evil.example"),
    "no party": mint(OLIVE, iss=ISSUER, azp=None),
    "empty party": mint(OLIVE, iss=ISSUER, azp=""),
    "no party, expired": mint(OLIVE, iss=ISSUER, azp=None, age_s=600),
    "no party, forged": mint(OLIVE, iss=ISSUER, azp=None, key=new_key()),
    "no party, pending": mint(OLIVE, iss=ISSUER, azp=None, sts="pending"),
    "no subject": mint(OLIVE, iss=ISSUER, sub=None),
    "pending": mint(OLIVE, iss=ISSUER, sts="pending"),
    "other instance": mint(OLIVE, iss="https://clerk.elsewhere.example"),
    "junk": "junk",
    "junk with three parts": "a.b.c",
    "truncated": mint(OLIVE, iss=ISSUER)[:-9],
    "version 1": mint(OLIVE, iss=ISSUER, v=None),
    "no session": mint(OLIVE, iss=ISSUER, sid=None),
}

NO_PARTY = (
    "Clerk issues tokens without a party to signed-in users, so a page load fetches a new token. Clerk's library treats "
    "these users as signed out."
)
#: Deliberate differences and their reasons. Any other difference fails the test.
EXPECTED_DIFFERENCES = {
    "no party": NO_PARTY,
    "empty party": NO_PARTY,
    "no party, expired": NO_PARTY,
    "other instance": "Clerk's library checks the issuer only if configured to. Our middleware always checks it.",
    "no session": "A token without a session cannot be revoked, so it is rejected.",
    "header": "Clients that send a Bearer header get 401. Clerk's library redirects them if the request is a page load.",
}


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name of the token, request) for every combination."""
    for instance, (name, token) in itertools.product(INSTANCES, TOKENS.items()):
        browser = "__clerk_db_jwt=dvb_1; "
        for uat in ("", "0", FRESH, "99999999999"):
            yield name, request(instance, f"{browser}__session={token}; __client_uat={uat}")
        yield name, request(instance, f"__session={token}; __client_uat={FRESH}")
        suffix = f"_{suffix_of(instance)}"
        both = f"{browser}__clerk_db_jwt{suffix}=dvb_1; __session{suffix}={token}; __client_uat{suffix}={FRESH}"
        yield name, request(instance, both)
        for plain in ("valid", "expired", "other instance", "junk"):
            yield name, request(instance, f"{both}; __session={TOKENS[plain]}; __client_uat={FRESH}")
            yield name, request(instance, f"{both}; __session={TOKENS[plain]}; __client_uat=0")
        yield (
            name,
            request(instance, f"{browser}__session={token}; __client_uat={FRESH}", {"accept": "application/json"}),
        )
        yield name, request(instance, f"{browser}__session={token}; __client_uat={FRESH}", DOCUMENT, method="POST")
        yield name, request(instance, "", DOCUMENT | {"authorization": f"Bearer {token}"})
        yield name, request(instance, f"{browser}__session={token}", DOCUMENT | {"authorization": "Basic abc"})
    for instance in INSTANCES:
        yield "none", request(instance, "")
        yield "none", request(instance, f"__clerk_db_jwt=dvb_1; __client_uat={FRESH}")
        yield "none", request(instance, "__clerk_db_jwt=dvb_1; __client_uat=0")
        yield "none", request(instance, "__clerk_db_jwt=dvb_1", query="?__clerk_db_jwt=dvb_2")
        yield "none", request(instance, f"__clerk_db_jwt=dvb_1; __client_uat={FRESH}; __clerk_redirect_count=2")
    signed_in = handshake_token(f"__session={TOKENS['valid']}; Path=/", f"__client_uat={FRESH}; Path=/")
    signed_out = handshake_token("__session=; Path=/; Max-Age=0", "__client_uat=0; Path=/")
    for token in (signed_in, signed_out, "junk"):
        yield "handshake", request("production", f"__clerk_handshake={token}")


def request(
    instance: str, cookie: str, headers: dict[str, str] = DOCUMENT, *, method: str = "GET", query: str = ""
) -> dict[str, Any]:
    sent = dict(headers) | ({"cookie": cookie} if cookie else {})
    return {"instance": instance, "method": method, "url": f"{PARTY}/builders/{query}", "headers": sent}


def suffix_of(instance: str) -> str:
    from accounts.clerk.instance import _instance

    return _instance(INSTANCES[instance], "").cookie_suffix


def our_decision(case: dict[str, Any]) -> str:
    path = case["url"].removeprefix(PARTY)
    response = Client().generic(case["method"], path, headers=case["headers"])
    if response.status_code == 307:
        return "handshake"
    state = getattr(response.wsgi_request, "clerk", None)
    return "signed-in" if hasattr(state, "claims") else "signed-out"


def clerks_decisions(cases: list[dict[str, Any]]) -> list[dict[str, str]]:
    instances = {
        name: {"publishableKey": key, "jwtKey": public_pem(KEY), "authorizedParties": [PARTY]}
        for name, key in INSTANCES.items()
    }
    done = subprocess.run(
        ["node", "decide.js"],
        cwd=FOLDER,
        input=json.dumps({"instances": instances, "requests": cases}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    decisions: list[dict[str, str]] = json.loads(done.stdout)
    return decisions


def _expected_decision(reason: str) -> str:
    return "handshake" if EXPECTED_DIFFERENCES[reason] == NO_PARTY else "signed-out"


def test_decisions_match_clerks_own_library(settings: Settings) -> None:
    settings.CLERK_FRONTEND_API_URL = ISSUER
    assert frontend_api_url(INSTANCES["production"]) == ISSUER
    cases = list(requests())
    decisions = clerks_decisions([case for _, case in cases])
    differences, expected = [], set()
    for (name, case), clerks in zip(cases, decisions, strict=True):
        settings.CLERK_PUBLISHABLE_KEY = INSTANCES[case["instance"]]
        with time_machine.travel(MINTED_AT):  # tokens are valid for a minute, and all requests together may take longer
            ours = our_decision(case)
        if ours != clerks["status"]:
            reason = "header" if clerks["status"] == "handshake" and "authorization" in case["headers"] else name
            if reason in EXPECTED_DIFFERENCES and ours == _expected_decision(reason):
                expected.add(reason)
            else:
                differences.append((name, ours, clerks, case["instance"], case["method"], case["headers"]))
    print(f"{len(cases)} requests compared, {len(differences)} unexpected differences; expected: {sorted(expected)}")
    assert not differences, "\n".join(str(difference)[:1500] for difference in differences[:10])
    assert expected == set(EXPECTED_DIFFERENCES), "An expected difference no longer occurs."
