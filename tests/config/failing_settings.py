"""Settings with JSON logs and Sentry, and with a page and a job that fail intentionally."""

from config import sentry
from config.environment import env
from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.config.failing_urls"
PROCRASTINATE_IMPORT_PATHS = ["tests.config.failing_jobs"]
LOGGING["root"]["level"] = "INFO"  # noqa: F405
sentry.start(env.str("TEST_SENTRY_DSN"), release="1.2.3", environment="staging")
