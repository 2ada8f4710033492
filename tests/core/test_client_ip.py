"""The client IP address, with and without proxies and forged headers."""

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from core.client_ip import get_client_ip, normalize_ip

CLIENT = "203.0.113.9"
PROXY = "10.0.0.1"
FORGED = "6.6.6.6"

DIRECT = (
    pytest.param(CLIENT, CLIENT, id="IPv4"),
    pytest.param("2001:db8::7", "2001:db8::7", id="IPv6"),
    pytest.param("2001:0DB8:0:0::0007", "2001:db8::7", id="IPv6 in long form"),
    pytest.param(f"::ffff:{CLIENT}", CLIENT, id="IPv4 mapped"),
    pytest.param("::FFFF:cb00:7109", CLIENT, id="IPv4 mapped, in hexadecimal"),
    pytest.param("fe80::1%eth0", "fe80::1", id="IPv6 with zone"),
    pytest.param("::1", "::1", id="loopback"),
    pytest.param("", None, id="unix socket"),
    pytest.param("unix:", None, id="word"),
    pytest.param("localhost", None, id="name"),
)


@pytest.mark.parametrize(("remote", "expected"), DIRECT)
def test_without_proxies_it_is_the_address_of_the_connection(remote: str, expected: str | None) -> None:
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=remote)) == expected


def test_request_without_an_address_has_no_client_ip() -> None:
    request = RequestFactory().get("/")
    del request.META["REMOTE_ADDR"]
    assert get_client_ip(request) is None


@pytest.mark.parametrize("name", ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP", "CF-Connecting-IP"))
@pytest.mark.parametrize("proxies", (0, 1))
def test_headers_sent_by_the_client_are_ignored(settings: Settings, name: str, proxies: int) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {name: FORGED}
    if proxies:
        headers["X-Forwarded-For"] = f"{FORGED}, {CLIENT}"
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=PROXY if proxies else CLIENT)
    assert get_client_ip(request) == CLIENT


FORWARDED = (
    pytest.param(1, CLIENT, CLIENT, id="one proxy"),
    pytest.param(1, f"  {CLIENT}\t", CLIENT, id="one proxy, spaces"),
    pytest.param(1, f"{FORGED}, {CLIENT}", CLIENT, id="one proxy, forged"),
    pytest.param(1, f"{FORGED},{PROXY},{CLIENT}", CLIENT, id="one proxy, two forged"),
    pytest.param(1, f"junk, <script>, {CLIENT}", CLIENT, id="one proxy, forged junk"),
    pytest.param(1, f",,,{CLIENT}", CLIENT, id="one proxy, forged commas"),
    pytest.param(1, "2001:DB8::7", "2001:db8::7", id="one proxy, IPv6"),
    pytest.param(1, f"::ffff:{CLIENT}", CLIENT, id="one proxy, IPv4 mapped"),
    pytest.param(2, f"{CLIENT}, 10.0.0.2", CLIENT, id="two proxies"),
    pytest.param(2, f"{FORGED}, {CLIENT}, 10.0.0.2", CLIENT, id="two proxies, forged"),
    pytest.param(3, f"{FORGED}, {CLIENT}, 10.0.0.3, 10.0.0.2", CLIENT, id="three proxies, forged"),
    pytest.param(1, "", None, id="one proxy, bypassed"),
    pytest.param(2, CLIENT, None, id="two proxies, one bypassed"),
    pytest.param(1, f"{FORGED},", None, id="blank last"),
    pytest.param(1, "unknown", None, id="word"),
    pytest.param(1, f"{CLIENT}:4711", None, id="port"),
    pytest.param(1, f"{FORGED} {CLIENT}", None, id="no comma"),
    pytest.param(1, "\x00", None, id="NUL"),
    pytest.param(1, "1" * 100_000, None, id="very long"),
    pytest.param(1, "256.1.1.1", None, id="out of range"),
    pytest.param(1, "0x7f.1", None, id="hexadecimal IPv4"),
    pytest.param(1, "2130706433", None, id="IPv4 as a number"),
)


@pytest.mark.parametrize(("proxies", "forwarded", "expected"), FORWARDED)
def test_behind_proxies_it_is_the_address_the_outermost_proxy_saw(
    settings: Settings, proxies: int, forwarded: str, expected: str | None
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=PROXY, headers={"x-forwarded-for": forwarded})
    assert get_client_ip(request) == expected


def test_missing_header_behind_proxies_gives_no_client_ip(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=PROXY)) is None


@pytest.mark.parametrize(("text", "expected"), DIRECT)
def test_normalize_ip_is_idempotent(text: str, expected: str | None) -> None:
    assert normalize_ip(text) == expected
    assert normalize_ip(normalize_ip(text) or "") == expected
