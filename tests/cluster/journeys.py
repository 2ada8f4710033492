"""The journeys of tests/browser through the TLS edge, with the stand-in for Clerk on its own host name."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config.environment import BASE_DIR
from local.demo.users import sign_up_missing
from local.stack.steps import get_status
from tests.browser.scenario import Device
from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.stand_in import clerk_url, stand_in_settings
from tests.helpers.servers.site import RUNNING_SITE, Site

#: A phone, and a desktop without JavaScript. `make browser-test` uses all devices.
DEVICES = (Device(360, "light", scripts=True), Device(1280, "dark", scripts=False))
PYTEST = ("-m", "pytest", "-q", "-o", "python_files=*.py", "tests/browser/journeys")
#: The status of an answer in nginx's log.
STATUS = re.compile(r'" (\d{3}) ')


def run_journeys(folder: Path) -> int:
    """Run all journeys, and return the exit code."""
    with running_cluster(folder, has_clerk=True) as cluster:
        site = _site(cluster)
        cluster.wait(lambda: get_status(site.clerk_port, "/healthz") == 200, "the stand-in for Clerk did not start")
        if _fill_in_profiles(cluster, site):
            return 1
        running = json.dumps(asdict(site), default=str)
        selected = " or ".join(device.slug for device in DEVICES)
        exit_code = _run(cluster, *PYTEST, "-k", selected, **{RUNNING_SITE: running})
        return _report(cluster, site) or exit_code


def _site(cluster: Cluster) -> Site:
    (cluster.folder / "mail").mkdir()
    return Site(cluster.url, clerk_url(cluster.clerk_port), cluster.web_ports[0], cluster.clerk_port, cluster.folder)


def _fill_in_profiles(cluster: Cluster, site: Site) -> int:
    """Sign up the demo users, fill in their profiles through the edge, and return the exit code."""
    sign_up_missing(site.clerk_port, cluster.folder / "demo-people.txt")
    settings = stand_in_settings(cluster.https_port, cluster.clerk_port, cluster.folder)
    return _run(cluster, "-m", "local.demo.fill_profiles", **cluster.environ | settings)


def _run(cluster: Cluster, *arguments: str, **environ: str) -> int:
    """Run Python while the cluster is supervised, and return the exit code."""
    running = subprocess.Popen([sys.executable, *arguments], cwd=BASE_DIR, env=os.environ | environ)
    try:
        while running.poll() is None:
            cluster.supervise(0.2)
            _store_emails(cluster.mails, cluster.folder / "mail")
    finally:
        running.terminate()
        running.wait()
    return running.returncode


def _store_emails(mails: Sequence[bytes], folder: Path) -> None:
    """Store the emails that the mail server has received since the last call, as the journeys expect them."""
    for number in range(len(list(folder.glob("*.log"))), len(mails)):
        unfinished = folder / f"{number}.part"
        unfinished.write_bytes(mails[number])
        unfinished.rename(folder / f"{number}.log")


def _report(cluster: Cluster, site: Site) -> int:
    """Check what nginx, the stand-in and the object store have seen, and return the exit code."""
    log = (cluster.folder / "nginx-access.txt").read_text()
    answers = Counter(found[1] for found in STATUS.finditer(log))
    deliveries: list[dict[str, Any]] = site.clerk_api("GET", "/local/deliveries")
    undelivered = [delivery["id"] for delivery in deliveries if delivery["state"] != "delivered"]
    print(f"  answers of nginx: {dict(sorted(answers.items()))}")
    found = {
        "no request has a server error": [status for status in answers if status.startswith("5")],
        "the webhooks of the stand-in are delivered to nginx": undelivered or not deliveries,
        "the uploaded images are in the object store": not cluster.object_names(),
    }
    for name, problems in found.items():
        print(f"{'FAILED' if problems else 'passed'}: {name}")
    return int(any(found.values()))
