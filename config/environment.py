"""Read the environment variables in `.env.example`. Errors for invalid values name the variable."""

import re
import tomllib
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from croniter import croniter
from django.core.exceptions import ImproperlyConfigured
from sentry_sdk.utils import BadDsn, Dsn

from config.database import PREPARE_THRESHOLD, check_connection, check_pooler_connection
from config.secret_files import SecretFilesEnv
from core.db.timeouts import STARTUP_OPTIONS
from core.origins import canonical_origin

BASE_DIR = Path(__file__).resolve().parent.parent

MAIL_TIMEOUT_S = 20
#: Seconds to wait for a connection to the replica before a page is read from the primary.
REPLICA_TIMEOUT_S = 0.5
#: How long a pool tries to replace a lost connection, until a request asks for one again. The pauses between attempts
#: double, so with the pool's default of five minutes, a process could wait for minutes after the database is back.
RECONNECT_TIMEOUT_S = 3
TRUE_WORDS, FALSE_WORDS = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
CONTACT_URI = re.compile(r"mailto:[^\s@]+@[^\s@]+|https://\S+|tel:\+?[0-9-]+")
LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
FRACTION = re.compile(r"0(\.[0-9]{1,6})?|1(\.0+)?")
#: The key of a role in an organization.
ORGANIZATION_ROLE = re.compile(r"org:[a-z0-9_]{1,60}")
#: A host name with a top-level domain. IP addresses and "localhost" are useless in an email.
LINKED_HOST = re.compile(r"\.[a-z][a-z0-9-]*(:\d+)?$", re.ASCII)

env = SecretFilesEnv()
env.read_env(BASE_DIR / ".env")  # Variables that are already set take precedence.


def required(name: str, purpose: str) -> str:
    """Return the variable `name`.

    Args:
        purpose: completes the sentence "It is …" in the error message.

    Raises:
        ImproperlyConfigured: the variable is unset or blank.
    """
    # Keys may start with $, but env.str() would treat such a value as the name of another variable.
    value = secret(name)
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. It is {purpose}. See .env.example.")
    return value


def secret(name: str) -> str:
    """Return the variable `name` or the content of the file `name`_FILE, or "". The value may start with $."""
    return str(env.ENVIRON.get(name, "")).strip()


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    text = env.str(name, default="").strip() or str(default)
    if not (text.isascii() and text.isdecimal()):
        raise ImproperlyConfigured(f"{name} must be a whole number such as {default}, not {text!r}.")
    if int(text) < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {int(text)}.")
    return int(text)


def boolean(name: str, *, default: bool = False) -> bool:
    """Return whether the variable `name` is on, or `default` if it is unset.

    django-environ would treat every unknown word as off, including typos such as "treu".
    """
    text = env.str(name, default="").strip().lower()
    if text not in TRUE_WORDS | FALSE_WORDS:
        raise ImproperlyConfigured(f"{name} must be on or off, not {text!r}.")
    return text in TRUE_WORDS if text else default


def comma_separated(name: str, default: list[str] | None = None) -> list[str]:
    """Return the non-empty values in the comma-separated variable `name`, or `default` if there are none."""
    return [value.strip() for value in secret(name).split(",") if value.strip()] or default or []


def contact_uris(name: str) -> list[str]:
    """Return the URIs in the variable `name`. An email address without a scheme gets `mailto:`."""
    uris = [f"mailto:{text}" if "@" in text and ":" not in text else text for text in comma_separated(name)]
    for uri in uris:
        if not CONTACT_URI.fullmatch(uri):
            raise ImproperlyConfigured(
                f"{name} must contain email addresses or URLs such as https://example.com/report, not {uri!r}."
            )
    return uris


def language_tags(name: str, default: list[str]) -> list[str]:
    tags = comma_separated(name, default)
    for tag in tags:
        if not LANGUAGE_TAG.fullmatch(tag):
            raise ImproperlyConfigured(f"{name} must contain language tags such as en or pt-BR, not {tag!r}.")
    return tags


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    """Return the option in the variable `name`, ignoring case, or `default` if it is unset."""
    text = env.str(name, default="").strip() or default
    for option in options:
        if option.lower() == text.lower():
            return option
    raise ImproperlyConfigured(f"{name} must be {' or '.join(options)}, not {text!r}.")


def cron(name: str, default: str) -> str:
    """Return the schedule in the variable `name`, or `default` if it is unset."""
    text = env.str(name, default="").strip() or default
    if not croniter.is_valid(text):
        raise ImproperlyConfigured(f"{name} must be a schedule in cron syntax such as {default!r}, not {text!r}.")
    return text


def role_mapping(name: str) -> dict[str, str]:
    """Parse `org:role=ROLE` pairs. Only CLIENT and BUILDER are allowed, because members of an organization can invite others."""
    mapping = {}
    for pair in comma_separated(name):
        key, _, role = (part.strip() for part in pair.partition("="))
        if not ORGANIZATION_ROLE.fullmatch(key) or role not in ("CLIENT", "BUILDER"):
            raise ImproperlyConfigured(
                f"{name} must map roles in organizations to CLIENT or BUILDER, as in org:builder=BUILDER, not {pair!r}."
            )
        mapping[key] = role
    return mapping


def header(name: str) -> tuple[str, str] | None:
    """Parse a `Header-Name: value` variable for Django's SECURE_PROXY_SSL_HEADER. Return None if it is unset."""
    text = env.str(name, default="").strip()
    if not text:
        return None
    key, separator, value = text.partition(":")
    if not separator or not key.strip() or not value.strip():
        raise ImproperlyConfigured(f"{name} must look like 'X-Forwarded-Proto: https', not {text!r}.")
    return "HTTP_" + key.strip().upper().replace("-", "_"), value.strip()


def fraction(name: str) -> float:
    text = env.str(name, default="").strip() or "0"
    if not FRACTION.fullmatch(text):
        raise ImproperlyConfigured(f"{name} must be a number from 0 to 1 such as 0.1, not {text!r}.")
    return float(text)


def log_format() -> str:
    """Return LOG_FORMAT: `json` or `console`. The default is `console` in local mode and `json` otherwise."""
    return choice("LOG_FORMAT", ("console", "json"), "console" if boolean("LOCAL_MODE") else "json")


def deployment() -> str:
    return env.str("DEPLOYMENT", default="").strip() or ("local" if boolean("LOCAL_MODE") else "production")


@cache
def version() -> str:
    return env.str("VERSION", default="").strip() or _commit(BASE_DIR / ".git") or _release(BASE_DIR / "pyproject.toml")


def sentry_dsn() -> str:
    """Return SENTRY_DSN, or "".

    Raises:
        ImproperlyConfigured: the value is not a DSN. The message does not contain it, because it is a secret.
    """
    text = env.str("SENTRY_DSN", default="").strip()
    try:
        return text and str(Dsn(text))
    except (BadDsn, ValueError):
        raise ImproperlyConfigured(
            "SENTRY_DSN must look like https://key@host/project. Copy it from Client Keys in the project settings of Sentry."
        ) from None


def otlp_endpoint() -> str:
    """Return OTEL_EXPORTER_OTLP_ENDPOINT, or "".

    Raises:
        ImproperlyConfigured: the value is not an HTTP URL, or OpenTelemetry is not installed.
    """
    text: str = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="").strip()
    parts = urlsplit(text)
    if text and not (parts.scheme in ("http", "https") and parts.hostname):
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT must be the URL of a collector that accepts OTLP over HTTP, such as "
            "http://localhost:4318."
        )
    if text and find_spec("opentelemetry") is None:
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. Install it: "
            "pip install --require-hashes -r requirements/otel.txt"
        )
    return text


def site_url() -> str:
    """Return SITE_URL, the origin of the site for links in emails and alerts, or "" if it is unset.

    Raises:
        ImproperlyConfigured: the value is not an origin, or is one that other people cannot open.
    """
    text: str = env.str("SITE_URL", default="").strip().rstrip("/")
    is_local = boolean("LOCAL_MODE")
    is_origin = canonical_origin(text) == text and "*" not in text and (is_local or text.startswith("https://"))
    if text and not (is_origin and (is_local or LINKED_HOST.search(text))):
        raise ImproperlyConfigured(
            "SITE_URL must be the origin of the site as browsers send it, such as https://profiles.example.com, with a "
            f"host name and without a path, not {text!r}."
        )
    return text


def web_url(name: str) -> str:
    """Return an HTTPS URL, or "" if the variable is unset."""
    text: str = env.str(name, default="").strip()
    parts = urlsplit(text)
    if text and (parts.scheme != "https" or not parts.hostname):
        raise ImproperlyConfigured(f"{name} must be a URL that starts with https://, not {text!r}.")
    return text


def mailer_config(url: str) -> dict[str, Any]:
    """Return Django's MAILERS entry for EMAIL_URL. The default is a mail server on this machine.

    Args:
        url: `smtp+tls://user:password@host:587`, `smtp+ssl://…:465`, or `filemail:///folder`, which writes files.

    Raises:
        ImproperlyConfigured: the URL is malformed or has another scheme.
    """
    try:
        config = env.email_url_config(url or "smtp://localhost:25")
    except (ValueError, ImproperlyConfigured):
        # The original message could contain the password.
        raise ImproperlyConfigured("EMAIL_URL must look like smtp+tls://user:password@host:587.") from None
    options: dict[str, Any] = {}
    if config["EMAIL_BACKEND"].endswith("filebased.EmailBackend"):
        options["file_path"] = config["EMAIL_FILE_PATH"]
    elif config["EMAIL_BACKEND"].endswith("smtp.EmailBackend"):
        options |= {"host": config["EMAIL_HOST"], "port": config["EMAIL_PORT"] or 25, "timeout": MAIL_TIMEOUT_S}
        options |= {"username": config["EMAIL_HOST_USER"] or "", "password": config["EMAIL_HOST_PASSWORD"] or ""}
        options |= {"use_tls": config.get("EMAIL_USE_TLS", False), "use_ssl": config.get("EMAIL_USE_SSL", False)}
    return {"BACKEND": config["EMAIL_BACKEND"], "OPTIONS": options}


def pooler() -> str:
    """Return DATABASE_POOLER: `transaction`, or "" for direct connections."""
    text: str = env.str("DATABASE_POOLER", default="").strip().lower()
    if text not in ("", "transaction"):
        raise ImproperlyConfigured(
            f"DATABASE_POOLER must be transaction, or blank for direct connections, not {text!r}. "
            "Use transaction for PgBouncer in session mode too."
        )
    return text


def database_config(
    url: str, *, pool_size: int, pooler: str = "", password: str = "", prepares: bool = False
) -> dict[str, Any]:
    """Return Django's DATABASES entry for DATABASE_URL, with a connection pool.

    Args:
        url: `postgresql://user:password@host:port/name`, or `postgresql://user@/name?host=/socket/folder`.
        pool_size: maximum number of connections per process.
        pooler: `transaction` if the URL belongs to a pooler that can use a different session for each transaction.
        password: the value of DATABASE_PASSWORD, for a URL without a password.
        prepares: whether the server prepares statements whose parameters it binds. A pooler must support this.
            Only core.db.statements.hot_cursor has the server bind parameters.

    Raises:
        ImproperlyConfigured: the URL is malformed or has another scheme.
    """
    # Check this first, because django-environ's warning about an unknown engine contains the password.
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(
            "DATABASE_URL must be the URL of a PostgreSQL database, such as postgresql://user:password@host:5432/name."
        )
    try:
        config = dict(env.db_url_config(url))
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL is malformed ({error}). It must look like postgresql://user:password@host:5432/name."
        ) from None
    if password and config["PASSWORD"]:
        raise ImproperlyConfigured("DATABASE_URL contains a password and DATABASE_PASSWORD is set. Remove one of them.")
    config["PASSWORD"] = password or config["PASSWORD"]
    options = config.pop("OPTIONS", {})
    # django-environ does not decode the socket folder in ?host=….
    config["HOST"] = unquote(options.pop("host", config.get("HOST", "")))
    options["connect_timeout"] = 3
    if prepares and not pooler:
        options["prepare_threshold"] = PREPARE_THRESHOLD
    options["pool"] = {
        "min_size": 1,
        "max_size": pool_size,
        "timeout": 3,
        "reconnect_timeout": RECONNECT_TIMEOUT_S,
        "check": check_pooler_connection if prepares and pooler else check_connection,
    }
    if pooler:  # The pooler rejects start-up options, and a server-side cursor would outlive its transaction.
        return config | {"CONN_MAX_AGE": 0, "OPTIONS": options, "DISABLE_SERVER_SIDE_CURSORS": True}
    options["options"] = STARTUP_OPTIONS
    return config | {"CONN_MAX_AGE": 0, "OPTIONS": options}


def replica_config(
    url: str, *, pool_size: int, pooler: str = "", password: str = "", prepares: bool = False
) -> dict[str, Any]:
    """Return Django's DATABASES entry for DATABASE_REPLICA_URL. The arguments are the same as for `database_config`."""
    try:
        config = database_config(url, pool_size=pool_size, pooler=pooler, prepares=prepares)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(str(error).replace("DATABASE_URL", "DATABASE_REPLICA_URL")) from None
    config["PASSWORD"] = config["PASSWORD"] or password
    config["OPTIONS"]["pool"] |= {
        "timeout": REPLICA_TIMEOUT_S,
        "check": partial(config["OPTIONS"]["pool"]["check"], alias="replica"),
    }
    return config | {"TEST": {"MIRROR": "default"}}


def _commit(git: Path) -> str:
    """Return a checkout's commit. It is read from files, because git may not be installed."""
    try:
        head = (git / "HEAD").read_text().strip()
        reference = head.removeprefix("ref: ")
        return (head if reference == head else (git / reference).read_text()).strip()[:12]
    except OSError:  # The folder is not a checkout, or its references are packed.
        return ""


def _release(project: Path) -> str:
    """Return the version in pyproject.toml, which container images contain instead of `.git`."""
    try:
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"])
    except OSError:
        return ""
