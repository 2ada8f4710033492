"""Readers of the environment variables whose values come from Clerk."""

import base64
import binascii
import re
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

from config.environment import boolean, env
from core.origins import canonical_origin

#: A release such as 6.40.0 and optionally its hash, which is 48 bytes in base64.
CLERK_RELEASE = re.compile(r"((\d+)\.\d+\.\d+)(?: +(sha384-[A-Za-z0-9+/]{64}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClerkScript:
    """The version of a Clerk script that pages load, and its integrity hash. The hash is "" if none is required."""

    version: str
    integrity: str


def clerk_script(name: str, major: str) -> ClerkScript:
    """Parse a variable such as `6.40.0 sha384-…`. By default, pages load the newest release of the version `major`.

    Raises:
        ImproperlyConfigured: the text is malformed, names another major version, or has a hash without an exact
        release.
    """
    text = env.str(name, default="").strip() or major
    found = CLERK_RELEASE.fullmatch(text)
    if found and found[2] == major:
        return ClerkScript(version=found[1], integrity=found[3] or "")
    if text == major:
        return ClerkScript(version=major, integrity="")
    raise ImproperlyConfigured(
        f"{name} must be {major}, a release such as {major}.1.0, or a release and its hash such as "
        f"'{major}.1.0 sha384-…', not {text!r}."
    )


def frontend_api_url(publishable_key: str) -> str:
    """Return the Frontend API URL encoded in a publishable key.

    A publishable key is `pk_test_` or `pk_live_`, followed by the base64 encoding of the host name and a dollar sign.

    Raises:
        ImproperlyConfigured: the value is not a publishable key.
    """
    kind, _, encoded = publishable_key.rpartition("_")
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    host = text.removesuffix("$")
    if kind not in ("pk_test", "pk_live") or text != f"{host}$" or "$" in host or "." not in host:
        raise ImproperlyConfigured(
            "CLERK_PUBLISHABLE_KEY must start with pk_test_ or pk_live_ and be complete. "
            "Copy it from the API keys page of Clerk's dashboard."
        )
    return f"https://{host}"


def account_portal_url(frontend_api_url: str) -> str:
    """Return CLERK_ACCOUNT_PORTAL_URL, the site where users manage their account without our pages.

    The default is derived from the Frontend API URL as in Clerk's own libraries: clerk.example.com becomes
    accounts.example.com, and x.clerk.accounts.dev becomes x.accounts.dev. It is "" if the host name has another form.

    Source: buildAccountsBaseUrl.ts in @clerk/shared

    Raises:
        ImproperlyConfigured: the value is not an origin, or does not use HTTPS outside local mode.
    """
    text: str = env.str("CLERK_ACCOUNT_PORTAL_URL", default="").strip().rstrip("/")
    if not text:
        host, found = re.subn(r"\bclerk\.(accounts\.)?", "accounts.", frontend_api_url, count=1)
        return host if found else ""
    if canonical_origin(text) != text or not (text.startswith("https://") or boolean("LOCAL_MODE")):
        raise ImproperlyConfigured(
            "CLERK_ACCOUNT_PORTAL_URL must be an origin such as https://accounts.example.com, in lower case and without "
            f"a path, not {text!r}. Copy it from the Account Portal page of Clerk's dashboard."
        )
    return text
