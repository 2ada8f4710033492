"""Perform the steps of each guide on a copy of the project, and run the tests there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDES = ROOT / "docs" / "how-to"
#: A step has the file that it changes or creates in its heading, and contains code blocks.
STEP = re.compile(r"^## \d+\. `([^`]+)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(diff|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Tests that each of these changes could break.
ALWAYS = ["tests/test_personal_data.py", "tests/test_migrations.py", "tests/test_import_rules.py"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        if not name.startswith(("docs/screenshots", "static/fonts", "local/demo/images")):
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    return tmp_path


def follow(guide: Path, folder: Path) -> list[str]:
    """Perform the steps, and return the files that they change."""
    files = []
    for name, text in STEP.findall(guide.read_text()):
        files.append(name)
        for kind, block in BLOCK.findall(text):
            if kind == "diff":
                patch(folder / name, block)
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(block)
    return files


def patch(path: Path, diff: str) -> None:
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
    new = "".join(line[1:] or "\n" for line in lines if line[0] != "-")
    content = path.read_text()
    assert content.count(old) == 1, f"{path.name} does not contain, exactly once:\n{old}"
    path.write_text(content.replace(old, new))


def run(folder: Path, *arguments: str) -> None:
    # The copy starts a separate PostgreSQL.
    unset = {"DATABASE_URL": "", "TESTS_STARTED_POSTGRES": "", "PYTEST_XDIST_WORKER": "", "PYTEST_ADDOPTS": ""}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize(
    ("guide", "app", "max_code_files", "tests"),
    (
        (
            "add_a_builder_field.md",
            "profiles",
            7,
            [
                "tests/profiles/pages/test_certificates.py",
                "tests/profiles/api/test_api.py",
                "tests/accounts/test_pages.py",
                "tests/test_ownership.py",
            ],
        ),
        (
            "add_a_clerk_event.md",
            "accounts",
            7,
            [
                "tests/accounts/test_domains.py",
                "tests/accounts/clerk/test_payloads.py",
                "tests/accounts/privacy/test_privacy.py",
                "tests/webhooks/test_views.py",
            ],
        ),
    ),
)
def test_guide_works(copy: Path, guide: str, app: str, max_code_files: int, tests: list[str]) -> None:
    files = follow(GUIDES / guide, copy)
    code = [name for name in files if not name.endswith(".md")]
    assert len(code) + 1 <= max_code_files  # and the migration
    settings = "--settings=tests.settings"
    run(copy, "manage.py", "makemigrations", app, "--name", "from_the_guide", settings)
    run(copy, "manage.py", "makemigrations", "--check", settings)
    python = [name for name in code if name.endswith(".py")]
    run(copy, "-m", "ruff", "check", *python)
    run(copy, "-m", "ruff", "format", "--check", *python)
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ALWAYS, *tests)
