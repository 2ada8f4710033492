"""The demo people of a first start. They sign up at the stand-in for Clerk and arrive here by its signed webhooks."""

import http.client
import json
from pathlib import Path
from typing import NamedTuple

from config.local.errors import SetupError


class Person(NamedTuple):
    first_name: str
    last_name: str
    username: str
    roles: tuple[str, ...]

    @property
    def email(self) -> str:
        return f"{self.username}@example.com"


PEOPLE = (
    Person("Zofia", "Wąsowska-Łęcka", "zofia", ("BUILDER",)),
    Person("Omar", "Haddad", "omar", ("BUILDER", "CLIENT")),
    Person("美咲", "高橋", "misaki", ("BUILDER",)),
    Person("ليلى", "منصور", "layla", ("BUILDER",)),
    Person("Grace", "O’Sullivan", "grace", ("CLIENT",)),
    Person("Ngozi", "Adébáyọ̀", "ngozi", ("ADMIN",)),
)


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
    connection = http.client.HTTPConnection("127.0.0.1", clerk_port, timeout=20)
    body = json.dumps({**person._asdict(), "email": person.email})
    try:
        connection.request("POST", "/local/users", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
    except OSError as error:
        raise SetupError(f"The stand-in for Clerk could not be asked to create {person.username}: {error}") from None
    finally:
        connection.close()
    if response.status >= 300:
        raise SetupError(f"The stand-in for Clerk did not create {person.username}: {response.status} {answer[:200]}")
