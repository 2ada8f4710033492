"""Run the previous release and the current one side by side on the current schema."""

import subprocess
from pathlib import Path

from config.environment import BASE_DIR
from tests.cluster.cluster import FAIL_TIMEOUT_S
from tests.cluster.proofs import Proofs


def prove_upgrade(proofs: Proofs) -> None:
    """Replace a web host with the previous release, and then upgrade this host, under load."""
    cluster, port = proofs.cluster, proofs.cluster.web_ports[0]
    release = _previous_release()
    if not release:
        print("  There is no earlier commit, so the rolling upgrade is not tested.")
        return
    code = cluster.folder / "previous"
    _extract(release, code)
    static = {"STATIC_ROOT": str(cluster.folder / "static-previous")}
    cluster.manage("collectstatic", "--noinput", "--verbosity=0", code=code, **static)
    with proofs.under_load(14, f"an upgrade from {release}"):
        for folder, environ in ((code, static), (BASE_DIR, {})):
            cluster.web[0].use_code(folder, **environ)
            proofs.restart(cluster.web[0], port)
            cluster.supervise(FAIL_TIMEOUT_S + 1)


def _previous_release() -> str:
    """Return the latest tag, or the previous commit, or "" outside a checkout."""
    for command in (["describe", "--tags", "--abbrev=0"], ["rev-parse", "--short", "HEAD~1"]):
        done = subprocess.run(["git", *command], cwd=BASE_DIR, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return ""


def _extract(release: str, folder: Path) -> None:
    folder.mkdir()
    archive = subprocess.run(["git", "archive", release], cwd=BASE_DIR, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-xf", "-"], cwd=folder, input=archive, check=True)
