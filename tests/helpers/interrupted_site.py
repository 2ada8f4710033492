"""Settings and URLs of a site whose process is killed after the commit and before its responses, once for each event.

An event whose svix-id starts with `KILLING` kills the process that has stored it. Its repeats are answered.
"""

import os
import signal

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.helpers.interrupted_site_urls"
KILLING = "msg_kill"


def kill_once(svix_id: str, outcome: str) -> None:
    if svix_id.startswith(KILLING) and outcome != "duplicate":
        os.kill(os.getpid(), signal.SIGKILL)
