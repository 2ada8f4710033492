"""What the manuals tell people to type is there to be typed."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

FOLDER = Path(__file__).resolve().parent.parent
PAGES = [FOLDER / "README.md", *sorted((FOLDER / "docs").rglob("*.md"))]
#: A command as far as it stands on one line and in one piece of code.
COMMAND = re.compile(r"manage\.py ([a-z_]+)([^`#\n]*)")
OPTION = re.compile(r"--[a-z][a-z-]*")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(FOLDER)))
def test_commands_and_their_options_exist(page: Path) -> None:
    known = get_commands()
    for name, rest in COMMAND.findall(page.read_text()):
        assert name in known, name
        options = load_command_class(known[name], name).create_parser("manage.py", name)._option_string_actions
        for option in OPTION.findall(rest):
            assert option in options, f"manage.py {name} {option}"
