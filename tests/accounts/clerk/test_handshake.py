"""Page loads whose token has run out go to Clerk and back, and nothing else does."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts.clerk import instance
from tests.helpers.tokens import ISSUER, handshake_token, mint, new_key

pytestmark = pytest.mark.django_db

OLIVE = "user_2olive0000000000000000000000"
PAGE = {"sec-fetch-dest": "document"}
LIVE_KEY = "pk_live_Y2xlcmsuYncubG9jYWxob3N0OjgwMDEk"
FRESH = str(int(time.time()) - 1000)


@pytest.fixture
def production(settings: Settings) -> None:
    """A production instance, which needs no dev browser."""
    settings.CLERK_PUBLISHABLE_KEY = LIVE_KEY


def get(path: str = "/builders/", *, cookies: dict[str, str] | None = None, **headers: str) -> Any:
    sent = PAGE | {name.replace("_", "-"): value for name, value in headers.items()}
    if cookies:
        sent["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Client().get(path, headers=sent)


def handshake_reason(response: Any) -> str | None:
    """Return why the browser is sent to Clerk, or None if it is not."""
    if response.status_code != 307:
        return None
    url = urlsplit(response["Location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/v1/client/handshake"
    return str(parse_qs(url.query)["__clerk_hs_reason"][0])


MINTED_AT = datetime.now(UTC)
OLD, YOUNG = mint(OLIVE, age_s=600), mint(OLIVE)


@pytest.fixture(autouse=True)
def when_tokens_are_young() -> Iterator[None]:
    """Keep the clock where the tokens above were minted, however long other tests take."""
    with time_machine.travel(MINTED_AT):
        yield


@pytest.mark.parametrize(
    ("cookies", "reason"),
    (
        pytest.param({}, None, id="nobody"),
        pytest.param({"__client_uat": "0"}, None, id="signed out"),
        pytest.param({"__session": YOUNG}, "session-token-but-no-client-uat", id="session only"),
        pytest.param({"__client_uat": FRESH}, "client-uat-but-no-session-token", id="uat only"),
        pytest.param({"__session": YOUNG, "__client_uat": FRESH}, None, id="good"),
        pytest.param({"__session": OLD, "__client_uat": "5"}, "session-token-expired", id="expired"),
        pytest.param(
            {"__session": OLD, "__client_uat": FRESH[:-1] + "9"}, "session-token-expired", id="expired, older uat"
        ),
        pytest.param(
            {"__session": YOUNG, "__client_uat": "99999999999"}, "session-token-iat-before-client-uat", id="uat newer"
        ),
        pytest.param({"__session": "junk", "__client_uat": FRESH}, None, id="junk"),
        pytest.param({"__session": mint(OLIVE, key=new_key()), "__client_uat": FRESH}, None, id="forged"),
        pytest.param({"__session": mint(OLIVE, header={"cat": "x"}), "__client_uat": FRESH}, None, id="other kind"),
        pytest.param({"__session": mint(OLIVE, sts="pending"), "__client_uat": FRESH}, None, id="pending"),
        pytest.param({"__session": mint(OLIVE, azp="https://x.example"), "__client_uat": FRESH}, None, id="party"),
    ),
)
def test_production_decides_by_the_table(production: None, cookies: dict[str, str], reason: str | None) -> None:
    response = get(cookies=cookies)
    assert handshake_reason(response) == reason
    assert response.status_code == (307 if reason else 200)


@pytest.mark.parametrize(
    ("path", "cookies", "reason"),
    (
        pytest.param("/builders/", {}, "dev-browser-missing", id="first visit"),
        pytest.param("/builders/?__clerk_db_jwt=dvb_1", {}, "dev-browser-sync", id="back from sign-in"),
        pytest.param("/builders/", {"__clerk_db_jwt": "dvb_1"}, None, id="nobody"),
        pytest.param(
            "/builders/",
            {"__clerk_db_jwt": "dvb_1", "__session": OLD, "__client_uat": "5"},
            "session-token-expired",
            id="expired",
        ),
        pytest.param(
            "/builders/", {"__clerk_db_jwt": "dvb_1", "__session": YOUNG, "__client_uat": FRESH}, None, id="good"
        ),
    ),
)
def test_development_needs_a_dev_browser_first(path: str, cookies: dict[str, str], reason: str | None) -> None:
    assert handshake_reason(get(path, cookies=cookies)) == reason


@pytest.mark.parametrize(
    "headers",
    (
        {"sec-fetch-dest": "empty", "accept": "text/html"},
        {"accept": "application/json"},
        {"accept": "*/*"},
        {"sec-fetch-dest": "image"},
        {},
    ),
)
def test_only_whole_pages_are_sent_to_clerk(production: None, headers: dict[str, str]) -> None:
    response = Client().get("/builders/", headers={"cookie": f"__session={OLD}; __client_uat=5"} | headers)
    assert response.status_code == 200


def test_a_browser_without_fetch_metadata_is_known_by_what_it_accepts(production: None) -> None:
    headers = {"cookie": f"__session={OLD}; __client_uat=5", "accept": "text/html,application/xhtml+xml"}
    assert handshake_reason(Client().get("/builders/", headers=headers)) == "session-token-expired"


@pytest.mark.parametrize("method", ("post", "put", "delete", "head"))
def test_only_gets_are_sent_to_clerk(production: None, method: str) -> None:
    headers = PAGE | {"cookie": f"__session={OLD}; __client_uat=5"}
    assert getattr(Client(), method)("/builders/", headers=headers).status_code in (200, 405)


def test_the_way_to_clerk_names_the_page_and_is_not_kept(production: None) -> None:
    response = get("/builders/?before=7&q=a%20b", cookies={"__session": OLD, "__client_uat": "5"})
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["redirect_url"] == ["http://testserver/builders/?before=7&q=a%20b"]
    assert query["suffixed_cookies"] == ["false"]
    assert "no-store" in response["Cache-Control"]


def test_clerks_own_parameters_do_not_travel(settings: Settings) -> None:
    response = get("/builders/?__clerk_db_jwt=dvb_1&__clerk_handshake=junk&before=7")
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["redirect_url"] == ["http://testserver/builders/?before=7"]
    assert query["__clerk_db_jwt"] == ["dvb_1"]


def test_a_loop_ends_in_a_page_that_explains_it(production: None) -> None:
    cookies = {"__session": OLD, "__client_uat": "5"}
    for count in range(3):
        response = get(cookies=cookies | {"__clerk_redirect_count": str(count)})
        assert response.status_code == 307
        assert response.cookies["__clerk_redirect_count"].value == str(count + 1)
        assert response.cookies["__clerk_redirect_count"]["max-age"] == 2
    response = get(cookies=cookies | {"__clerk_redirect_count": "3"})
    assert response.status_code == 503
    assert "clock" in response.content.decode()
    assert "no-store" in response["Cache-Control"]


# --- Coming back ---

SET = (f"__session={YOUNG}; Path=/; Max-Age=31536000; SameSite=Lax", f"__client_uat={FRESH}; Path=/")


def test_in_development_the_page_is_opened_again_by_its_clean_address() -> None:
    response = get(f"/builders/?before=7&__clerk_handshake={handshake_token(*SET)}")
    assert (response.status_code, response["Location"]) == (307, "http://testserver/builders/?before=7")
    assert "no-store" in response["Cache-Control"]
    sent = {morsel.key: morsel.value for morsel in response.cookies.values()}
    assert sent == {"__session": YOUNG, "__client_uat": FRESH}


def test_in_production_the_page_is_answered_at_once(production: None) -> None:
    response = get(cookies={"__clerk_handshake": handshake_token(*SET)})
    assert response.status_code == 200
    assert response.wsgi_request.clerk.claims.clerk_id == OLIVE
    assert "no-store" in response["Cache-Control"]
    assert {morsel.key for morsel in response.cookies.values()} >= {"__session", "__client_uat"}


def test_in_production_the_address_carries_no_handshake(production: None) -> None:
    """Somebody who makes people open a link must not sign them in as somebody else."""
    response = get(f"/builders/?__clerk_handshake={handshake_token(*SET)}")
    assert response.status_code == 200
    assert "__session" not in str(response.cookies)
    assert not hasattr(response.wsgi_request.clerk, "claims")


def test_a_handshake_may_end_in_being_signed_out(production: None) -> None:
    gone = ("__session=; Path=/; Max-Age=0", "__client_uat=0; Path=/")
    response = get(cookies={"__clerk_handshake": handshake_token(*gone)})
    assert response.status_code == 200
    assert not hasattr(response.wsgi_request.clerk, "claims")


def test_one_cookie_is_set_for_several_domains(production: None) -> None:
    twice = ("__client_uat=5; Path=/; Domain=example.com", "__client_uat=; Path=/; Max-Age=0")
    response = get(cookies={"__clerk_handshake": handshake_token(*twice)})
    lines = [morsel.OutputString() for morsel in response.cookies.values() if morsel.key == "__client_uat"]
    assert len(lines) == 2
    assert any("Domain=example.com" in line for line in lines)


@pytest.mark.parametrize(
    "directive",
    (
        "sessionid=abc; Path=/",
        "csrftoken_8000=abc",
        "__session_x=abc",
        "__session=a\r\nSet-Cookie: x=y",
        "__Host-evil=1",
        "__sessionid=1",
        "=1",
        "",
    ),
)
def test_cookies_that_are_not_clerks_are_not_passed_on(production: None, directive: str) -> None:
    response = get(cookies={"__clerk_handshake": handshake_token(directive)})
    assert response.status_code == 200
    assert not [morsel for morsel in response.cookies.values() if morsel.value and morsel.key != "csrftoken_8000"]


@pytest.mark.parametrize(
    "token",
    (
        pytest.param(lambda: "junk", id="junk"),
        pytest.param(lambda: handshake_token(*SET)[:-9], id="truncated"),
        pytest.param(lambda: mint(OLIVE), id="no handshake in it"),
        pytest.param(lambda: mint(OLIVE, key=new_key(), handshake=list(SET)), id="forged"),
        pytest.param(lambda: mint(OLIVE, header={"cat": "cl_B7d4PD222AAA"}, handshake=list(SET)), id="template"),
        pytest.param(lambda: mint(OLIVE, handshake="__session=1"), id="not a list"),
        pytest.param(lambda: mint(OLIVE, handshake=[1, None, {}]), id="not texts"),
    ),
)
def test_forged_handshakes_set_nothing(production: None, token: object) -> None:
    response = get(cookies={"__clerk_handshake": token()})  # type: ignore[operator]
    assert response.status_code == 200
    assert not [morsel for morsel in response.cookies.values() if morsel.key.startswith("__")]


def test_the_suffix_follows_the_key(settings: Settings, production: None) -> None:
    configured = instance.current()
    assert configured is not None
    assert not configured.is_development
    name = f"__session_{configured.cookie_suffix}"
    response = get(cookies={name: OLD, f"__client_uat_{configured.cookie_suffix}": "5"})
    assert handshake_reason(response) == "session-token-expired"
    assert parse_qs(urlsplit(response["Location"]).query)["suffixed_cookies"] == ["true"]


@pytest.mark.parametrize("header", ("Basic abc", "Digest x", "Bearer", "junk", f"Bearer {OLD}", "Bearer a b c"))
def test_a_bad_header_leads_nowhere(production: None, header: str) -> None:
    """The header comes first, so its token is not replaced by a handshake."""
    response = get(authorization=header)
    assert response.status_code == 200
    assert not hasattr(response.wsgi_request.clerk, "claims")


def test_a_good_header_signs_in(production: None) -> None:
    response = get(authorization=f"Bearer {YOUNG}")
    assert response.wsgi_request.clerk.claims.clerk_id == OLIVE
