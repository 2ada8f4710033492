"""Django settings of the stand-in. `local.stack` sets the environment variables."""

import base64
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from local.project import PROJECT_ROOT

# Allows ModelForm[User] at run time.
django_stubs_ext.monkeypatch()


def required(name: str) -> str:
    """Return an environment variable, or raise an error that names the variable."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set; start the stand-in for Clerk with `make run`.")
    return value


def number[T: (int, float)](name: str, default: T, min_value: T, max_value: T) -> T:
    """Return an environment variable as a number of the default's type, or raise an error that names the variable."""
    text = os.environ.get(name, "").strip()
    try:
        value = type(default)(text) if text else default
    except ValueError:
        value = None
    if value is None or not min_value <= value <= max_value:
        raise ImproperlyConfigured(f"{name} is {text!r}; set it to a number from {min_value} to {max_value}.")
    return value


def url(name: str, default: str) -> str:
    """Return an environment variable that contains a server's URL, or raise an error that names the variable."""
    value = os.environ.get(name, "").strip() or default
    try:
        parts = urlsplit(value)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ImproperlyConfigured(f"{name} is {value!r}; set it to a URL such as {default}.")
    return value


def publishable_key(frontend_api_url: str) -> str:
    host = urlsplit(frontend_api_url).netloc
    return "pk_test_" + base64.b64encode(f"{host}$".encode()).decode().rstrip("=")


def webhook_secret() -> str:
    """Return the signing secret. If there are several, use the first one, because an endpoint in Clerk has only one
    secret."""
    secret = required("CLERK_WEBHOOK_SECRET").partition(",")[0].strip()
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ImproperlyConfigured("CLERK_WEBHOOK_SECRET must be whsec_ followed by base64.")
    return secret


PORT = number("LOCALCLERK_PORT", 8001, 1, 65535)
WEBHOOK_URL = url("LOCALCLERK_WEBHOOK_URL", f"http://127.0.0.1:{PORT - 1}/api/webhooks/clerk")
APP_URL = url("LOCALCLERK_APP_URL", f"http://bw.localhost:{PORT - 1}").rstrip("/")
#: Multiplies all delays between attempts: 0.01 turns five minutes into three seconds.
TIME_SCALE = number("LOCALCLERK_TIME_SCALE", 1.0, 0.0, 1000.0)
WEBHOOK_SECRET = webhook_secret()
FRONTEND_API_URL = url("CLERK_FRONTEND_API_URL", f"http://clerk.bw.localhost:{PORT}").rstrip("/")
#: pk_test_ makes a development instance, pk_live_ a production one.
PUBLISHABLE_KEY = os.environ.get("CLERK_PUBLISHABLE_KEY", "").strip() or publishable_key(FRONTEND_API_URL)
IS_DEVELOPMENT = PUBLISHABLE_KEY.startswith("pk_test_")
COOKIE_SUFFIX = base64.urlsafe_b64encode(hashlib.sha1(PUBLISHABLE_KEY.encode(), usedforsecurity=False).digest())[
    :8
].decode()
#: The domain that a production instance shares with the app: example.com for clerk.example.com.
COOKIE_DOMAIN = (urlsplit(FRONTEND_API_URL).hostname or "").partition(".")[2]
#: The secret key of the Backend API. If the key is empty, all requests are rejected.
API_KEY = os.environ.get("CLERK_SECRET_KEY", "").strip()
#: The app's origins. Only these origins receive tokens and may send cross-origin requests.
ORIGINS = frozenset({APP_URL, re.sub(r"//[^:/]+", "//127.0.0.1", APP_URL), re.sub(r"//[^:/]+", "//localhost", APP_URL)})
#: Lifetime of session tokens in seconds. Clerk's tokens are valid for 60 s.
TOKEN_LIFE_S = number("LOCALCLERK_TOKEN_LIFE_S", 60, 1, 86400)
INSTANCE_ID = os.environ.get("CLERK_INSTANCE_ID") or "ins_2localclerk0000000000000000"

SECRET_KEY = required("SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
if FRONTEND_API_URL.startswith("https:"):
    # Behind a proxy with TLS, requests arrive without it.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = ["local.clerk", "django.contrib.messages", "django.contrib.staticfiles"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "local.clerk.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.contrib.messages.context_processors.messages",
                "local.clerk.pages.views.urls",
            ]
        },
    }
]

DATA_DIR = Path(required("DATA_DIR"))
if not DATA_DIR.is_dir():
    raise ImproperlyConfigured(f"DATA_DIR is {DATA_DIR}, which is not a folder; create it or set another.")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "localclerk.sqlite3",
        # With these options, writers wait for each other instead of failing, and readers never wait.
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        },
    }
}

# Store messages in a cookie, so that no session is needed.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
# The name contains the port, because cookies ignore ports and two copies on one machine must not share cookies.
CSRF_COOKIE_NAME = f"localclerk_csrf_{PORT}"
CSRF_COOKIE_HTTPONLY = True
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# The product's stylesheets and fonts, served without collectstatic.
STATICFILES_DIRS = [PROJECT_ROOT / "static"]
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django.server": {"level": "WARNING"}},
}
