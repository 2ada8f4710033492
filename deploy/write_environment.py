"""Write the environment file of a new site, with fresh secrets and the comments from .env.example.

This script needs only Python, because it runs before anything is installed or configured.
"""

import argparse
import getpass
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
#: A host name with a top-level domain, as in config.environment.site_url().
ORIGIN = re.compile(r"https://[a-z0-9][a-z0-9.-]*\.[a-z][a-z0-9-]*(:[0-9]+)?")
#: The section for development machines.
LOCAL_SECTION = "# --- Local mode"
#: Values that need no quotes in a shell, in systemd, in Compose and in django-environ.
PLAIN = re.compile(r"[A-Za-z0-9_./:@,+=%-]*")
GENERATED: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "AUDIT_SEAL_KEY": lambda: secrets.token_urlsafe(48),
    "METRICS_TOKEN": lambda: secrets.token_urlsafe(32),
    "DATABASE_PASSWORD": lambda: secrets.token_urlsafe(32),
}
#: Values that only Clerk's dashboard has. On a terminal, the script asks for them.
FROM_CLERK = ("CLERK_WEBHOOK_SECRET", "CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY")
#: The folder of the units in deploy/systemd. Containers have another one, which compose.yaml sets.
MEDIA_ROOT = "/var/lib/buildappswith/media"
#: Examples that are not defaults, and must not be kept.
BLANK = ("EMAIL_URL",)
NEXT_STEPS = """\
{path} was written. Keep a copy of AUDIT_SEAL_KEY outside the database server.

In Clerk's dashboard, under Webhooks, the endpoint URL is: {url}/api/webhooks/clerk
docs/clerk_dashboard.md lists the events. `manage.py clerk_doctor` prints everything to enter there.
"""
MISSING = "Enter the values of {names} in the file before you start the site.\n"


def main() -> None:
    options = _parse_arguments()
    values = site_values(options.site_url, options.database_url) | _values_from_clerk()
    if options.object_store:
        values |= object_store_values()
    text = render(EXAMPLE.read_text(encoding="utf-8"), values)
    try:
        write(options.file, text)
    except OSError as error:
        reason = "it already exists" if isinstance(error, FileExistsError) else error.strerror
        sys.exit(f"{options.file} was not written: {reason}. Choose another file.")
    missing = [name for name in FROM_CLERK if not values[name]]
    sys.stdout.write(NEXT_STEPS.format(path=options.file, url=options.site_url))
    sys.stdout.write(MISSING.format(names=", ".join(missing)) if missing else "")


def site_values(site_url: str, database_url: str = "") -> dict[str, str]:
    """Return the values of a new site: its address and generated secrets."""
    host = urlsplit(site_url).hostname
    values = {name: generate() for name, generate in GENERATED.items()} | dict.fromkeys(BLANK, "")
    values |= {"SITE_URL": site_url, "MEDIA_ROOT": MEDIA_ROOT, "DEFAULT_FROM_EMAIL": f"Buildappswith <no-reply@{host}>"}
    if database_url:  # The URL contains the password, or the database asks for none.
        values |= {"DATABASE_URL": database_url, "DATABASE_PASSWORD": ""}
    return values


def object_store_values() -> dict[str, str]:
    """Return the values for the object store in deploy/compose.yaml."""
    return {
        "COMPOSE_PROFILES": "object-store",
        "S3_BUCKET": "media",
        "S3_ENDPOINT_URL": "http://objects:7070",
        "S3_ACCESS_KEY_ID": secrets.token_hex(10),
        "S3_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
    }


def render(example: str, values: Mapping[str, str]) -> str:
    """Return the example with the given values. Settings that are only in `values` are added at the end."""
    rest = dict(values)
    lines = list(_rendered(example, rest))
    lines += [f"{name}={quoted(value)}" for name, value in rest.items()]
    return "\n".join(lines) + "\n"


def _rendered(example: str, rest: dict[str, str]) -> Iterator[str]:
    yield "# The settings of this site. The file contains secrets: only its owner may read it."
    for line in example.partition("\n\n")[2].partition(LOCAL_SECTION)[0].rstrip().splitlines():
        found = LINE.fullmatch(line)
        yield f"{found[1]}={quoted(rest.pop(found[1], found[2]))}" if found else line


def quoted(value: str) -> str:
    """Return the value in single quotes if it contains special characters.

    Raises:
        ValueError: it contains a single quote or a line break, which the readers of the file escape differently.
    """
    if PLAIN.fullmatch(value):
        return value
    if "'" in value or "\n" in value:
        raise ValueError("A value must not contain a single quote or a line break.")
    return f"'{value}'"


def write(path: Path, text: str) -> None:
    """Create the file for its owner only. If root runs this, for example in a container, the folder's owner gets it.

    Raises:
        OSError: the file exists, or cannot be created.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    if os.geteuid() == 0:
        folder = path.resolve().parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write the environment file of a new site, with fresh secrets.")
    parser.add_argument("site_url", type=_origin, help="origin of the site, such as https://profiles.example.com")
    default = Path(os.environ.get("ENVIRONMENT_FILE") or "deploy/.env")
    parser.add_argument("file", type=Path, nargs="?", default=default, help="default: deploy/.env")
    parser.add_argument("--database-url", default="", help="URL of the database; DATABASE_PASSWORD is left blank")
    parser.add_argument("--object-store", action="store_true", help="store images in the object store of compose.yaml")
    return parser.parse_args()


def _origin(text: str) -> str:
    if not ORIGIN.fullmatch(text.rstrip("/")):
        raise argparse.ArgumentTypeError(f"{text} is not an origin such as https://profiles.example.com")
    return text.rstrip("/")


def _values_from_clerk() -> dict[str, str]:
    """Return the values from the environment, or ask for them if there is a terminal."""
    values = {name: os.environ.get(name, "").strip() for name in FROM_CLERK}
    if sys.stdin.isatty():
        for name in (name for name in FROM_CLERK if not values[name]):
            values[name] = getpass.getpass(f"{name} from Clerk's dashboard (Enter to add it later): ").strip()
    return values


if __name__ == "__main__":
    main()
