"""Run Lighthouse on the public pages, for phones and desktops: `make lighthouse`.

Each page is loaded three times with simulated throttling, and the medians count. This is not part of the tests, because the
performance score depends on the load of the machine.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.helpers.servers.processes import wait_until
from tests.helpers.servers.site import Site, running_site

LIGHTHOUSE = Path(__file__).parent / "node_modules" / ".bin" / "lighthouse"
PAGES = {"home": "/", "directory": "/builders/", "builder": "/builders/omar-haddad/"}
#: Minimum scores of each page, out of 100.
MIN_SCORES = {"performance": 95, "accessibility": 95, "best-practices": 95, "seo": 95}
RUNS = 3
#: Development instances of Clerk redirect browsers without this cookie three times before the first page. Production instances do not,
#: so these redirects, which cost about 1.4 s on a phone, must not count.
HEADERS = {"Cookie": "__clerk_db_jwt=browser"}
CHROME_FLAGS = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"


def main() -> int:
    """Print the scores of each page, and return 1 if one is too low."""
    is_too_low = False
    print(f"{'':24}" + "".join(f"{name:>16}" for name in MIN_SCORES))
    with tempfile.TemporaryDirectory() as folder, running_site(Path(folder), DEMO_CONTENT="1") as site:
        # Pages without a headline have noindex.
        wait_until(lambda: "noindex" not in read(site, PAGES["builder"]), "the demo builder has no headline", 180)
        for name, path in (PAGES | {"project": project_path(site)}).items():
            for preset in ("", "desktop"):
                scores = audit(f"http://127.0.0.1:{site.port}{path}", preset)
                is_too_low |= any(scores[category] < minimum for category, minimum in MIN_SCORES.items())
                cells = "".join(f"{scores[category]:>16.0f}" for category in MIN_SCORES)
                print(f"{name} {preset or 'phone':<14}"[:24].ljust(24) + cells, flush=True)
    return int(is_too_low)


def read(site: Site, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}{path}", timeout=10) as response:
        return str(response.read().decode())


def project_path(site: Site) -> str:
    """Return the path of a demo project's page, which contains the project's ID."""
    pattern = re.compile(r'href="(/builders/[^"]+/work/[^"]+/)"')
    wait_until(lambda: pattern.search(read(site, PAGES["builder"])) is not None, "no demo project", 180)
    return str(pattern.findall(read(site, PAGES["builder"]))[0])


def audit(url: str, preset: str) -> dict[str, float]:
    """Return the median score of each category, out of 100, and print the audits that cost points."""
    reports = [load(url, preset) for _run in range(RUNS)]
    for category in ("accessibility", "best-practices", "seo"):
        for reference in reports[0]["categories"][category]["auditRefs"]:
            result = reports[0]["audits"][reference["id"]]
            if reference["weight"] and result["score"] is not None and result["score"] < 1:
                print(f"    {category}: {result['title']}")
    scores = {category: [report["categories"][category]["score"] or 0 for report in reports] for category in MIN_SCORES}
    return {category: 100 * statistics.median(values) for category, values in scores.items()}


def load(url: str, preset: str) -> dict[str, Any]:
    """Return Lighthouse's report."""
    command = [str(LIGHTHOUSE), url, "--quiet", "--output=json", f"--chrome-flags={CHROME_FLAGS}"]
    command += [f"--only-categories={','.join(MIN_SCORES)}", f"--extra-headers={json.dumps(HEADERS)}"]
    command += [f"--preset={preset}"] if preset else []
    environ = os.environ | {"CHROME_PATH": shutil.which("chromium") or shutil.which("google-chrome") or ""}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, timeout=180)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


if __name__ == "__main__":
    sys.exit(main())
