"""The demo people of a first start. They sign up at the stand-in for Clerk and arrive here by its signed webhooks."""

import http.client
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.stack.errors import SetupError

#: Sections of a builder's page, as demo.toml and the addresses of their forms name them.
SECTIONS = ("introduction", "about", "skills", "terms", "links")


@dataclass(frozen=True)
class Person:
    """One of demo.toml.

    Attributes:
        sections: what is typed into the form of each section.
        projects: forms of the portfolio, each with what its picture shows.
        portrait: how to draw it; none if the person brings none.
        team: what the admin says about the person: tier, evidence, badges, and whether to feature.
        client: the form of the client profile.
    """

    first_name: str
    last_name: str
    username: str
    roles: list[str]
    sections: dict[str, dict[str, Any]]
    projects: list[dict[str, Any]] = field(default_factory=list)
    portrait: dict[str, Any] = field(default_factory=dict)
    team: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"

    @property
    def at_clerk(self) -> dict[str, Any]:
        """What Clerk knows of the person."""
        names = {"first_name": self.first_name, "last_name": self.last_name, "username": self.username}
        return {**names, "email": self.email, "roles": self.roles}


def read_people() -> tuple[Person, ...]:
    """Return everybody in demo.toml."""
    rows = tomllib.loads((Path(__file__).parent / "demo.toml").read_text("utf-8"))["people"]
    return tuple(
        Person(
            sections={name: row.pop(name) for name in SECTIONS if name in row},
            **row,
        )
        for row in rows
    )


PEOPLE = read_people()


def invite_people(clerk_port: int, done: Path) -> int:
    """Create each of the demo people who is not in the file `done` yet, and return how many there were.

    Args:
        clerk_port: of the stand-in, which must be answering.
        done: the file that keeps the usernames of those created, so that an interrupted first start goes on.

    Raises:
        SetupError: the stand-in refused one.
    """
    created = done.read_text().split() if done.exists() else []
    missing = [person for person in PEOPLE if person.username not in created]
    for person in missing:
        sign_up(clerk_port, person)
        with done.open("a") as file:
            file.write(f"{person.username}\n")
    return len(missing)


def sign_up(clerk_port: int, person: Person) -> None:
    try:
        status, answer = ask_clerk(clerk_port, "POST", "/local/users", person.at_clerk)
    except OSError as error:
        raise SetupError(f"The stand-in for Clerk could not be asked to create {person.username}: {error}") from None
    if status >= 300:
        raise SetupError(f"The stand-in for Clerk did not create {person.username}: {status} {answer[:200]}")


def ask_clerk(clerk_port: int, method: str, path: str, facts: dict[str, Any] | None = None) -> tuple[int, str]:
    """Use the stand-in's JSON API; return the status and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", clerk_port, timeout=20)
    try:
        connection.request(method, path, json.dumps(facts) if facts else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
