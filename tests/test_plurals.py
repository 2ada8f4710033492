"""Messages with a number have the right form of the noun for one and for many."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from core.english import counted
from tests.test_translations import SOURCES, catalogue_of

NOUNS = (
    *("accounts", "attempts", "audit rows", "badges", "builders", "bytes", "changes", "characters", "checks", "days"),
    *("deletions", "deliveries", "differences", "entries", "events", "failures", "files", "hours", "images", "items"),
    *("jobs", "languages", "lines", "log records", "messages", "minutes", "newer rows", "payloads", "people"),
    *("problems", "profiles", "projects", "pushes", "records", "repairs", "requests", "rows", "seals", "seconds"),
    *("sections", "steps", "synonyms", "times", "users", "weeks", "words"),
)
#: A noun after at most three adjectives, such as "more outdated builder profiles".
AFTER_A_NUMBER = rf"(?:(?!(?:is|does|than|files are) )[a-z-]+ ){{0,3}}(?:{'|'.join(NOUNS)})\b"
#: A number and its noun. Limits and lengths above a limit are excluded, because they are never one.
FORMATTED = re.compile(
    rf"(?:%\((?!limit|length|max_|quiet_hours|retention_days|ours|format)\w+\)[ds]|%d) {AFTER_A_NUMBER}"
)
#: The start of other messages whose number is a constant.
CONSTANT = (
    *("There are already %d synonyms", "A window can be at most %d days", "Enter a time within the last %d days"),
    *("At least %(events)d events and two weeks", "The worker watchdog failed and will retry in %d seconds"),
    *("Nothing was changed. Select at most %d users",),
    *("More than %(number)s events", "More than %(number)s failed or retrying jobs", "audit-checkpoint"),
)
#: The names of functions that select a form.
SELECTING = {"ngettext", "npgettext", "ngettext_lazy", "counted"}


def sources() -> list[Path]:
    folders = [BASE_DIR / name for name in SOURCES if (BASE_DIR / name).is_dir()]
    return [path for folder in folders for path in folder.rglob("*.py") if "migrations" not in path.parts]


def find_uncounted(tree: ast.AST) -> Iterator[str]:
    """Yield the texts in which a variable number precedes a plural noun."""
    selected = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SELECTING
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in selected:
            continue
        if isinstance(node, ast.JoinedStr):
            yield from _uncounted_parts(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from find_in_text(node.value)


def find_in_text(text: str) -> list[str]:
    return [] if text.startswith(CONSTANT) else FORMATTED.findall(text)


def _uncounted_parts(node: ast.JoinedStr) -> Iterator[str]:
    if str(getattr(node.values[0], "value", "")).startswith(CONSTANT):
        return
    for value, text in zip(node.values, node.values[1:], strict=False):
        is_number = isinstance(value, ast.FormattedValue) and not _is_constant(value.value)
        if is_number and isinstance(text, ast.Constant) and re.match(rf" {AFTER_A_NUMBER}", str(text.value)):
            yield ast.unparse(node)


def _is_constant(node: ast.expr) -> bool:
    """Return whether the value is a constant or a limit, which is never one, or has its noun already."""
    name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ast.unparse(node)
    is_constant = name.rpartition(".")[2].isupper() and "settings" not in name
    return name in SELECTING or is_constant or name.endswith("limit")


@pytest.mark.parametrize("folder", SOURCES)
def test_numbers_in_messages_select_the_form_of_the_noun(folder: str) -> None:
    found = {
        f"{path.relative_to(BASE_DIR)}: {text}"
        for path in sources()
        if path.is_relative_to(BASE_DIR / folder)
        for text in find_uncounted(ast.parse(path.read_text()))
    }
    assert not found


def test_interface_strings_with_a_number_have_plural_forms() -> None:
    """Arabic has six forms, so each number that can vary needs them."""
    ids = [message.id for message in catalogue_of("de") if isinstance(message.id, str)]
    assert [text for text in ids if find_in_text(text)] == []


@pytest.mark.parametrize(("number", "expected"), ((0, "0 users"), (1, "1 user"), (2, "2 users"), (1200, "1,200 users")))
def test_noun_agrees_with_its_number(number: int, expected: str) -> None:
    assert counted(number, "user") == expected


def test_irregular_plural_can_be_given() -> None:
    assert [counted(number, "delivery", "deliveries") for number in (1, 2)] == ["1 delivery", "2 deliveries"]
