"""What Lighthouse says of the public pages, on a telephone and at a desk: `make lighthouse`.

Not among the tests, because the figure for performance depends on what else the machine does.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.helpers.processes import wait_until
from tests.helpers.site import Site, running_site

LIGHTHOUSE = Path(__file__).parent / "node_modules" / ".bin" / "lighthouse"
PAGES = {"home": "/", "directory": "/builders/", "builder": "/builders/omar-haddad/"}
#: The least of a hundred that each page is to have.
LEAST = {"performance": 90, "accessibility": 95, "best-practices": 95, "seo": 95}
CHROME_FLAGS = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"


def main() -> int:
    """Print the scores of each page; return 1 if one is too low."""
    short = False
    print(f"{'':24}" + "".join(f"{name:>16}" for name in LEAST))
    with tempfile.TemporaryDirectory() as folder, running_site(Path(folder), DEMO_CONTENT="1") as site:
        # Search engines are let in once there is a headline.
        wait_until(lambda: "noindex" not in read(site, PAGES["builder"]), "the demo builder wrote no headline", 180)
        for name, path in PAGES.items():
            for preset in ("", "desktop"):
                scores = judge(f"http://127.0.0.1:{site.port}{path}", preset)
                short |= any(scores[category] < least for category, least in LEAST.items())
                cells = "".join(f"{scores[category]:>16.0f}" for category in LEAST)
                print(f"{name} {preset or 'telephone':<14}"[:24].ljust(24) + cells, flush=True)
    return int(short)


def read(site: Site, path: str) -> str:
    """Return the text of a page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}{path}", timeout=10) as response:
        return str(response.read().decode())


def judge(url: str, preset: str) -> dict[str, float]:
    """Return the score of each category, of a hundred, and say which audits cost points."""
    command = [str(LIGHTHOUSE), url, "--quiet", "--output=json", f"--chrome-flags={CHROME_FLAGS}"]
    command += [f"--only-categories={','.join(LEAST)}", *([f"--preset={preset}"] if preset else [])]
    environ = os.environ | {"CHROME_PATH": shutil.which("chromium") or shutil.which("google-chrome") or ""}
    done = subprocess.run(command, env=environ, capture_output=True, check=True, timeout=180)
    report = json.loads(done.stdout)
    for category in ("accessibility", "best-practices", "seo"):
        for each in report["categories"][category]["auditRefs"]:
            audit = report["audits"][each["id"]]
            if each["weight"] and audit["score"] is not None and audit["score"] < 1:
                print(f"    {category}: {audit['title']}")
    return {category: 100 * (report["categories"][category]["score"] or 0) for category in LEAST}


if __name__ == "__main__":
    sys.exit(main())
