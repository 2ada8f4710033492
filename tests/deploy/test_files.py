"""Files in deploy/: systemd units, Kubernetes manifests, compose.yaml and the image's description."""

import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kubernetes_validate
import pytest
import yaml

from config.environment import BASE_DIR
from tests.helpers.servers.proxies import binary

DEPLOY = BASE_DIR / "deploy"
MANIFESTS = [path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if path.stem != "kustomization"]
UNITS = sorted((DEPLOY / "systemd").iterdir())
KUBERNETES_VERSIONS = ("1.29", "1.34")
NAMES = {line.partition("=")[0] for line in (BASE_DIR / ".env.example").read_text().splitlines() if "=" in line}


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def compose() -> dict[str, Any]:
    text: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return text


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifest_matches_the_schema(path: Path, version: str) -> None:
    assert documents(path)
    for document in documents(path):
        kubernetes_validate.validate(document, version, strict=True)


def test_kustomization_lists_the_manifests() -> None:
    [kustomization] = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    assert {*kustomization["resources"], "migrate.yaml"} == {path.name for path in MANIFESTS}


def test_containers_are_unprivileged_and_read_only() -> None:
    for name, service in compose()["services"].items():
        if name in ("web", "worker", "migrate", "pooler"):
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
    for path in MANIFESTS:
        for spec in (document.get("spec", {}) for document in documents(path)):
            pod = spec.get("template", {}).get("spec")
            if pod:
                [container] = pod["containers"]
                assert pod["securityContext"]["runAsNonRoot"], path
                assert container["securityContext"]["readOnlyRootFilesystem"], path


def test_compose_sets_only_settings_that_exist() -> None:
    services = compose()["services"]
    for name in ("web", "worker", "migrate"):
        assert set(services[name]["environment"]) <= NAMES
    used = set(re.findall(r"\$\{([A-Z_0-9]+)", (DEPLOY / "compose.yaml").read_text()))
    assert used <= NAMES


def test_compose_contains_no_secret_and_every_dependency_is_a_service() -> None:
    services = compose()["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for variable, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|KEY", variable) or str(value).startswith("${"), variable


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert systemd_messages(tmp_path) == ""


def test_systemd_accepts_the_documented_credentials(tmp_path: Path) -> None:
    page = (BASE_DIR / "docs" / "deploy" / "secrets.md").read_text()
    [text] = re.findall(r"^```ini\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / Path(text.partition("\n")[0]).relative_to("# /etc/systemd/system")
    path.parent.mkdir()
    path.write_text(text)
    assert systemd_messages(tmp_path) == ""
    path.write_text(f"{text}Unknown=1\n")
    assert "Unknown" in systemd_messages(tmp_path)  # systemd reads the file


def systemd_messages(folder: Path) -> str:
    """Write the units for this checkout to a folder, and return systemd's messages about them."""
    project = folder / "project"  # the path of the project can contain spaces
    if not project.exists():
        project.symlink_to(BASE_DIR)
    for unit in UNITS:
        text = unit.read_text().replace("/opt/buildappswith", str(project)).replace("=buildappswith\n", "=daemon\n")
        (folder / unit.name).write_text(text)
    paths = [str(folder / unit.name) for unit in UNITS]
    command = [binary("systemd-analyze"), "verify", "--recursive-errors=no", "--man=no", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 or done.stderr, done.stdout
    return done.stderr


@pytest.mark.parametrize("name", ("web", "worker", "migrate"))
def test_unit_is_hardened(name: str) -> None:
    unit = DEPLOY / "systemd" / f"buildappswith-{name}.service"
    # Below 2, systemd calls the exposure "OK".
    command = [binary("systemd-analyze"), "security", "--offline=yes", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-600:] + done.stderr


@pytest.mark.parametrize(("status", "exit_code"), ((200, 0), (503, 1)))
def test_health_check_of_the_image_asks_the_web_server(status: int, exit_code: int) -> None:
    text = (DEPLOY / "Containerfile").read_text()
    [command] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", text, re.MULTILINE)
    python, *arguments = json.loads(command)
    assert python == "python"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        arguments = [word.replace("127.0.0.1:8000", f"127.0.0.1:{server.server_port}") for word in arguments]
        done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False, timeout=30)
    assert done.returncode == exit_code, done.stderr


def test_image_contains_every_folder_of_the_application() -> None:
    kept = {line[1:] for line in (BASE_DIR / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    [packages] = re.findall(r"INSTALLED_APPS = \[(.*?)\]", (BASE_DIR / "config" / "settings.py").read_text(), re.DOTALL)
    ours = {name.partition(".")[0] for name in re.findall(r'"([a-z.A-Z]+)"', packages)}
    assert {name for name in ours if (BASE_DIR / name).is_dir()} <= kept
    assert {"core", "templates", "static", "locale", "docs/runbooks"} <= kept
    assert not {"local", "tests", ".env", ".git"} & kept
