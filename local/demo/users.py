"""Create the demo users at the first start. They sign up at the stand-in for Clerk, which sends webhooks to the
product."""

import http.client
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.errors import SetupError

FOLDER = Path(__file__).parent
#: Sections of a builder's page, named as in demo.toml and in the URLs of their forms.
SECTIONS = ("introduction", "about", "skills", "terms", "links")


@dataclass(frozen=True)
class DemoUser:
    """A user in demo.toml.

    Attributes:
        sections: form data of each section of the builder's page.
        projects: form data of each portfolio project; `image` is a file in the folder `images`, and `more` contains
            further images with their descriptions.
        portrait: a file in the folder `images`, or "" for no portrait.
        team: the admin's assessment of the builder: tier, evidence, badges, and whether to feature the builder.
        client: form data of the client profile.
    """

    first_name: str
    last_name: str
    username: str
    roles: list[str]
    sections: dict[str, dict[str, Any]]
    projects: list[dict[str, Any]] = field(default_factory=list)
    portrait: str = ""
    team: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"

    @property
    def sign_up_data(self) -> dict[str, Any]:
        names = {"first_name": self.first_name, "last_name": self.last_name, "username": self.username}
        return {**names, "email": self.email, "roles": self.roles}


def read_users() -> tuple[DemoUser, ...]:
    rows = tomllib.loads((FOLDER / "demo.toml").read_text("utf-8"))["users"]
    return tuple(
        DemoUser(
            sections={name: row.pop(name) for name in SECTIONS if name in row},
            **row,
        )
        for row in rows
    )


DEMO_USERS = read_users()


def read_image(name: str) -> bytes:
    return (FOLDER / "images" / name).read_bytes()


def sign_up_missing(clerk_port: int, progress: Path) -> int:
    """Sign up the demo users that are not listed in `progress`, and return their number.

    Args:
        clerk_port: the port of the stand-in, which must be running.
        progress: a file with the usernames that have signed up, so that an interrupted first start can continue.

    Raises:
        SetupError: the stand-in rejected a user.
    """
    created = progress.read_text().split() if progress.exists() else []
    missing = [user for user in DEMO_USERS if user.username not in created]
    for user in missing:
        sign_up(clerk_port, user)
        with progress.open("a") as file:
            file.write(f"{user.username}\n")
    return len(missing)


def sign_up(clerk_port: int, user: DemoUser) -> None:
    try:
        status, body = call_stand_in(clerk_port, "POST", "/local/users", user.sign_up_data)
    except OSError as error:
        raise SetupError(f"The stand-in for Clerk cannot be reached to create {user.username}: {error}") from None
    if status >= 300:
        raise SetupError(f"The stand-in for Clerk did not create {user.username}: {status} {body[:200]}")


def call_stand_in(clerk_port: int, method: str, path: str, data: dict[str, Any] | None = None) -> tuple[int, str]:
    """Call the stand-in's JSON API, and return the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", clerk_port, timeout=20)
    try:
        connection.request(method, path, json.dumps(data) if data else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
