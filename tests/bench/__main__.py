"""Run all benchmarks, webhooks first."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from local.stack.postgres import EmbeddedPostgres
from tests.bench import webhooks


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder, shared_buffers="256MB") as postgres:
            migrate(postgres.url)
            webhooks.run(postgres, folder)
            for module in ("statements", "sessions", "reconciliation"):
                run_benchmark(f"tests.bench.{module}", postgres.url)
    # Each starts a separate PostgreSQL. The last takes longer than all others together.
    modules = ("pages", "directory", "operators")
    codes = [
        subprocess.run([sys.executable, "-m", f"tests.bench.{module}"], check=False).returncode for module in modules
    ]
    sys.exit(max(codes))  # a page over its limit does not stop the other benchmarks


def run_benchmark(module: str, url: str) -> None:
    """Run another benchmark on the same database."""
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-m", module], env=environ, check=True)


def migrate(url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, check=True)


if __name__ == "__main__":
    main()
