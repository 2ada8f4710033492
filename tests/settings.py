"""The settings of local mode with fixed keys. tests/plugin.py sets DATABASE_URL before they are loaded."""

import os

from tests.helpers import tokens

SECRET = "whsec_" + "dGhlIGZpcnN0IHNlY3JldCBvZiB0aGUgdGVzdHM="
#: The second signing secret, as during a rotation.
NEXT_SECRET = "whsec_" + "dGhlIHNlY29uZCBzZWNyZXQgb2YgdGhlIHRlc3Rz"

ENVIRONMENT = {
    "LOCAL_MODE": "1",
    "DEBUG": "0",
    "SECRET_KEY": "only for tests, not a secret, and long enough for Django",
    "CLERK_WEBHOOK_SECRET": f"{SECRET},{NEXT_SECRET}",
    "CLERK_PUBLISHABLE_KEY": tokens.PUBLISHABLE_KEY,
    "CLERK_FRONTEND_API_URL": tokens.ISSUER,
    "CLERK_AUTHORIZED_PARTIES": tokens.PARTY,
    "CLERK_JWT_KEY": tokens.public_pem(tokens.KEY),
    "DATABASE_POOL_SIZE": "16",
    "LOG_LEVEL": "WARNING",
}
#: Variables that may be set on the machine. Tests must not depend on them.
UNSET = ["ALLOWED_HOSTS", "CLERK_INSTANCE_ID", "CLERK_WEBHOOK_ALLOWED_IPS", "CSRF_TRUSTED_ORIGINS"]
UNSET += ["S3_BUCKET", "S3_ENDPOINT_URL", "MEDIA_CDN_URL", "STATIC_CDN_URL"]
UNSET += ["SECRET_KEY_FALLBACKS"]
UNSET += ["SITE_URL", "LIVE_SITE", "DATABASE_PASSWORD"]
UNSET += ["DATABASE_REPLICA_URL", "DATABASE_REPLICA_MAX_LAG_S"]
UNSET += ["EMAIL_URL", "DEFAULT_FROM_EMAIL"]
UNSET += ["AUDIT_CHECKPOINTS", "AUDIT_SEAL_KEY"]
UNSET += ["SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD"]
UNSET += ["DEPLOYMENT", "SENTRY_DSN", "SENTRY_ISSUES_URL", "SENTRY_TRACES_SAMPLE_RATE", "VERSION"]
UNSET += ["CLERK_ACCOUNT_PORTAL_URL", "CLERK_API_URL", "CLERK_SECRET_KEY", "PORT", "STATIC_ROOT"]
UNSET += ["ADMIN_APPROVAL", "REQUEST_LIMITS", "SECURITY_CONTACT", "SECURITY_LANGUAGES"]
UNSET += ["SVIX_API_KEY", "SVIX_API_URL", "SVIX_APP_ID", "SVIX_ENDPOINT_ID"]
UNSET += ["TRUSTED_PROXY_COUNT", "TRUSTED_PROXY_IP_HEADER", "TRUSTED_PROXY_SSL_HEADER"]

os.environ.update(ENVIRONMENT | dict.fromkeys(UNSET, ""))
# mypy loads the settings without a database.
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@/nothing?host=/nowhere")

from config.settings import *  # noqa: E402, F403

# Secure password hashers are intentionally slow.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The manifest does not exist, because tests run without collectstatic.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True

# In seconds. The values are small, because tests wait until killed workers and due jobs are detected.
PROCRASTINATE_WORKER_DEFAULTS |= {  # noqa: F405
    "update_heartbeat_interval": 0.5,
    "stalled_worker_timeout": 2.0,
    "fetch_job_polling_interval": 0.2,
}
RECOVERY_CRON = "* * * * * *"
