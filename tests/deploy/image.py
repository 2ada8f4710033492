"""Run the built image without a container engine: migrations, a web server and a worker, with a read-only root file system.

    IMAGE_ROOT=$(buildah mount $(buildah from buildappswith)) python -m pytest tests/deploy/image.py

It needs root, because it mounts the image read-only and runs its processes with the image's user.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from accounts.clerk import samples
from local.stack.postgres import installation
from tests.config.test_startup import ENVIRONMENT
from tests.helpers.servers.processes import TIMEOUT_S, free_port, wait_until
from tests.helpers.webhooks import new_svix_id, person
from webhooks.inbox import signatures

ROOT = Path(os.environ["IMAGE_ROOT"])
USER = "10001:10001"
#: Mounts as in deploy/compose.yaml: a read-only root, /tmp and /dev/shm in memory, and a volume for images.
MOUNTS = """
set -e
mount --bind "$ROOT" "$ROOT" && mount -o remount,ro,bind "$ROOT"
mount -t tmpfs tmpfs "$ROOT/tmp" && mount --rbind /dev "$ROOT/dev" && mount -t proc proc "$ROOT/proc"
mount --bind "$MEDIA" "$ROOT/media"
exec chroot --userspec="$IMAGE_USER" "$ROOT" "$@"
"""
IN_IMAGE = {
    "PATH": "/opt/venv/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "MEDIA_ROOT": "/media",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "LOG_FORMAT": "json",
}


class Image:
    """The image's processes, with a database of their own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.media, self.log = folder / "media", folder / "log.txt"
        self.media.mkdir()
        os.chown(self.media, 10001, 10001)
        self.environment = ENVIRONMENT | IN_IMAGE | {"DATABASE_URL": database_url}
        self.environment |= {"ROOT": str(ROOT), "MEDIA": str(self.media), "IMAGE_USER": USER}
        del self.environment["LOG_LEVEL"]

    def command(self, *arguments: str) -> list[str]:
        shell = f"cd /app && exec {' '.join(arguments)}"
        return ["/usr/bin/env", "unshare", "--mount", "/bin/sh", "-c", MOUNTS, "sh", "/bin/sh", "-c", shell]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | {"PATH": f"{self.environment['PATH']}:/usr/sbin"}
        return subprocess.run(
            self.command(*arguments), env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    @contextmanager
    def running(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
        environment = self.environment | environ | {"PATH": f"{self.environment['PATH']}:/usr/sbin"}
        with self.log.open("ab") as output:
            process = subprocess.Popen(self.command(*arguments), env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0, self.log.read_text()


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A PostgreSQL that listens on a port, as one in another container would."""
    # pytest's folders belong to the user of the tests, and the server has another user.
    with tempfile.TemporaryDirectory(prefix="image-", ignore_cleanup_errors=True) as folder:
        yield from _serve(Path(folder))


def _serve(folder: Path) -> Iterator[str]:
    port, binaries = free_port(), installation() / "bin"
    os.chown(folder, 65534, 65534)
    as_nobody: list[str | Path] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    data = folder / "data"
    options = ["--username=buildappswith", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]
    subprocess.run([*as_nobody, binaries / "initdb", "-D", data, *options], check=True, capture_output=True)
    command: list[str | Path] = [
        *as_nobody,
        binaries / "postgres",
        "-D",
        data,
        "-p",
        str(port),
        "-k",
        folder,
        "-c",
        "fsync=off",
    ]
    url = f"postgresql://buildappswith@127.0.0.1:{port}/postgres"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: _accepts(url), "PostgreSQL did not start")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(TIMEOUT_S)


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> Image:
    image = Image(tmp_path_factory.mktemp("image"), server_url)
    done = image.run("python", "manage.py", "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return image


def test_commands_run_as_an_unprivileged_user_that_cannot_write(image: Image) -> None:
    code = "import os; print(os.getuid(), os.access('/app', os.W_OK), os.access('/media', os.W_OK))"
    done = image.run("python", "-c", f'"{code}"')
    assert done.stdout == "10001 False True\n", done.stderr
    assert image.run("python", "manage.py", "check", "--deploy").returncode == 0


def test_missing_setting_stops_the_start_with_one_sentence(image: Image) -> None:
    done = image.run("env", "SECRET_KEY=", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi")
    assert done.returncode == 1
    assert "SECRET_KEY is not set." in done.stderr
    assert "Traceback" not in done.stderr


def test_web_server_and_worker_process_an_event(image: Image, server_url: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    web = image.running("gunicorn", "-c", "config/gunicorn.py", "config.wsgi", BIND=f"127.0.0.1:{port}")
    with web, image.running("python", "manage.py", "procrastinate", "worker"):
        wait_until(lambda: _status(f"{url}/readyz") == 200, f"The web server did not start, see {image.log}", 180)
        headers = {"Host": "profiles.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        page = httpx.get(f"{url}/builders/", headers=headers)
        assert page.status_code == 200
        [style] = [part for part in page.text.split('"') if part.startswith("/static/css/base")][:1]
        assert httpx.get(url + style, headers=headers).status_code == 200
        body = samples.encode(samples.user_event("user.created", person(roles=["BUILDER"])))
        signed = signatures.sign(body, ENVIRONMENT["CLERK_WEBHOOK_SECRET"], svix_id=new_svix_id())
        sent = httpx.post(f"{url}/api/webhooks/clerk", content=body, headers=signed | headers)
        assert sent.json() == {"outcome": "processed"}, sent.text
        wait_until(lambda: _worker_is_alive(server_url), "The worker did not start", 180)


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0


def _worker_is_alive(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return bool(connection.execute("SELECT 1 FROM procrastinate_workers").fetchone())


def test_list_of_contents_names_every_package(image: Image) -> None:
    code = (
        "import importlib.metadata as m; print(*sorted({f'{d.name}=={d.version}'.lower() for d in m.distributions()}))"
    )
    installed = image.run("python", "-c", f'"{code}"').stdout.split()
    listed = json.loads((ROOT / "app" / "sbom.cdx.json").read_text())["components"]
    assert sorted({f"{part['name']}=={part['version']}".lower() for part in listed}) == installed
    assert any(name.startswith("django==") for name in installed)
