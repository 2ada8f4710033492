"""Who is really at the other end of a request."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client, or None if it cannot be known.

    Each of the TRUSTED_PROXY_COUNT proxies appends the address it saw to X-Forwarded-For, so only that many entries
    from the right are ours; everything before them is the client's own claim and is never believed.
    """
    claimed = request.META.get("REMOTE_ADDR", "")
    proxies = settings.TRUSTED_PROXY_COUNT
    if proxies:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        claimed = hops[-proxies] if len(hops) >= proxies else ""
    return normalized(claimed)


def normalized(text: str) -> str | None:
    """Return an IP address in canonical form (IPv4 also when written as IPv6), or None if `text` is not one."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
