"""The address of the person at the other end, whatever they claim."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from core.client_ip import get_client_ip, normalize_ip

PERSON = "203.0.113.9"
PROXY = "10.0.0.1"
FORGED = "6.6.6.6"

DIRECT = (
    pytest.param(PERSON, PERSON, id="IPv4"),
    pytest.param("2001:db8::7", "2001:db8::7", id="IPv6"),
    pytest.param("2001:0DB8:0:0::0007", "2001:db8::7", id="IPv6 written at length"),
    pytest.param(f"::ffff:{PERSON}", PERSON, id="IPv4 mapped"),
    pytest.param("::FFFF:cb00:7109", PERSON, id="IPv4 mapped, in hexadecimal"),
    pytest.param("fe80::1%eth0", "fe80::1", id="IPv6 with zone"),
    pytest.param("::1", "::1", id="loopback"),
    pytest.param("", None, id="unix socket"),
    pytest.param("unix:", None, id="word"),
    pytest.param("localhost", None, id="name"),
)


@pytest.mark.parametrize(("remote", "address"), DIRECT)
def test_without_proxies_it_is_the_address_of_the_connection(remote: str, address: str | None) -> None:
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=remote)) == address


def test_a_request_may_come_without_any_address() -> None:
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]
    assert get_client_ip(request) is None


@pytest.mark.parametrize("name", ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP", "CF-Connecting-IP"))
@pytest.mark.parametrize("proxies", (0, 1))
def test_a_header_of_the_client_is_never_believed(settings: Settings, name: str, proxies: int) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {name: FORGED}
    if proxies:
        headers["X-Forwarded-For"] = f"{FORGED}, {PERSON}"
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=PROXY if proxies else PERSON)
    assert get_client_ip(request) == PERSON


FORWARDED = (
    pytest.param(1, PERSON, PERSON, id="one proxy"),
    pytest.param(1, f"  {PERSON}\t", PERSON, id="one proxy, spaces"),
    pytest.param(1, f"{FORGED}, {PERSON}", PERSON, id="one proxy, forged"),
    pytest.param(1, f"{FORGED},{PROXY},{PERSON}", PERSON, id="one proxy, much forged"),
    pytest.param(1, f"junk, <script>, {PERSON}", PERSON, id="one proxy, forged junk"),
    pytest.param(1, f",,,{PERSON}", PERSON, id="one proxy, forged commas"),
    pytest.param(1, "2001:DB8::7", "2001:db8::7", id="one proxy, IPv6"),
    pytest.param(1, f"::ffff:{PERSON}", PERSON, id="one proxy, IPv4 mapped"),
    pytest.param(2, f"{PERSON}, 10.0.0.2", PERSON, id="two proxies"),
    pytest.param(2, f"{FORGED}, {PERSON}, 10.0.0.2", PERSON, id="two proxies, forged"),
    pytest.param(3, f"{FORGED}, {PERSON}, 10.0.0.3, 10.0.0.2", PERSON, id="three proxies, forged"),
    pytest.param(1, "", None, id="one proxy, passed by"),
    pytest.param(2, PERSON, None, id="two proxies, one passed by"),
    pytest.param(1, f"{FORGED},", None, id="blank last"),
    pytest.param(1, "unknown", None, id="word"),
    pytest.param(1, f"{PERSON}:4711", None, id="port"),
    pytest.param(1, f"{FORGED} {PERSON}", None, id="no comma"),
    pytest.param(1, "\x00", None, id="NUL"),
    pytest.param(1, "1" * 100_000, None, id="very long"),
    pytest.param(1, "256.1.1.1", None, id="no such address"),
    pytest.param(1, "0x7f.1", None, id="hexadecimal IPv4"),
    pytest.param(1, "2130706433", None, id="IPv4 as a number"),
)


@pytest.mark.parametrize(("proxies", "forwarded", "address"), FORWARDED)
def test_behind_proxies_it_is_the_address_the_outermost_saw(
    settings: Settings, proxies: int, forwarded: str, address: str | None
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=PROXY, headers={"x-forwarded-for": forwarded})
    assert get_client_ip(request) == address


def test_behind_proxies_a_missing_header_is_not_replaced_by_the_proxys_address(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=PROXY)) is None


@pytest.mark.parametrize(("text", "address"), DIRECT)
def test_normalising_twice_is_normalising_once(text: str, address: str | None) -> None:
    assert normalize_ip(text) == address
    assert normalize_ip(normalize_ip(text) or "") == address
