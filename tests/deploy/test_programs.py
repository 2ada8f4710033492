"""Programs accept the configurations that the commands in docs/deploy write: nginx, Caddy, PgBouncer, PostgreSQL and kubectl."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from config.environment import BASE_DIR
from tests.deploy.pages import FOLDER, blocks, documented, shell
from tests.helpers.servers import pgbouncer, proxies
from tests.helpers.servers.processes import free_port, wait_until
from tests.helpers.servers.proxies import binary

# --- Proxies ---


def test_nginx_accepts_the_configuration_of_the_page(tmp_path: Path) -> None:
    site = tmp_path / "site.conf"
    shell(
        documented("proxy", "nginx/buildappswith.conf").partition(" > ")[0] + f" > {shlex.quote(str(site))}", tmp_path
    )
    text = site.read_text()
    assert "profiles.example.com" not in re.sub(r"#.*", "", text)
    proxies.certificate(tmp_path, "people.example.org")
    text = re.sub(r"listen (80|443)\b", lambda match: f"listen 127.0.0.1:{free_port()}", text)
    site.write_text(text.replace("/etc/letsencrypt/live/people.example.org", str(tmp_path)))
    main = tmp_path / "nginx.conf"
    main.write_text(proxies.NGINX_MAIN.format(user=""))
    done = subprocess.run(proxies.nginx_command(tmp_path, main, "-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_folder_of_certbot_is_served() -> None:
    folder = documented("proxy", "certbot certonly").partition("--webroot-path ")[2].split()[0]
    assert f"root {folder};" in proxies.NGINX_SITE.read_text()


def test_caddy_accepts_the_configuration_of_the_page(tmp_path: Path) -> None:
    if proxies.caddy_buffer_option() != "buffer_requests":
        pytest.skip("The command is for Caddy 2.6.")
    path = shlex.quote(str(tmp_path / "Caddyfile"))
    shell(documented("proxy", "caddy/Caddyfile").partition(" > ")[0] + f" > {path}", tmp_path)
    shell(f"caddy validate --adapter caddyfile --config {path}", tmp_path, SITE_URL="https://people.example.org")


# --- Database ---


@pytest.fixture
def role(database_url: str) -> Iterator[None]:
    yield
    with psycopg.connect(database_url, autocommit=True) as owner:
        for name in ("buildappswith_b", "buildappswith"):
            owner.execute(f"DROP ROLE IF EXISTS {name}".encode())


@pytest.mark.usefixtures("role")
def test_role_is_created(database_url: str, tmp_path: Path) -> None:
    found = shutil.which("createuser", path=f"{os.environ['PATH']}:/usr/lib/postgresql/15/bin")
    if found is None:
        pytest.skip("createuser is not installed (Debian: apt-get install postgresql-15).")
    parts = conninfo_to_dict(database_url)
    environ = {"PGHOST": str(parts["host"]), "PGUSER": str(parts["user"]), "PGDATABASE": str(parts["dbname"])}
    line = documented("one_host", "createuser").partition("-- ")[2]
    shell(f"{Path(found).parent}/{line}", tmp_path, **environ)
    with psycopg.connect(database_url) as session:
        options = "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'buildappswith'"
        assert session.execute(options).fetchone() == (True, False)


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that PgBouncer can read after it has dropped root's privileges. Folders of pytest are private."""
    with tempfile.TemporaryDirectory(prefix="pooler-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.usefixtures("role")
def test_pooler_starts_with_the_configuration_of_the_page(database_url: str, readable_folder: Path) -> None:
    """PgBouncer authenticates the role with the file of the page, and logs in to PostgreSQL with its password."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("CREATE ROLE buildappswith LOGIN PASSWORD 'password'")
    path = _write_pooler(database_url, readable_folder, port := free_port())
    url = make_conninfo(host="127.0.0.1", port=port, user="buildappswith", dbname="buildappswith", password="password")
    with subprocess.Popen([pgbouncer.binary(), path], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(url), "PgBouncer did not start")
            _add_second_role(database_url, readable_folder)
            process.send_signal(signal.SIGHUP)  # as `systemctl reload pgbouncer` does
            second = make_conninfo(url, user="buildappswith_b", password="new-password")
            wait_until(lambda: _answers(second), "PgBouncer rejects the second role")
            assert _answers(url)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(make_conninfo(url, password="wrong"), connect_timeout=5)
        finally:
            process.terminate()


def _write_pooler(database_url: str, folder: Path, port: int) -> Path:
    """Write the configuration of the page for the test server, with the user of the page, and return its path."""
    parts = conninfo_to_dict(database_url)
    line = documented("pooler", "pgbouncer.ini").partition(" > ")[0]
    text = shell(line, folder).replace("/etc/pgbouncer/", f"{folder}/")
    server = f"host={parts['host']} port={parts.get('port') or 5432} dbname={parts['dbname']}"
    text = text.replace("host=127.0.0.1 port=5432 dbname=buildappswith", server).replace("6432", str(port))
    if _pgbouncer_version() < (1, 21):
        text = re.sub(r"^max_prepared_statements.*\n", "", text, flags=re.MULTILINE)
    [users] = re.findall(r"Enter the line `(.*?)` in `/etc/pgbouncer/userlist.txt`", (FOLDER / "pooler.md").read_text())
    (folder / "userlist.txt").write_text(f"{users}\n")
    path = folder / "pgbouncer.ini"
    path.write_text(text + ("user = nobody\n" if os.geteuid() == 0 else ""))
    return path


def _add_second_role(database_url: str, folder: Path) -> None:
    """Create the role of the rotation in docs/deploy/secrets.md, and add its line to PgBouncer's file."""
    create, _ = blocks(FOLDER / "secrets.md", "sql")
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(create.encode())
    [line] = re.findall(r"add the line `(.*?)` to `/etc/pgbouncer", (FOLDER / "secrets.md").read_text())
    with (folder / "userlist.txt").open("a") as file:
        file.write(f"{line}\n")


def _pgbouncer_version() -> tuple[int, ...]:
    shown = subprocess.run([pgbouncer.binary(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", shown)[:2])


def _answers(url: str) -> bool:
    """Return whether a login works and acts as the first role."""
    try:
        with psycopg.connect(url, connect_timeout=5) as session:
            return session.execute("SELECT current_user").fetchone() == ("buildappswith",)
    except psycopg.OperationalError:
        return False


# --- Kubernetes ---


def test_secret_contains_the_environment_file(tmp_path: Path) -> None:
    binary("kubectl")
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")
    line = documented("kubernetes", "create secret").replace("deploy/.env", shlex.quote(str(tmp_path / ".env")))
    secret = yaml.safe_load(shell(f"{line} --dry-run=client --output=json", tmp_path))
    [web] = [
        each
        for each in yaml.safe_load_all((BASE_DIR / "deploy/kubernetes/web.yaml").read_text())
        if each["kind"] == "Deployment"
    ]
    pod = web["spec"]["template"]["spec"]
    assert pod["volumes"][0]["secret"]["secretName"] == secret["metadata"]["name"]
    assert {mount.get("subPath") for mount in pod["containers"][0]["volumeMounts"]} >= set(secret["data"])


def test_kustomization_uses_the_image_of_the_page(tmp_path: Path) -> None:
    binary("kubectl")
    pushed = documented("kubernetes", "docker push").split()[-1]
    rendered = shell(documented("kubernetes", "apply -k").replace("apply -k", "kustomize"), tmp_path)
    manifests = [
        *yaml.safe_load_all(rendered),
        *yaml.safe_load_all((BASE_DIR / "deploy/kubernetes/migrate.yaml").read_text()),
    ]
    pods = [spec for each in manifests if (spec := each.get("spec", {}).get("template", {}).get("spec"))]
    assert len(pods) == 3
    assert {container["image"] for pod in pods for container in pod["containers"]} == {pushed}
    assert {each["metadata"].get("namespace", "buildappswith") for each in manifests} == {"buildappswith"}
