"""Settings of a site that is killed once per event, after the commit and before the response.

An event whose svix-id starts with `KILLING` kills the process that stored it. Repeated deliveries succeed.
"""

import os
import signal

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.helpers.servers.interrupted_site_urls"
KILLING = "msg_kill"


def kill_once(svix_id: str, outcome: str) -> None:
    if svix_id.startswith(KILLING) and outcome != "duplicate":
        os.kill(os.getpid(), signal.SIGKILL)
