"""Readers for the environment variables that `.env.example` documents. Each fails loudly and names its variable."""

import base64
import binascii
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from django.core.exceptions import ImproperlyConfigured
from sentry_sdk.utils import BadDsn, Dsn

from config.database import check_connection

BASE_DIR = Path(__file__).resolve().parent.parent

#: A mail server that says nothing for so long is away.
MAIL_TIMEOUT_S = 20
SHARE = re.compile(r"0(\.[0-9]{1,6})?|1(\.0+)?")

env = environ.Env()
env.read_env(BASE_DIR / ".env")  # a variable that is already set wins


def required(name: str, purpose: str) -> str:
    """Return the variable `name`.

    Raises:
        ImproperlyConfigured: it is unset or blank; the message says what it is for.
    """
    # Not env.str(), which takes what starts with $ for the name of another variable; keys may start with it.
    value: str = env.ENVIRON.get(name, "").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. It is {purpose}; see .env.example.")
    return value


def number(name: str, default: int) -> int:
    """Return the variable `name` as a whole number of zero or more.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    text = env.str(name, default="").strip() or str(default)
    if not (text.isascii() and text.isdecimal()):
        raise ImproperlyConfigured(f"{name} must be a whole number such as {default}, not {text!r}.")
    return int(text)


def words(name: str, default: list[str] | None = None) -> list[str]:
    """Return the comma-separated variable `name` as a list without blanks, or `default` if there is nothing in it."""
    return [word.strip() for word in env.str(name, default="").split(",") if word.strip()] or default or []


def header(name: str) -> tuple[str, str] | None:
    """Return a `Header-Name: value` variable in the form of Django's SECURE_PROXY_SSL_HEADER, or None if unset."""
    text = env.str(name, default="").strip()
    if not text:
        return None
    key, separator, value = text.partition(":")
    if not separator or not key.strip() or not value.strip():
        raise ImproperlyConfigured(f"{name} must look like 'X-Forwarded-Proto: https', not {text!r}.")
    return "HTTP_" + key.strip().upper().replace("-", "_"), value.strip()


def share(name: str) -> float:
    """Return the variable `name` as a number from 0 to 1; 0 if it is unset.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    text = env.str(name, default="").strip() or "0"
    if not SHARE.fullmatch(text):
        raise ImproperlyConfigured(f"{name} must be a number from 0 to 1 such as 0.1, not {text!r}.")
    return float(text)


def log_format() -> str:
    """Return how logs are written: `json`, or `console` for eyes; in local mode the latter.

    Raises:
        ImproperlyConfigured: LOG_FORMAT is something else.
    """
    text = env.str("LOG_FORMAT", default="").strip().lower() or ("console" if env.bool("LOCAL_MODE", False) else "json")
    if text not in ("console", "json"):
        raise ImproperlyConfigured(f"LOG_FORMAT must be console or json, not {text!r}.")
    return text


def deployment() -> str:
    """Return the name by which logs and Sentry tell this deployment from others."""
    return env.str("DEPLOYMENT", default="").strip() or ("local" if env.bool("LOCAL_MODE", False) else "production")


@cache
def version() -> str:
    """Return which version of the code runs: VERSION, or the commit that is checked out, or nothing."""
    return env.str("VERSION", default="").strip() or _commit(BASE_DIR / ".git")


def sentry_dsn() -> str:
    """Return SENTRY_DSN, or nothing.

    Raises:
        ImproperlyConfigured: it is not the address of a project at Sentry; the message does not show it.
    """
    text = env.str("SENTRY_DSN", default="").strip()
    try:
        return text and str(Dsn(text))
    except (BadDsn, ValueError):
        raise ImproperlyConfigured(
            "SENTRY_DSN must look like https://key@host/project; copy it from the project's Client Keys at Sentry."
        ) from None


def frontend_api_url(publishable_key: str) -> str:
    """Return where browsers talk to the Clerk instance of a publishable key: pk_…_ and base64 of the host and a dollar.

    Raises:
        ImproperlyConfigured: it is not a publishable key.
    """
    kind, _, encoded = publishable_key.rpartition("_")
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    host = text.removesuffix("$")
    if kind not in ("pk_test", "pk_live") or text != f"{host}$" or "$" in host or "." not in host:
        raise ImproperlyConfigured(
            "CLERK_PUBLISHABLE_KEY is not a publishable key (pk_test_… or pk_live_…); copy it from Clerk's dashboard."
        )
    return f"https://{host}"


def mailer(url: str) -> dict[str, Any]:
    """Return Django's settings for the mail server at `url`; blank is one on this machine.

    Args:
        url: `smtp+tls://user:password@host:587`, `smtp+ssl://…:465`, or `filemail:///folder`, which writes files.

    Raises:
        ImproperlyConfigured: the URL is of another kind or cannot be read.
    """
    try:
        config = env.email_url_config(url or "smtp://localhost:25")
    except (ValueError, ImproperlyConfigured):
        # Its own message could show the password.
        raise ImproperlyConfigured("EMAIL_URL must look like smtp+tls://user:password@host:587.") from None
    options: dict[str, Any] = {}
    if config["EMAIL_BACKEND"].endswith("filebased.EmailBackend"):
        options["file_path"] = config["EMAIL_FILE_PATH"]
    elif config["EMAIL_BACKEND"].endswith("smtp.EmailBackend"):
        options |= {"host": config["EMAIL_HOST"], "port": config["EMAIL_PORT"] or 25, "timeout": MAIL_TIMEOUT_S}
        options |= {"username": config["EMAIL_HOST_USER"] or "", "password": config["EMAIL_HOST_PASSWORD"] or ""}
        options |= {"use_tls": config.get("EMAIL_USE_TLS", False), "use_ssl": config.get("EMAIL_USE_SSL", False)}
    return {"BACKEND": config["EMAIL_BACKEND"], "OPTIONS": options}


def database(url: str, *, pool_size: int) -> dict[str, Any]:
    """Return Django's settings for the PostgreSQL at `url`, pooled.

    Args:
        url: `postgresql://user:password@host:port/name`, or `postgresql://user@/name?host=/socket/folder`.
        pool_size: the most connections one process may hold.

    Raises:
        ImproperlyConfigured: the URL names another engine or cannot be read.
    """
    # Checked first, because django-environ's warning about an engine it does not know shows the password.
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgresql://user@host/name")
    try:
        config = dict(env.db_url_config(url))
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}. It looks like postgresql://…") from None
    options = config.pop("OPTIONS", {})
    # A socket folder comes as ?host=…, which django-environ leaves, still quoted, among the options.
    config["HOST"] = unquote(options.pop("host", config.get("HOST", "")))
    options["connect_timeout"] = 3
    # A lock that cannot be had ends in 503 long before Svix gives up after 15 s.
    options["options"] = "-c lock_timeout=3000 -c statement_timeout=30000"
    options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 3, "check": check_connection}
    return config | {"CONN_MAX_AGE": 0, "OPTIONS": options}


def _commit(git: Path) -> str:
    """Return the commit that a checkout is at, read from its files, because hosts may have no git."""
    try:
        head = (git / "HEAD").read_text().strip()
        reference = head.removeprefix("ref: ")
        return (head if reference == head else (git / reference).read_text()).strip()[:12]
    except OSError:  # no checkout, or one that keeps its references packed
        return ""
