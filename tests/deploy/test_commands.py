"""Every command in README.md and docs/deploy is run by a test, or there is a reason why a test cannot run it."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from config.environment import BASE_DIR
from tests.deploy.pages import FOLDER, PAGES, blocks, documented, lines, shell
from tests.deploy.test_write_environment import CLERK, parse
from tests.deploy.test_write_environment import run as run_script
from tests.helpers.servers.proxies import binary

HERE, PROGRAMS = "deploy/test_commands.py::", "deploy/test_programs.py::"
#: The start of a command, or a part of it, and the test that runs it.
RUN = {
    r"run --rm setup": "deploy/test_write_environment.py::test_site_starts_with_the_written_file",
    r"^python3 deploy/write_environment": HERE + "test_settings_are_written_as_on_the_page",
    r"collectstatic": "deploy/test_pages.py::test_static_files_are_collected_without_settings",
    r"manage\.py ": HERE + "test_arguments_of_management_commands_are_valid",
    r"^cp deploy/systemd|^systemctl enable": HERE + "test_units_are_installed_and_enabled",
    r"^install |^mkdir -p|^printf": HERE + "test_files_are_installed",
    r"createdb|ALTER DATABASE|pg_dump|pg_restore": "deploy/test_dump.py::"
    "test_dump_is_restored_and_the_audit_log_matches_its_seals",
    r"createuser": PROGRAMS + "test_role_is_created",
    r"^rclone [^ ]+ .*backup:": "deploy/test_dump.py::test_deleted_images_are_kept_and_restored",
    r"^rclone copy .* cdn:": HERE + "test_static_files_are_copied_to_a_cdn",
    r"^runuser -u postgres -- pgbackrest": "deploy/test_backup.py::test_backups_are_made_on_every_day_of_the_week",
    r"^runuser -u postgres -- pg_basebackup": "journeys/test_replica.py::"
    "test_primary_knows_the_replica_by_the_documented_name",
    r"^gunicorn ": "config/test_startup.py::test_process_reports_every_dangerous_setting_and_exits",
    r"^sed .*nginx|^nginx -t": PROGRAMS + "test_nginx_accepts_the_configuration_of_the_page",
    r"^sed .*Caddyfile": PROGRAMS + "test_caddy_accepts_the_configuration_of_the_page",
    r"^sed .*pgbouncer": PROGRAMS + "test_pooler_starts_with_the_configuration_of_the_page",
    r"^curl ": "deploy/test_proxies.py::test_commands_of_the_page_show_what_it_promises",
    r"^until ": "deploy/test_proxies.py::test_rolling_restart_waits_until_the_web_host_is_ready",
    r"create secret": PROGRAMS + "test_secret_contains_the_environment_file",
    r"apply -k": PROGRAMS + "test_kustomization_uses_the_image_of_the_page",
    r"^mkdir -m 700|^for name in|^chmod 444": HERE + "test_secrets_of_containers_are_moved_to_files",
    r"^[A-Z_]+_FILE=\S+$": "config/test_secret_files.py::test_value_is_read_from_the_file_without_white_space",
}
#: Commands that only the checks of deploy/test_pages.py cover, and why no test can run them.
NOT_RUN = {
    r"^docker |^buildah ": "They need a container engine. `make image` builds the image and runs it.",
    r"^kubectl (apply -f|delete|.* (wait|exec|rollout|delete) )": "They need a cluster. The manifests match the schema.",
    r"^systemctl (start|stop|restart|reload|daemon-reload)": "systemd does not run in the tests. The units exist.",
    r"^systemd-run": "systemd does not run in the tests.",
    r"^(apt-get|adduser|certbot|chown|rm|runuser -u postgres -- rm) ": "They change the machine.",
    r"^(git|cd|sleep) ": "They need no test.",
    r"^(python3 -m venv|\.venv/bin/pip install)": "They need the network. `make image` installs the same requirements.",
}


def test_every_command_is_run_by_a_test_or_has_a_reason() -> None:
    known = [line for page in PAGES for line in lines(page)]
    assert [line for line in known if not any(re.search(pattern, line) for pattern in (RUN | NOT_RUN))] == []
    assert [pattern for pattern in (RUN | NOT_RUN) if not any(re.search(pattern, line) for line in known)] == []


@pytest.mark.parametrize("name", sorted(set(RUN.values())))
def test_test_of_a_command_exists(name: str) -> None:
    file, _, function = name.partition("::")
    assert f"def {function}(" in (BASE_DIR / "tests" / file).read_text()


def test_every_statement_is_run_by_a_test() -> None:
    """documented() in tests.helpers.servers.replica runs those of replica.md, and deploy/test_pages.py those of secrets.md."""
    assert {page.stem for page in PAGES if blocks(page, "sql")} == {"replica", "secrets"}


def to_folder(line: str, folder: Path) -> str:
    """Return a line that writes into a folder instead of /etc."""
    return re.sub(r"(?<=[ >])/etc/", f"{folder}/etc/", line)


# --- Settings and commands of the application ---


@pytest.mark.parametrize("page", ("one_host", "kubernetes"))
def test_settings_are_written_as_on_the_page(page: str, tmp_path: Path) -> None:
    path = tmp_path / "environment"
    line = documented(page, "write_environment.py").replace("/etc/buildappswith/environment", str(path))
    shell(line.replace("python3", shlex.quote(sys.executable)), tmp_path, ENVIRONMENT_FILE=str(path))
    values = parse(path)
    assert values["SITE_URL"] == "https://profiles.example.com"
    if page == "one_host":
        assert (values["DATABASE_URL"], values["DATABASE_PASSWORD"]) == (
            "postgresql://buildappswith@/buildappswith?host=/run/postgresql",
            "",
        )


def test_secrets_of_containers_are_moved_to_files(tmp_path: Path) -> None:
    """The application and PgBouncer read the same values from the files as before from the environment file."""
    (tmp_path / "deploy").mkdir()
    path = tmp_path / "deploy" / ".env"
    assert run_script("https://profiles.example.com", str(path), **CLERK).returncode == 0
    before = parse(path)
    found = [line for line in lines(FOLDER / "secrets.md") if re.match("mkdir|for name|chmod", line)]
    shell(f"cd {shlex.quote(str(tmp_path))}\n" + "\n".join(found), tmp_path)
    compose = yaml.safe_load((BASE_DIR / "deploy" / "compose.secrets.yaml").read_text())
    for name, secret in compose["secrets"].items():
        file = tmp_path / "deploy" / secret["file"]
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o444, 0o700)
        assert before[name]
        assert (file.read_text(), parse(path)[name]) == (f"{before[name]}\n", "")
    for service in compose["services"].values():
        assert set(service["secrets"]) <= set(compose["secrets"])
        variables = service["environment"].items()
        assert all(
            re.fullmatch(r"[A-Z_]+_FILE", name) and value.startswith("/run/secrets/") for name, value in variables
        )


def management_commands() -> Iterator[list[str]]:
    for page in PAGES:
        for text in re.findall(r"```.*?```|`[^`]+`", page.read_text(), re.DOTALL):
            for words in re.findall(r"manage\.py ([a-z_]+[^\n`<]*)", text):
                yield shlex.split(words)


def test_arguments_of_management_commands_are_valid() -> None:
    found = list(management_commands())
    assert len(found) > 15
    for name, *arguments in found:
        command = load_command_class(get_commands()[name], name)
        command.create_parser("manage.py", name).parse_args(arguments)


# --- systemd and files ---


@pytest.mark.parametrize("page", ("one_host", "backup"))
def test_units_are_installed_and_enabled(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "systemd" / "system"
    folder.mkdir(parents=True)
    for line in lines(FOLDER / f"{page}.md"):
        if line.startswith("cp deploy/systemd"):
            shell(to_folder(line, tmp_path), tmp_path)
    enable = [
        line.partition("--now ")[2] for line in lines(FOLDER / f"{page}.md") if line.startswith("systemctl enable")
    ]
    units = shlex.split(" ".join(enable))
    binary("systemctl")
    shell(f"systemctl --root={shlex.quote(str(tmp_path))} enable {shlex.join(units)}", tmp_path)
    enabled = {path.name for path in folder.glob("*.wants/*")}
    # Other units start the migrations.
    assert {unit if "." in unit else f"{unit}.service" for unit in units} - enabled <= {"buildappswith-migrate.service"}


def test_files_are_installed(tmp_path: Path) -> None:
    """`install` and `mkdir` find their sources, and the folders of their targets exist in Debian or are created."""
    for folder in ("pgbouncer", "postgresql/17/main/conf.d", "systemd/system"):
        (tmp_path / "etc" / folder).mkdir(parents=True)
    found = [line for page in PAGES for line in lines(page) if line.startswith(("install ", "mkdir -p", "printf "))]
    for line in sorted(found, key=lambda line: line.startswith("printf")):
        shell(re.sub(r"-[og] postgres", "", to_folder(line, tmp_path)), tmp_path)
    dropin = tmp_path / "etc/systemd/system/caddy.service.d/site.conf"
    assert dropin.read_text() == "[Service]\nEnvironment=SITE_URL=https://people.example.org\n"
    assert (tmp_path / "etc/pgbackrest.conf").stat().st_mode & 0o777 == 0o640


def test_static_files_are_copied_to_a_cdn(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "base.1a2b.css").touch()
    line = documented("many_hosts", "cdn:").replace("/opt/buildappswith/staticfiles", shlex.quote(str(tmp_path)))
    binary("rclone")
    store = tmp_path / "store"
    store.mkdir()
    shell(line, tmp_path, RCLONE_CONFIG_CDN_TYPE="alias", RCLONE_CONFIG_CDN_REMOTE=str(store))
    assert (store / "static" / "static" / "css" / "base.1a2b.css").exists()
