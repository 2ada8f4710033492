"""Django settings. Every value that differs between deployments comes from the environment; see `.env.example`."""

from datetime import timedelta
from typing import Any

from django.utils.csp import CSP

from config import sentry
from config.environment import (
    BASE_DIR,
    database,
    deployment,
    env,
    frontend_api_url,
    header,
    log_format,
    mailer,
    number,
    required,
    sentry_dsn,
    share,
    version,
    words,
)
from config.logs import job_context

LOCAL_MODE: bool = env.bool("LOCAL_MODE", default=False)
DEBUG: bool = env.bool("DEBUG", default=False)
SECRET_KEY = required("SECRET_KEY", "the key for Django's signatures, 50 or more random characters")

# --- Where it runs ----------------------------------------------------------------------------------------------------

LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = words("ALLOWED_HOSTS", LOCAL_HOSTS if LOCAL_MODE else [])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")
#: How many proxies of ours stand in front; each appends one address to X-Forwarded-For.
TRUSTED_PROXY_COUNT = number("TRUSTED_PROXY_COUNT", 0)
SECURE_PROXY_SSL_HEADER = header("TRUSTED_PROXY_SSL_HEADER")

# --- Clerk ------------------------------------------------------------------------------------------------------------

#: Signing secrets of the webhook endpoint, several while one is being rotated.
CLERK_WEBHOOK_SECRETS = words("CLERK_WEBHOOK_SECRET")
#: Addresses and networks that may post webhooks, or the word "svix"; empty lets every address try.
CLERK_WEBHOOK_ALLOWED_IPS = words("CLERK_WEBHOOK_ALLOWED_IPS")
#: Events of any other Clerk instance are kept as ignored; blank accepts every instance.
CLERK_INSTANCE_ID: str = env.str("CLERK_INSTANCE_ID", default="")
#: Without a publishable key nobody can sign in with Clerk.
CLERK_PUBLISHABLE_KEY: str = env.str("CLERK_PUBLISHABLE_KEY", default="")
CLERK_SECRET_KEY: str = env.str("CLERK_SECRET_KEY", default="")
#: The instance's public key, so that no key server has to be asked.
CLERK_JWT_KEY: str = env.str("CLERK_JWT_KEY", default="")
#: Origins for which session tokens may have been made.
CLERK_AUTHORIZED_PARTIES = words("CLERK_AUTHORIZED_PARTIES")
CLERK_API_URL: str = env.str("CLERK_API_URL", default="").rstrip("/") or "https://api.clerk.com"
#: Blank: what the publishable key says.
CLERK_FRONTEND_API_URL: str = env.str("CLERK_FRONTEND_API_URL", default="").rstrip("/")
if CLERK_PUBLISHABLE_KEY and not CLERK_FRONTEND_API_URL:
    CLERK_FRONTEND_API_URL = frontend_api_url(CLERK_PUBLISHABLE_KEY)

#: When people are compared with Clerk's: who changed lately, and everybody. In UTC, as cron writes it.
RECONCILE_CRON: str = env.str("RECONCILE_CRON", default="") or "*/15 * * * *"
RECONCILE_FULL_CRON: str = env.str("RECONCILE_FULL_CRON", default="") or "40 4 * * 0"
#: Returns what of people's profiles Clerk keeps a copy of; this is how accounts asks the apps above it.
CLERK_METADATA_PROVIDER = "profiles.clerk_metadata.for_users"
#: Returns where somebody's page is; this is how webhooks asks.
PROFILE_URL_LOOKUP = "profiles.page_lookup.builder_page_url"

#: What each app hands out to a person and erases; see core.personal_data. The log last: it tells of the others' deeds.
PERSONAL_DATA_MODULES = [f"{name}.personal_data" for name in ("accounts", "profiles", "webhooks", "audit")]

# --- Watching over it --------------------------------------------------------------------------------------------------

#: Whoever has the token, or asks from one of the addresses, may read /metrics; with neither, nobody.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="").strip()
METRICS_ALLOWED_IPS = words("METRICS_ALLOWED_IPS", ["127.0.0.1", "::1"] if LOCAL_MODE else [])

#: Days after which the payload of an event is emptied; so long can Svix send it again.
PAYLOAD_RETENTION_DAYS = number("PAYLOAD_RETENTION_DAYS", 90)
#: Where alerts are told: addresses of Apprise, such as mailto://, slack:// or pagerduty://.
ALERT_URLS = words("ALERT_URLS")

#: What Sentry and the logs call this deployment, and the code that runs in it.
DEPLOYMENT, VERSION = deployment(), version()
#: Errors are told to this project at Sentry; blank tells nobody.
SENTRY_DSN = sentry_dsn()
#: Of how many requests and jobs, from 0 to 1, Sentry is told how long they took.
SENTRY_TRACES_SAMPLE_RATE = share("SENTRY_TRACES_SAMPLE_RATE")
if SENTRY_DSN:
    sentry.start(SENTRY_DSN, release=VERSION, environment=DEPLOYMENT, traces_sample_rate=SENTRY_TRACES_SAMPLE_RATE)

# --- Audit ------------------------------------------------------------------------------------------------------------

#: Keys of the seals on the audit log, the newest first; without one nothing is sealed.
AUDIT_SEAL_KEYS = words("AUDIT_SEAL_KEY")
#: Where new seals are told of: file:/path, mail:address, log.
AUDIT_CHECKPOINTS = words("AUDIT_CHECKPOINTS")
#: When finished rows are sealed, and when all are compared with their seals. In UTC, as cron writes it.
AUDIT_SEAL_CRON: str = env.str("AUDIT_SEAL_CRON", default="") or "*/5 * * * *"
AUDIT_VERIFY_CRON: str = env.str("AUDIT_VERIFY_CRON", default="") or "23 4 * * *"

# --- Applications -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "procrastinate.contrib.django",  # before webhooks, which replaces its admin pages
    "audit",
    "accounts",
    "profiles",
    "webhooks",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "waffle",
    "axes",
]

MIDDLEWARE = [
    "config.logs.request_context",  # first, so that whatever is logged about a request has its id
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.permissions_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.AnonymousGZipMiddleware",  # after that one, whose files are compressed already
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.FlagCookiesMiddleware",  # outside of the next, which answers by itself where a flag is asked
    "accounts.middleware.ClerkAuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.middleware.DatabaseUnavailableMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context_processors.clerk",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------------------------------

DATABASES = {
    "default": database(
        required("DATABASE_URL", "the PostgreSQL database, for example postgresql://user@host/name"),
        pool_size=number("DATABASE_POOL_SIZE", 16),
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The queue's own traps are described in docs/architecture.md. A killed worker's jobs run again after about 10 s.
# Jobs run beside each other, so that comparing everybody with Clerk, which takes minutes, holds up no retry.
PROCRASTINATE_WORKER_DEFAULTS: dict[str, Any] = {
    "concurrency": 4,
    "update_heartbeat_interval": 3.0,
    "stalled_worker_timeout": 10.0,
    "worker_middleware": [job_context],
}
RECOVERY_CRON = "* * * * * */5"  # the sixth field is the second

# --- People -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses whoever has guessed too often
    "django.contrib.auth.backends.ModelBackend",
    "accounts.backends.AdminRoleBackend",
]
# Passwords are for local operators only. Locking an address, and no name, lets nobody lock them out.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = ["ip_address"]
AXES_CLIENT_IP_CALLABLE = "core.client_ip.get_client_ip"
AXES_LOCKOUT_TEMPLATE = "admin/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = AXES_ENABLE_ADMIN = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Switches ---------------------------------------------------------------------------------------------------------

WAFFLE_FLAG_MODEL = "accounts.Flag"
WAFFLE_FLAG_DEFAULT = True
#: Samples and switches of waffle's are not used; accounts.admin shows the flags.
WAFFLE_ENABLE_ADMIN_PAGES = False
WAFFLE_SECURE = not LOCAL_MODE
WAFFLE_CACHE_NAME = "flags"
# Each process keeps flags for itself, so that asking costs no query. Other processes see a change after so many seconds.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "flags": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "flags", "TIMEOUT": 10},
}

# --- Security ---------------------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = not LOCAL_MODE
# Probes and Svix are answered where they knock: Svix counts a redirect as a failed delivery.
SECURE_REDIRECT_EXEMPT = [r"^api/webhooks/clerk/?$", r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if LOCAL_MODE else 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not LOCAL_MODE
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
# Pages of people who are signed in, and pages with Clerk's widgets, need a little more: see accounts.csp.
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "https://img.clerk.com", "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL_MODE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "accounts.csrf.failure"
if LOCAL_MODE:
    # Cookies ignore ports: without it, two copies on one host name would sign each other out.
    SESSION_COOKIE_NAME = f"sessionid_{number('PORT', 8000)}"
    CSRF_COOKIE_NAME = f"csrftoken_{number('PORT', 8000)}"

# Kept in a cookie: what a page tells about the last click is not worth a query on every page.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# --- Mail -------------------------------------------------------------------------------------------------------------

EMAIL_URL: str = env.str("EMAIL_URL", default="")
MAILERS = {"default": mailer(EMAIL_URL)}
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="") or "Buildappswith <no-reply@localhost>"

# --- Pages ------------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default="") or BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Pictures that people upload. A proxy may serve them, as profiles.media.views does.
MEDIA_URL = "/media/"
MEDIA_ROOT = env.str("MEDIA_ROOT", default="") or BASE_DIR / "media"
FILE_UPLOAD_HANDLERS = ["profiles.media.uploads.CappedUploadHandler"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
#: Where stock pages of the admin send people who are not signed in.
LOGIN_URL = "admin:login"

# --- Logging ----------------------------------------------------------------------------------------------------------

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "config.logs.json_formatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": log_format()}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="") or "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        # It tells of every task it registers, in every command.
        "procrastinate": {"level": "WARNING"},
        # It tells of every request it makes, with the id of whom it is about in the address.
        "httpx": {"level": "WARNING"},
        # It writes addresses that it cannot read, tokens and passwords included; webhooks.monitoring.alerts says what went wrong.
        "apprise": {"level": "CRITICAL"},
    },
}
