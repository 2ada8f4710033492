"""Django settings. Deployment-specific values come from environment variables. See `.env.example`."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from django.utils.csp import CSP

from config import sentry
from config.clerk_environment import account_portal_url, clerk_script, frontend_api_url
from config.environment import (
    BASE_DIR,
    boolean,
    choice,
    comma_separated,
    contact_uris,
    cron,
    database_config,
    deployment,
    env,
    fraction,
    header,
    integer,
    language_tags,
    log_format,
    mailer_config,
    otlp_endpoint,
    pooler,
    replica_config,
    required,
    role_mapping,
    secret,
    sentry_dsn,
    site_url,
    version,
    web_url,
)
from config.logs.records import job_context
from config.logs.traced_jobs import traced_job
from config.media import cdn_origin, media_storage, media_url

# Allows generic classes such as FormView[ContactForm] at run time. Without it, only the type stubs declare them as
# generic.
django_stubs_ext.monkeypatch()

LOCAL_MODE = boolean("LOCAL_MODE")
DEBUG = boolean("DEBUG")
#: Whether this is the site that people use, and not a restored copy or a staging site. Only the live site sends email and
#: notifications, changes users at Clerk, and deletes orphaned images.
LIVE_SITE = boolean("LIVE_SITE", default=True)
SECRET_KEY = required("SECRET_KEY", "the key for Django's signatures, 50 or more random characters")
#: Earlier keys, whose signatures are still accepted during a rotation.
SECRET_KEY_FALLBACKS = comma_separated("SECRET_KEY_FALLBACKS")
#: Debug pages and reports hide these settings. Django's own filter misses URLs that contain passwords or tokens.
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.reports.SettingsFilter"

# --- Hosts and proxies ------------------------------------------------------------------------------------------------

#: The site's origin. Links in emails and alerts start with it.
SITE_URL = site_url()
SITE_HOST = urlsplit(SITE_URL).hostname
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = comma_separated("ALLOWED_HOSTS", LOCAL_HOSTS if LOCAL_MODE else [SITE_HOST] if SITE_HOST else [])
CSRF_TRUSTED_ORIGINS = comma_separated("CSRF_TRUSTED_ORIGINS")
#: Number of reverse proxies. Each proxy appends one IP address to TRUSTED_PROXY_IP_HEADER.
TRUSTED_PROXY_COUNT = integer("TRUSTED_PROXY_COUNT", 0)
TRUSTED_PROXY_IP_HEADER = choice("TRUSTED_PROXY_IP_HEADER", ("X-Forwarded-For", "Forwarded"), "X-Forwarded-For")
SECURE_PROXY_SSL_HEADER = header("TRUSTED_PROXY_SSL_HEADER")

# --- Clerk ------------------------------------------------------------------------------------------------------------

#: Signing secrets for the webhook endpoint. There is more than one during a rotation.
CLERK_WEBHOOK_SECRETS = comma_separated("CLERK_WEBHOOK_SECRET")
#: IP addresses and networks that may send webhooks, or the word "svix". If empty, there is no restriction.
CLERK_WEBHOOK_ALLOWED_IPS = comma_separated("CLERK_WEBHOOK_ALLOWED_IPS")
#: Events from other Clerk instances are stored as ignored. If empty, events from all instances are accepted.
CLERK_INSTANCE_ID: str = env.str("CLERK_INSTANCE_ID", default="")
#: Required for sign-in with Clerk.
CLERK_PUBLISHABLE_KEY: str = env.str("CLERK_PUBLISHABLE_KEY", default="")
CLERK_SECRET_KEY: str = env.str("CLERK_SECRET_KEY", default="")
#: Releases of Clerk's scripts. By default, pages load the newest release of the major version.
CLERK_JS, CLERK_UI = clerk_script("CLERK_JS_VERSION", "6"), clerk_script("CLERK_UI_VERSION", "1")
#: The instance's public key in PEM. Without it, the key is fetched from Clerk.
CLERK_JWT_KEY: str = env.str("CLERK_JWT_KEY", default="")
#: Origins of this site. Session tokens issued for other origins are rejected.
CLERK_AUTHORIZED_PARTIES = comma_separated("CLERK_AUTHORIZED_PARTIES", [SITE_URL] if SITE_URL else [])
SITE_URL = SITE_URL or next(iter(CLERK_AUTHORIZED_PARTIES), "")
CLERK_API_URL: str = env.str("CLERK_API_URL", default="").rstrip("/") or "https://api.clerk.com"
#: Defaults to the URL in the publishable key. A different URL must be on one of this site's domains. See accounts.E009.
CLERK_KEY_FRONTEND_API_URL = frontend_api_url(CLERK_PUBLISHABLE_KEY) if CLERK_PUBLISHABLE_KEY else ""
#: Images of other hosts are not shown, because the Content Security Policy blocks them.
CLERK_IMAGE_ORIGIN = "https://img.clerk.com"
CLERK_FRONTEND_API_URL: str = env.str("CLERK_FRONTEND_API_URL", "").rstrip("/") or CLERK_KEY_FRONTEND_API_URL
#: Clerk's site where users manage their account. The security page links to it, for browsers without JavaScript.
CLERK_ACCOUNT_PORTAL_URL = account_portal_url(CLERK_KEY_FRONTEND_API_URL)

#: Svix API key for the account that sends the webhooks. The admin uses it to recover missed deliveries.
SVIX_API_KEY: str = env.str("SVIX_API_KEY", default="").strip()
SVIX_APP_ID: str = env.str("SVIX_APP_ID", default="").strip()
SVIX_ENDPOINT_ID: str = env.str("SVIX_ENDPOINT_ID", default="").strip()
#: Default: the region in the API key.
SVIX_API_URL: str = env.str("SVIX_API_URL", default="").strip().rstrip("/")

#: Schedules for reconciling recently changed users and all users with Clerk. Cron syntax, in UTC.
RECONCILE_CRON = cron("RECONCILE_CRON", "*/15 * * * *")
RECONCILE_FULL_CRON = cron("RECONCILE_FULL_CRON", "40 4 * * 0")
#: Roles here by role in an organization of Clerk, for example {"org:builder": "BUILDER"}. Empty if none.
CLERK_ORGANIZATION_ROLES = role_mapping("CLERK_ORGANIZATION_ROLES")
# --- Monitoring -------------------------------------------------------------------------------------------------------

#: /metrics requires this Bearer token or one of these IP addresses. If neither is set, it returns 404.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="").strip()
METRICS_ALLOWED_IPS = comma_separated("METRICS_ALLOWED_IPS", ["127.0.0.1", "::1"] if LOCAL_MODE else [])

#: Number of days after which an event's payload is deleted. Svix can resend events for the same period.
PAYLOAD_RETENTION_DAYS = integer("PAYLOAD_RETENTION_DAYS", 90, minimum=1)
#: Number of days after which a finished or cancelled background job is deleted. Failed jobs are kept.
JOB_RETENTION_DAYS = integer("JOB_RETENTION_DAYS", 7, minimum=1)
#: Days after which the evidence of closed review requests is erased.
REVIEW_EVIDENCE_DAYS = integer("REVIEW_EVIDENCE_DAYS", 90, minimum=1)
#: Channels for alert notifications: Apprise URLs such as mailto://, slack:// or pagerduty://.
ALERT_URLS = comma_separated("ALERT_URLS")
#: Schedule for evaluating the alert rules. Cron syntax in UTC, with an optional sixth field for seconds.
ALERT_CHECK_CRON = cron("ALERT_CHECK_CRON", "* * * * * */15")
#: An alert resolves once its problem has been gone for this long.
ALERT_RESOLVE_AFTER_S = integer("ALERT_RESOLVE_AFTER_S", 300, minimum=1)

#: This deployment's name and code version, for Sentry and the logs.
DEPLOYMENT, VERSION = deployment(), version()
#: The Sentry project for error reports. If empty, errors are not reported.
SENTRY_DSN = sentry_dsn()
#: Fraction of requests and jobs to trace, from 0 to 1.
SENTRY_TRACES_SAMPLE_RATE = fraction("SENTRY_TRACES_SAMPLE_RATE")
#: URL of the project's issues in Sentry. Error group pages link to it.
SENTRY_ISSUES_URL = web_url("SENTRY_ISSUES_URL")
if SENTRY_DSN:
    sentry.start(SENTRY_DSN, release=VERSION, environment=DEPLOYMENT, traces_sample_rate=SENTRY_TRACES_SAMPLE_RATE)

#: OpenTelemetry collector for traces and metrics. If empty, OpenTelemetry is not imported and nothing is sent.
OTEL_EXPORTER_OTLP_ENDPOINT = otlp_endpoint()

# --- Audit ------------------------------------------------------------------------------------------------------------

#: Keys for sealing the audit log, newest first. Without a key, the log is not sealed.
AUDIT_SEAL_KEYS = comma_separated("AUDIT_SEAL_KEY")
#: Destinations for checkpoints of new seals: file:/path, mail:address or log.
AUDIT_CHECKPOINTS = comma_separated("AUDIT_CHECKPOINTS")
#: Schedules for sealing new rows and for verifying the whole log. Cron syntax, in UTC.
AUDIT_SEAL_CRON = cron("AUDIT_SEAL_CRON", "*/5 * * * *")
AUDIT_VERIFY_CRON = cron("AUDIT_VERIFY_CRON", "23 4 * * *")

# --- Applications -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "procrastinate.contrib.django",  # Must come before webhooks, which replaces its admin pages.
    "accounts",
    "profiles",
    "webhooks",
    "audit",  # Must come last, because it records the other apps' erasure.
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
    "config.logs.records.request_context",  # Must come first, so that every log record has a request ID.
    "config.middleware.language.LanguageMiddleware",  # Must come before middleware that renders pages.
    "config.middleware.https_redirect.detect_loops",  # Must come before the next middleware, which redirects.
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.site.browser_policies",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.site.AnonymousGZipMiddleware",  # Must come after WhiteNoise, whose files are already compressed.
    "config.middleware.pages.PolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Must come after middleware that sets headers and before middleware that checks the host.
    "config.probes.answer_probes",
    "config.middleware.pages.PageSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    # Must come before the next middleware, which may check a flag and return a response.
    "config.middleware.site.FlagCookiesMiddleware",
    "accounts.middleware.ClerkAuthenticationMiddleware",
    # Must come after the previous middleware, which authenticates the user.
    "config.middleware.request_limits.limit_requests",
    "config.middleware.pages.PageMessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.middleware.site.DatabaseUnavailableMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # The second folder has the templates of local.components.
        "DIRS": [BASE_DIR / "templates", *([BASE_DIR / "local" / "templates"] if LOCAL_MODE else [])],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context_processors.clerk",
            ],
            "libraries": {name: f"core.templatetags.{name}" for name in ("fields", "fragments", "lists")},
        },
    },
]

# --- Database ---------------------------------------------------------------------------------------------------------

#: "transaction" if DATABASE_URL points to PgBouncer in transaction mode.
DATABASE_POOLER = pooler()
#: Whether the server prepares the statements of core.db.statements. Behind a pooler, this also needs its support.
DATABASE_PREPARED_STATEMENTS = boolean("DATABASE_PREPARED_STATEMENTS", default=True)
DATABASES = {
    "default": database_config(
        required("DATABASE_URL", "the PostgreSQL database, for example postgresql://user@host/name"),
        pool_size=integer("DATABASE_POOL_SIZE", 16, minimum=1),
        pooler=DATABASE_POOLER,
        password=secret("DATABASE_PASSWORD"),
        prepares=DATABASE_PREPARED_STATEMENTS,
    ),
}
#: A streaming replica for public pages, and how many seconds it may be behind. core.db.replica chooses the database.
DATABASE_REPLICA_URL: str = env.str("DATABASE_REPLICA_URL", default="").strip()
DATABASE_REPLICA_MAX_LAG_S = integer("DATABASE_REPLICA_MAX_LAG_S", 5, minimum=1)
if DATABASE_REPLICA_URL:
    DATABASES["replica"] = replica_config(
        DATABASE_REPLICA_URL,
        pool_size=integer("DATABASE_POOL_SIZE", 16, minimum=1),
        pooler=DATABASE_POOLER,
        password=secret("DATABASE_PASSWORD"),
        prepares=DATABASE_PREPARED_STATEMENTS,
    )
    DATABASE_ROUTERS = ["core.db.replica.ReplicaRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# docs/architecture.md describes the queue's pitfalls. If a killed worker is restarted, its jobs run again after about
# 12 s. Jobs run concurrently, so that a full reconciliation, which takes minutes, does not delay retries.
PROCRASTINATE_WORKER_DEFAULTS: dict[str, Any] = {
    "concurrency": 4,
    "update_heartbeat_interval": 3.0,
    "stalled_worker_timeout": 10.0,
    "worker_middleware": [job_context, *([traced_job] if OTEL_EXPORTER_OTLP_ENDPOINT else [])],
}
if DATABASE_POOLER:
    # A pooler in transaction mode does not forward notifications, so workers behind it poll for jobs.
    PROCRASTINATE_WORKER_DEFAULTS |= {"listen_notify": False, "fetch_job_polling_interval": 1.0}
PROCRASTINATE_ON_APP_READY = "webhooks.jobs.failures.connect"
#: How often to check for killed workers. On startup, a worker also checks for the worker that it replaces.
RECOVERY_CRON = "* * * * *"

# --- Users and authentication -----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # Must come first, so that it can block brute-force attempts.
    "django.contrib.auth.backends.ModelBackend",
    "accounts.backends.AdminRoleBackend",
]
# Only local operators have passwords. Lockouts apply to IP addresses (/64 networks for IPv6), so that an attacker
# cannot lock out an account. While addresses are unknown, lockouts apply to usernames.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = "accounts.security.lockouts.lockout_parameters"
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "accounts.security.lockouts.counted_username"
AXES_CLIENT_IP_CALLABLE = "accounts.security.lockouts.counted_address"
# Failures during a lockout are not stored and do not extend it.
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
#: accounts.admin provides a page for flags. Waffle's samples and switches are not used.
WAFFLE_ENABLE_ADMIN_PAGES = False
WAFFLE_SECURE = not LOCAL_MODE
WAFFLE_CACHE_NAME = "flags"
# Each process caches flags in memory, so that checking a flag needs no query. Other processes apply a change after
# TIMEOUT s.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "flags": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "flags", "TIMEOUT": 10},
    # Cached page fragments. When there are more, the least recently used third is dropped.
    "fragments": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "fragments",
        "TIMEOUT": 3600,
        "OPTIONS": {"MAX_ENTRIES": 2000},
    },
}

# --- Request limits ---------------------------------------------------------------------------------------------------

#: Whether config.middleware.request_limits returns 429 to clients that send too many requests. Off in local mode for
#: load tests.
REQUEST_LIMITS = boolean("REQUEST_LIMITS", default=not LOCAL_MODE)

# --- Security ---------------------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = not LOCAL_MODE
# Health checks and Svix do not follow redirects, and Svix counts a redirect as a failed delivery.
SECURE_REDIRECT_EXEMPT = [r"^api/webhooks/clerk/?$", r"^healthz$", r"^readyz$", r"^metrics$"]
# HSTS cannot be revoked before it expires. docs/configuration.md describes how to increase it.
SECURE_HSTS_SECONDS = 0 if LOCAL_MODE else integer("SECURE_HSTS_SECONDS", 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = not LOCAL_MODE and boolean("SECURE_HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = not LOCAL_MODE and boolean("SECURE_HSTS_PRELOAD")
# Django recommends subdomains and preload for all sites, but they affect other sites on the domain. config.W001 checks
# them.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
#: Origin of a CDN for style sheets, scripts and fonts. config.static_files.CachedUrlStorage adds it to their URLs.
STATIC_CDN_URL = cdn_origin("STATIC_CDN_URL")
STATIC_ORIGINS: list[str] = [CSP.SELF, *([STATIC_CDN_URL] if STATIC_CDN_URL else [])]
# accounts.security.csp extends this policy for signed-in users and for pages with Clerk's widgets.
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.SELF],
    "script-src": [*STATIC_ORIGINS, CSP.NONCE],
    "style-src": [*STATIC_ORIGINS, CSP.NONCE],
    **({"font-src": STATIC_ORIGINS} if STATIC_CDN_URL else {}),
    "img-src": [*STATIC_ORIGINS, CLERK_IMAGE_ORIGIN, "data:"],
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

# Store messages in a cookie, so that pages do not need a query for them.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# --- Mail -------------------------------------------------------------------------------------------------------------

EMAIL_URL: str = env.str("EMAIL_URL", default="")
_mailer = mailer_config(EMAIL_URL)
MAILERS = {"default": _mailer if LIVE_SITE else {"BACKEND": "core.mail.HeldEmailBackend"}}
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="") or "Buildappswith <no-reply@localhost>"

#: Where to report security problems: URIs for security.txt. If empty, /.well-known/security.txt returns 404.
#: Whether a second admin has to approve each new admin.
ADMIN_APPROVAL = boolean("ADMIN_APPROVAL")
SECURITY_CONTACT = contact_uris("SECURITY_CONTACT")
#: Languages in which reports are understood.
SECURITY_LANGUAGES = language_tags("SECURITY_LANGUAGES", ["en"])

# --- Pages ------------------------------------------------------------------------------------------------------------

#: The language of the strings in the code. Catalogues of the other languages are in locale/. See docs/translating.md.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]
#: The visitor's choice, kept for a year.
LANGUAGE_COOKIE_NAME, LANGUAGE_COOKIE_AGE = "language", 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY, LANGUAGE_COOKIE_SAMESITE = not LOCAL_MODE, True, "Lax"
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default="") or BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Uploaded images. profiles.media.views or a proxy serves them.
MEDIA_URL = media_url()
MEDIA_ROOT = env.str("MEDIA_ROOT", default="") or BASE_DIR / "media"
FILE_UPLOAD_HANDLERS = ["profiles.media.uploads.CappedUploadHandler"]
if MEDIA_URL.startswith("https:"):
    SECURE_CSP["img-src"].append(MEDIA_URL.removesuffix("/media/"))
STORAGES = {
    "default": media_storage(),
    "staticfiles": {"BACKEND": "config.static_files.CachedUrlStorage"},
}
#: Django's admin pages redirect anonymous users to this URL.
LOGIN_URL = "admin:login"

# --- Logging ----------------------------------------------------------------------------------------------------------

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "config.logs.records.json_formatter"},
    },
    "filters": {
        "capture": {"()": "core.captured_logs.CaptureFilter"},
        "limits": {"()": "config.logs.limits.LimitFilter"},
        "rejections": {"()": "config.logs.records.RejectionFilter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": log_format(), "filters": ["limits", "rejections"]},
    },
    "root": {"handlers": ["console"], "level": choice("LOG_LEVEL", LOG_LEVELS, "INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        # This logger logs every registered task in every command.
        "procrastinate": {"level": "WARNING"},
        # This logger logs every request's URL, which can contain a user id.
        "httpx": {"level": "WARNING"},
        # This logger's messages contain invalid URLs, including tokens and passwords.
        # webhooks.monitoring.notifications.delivery collects the warnings and logs them without secrets.
        "apprise": {"level": "WARNING", "filters": ["capture"]},
    },
}
