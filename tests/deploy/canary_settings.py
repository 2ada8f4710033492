"""The settings of a deployment, with a page that fails."""

from tests.deploy.settings import *  # noqa: F403

ROOT_URLCONF = "tests.config.failing_urls"
