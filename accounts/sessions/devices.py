"""Recognise the devices that a user signs in with. A device is a browser on an operating system, without versions.

Only a keyed hash of each device is stored. A user's first device is stored without an email, because there is nothing to
compare it with.
"""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from accounts.clerk.session_payloads import ClerkSessionStarted
from accounts.models import KnownDevice, User
from core.db import joined_writes

#: Maximum number of devices per user. A new device replaces the oldest one.
MAX_DEVICES = 20
#: The words that identify each browser, in user agents and in Clerk's names. The first match counts, because Edge also
#: calls itself Chrome, and Chrome calls itself Safari.
BROWSERS = {
    "Edge": ("Edg/", "EdgA/", "EdgiOS/", "Edge"),
    "Opera": ("OPR/", "Opera"),
    "Samsung Internet": ("SamsungBrowser", "Samsung Internet"),
    "Firefox": ("Firefox", "FxiOS"),
    "Chrome": ("Chrome", "CriOS", "Chromium"),
    "Safari": ("Safari",),
}
SYSTEMS = {
    "iOS": ("iPhone", "iPad", "iPod", "iOS"),
    "Android": ("Android",),
    "Windows": ("Windows",),
    "ChromeOS": ("CrOS", "Chrome OS"),
    "macOS": ("Macintosh", "Mac OS X", "macOS"),
    "Linux": ("Linux",),
}


@dataclass(frozen=True, slots=True)
class Device:
    """A device. A part that could not be recognised is "", but not both."""

    browser: str
    system: str


def identify(payload: ClerkSessionStarted, user_agent: str | None) -> Device | None:
    """Return the device of a sign-in, or None if neither the browser nor the system can be recognised.

    Args:
        user_agent: the event's user agent. It belongs to a server if the user signed in through one.
    """
    browser = _first(BROWSERS, user_agent or "") or _first(BROWSERS, payload.browser_name)
    system = _first(SYSTEMS, user_agent or "") or _first(SYSTEMS, payload.device_type)
    return Device(browser, system) if browser or system else None


def remember(user: User, device: Device, known: set[str]) -> bool:
    """Store the device with the other writes of the event, and return whether it is new.

    Args:
        known: the digests of the user's devices. A stored digest is added.
    """
    current, *earlier = _digests(user, device)
    if current in known:
        return False
    # The digest changes when SECRET_KEY is rotated. The device is then stored again.
    is_new = bool(known) and known.isdisjoint(earlier)
    joined_writes.insert(KnownDevice(user=user, digest=current))
    known.add(current)
    if len(known) > MAX_DEVICES:
        _oldest(user).delete()
    return is_new


def _first(names: dict[str, tuple[str, ...]], text: str) -> str:
    return next((name for name, words in names.items() if any(word in text for word in words)), "")


def _digests(user: User, device: Device) -> list[str]:
    """Return the digests with the current key and with the keys before it."""
    value = f"{user.pk}\n{device.browser}\n{device.system}"
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac("accounts.sessions.devices", value, secret=key, algorithm="sha256").hexdigest() for key in keys]


def _oldest(user: User) -> QuerySet[KnownDevice]:
    newest = KnownDevice.objects.filter(user=user).order_by("-first_seen_at", "-pk")[:MAX_DEVICES]
    return KnownDevice.objects.filter(user=user).exclude(pk__in=newest.values("pk"))
