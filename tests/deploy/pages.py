"""Read the commands in README.md and docs/deploy."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from config.environment import BASE_DIR

FOLDER = BASE_DIR / "docs" / "deploy"
PAGES = [BASE_DIR / "README.md", *sorted(FOLDER.glob("*.md"))]
BLOCK = re.compile(r"^ *```(sh|sql|)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text()) if found == kind]


def lines(page: Path) -> list[str]:
    return [line.strip() for text in blocks(page, "sh") for line in text.splitlines() if line.strip()]


def commands(page: Path) -> list[list[str]]:
    return [shlex.split(line) for line in lines(page)]


def documented(page: str, text: str) -> str:
    """Return the only command in a page of docs/deploy that contains a text."""
    [line] = {line for line in lines(FOLDER / f"{page}.md") if text in line}
    return line


def shell(line: str, folder: Path, **environ: str) -> str:
    """Run a line of a page in the checkout, and return its output."""
    command = ["/bin/sh", "-ec", line]
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(folder)} | environ
    done = subprocess.run(
        command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
