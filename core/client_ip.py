"""Find the client's IP address behind trusted proxies."""

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

#: An address in brackets, or an IPv4 address, with an optional port. Ports may be obfuscated in a Forwarded header.
WITH_PORT = re.compile(r"(?:\[([^\[\]]{2,64})\]|([0-9.]{7,15}))(?::(?:[0-9]{1,5}|_[\w.-]{1,32}))?", re.ASCII)
#: An element in a reversed Forwarded header. Commas in quoted strings do not end the element.
FORWARDED_ELEMENT = re.compile(r'(?:[^",]|"(?:"\\|[^"])*+(?:"|$))++')
FORWARDED_PARAMETER = re.compile(r'([\w-]{1,20})=("(?:[^"\\]|\\.)*+"|[^\s";]*)', re.ASCII)


def get_client_ip(request: HttpRequest) -> str | None:
    """Return the client's IP address, or None if it is unknown.

    Each of the TRUSTED_PROXY_COUNT proxies appends its client's address to TRUSTED_PROXY_IP_HEADER. Only the last
    TRUSTED_PROXY_COUNT entries are reliable. Earlier entries are ignored, because the client can forge them.
    """
    proxies = settings.TRUSTED_PROXY_COUNT
    if not proxies:
        return normalize_ip(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUSTED_PROXY_IP_HEADER == "Forwarded":
        hops = _forwarded_hops(request.META.get("HTTP_FORWARDED", ""))
    else:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")[::-1]
    return normalize_ip(hops[proxies - 1]) if len(hops) >= proxies else None


def client_network(request: HttpRequest) -> str | None:
    """Return a client's IPv4 address or IPv6 network for use in limits, or None if it is unknown.

    Providers assign at least a /64 network to each customer, who can use a new address for every request (RFC 6177).
    """
    address = get_client_ip(request)
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)


def normalize_ip(text: str) -> str | None:
    """Return an IP address in canonical form without its port, or None if `text` is not an IP address.

    Brackets and zones are removed, and IPv4-mapped IPv6 addresses are converted to IPv4 addresses.
    """
    text = text.strip()
    if found := WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _forwarded_hops(text: str) -> list[str]:
    """Return a Forwarded header's `for` parameters (RFC 7239), last first, with "" for missing and repeated parameters.

    The header is split from the right, so that an unclosed quote from the client cannot affect entries appended by
    proxies.
    """
    elements = [element[::-1] for element in FORWARDED_ELEMENT.findall(text[::-1])]
    nodes = [
        [value.strip('"') for name, value in FORWARDED_PARAMETER.findall(element) if name.lower() == "for"]
        for element in elements
    ]
    return [found[0] if len(found) == 1 else "" for found in nodes]
