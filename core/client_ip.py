"""Find the IP address of the client behind trusted proxies."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def get_client_ip(request: HttpRequest) -> str | None:
    """Return the IP address of the client, or None if it is unknown.

    Each of the TRUSTED_PROXY_COUNT proxies appends the address it saw to X-Forwarded-For. Only that many entries from the
    right are reliable: the client can send anything before them, so earlier entries are ignored.
    """
    candidate = request.META.get("REMOTE_ADDR", "")
    proxies = settings.TRUSTED_PROXY_COUNT
    if proxies:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        candidate = hops[-proxies] if len(hops) >= proxies else ""
    return normalize_ip(candidate)


def normalize_ip(text: str) -> str | None:
    """Return an IP address in canonical form, with IPv4-mapped IPv6 as IPv4, or None if `text` is not an IP address."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
