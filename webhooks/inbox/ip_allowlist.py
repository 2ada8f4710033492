"""The optional IP allowlist for webhooks, which is checked in addition to the signature."""

import ipaddress
from functools import lru_cache

from django.conf import settings

#: Svix's sender addresses in all regions. docs.svix.com/receiving/source-ips and docs.svix.com/webhook-ips.json, read August 2026.
SVIX_ADDRESSES = (
    *("44.228.126.217", "50.112.21.217", "52.24.126.164", "54.148.139.208", "2600:1f24:64:8000::/56"),  # US
    *("52.215.16.239", "54.216.8.72", "63.33.109.123", "2a05:d028:17:8000::/56"),  # EU
    *("13.239.204.236", "54.66.246.217", "54.252.65.96", "2406:da2c:13:4000::/56"),  # Australia
    *("52.60.44.49", "3.98.68.230", "3.96.105.27", "2600:1f21:1c:4000::/56"),  # Canada
    *("13.126.41.108", "15.207.218.84", "65.2.133.31"),  # India
    *("54.164.207.221", "54.90.7.123", "2600:1f28:37:4000::/56"),  # listed only in older versions
)

#: Minimum prefix length by IP version. The largest private networks are 10.0.0.0/8 and fc00::/7.
MIN_PREFIX = {4: 8, 6: 7}

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_allowed(address: str | None) -> bool:
    """Return whether `address` may post webhooks. An empty allowlist allows all addresses."""
    allowed = tuple(settings.CLERK_WEBHOOK_ALLOWED_IPS)
    return not allowed or is_in(address, allowed)


def is_in(address: str | None, entries: tuple[str, ...]) -> bool:
    if address is None:
        return False
    sender = ipaddress.ip_address(address)
    return any(sender in network for network in networks(entries))


def is_too_wide(entry: str) -> bool:
    """Return whether a valid entry covers too many addresses to restrict access."""
    try:
        found = networks((entry,))
    except ValueError:
        return False
    return any(network.prefixlen < MIN_PREFIX[network.version] for network in found)


@lru_cache(maxsize=16)
def networks(entries: tuple[str, ...]) -> list[Network]:
    """Parse allowlist entries: addresses, networks, or the word "svix".

    Raises:
        ValueError: an entry is invalid.
    """
    names = [name for entry in entries for name in (SVIX_ADDRESSES if entry.lower() == "svix" else (entry,))]
    return [ipaddress.ip_network(name, strict=False) for name in names]
