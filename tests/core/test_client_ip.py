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
def test_client_ip_without_proxies_is_the_connection_address(remote: str, expected: str | None) -> None:
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
    pytest.param(1, f"{CLIENT}:4711", CLIENT, id="port"),
    pytest.param(1, f"{FORGED}:1, {CLIENT}:4711", CLIENT, id="port, forged"),
    pytest.param(1, "[2001:db8::7]:443", "2001:db8::7", id="brackets and port"),
    pytest.param(1, "[2001:DB8::7]", "2001:db8::7", id="brackets"),
    pytest.param(1, f"[::ffff:{CLIENT}]:443", CLIENT, id="IPv4 mapped, brackets and port"),
    pytest.param(1, "[fe80::1%25eth0]:443", "fe80::1", id="brackets and zone"),
    pytest.param(2, f"{CLIENT}:4711, [2001:db8::2]:443", CLIENT, id="two proxies, ports"),
    pytest.param(1, f"{CLIENT}:", None, id="blank port"),
    pytest.param(1, f"{CLIENT}:https", None, id="port name"),
    pytest.param(1, f"{CLIENT}:1:2", None, id="two ports"),
    pytest.param(1, "[2001:db8::7", None, id="open bracket"),
    pytest.param(1, "2001:db8::7]", None, id="closed bracket"),
    pytest.param(1, "[2001:db8::7]443", None, id="brackets without colon"),
    pytest.param(1, "[]:443", None, id="empty brackets"),
    pytest.param(1, "[" * 20_000, None, id="many brackets"),
    pytest.param(1, f"{FORGED} {CLIENT}", None, id="no comma"),
    pytest.param(1, "\x00", None, id="NUL"),
    pytest.param(1, "1" * 100_000, None, id="very long"),
    pytest.param(1, "256.1.1.1", None, id="out of range"),
    pytest.param(1, "0x7f.1", None, id="hexadecimal IPv4"),
    pytest.param(1, "2130706433", None, id="IPv4 as a number"),
)


@pytest.mark.parametrize(("proxies", "forwarded", "expected"), FORWARDED)
def test_client_ip_behind_proxies_is_the_address_seen_by_the_outermost_proxy(
    settings: Settings, proxies: int, forwarded: str, expected: str | None
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=PROXY, headers={"x-forwarded-for": forwarded})
    assert get_client_ip(request) == expected


NODES = (
    pytest.param(1, f"for={CLIENT}", CLIENT, id="IPv4"),
    pytest.param(1, f"For={CLIENT};Proto=https;by=10.0.0.1", CLIENT, id="other parameters"),
    pytest.param(1, f"by=10.0.0.1; for={CLIENT} ;", CLIENT, id="spaces and trailing semicolon"),
    pytest.param(1, f'for="{CLIENT}:4711"', CLIENT, id="quoted port"),
    pytest.param(1, f"for={CLIENT}:4711", CLIENT, id="port without quotes"),
    pytest.param(1, f'for="{CLIENT}:_hidden"', CLIENT, id="obfuscated port"),
    pytest.param(1, 'for="[2001:DB8::7]:443"', "2001:db8::7", id="IPv6 with port"),
    pytest.param(1, 'for="[2001:db8::7]"', "2001:db8::7", id="IPv6"),
    pytest.param(1, f'for={FORGED}, for="{CLIENT}";host="a,for={FORGED}"', CLIENT, id="forged, comma in the host"),
    pytest.param(2, f'for={FORGED}, for={CLIENT}, for="[2001:db8::2]"', CLIENT, id="two proxies, forged"),
    pytest.param(1, f"junk, for={CLIENT}", CLIENT, id="forged junk"),
    pytest.param(1, f'for={FORGED};x=", for={CLIENT}', CLIENT, id="forged open quote"),
    pytest.param(1, f'for={FORGED};x=", for="{CLIENT}"', CLIENT, id="forged open quote, closed by the proxy"),
    pytest.param(1, f'for={CLIENT};host=";for={FORGED}"', CLIENT, id="forged host"),
    pytest.param(1, f'for={CLIENT};host="\\",for={FORGED}"', CLIENT, id="forged host, escaped quote"),
    pytest.param(1, f"for={CLIENT};for={FORGED}", None, id="for twice"),
    pytest.param(1, "for=unknown", None, id="unknown"),
    pytest.param(1, "for=_hidden", None, id="obfuscated"),
    pytest.param(1, "proto=https", None, id="no for"),
    pytest.param(1, CLIENT, None, id="X-Forwarded-For in Forwarded"),
    pytest.param(1, "", None, id="blank"),
    pytest.param(2, f"for={CLIENT}", None, id="two proxies, one bypassed"),
    pytest.param(1, 'for="' * 20_000, None, id="many quotes"),
    pytest.param(1, "for=\\" * 20_000, None, id="many backslashes"),
)


@pytest.mark.parametrize(("proxies", "forwarded", "expected"), NODES)
def test_forwarded_header_is_used_if_configured(
    settings: Settings, proxies: int, forwarded: str, expected: str | None
) -> None:
    settings.TRUSTED_PROXY_COUNT, settings.TRUSTED_PROXY_IP_HEADER = proxies, "Forwarded"
    headers = {"forwarded": forwarded, "x-forwarded-for": FORGED}
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=PROXY, headers=headers)) == expected


def test_client_ip_is_unknown_if_the_header_is_missing_behind_proxies(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=PROXY)) is None


@pytest.mark.parametrize(("text", "expected"), DIRECT)
def test_normalize_ip_is_idempotent(text: str, expected: str | None) -> None:
    assert normalize_ip(text) == expected
    assert normalize_ip(normalize_ip(text) or "") == expected
