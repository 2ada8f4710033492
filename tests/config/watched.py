"""Settings of a deployment that logs JSON and tells Sentry, with a page and a job that fail on purpose."""

from config import sentry
from config.environment import env
from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.config.watched_urls"
PROCRASTINATE_IMPORT_PATHS = ["tests.config.watched_jobs"]
LOGGING["root"]["level"] = "INFO"  # noqa: F405
sentry.start(env.str("WATCHED_DSN"), release="1.2.3", environment="staging")
