"""Every step of a runbook links to the page where it is done, and a test follows the step."""

import ast
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from babel.messages.pofile import read_po
from django.test import Client

from config.environment import BASE_DIR
from tests.journeys.troubles import TROUBLES
from tests.webhooks.runbooks.steps import RUNBOOKS, elements, links_of, page, read_runbook, read_steps, text_of
from webhooks.models import Alert
from webhooks.monitoring import runbooks

pytestmark = pytest.mark.django_db

NAMES = sorted(path.stem for path in runbooks.FOLDER.glob("*.md"))
JOURNEYS = "tests/journeys/alarms.py"
#: Other sites on which operators do steps.
OTHER_SITES = {"dashboard.clerk.com", "status.clerk.com", "status.svix.com", "time.is"}
#: "Step 1", "Steps 1 and 2", "Steps 1, 2 and 3" and "Steps 1 to 5".
STEPS = re.compile(r"[Ss]teps? (\d+(?:(?:, | and | to )\d+)*)")
#: Emphasised words that are not from the interface.
OTHER_WORDS = {"ignored"}
every_runbook = pytest.mark.parametrize("name", NAMES)


def source_of(name: str) -> str:
    return (runbooks.FOLDER / f"{name}.md").read_text()


def called_steps(tree: ast.AST) -> set[tuple[str, int]]:
    """Return the arguments of all calls of the fixture `step`."""
    return {
        tuple(ast.literal_eval(argument) for argument in node.args)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step"
    }


def followed_steps() -> set[tuple[str, int]]:
    files = Path(__file__).parent.glob("test_*.py")
    return {found for path in files for found in called_steps(ast.parse(path.read_text()))}


def interface_strings() -> set[str]:
    with (BASE_DIR / "locale/de/LC_MESSAGES/django.po").open("rb") as file:
        ids = [message.id for message in read_po(file)]
    return {text for found in ids for text in ([found] if isinstance(found, str) else found)}


@every_runbook
def test_every_step_is_followed_by_a_test(admin: Client, name: str) -> None:
    numbers = range(1, len(read_steps(admin, name)) + 1)
    assert {number for runbook, number in followed_steps() if runbook == name} == set(numbers)


@every_runbook
def test_every_step_links_to_its_page(admin: Client, name: str) -> None:
    for number, step in enumerate(read_steps(admin, name), 1):
        assert step.links, f"Step {number} of docs/runbooks/{name}.md has no link."


@every_runbook
def test_links_open(admin: Client, name: str) -> None:
    for url in set(links_of(read_runbook(admin, name), f"{RUNBOOKS}{name}/").values()):
        if url.startswith("/"):
            assert "There is no filter" not in page(admin, url)
        else:
            assert urlsplit(url).hostname in OTHER_SITES, url


@every_runbook
def test_mentioned_steps_exist(admin: Client, name: str) -> None:
    mentioned = {int(number) for found in STEPS.findall(source_of(name)) for number in re.findall(r"\d+", found)}
    assert mentioned <= set(range(1, len(read_steps(admin, name)) + 1))


@every_runbook
def test_runbook_starts_from_what_the_screen_shows(admin: Client, name: str) -> None:
    """A table maps the words of the interface to steps."""
    assert any(element.name == "table" for element in elements(read_runbook(admin, name)))
    text = source_of(name)
    assert text.index("**What it means.**") < text.index("**Look first**") < text.index("**What to do.**")
    assert text.index("**What to do.**") < text.index("**Escalate**") < text.index("**The alert resolves**")


@every_runbook
def test_emphasised_words_are_those_of_the_interface(admin: Client, name: str) -> None:
    emphasised = {text_of(found) for found in elements(read_runbook(admin, name)) if found.name == "em"}
    assert emphasised - OTHER_WORDS <= interface_strings()


@every_runbook
def test_words_for_actions_and_states(name: str) -> None:
    assert not re.findall(r"\b(?:[Pp]ress|abandon\w*|exhausted retries|retries are left)\b", source_of(name))


@pytest.mark.parametrize("rule", Alert.Rule.values)
def test_every_alert_rule_has_a_runbook(rule: str) -> None:
    assert rule in NAMES


@pytest.mark.parametrize("name", sorted(TROUBLES))
def test_make_alarms_covers_every_problem(name: str) -> None:
    functions = [
        node for node in ast.walk(ast.parse((BASE_DIR / JOURNEYS).read_text())) if isinstance(node, ast.FunctionDef)
    ]
    assert any(f"'{name}'" in ast.unparse(node) for node in functions if node.name.startswith("test_"))
