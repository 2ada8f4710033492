"""Check that the commands, options, make targets and links in the documentation exist."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

FOLDER = Path(__file__).resolve().parent.parent
PAGES = [FOLDER / "README.md", *sorted((FOLDER / "docs").rglob("*.md"))]
#: A management command with its arguments on the same line.
COMMAND = re.compile(r"(?:manage\.py |make manage ARGS=\")([a-z_]+)([^`#\"\n]*)")
TARGET = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
OPTION = re.compile(r"--[a-z][a-z-]*")
TEST_FILE = re.compile(r"`(tests/[\w/]+\.py)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(FOLDER)))
def test_commands_and_their_options_exist(page: Path) -> None:
    known = get_commands()
    for name, rest in COMMAND.findall(page.read_text()):
        assert name in known, name
        options = load_command_class(known[name], name).create_parser("manage.py", name)._option_string_actions
        for option in OPTION.findall(rest):
            assert option in options, f"manage.py {name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(FOLDER)))
def test_make_targets_exist(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (FOLDER / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(FOLDER)))
def test_link_targets_exist(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(FOLDER)))
def test_named_test_files_exist(page: Path) -> None:
    if "how-to" not in page.parts:  # The guides create files.
        for name in TEST_FILE.findall(page.read_text()):
            assert (FOLDER / name).exists(), name


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(page.read_text())}
