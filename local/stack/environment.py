"""The environment of everything `make run` starts. A variable that is set wins over what is made up here."""

import base64
import binascii
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from config.environment import BASE_DIR
from local.stack.errors import SetupError

DEFAULT_PORT = 8000
APP_HOST, CLERK_HOST = "bw.localhost", "clerk.bw.localhost"
HEADER = "# Made by `make run` on its first start, for this folder only. A variable of the environment wins over its line here.\n"
#: Real secret keys of Clerk are random; ours end in this, so that they can be told apart.
LOCAL_KEY_ENDING = "local"

#: What is made up once and kept, so that sessions, signatures and seals outlive a restart.
GENERATED: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "CLERK_WEBHOOK_SECRET": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
    "CLERK_SECRET_KEY": lambda: f"sk_test_{secrets.token_hex(16)}{LOCAL_KEY_ENDING}",
    "AUDIT_SEAL_KEY": lambda: secrets.token_urlsafe(48),
}


def build(environ: Mapping[str, str], data_dir: Path, port: int) -> dict[str, str]:
    """Return the whole environment for children in local mode, all of it but DATABASE_URL.

    Args:
        environ: the environment `make run` was started with.
        data_dir: the folder of this copy, which exists; local.env is read from it and completed in it.
        port: of the application; the stand-in for Clerk has the next one.

    Raises:
        SetupError: a key of a real Clerk instance is set, or local.env cannot be read.
    """
    given = {name: value for name, value in environ.items() if value.strip()}
    refuse_real_keys(given)
    kept = read_or_generate(data_dir / "local.env", given)
    return {**addresses(data_dir, port), **kept, **given, "LOCAL_MODE": "1", "PORT": str(port)}


def read_data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder that DATA_DIR names, from the folder of the code on; it need not exist."""
    return BASE_DIR / Path(environ.get("DATA_DIR", "").strip() or ".data").expanduser()


def addresses(data_dir: Path, port: int) -> dict[str, str]:
    """Return the variables that follow from the folder and the port. Servers meet on 127.0.0.1, browsers by name."""
    clerk = f"{CLERK_HOST}:{port + 1}"
    return {
        "DATA_DIR": str(data_dir),
        "STATIC_ROOT": str(data_dir / "static"),
        "MEDIA_ROOT": str(data_dir / "media"),
        "EMAIL_URL": f"filemail:///{quote(str(data_dir / 'mail'))}",
        "CLERK_FRONTEND_API_URL": f"http://{clerk}",
        # Clerk's keys name the address of the instance. The stand-in is a development instance.
        "CLERK_PUBLISHABLE_KEY": "pk_test_" + base64.b64encode(f"{clerk}$".encode()).decode(),
        "CLERK_API_URL": f"http://127.0.0.1:{port + 1}",
        "CLERK_AUTHORIZED_PARTIES": f"http://{APP_HOST}:{port},http://127.0.0.1:{port}",
        "LOCALCLERK_PORT": str(port + 1),
        "LOCALCLERK_APP_URL": f"http://{APP_HOST}:{port}",
        "LOCALCLERK_WEBHOOK_URL": f"http://127.0.0.1:{port}/api/webhooks/clerk",
        "PYTHONUNBUFFERED": "1",  # a log shows what happened up to the moment a process died
    }


def refuse_real_keys(environ: Mapping[str, str]) -> None:
    """Keep real people's data out of a mode whose data is made to be thrown away.

    Raises:
        SetupError: a key that is set belongs to a real Clerk instance.
    """
    advice = "belongs to a real Clerk instance, which local mode does not talk to; unset it, also in .env."
    secret_key = environ.get("CLERK_SECRET_KEY", "")
    if secret_key and not (secret_key.startswith("sk_test_") and secret_key.endswith(LOCAL_KEY_ENDING)):
        raise SetupError(f"CLERK_SECRET_KEY {advice}")
    publishable_key = environ.get("CLERK_PUBLISHABLE_KEY", "")
    if publishable_key and not frontend_host(publishable_key).partition(":")[0].endswith(".localhost"):
        raise SetupError(f"CLERK_PUBLISHABLE_KEY {advice}")


def frontend_host(publishable_key: str) -> str:
    """Return the host and port that a development key names in base64, or nothing if it is not such a key."""
    encoded = publishable_key.removeprefix("pk_test_")
    if encoded == publishable_key:
        return ""
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.removesuffix("$")


def read_or_generate(path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return what local.env holds, after adding to it whatever is neither there nor given.

    The file is replaced as a whole and only its owner can read it.
    """
    kept = read(path)
    missing = {name: make() for name, make in GENERATED.items() if name not in kept and name not in given}
    kept |= missing
    if missing or not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(HEADER + "".join(f"{name}={value}\n" for name, value in kept.items()))
        fresh.rename(path)
    path.chmod(0o600)
    return kept


def read(path: Path) -> dict[str, str]:
    """Return the variables of a file of NAME=value lines; comments and blank lines count for nothing."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs if value.strip()}
