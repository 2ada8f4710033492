"""The product's settings. Jobs of killed workers are detected sooner, so that a short run can wait for them."""

from tests.journeys.settings import *  # noqa: F403

PROCRASTINATE_WORKER_DEFAULTS |= {"update_heartbeat_interval": 1.0, "stalled_worker_timeout": 4.0}  # noqa: F405
RECOVERY_CRON = "* * * * * */5"
