"""Django settings. Values that differ between deployments come from environment variables; see `.env.example`."""

from datetime import timedelta
from typing import Any

import django_stubs_ext
from django.utils.csp import CSP

from config import sentry
from config.environment import (
    BASE_DIR,
    boolean,
    choice,
    comma_separated,
    cron,
    database_config,
    deployment,
    env,
    fraction,
    frontend_api_url,
    header,
    integer,
    log_format,
    mailer_config,
    pooler,
    required,
    sentry_dsn,
    version,
)
from config.logs import job_context

# Makes FormView[ContactForm] and the like possible at run time. Without it only the type stubs know these classes as generic.
django_stubs_ext.monkeypatch()

LOCAL_MODE = boolean("LOCAL_MODE")
DEBUG = boolean("DEBUG")
SECRET_KEY = required("SECRET_KEY", "the key for Django's signatures, 50 or more random characters")

# --- Hosts and proxies ------------------------------------------------------------------------------------------------

LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = comma_separated("ALLOWED_HOSTS", LOCAL_HOSTS if LOCAL_MODE else [])
CSRF_TRUSTED_ORIGINS = comma_separated("CSRF_TRUSTED_ORIGINS")
#: Number of our reverse proxies. Each appends one IP address to TRUSTED_PROXY_IP_HEADER.
TRUSTED_PROXY_COUNT = integer("TRUSTED_PROXY_COUNT", 0)
TRUSTED_PROXY_IP_HEADER = choice("TRUSTED_PROXY_IP_HEADER", ("X-Forwarded-For", "Forwarded"), "X-Forwarded-For")
SECURE_PROXY_SSL_HEADER = header("TRUSTED_PROXY_SSL_HEADER")

# --- Clerk ------------------------------------------------------------------------------------------------------------

#: Signing secrets of the webhook endpoint. There are several during a rotation.
CLERK_WEBHOOK_SECRETS = comma_separated("CLERK_WEBHOOK_SECRET")
#: IP addresses and networks that may post webhooks, or the word "svix". Empty: no restriction.
CLERK_WEBHOOK_ALLOWED_IPS = comma_separated("CLERK_WEBHOOK_ALLOWED_IPS")
#: Events of other Clerk instances are stored as ignored. Empty: events of every instance are accepted.
CLERK_INSTANCE_ID: str = env.str("CLERK_INSTANCE_ID", default="")
#: Without a publishable key, users cannot sign in with Clerk.
CLERK_PUBLISHABLE_KEY: str = env.str("CLERK_PUBLISHABLE_KEY", default="")
CLERK_SECRET_KEY: str = env.str("CLERK_SECRET_KEY", default="")
#: The instance's public key in PEM. Without it, the key is fetched from Clerk.
CLERK_JWT_KEY: str = env.str("CLERK_JWT_KEY", default="")
#: Origins of this site. Session tokens issued for other origins are rejected.
CLERK_AUTHORIZED_PARTIES = comma_separated("CLERK_AUTHORIZED_PARTIES")
CLERK_API_URL: str = env.str("CLERK_API_URL", default="").rstrip("/") or "https://api.clerk.com"
#: The URL that the publishable key contains. Another one must be on a domain of this site; see accounts.E009.
CLERK_KEY_FRONTEND_API_URL = frontend_api_url(CLERK_PUBLISHABLE_KEY) if CLERK_PUBLISHABLE_KEY else ""
CLERK_FRONTEND_API_URL: str = env.str("CLERK_FRONTEND_API_URL", "").rstrip("/") or CLERK_KEY_FRONTEND_API_URL

#: Schedules of the reconciliation with Clerk: of recently changed users, and of all users. Cron syntax, in UTC.
RECONCILE_CRON = cron("RECONCILE_CRON", "*/15 * * * *")
RECONCILE_FULL_CRON = cron("RECONCILE_FULL_CRON", "40 4 * * 0")
# --- Monitoring -------------------------------------------------------------------------------------------------------

#: /metrics needs this Bearer token or one of these IP addresses. Without either setting it returns 404.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="").strip()
METRICS_ALLOWED_IPS = comma_separated("METRICS_ALLOWED_IPS", ["127.0.0.1", "::1"] if LOCAL_MODE else [])

#: Days after which the payload of an event is deleted. Svix can resend an event for as long.
PAYLOAD_RETENTION_DAYS = integer("PAYLOAD_RETENTION_DAYS", 90, minimum=1)
#: Channels for alert notifications: Apprise URLs such as mailto://, slack:// or pagerduty://.
ALERT_URLS = comma_separated("ALERT_URLS")

#: Name of this deployment and version of the code, for Sentry and the logs.
DEPLOYMENT, VERSION = deployment(), version()
#: The Sentry project to which errors are reported. Empty: errors are not reported.
SENTRY_DSN = sentry_dsn()
#: Share of requests and jobs that are traced, from 0 to 1.
SENTRY_TRACES_SAMPLE_RATE = fraction("SENTRY_TRACES_SAMPLE_RATE")
if SENTRY_DSN:
    sentry.start(SENTRY_DSN, release=VERSION, environment=DEPLOYMENT, traces_sample_rate=SENTRY_TRACES_SAMPLE_RATE)

# --- Audit ------------------------------------------------------------------------------------------------------------

#: Keys that seal the audit log, newest first. Without a key the log is not sealed.
AUDIT_SEAL_KEYS = comma_separated("AUDIT_SEAL_KEY")
#: Where new seals are published: file:/path, mail:address, log.
AUDIT_CHECKPOINTS = comma_separated("AUDIT_CHECKPOINTS")
#: Schedules for sealing new rows and for verifying the whole log. Cron syntax, in UTC.
AUDIT_SEAL_CRON = cron("AUDIT_SEAL_CRON", "*/5 * * * *")
AUDIT_VERIFY_CRON = cron("AUDIT_VERIFY_CRON", "23 4 * * *")

# --- Applications -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "procrastinate.contrib.django",  # before webhooks, which replaces its admin pages
    "accounts",
    "profiles",
    "webhooks",
    "audit",  # last, because it records the erasure of the others
    "config.apps.RecordingAdminConfig",  # django.contrib.admin
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
    "config.logs.request_context",  # first, so that every log record of a request has its id
    "config.https_redirect.detect_loops",  # before the next one, which redirects
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.permissions_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.AnonymousGZipMiddleware",  # after WhiteNoise, whose files are already compressed
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.probes.answer_probes",  # after the middleware that sets headers, before the first that checks the host
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.FlagCookiesMiddleware",  # before the next one, which may check a flag and return a response
    "accounts.middleware.ClerkAuthenticationMiddleware",
    "config.request_limits.limit_requests",  # after the previous one, which knows the person
    "django.contrib.messages.middleware.MessageMiddleware",
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

#: "transaction" if DATABASE_URL leads to PgBouncer in transaction mode.
DATABASE_POOLER = pooler()
DATABASES = {
    "default": database_config(
        required("DATABASE_URL", "the PostgreSQL database, for example postgresql://user@host/name"),
        pool_size=integer("DATABASE_POOL_SIZE", 16, minimum=1),
        pooler=DATABASE_POOLER,
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# docs/architecture.md describes the pitfalls of the queue. The jobs of a killed worker run again after about 10 s.
# Jobs run concurrently, so that a full reconciliation, which takes minutes, does not delay retries.
PROCRASTINATE_WORKER_DEFAULTS: dict[str, Any] = {
    "concurrency": 4,
    "update_heartbeat_interval": 3.0,
    "stalled_worker_timeout": 10.0,
    "worker_middleware": [job_context],
}
if DATABASE_POOLER:
    # Notifications do not pass through a pooler in transaction mode, so a worker behind one polls for jobs.
    PROCRASTINATE_WORKER_DEFAULTS |= {"listen_notify": False, "fetch_job_polling_interval": 1.0}
RECOVERY_CRON = "* * * * * */5"  # the sixth field is seconds

# --- Users and authentication -----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first, so that it can block brute-force attempts
    "django.contrib.auth.backends.ModelBackend",
    "accounts.backends.AdminRoleBackend",
]
# Only local operators have passwords. Lockouts apply to IP addresses (IPv6: /64), so that an attacker cannot lock out an account, and to
# usernames only while addresses are unknown.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = "accounts.security.lockouts.lockout_parameters"
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "accounts.security.lockouts.counted_username"
AXES_CLIENT_IP_CALLABLE = "accounts.security.lockouts.counted_address"
# Failures while an address is locked are not stored and do not extend the lock.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
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

# --- Feature flags ----------------------------------------------------------------------------------------------------

WAFFLE_FLAG_MODEL = "accounts.Flag"
WAFFLE_FLAG_DEFAULT = True
#: accounts.admin has a page for flags. Waffle's samples and switches are not used.
WAFFLE_ENABLE_ADMIN_PAGES = False
WAFFLE_SECURE = not LOCAL_MODE
WAFFLE_CACHE_NAME = "flags"
# Each process caches flags in memory, so that checking one needs no query. Other processes see a change after TIMEOUT s.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "flags": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "flags", "TIMEOUT": 10},
}

# --- Request limits ---------------------------------------------------------------------------------------------------

#: Whether config.request_limits answers 429 to clients that send too many requests. Off in local mode, for load tests.
REQUEST_LIMITS = boolean("REQUEST_LIMITS", default=not LOCAL_MODE)

# --- Security ---------------------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = not LOCAL_MODE
# Health checks and Svix do not follow redirects, and Svix counts a redirect as a failed delivery.
SECURE_REDIRECT_EXEMPT = [r"^api/webhooks/clerk/?$", r"^healthz$", r"^readyz$", r"^metrics$"]
# Browsers obey HSTS until it expires, and it cannot be taken back. docs/configuration.md describes how to increase it.
SECURE_HSTS_SECONDS = 0 if LOCAL_MODE else integer("SECURE_HSTS_SECONDS", 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = not LOCAL_MODE and boolean("SECURE_HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = not LOCAL_MODE and boolean("SECURE_HSTS_PRELOAD")
# Django recommends subdomains and preload to everyone, but they affect other sites of the domain. config.W001 checks them.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
# accounts.security.csp extends this policy for signed-in users and for pages with Clerk's widgets.
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
    # Cookies are shared between ports, so two local servers would otherwise overwrite each other's sessions.
    SESSION_COOKIE_NAME = f"sessionid_{integer('PORT', 8000)}"
    CSRF_COOKIE_NAME = f"csrftoken_{integer('PORT', 8000)}"

# Messages are stored in a cookie, so that they do not need a query on every page.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# --- Mail -------------------------------------------------------------------------------------------------------------

EMAIL_URL: str = env.str("EMAIL_URL", default="")
MAILERS = {"default": mailer_config(EMAIL_URL)}
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
# Uploaded images. profiles.media.views serves them, and a proxy can do it instead.
MEDIA_URL = "/media/"
MEDIA_ROOT = env.str("MEDIA_ROOT", default="") or BASE_DIR / "media"
FILE_UPLOAD_HANDLERS = ["profiles.media.uploads.CappedUploadHandler"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
#: Django's own admin pages redirect anonymous users here.
LOGIN_URL = "admin:login"

# --- Logging ----------------------------------------------------------------------------------------------------------

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "config.logs.json_formatter"},
    },
    "filters": {
        "limits": {"()": "config.log_limits.LimitFilter"},
        "rejections": {"()": "config.logs.RejectionFilter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": log_format(), "filters": ["limits", "rejections"]}
    },
    "root": {"handlers": ["console"], "level": choice("LOG_LEVEL", LOG_LEVELS, "INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        # It logs every registered task, in every command.
        "procrastinate": {"level": "WARNING"},
        # It logs every request with its URL, which can contain a user id.
        "httpx": {"level": "WARNING"},
        # It logs invalid URLs including their tokens and passwords. webhooks.monitoring.alerts logs these errors instead.
        "apprise": {"level": "CRITICAL"},
    },
}
