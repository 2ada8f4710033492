"""The catalogues in locale/ are complete, correct, compiled and up to date."""

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management import call_command

from config.environment import BASE_DIR

#: The languages with a catalogue, and their number of plural forms.
LANGUAGES = {"de": 2, "ar": 6}
HINT = "Run make messages. See docs/translating.md."
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sdifr%]|\{\w*\}")
#: A marked string in Python code.
MARKED = re.compile(r"^[^#\n]*\b(?:_|gettext|gettext_lazy)\(\s*\"", re.MULTILINE)
TAG = re.compile(r"<[^>]+>")
#: Folders with strings, and what they must not contain.
SOURCES = ("accounts", "audit", "config", "core", "profiles", "templates", "webhooks")
every_language = pytest.mark.parametrize("language", LANGUAGES)


def path_of(language: str, suffix: str, root: Path = BASE_DIR) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / f"django.{suffix}"


def catalogue_of(language: str, root: Path = BASE_DIR) -> Catalog:
    with path_of(language, "po", root).open("rb") as file:
        return read_po(file, locale=language)


def translations(catalogue: Catalog) -> dict[Any, Any]:
    return {
        (message.context, *_forms(message.id)): _forms(message.string)
        for message in catalogue
        if message.id and any(_forms(message.string))
    }


def _forms(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def problems(message: Message, forms: int) -> list[str]:
    """Return the differences between a translation and its English text that would break a page."""
    texts, given = _forms(message.id), _forms(message.string)
    if message.fuzzy or not all(given):
        return ["It is not translated."]
    if len(given) != (forms if len(texts) > 1 else 1):
        return ["It has the wrong number of plural forms."]
    return [problem for number, form in enumerate(given) for problem in _problems_of_form(form, texts, number, forms)]


def _problems_of_form(form: str, texts: tuple[str, ...], number: int, forms: int) -> list[str]:
    found = []
    placeholders = [Counter(PLACEHOLDER.findall(text)) for text in texts]
    if len(texts) > 1 and number < min(3, forms - 1):  # This form is for 0, 1 or 2, so it may omit a named number.
        placeholders += [all_of - Counter([name]) for all_of in placeholders for name in all_of if name[1] == "("]
    if Counter(PLACEHOLDER.findall(form)) not in placeholders:
        found.append(f"Its placeholders differ: {form}")
    if TAG.findall(form) not in [TAG.findall(text) for text in texts]:
        found.append(f"Its tags or their order differ: {form}")
    if (form[0].isspace(), form[-1].isspace()) != (texts[0][0].isspace(), texts[0][-1].isspace()):
        found.append(f"Its spaces at the start or end differ: {form}")
    return found


def test_every_language_has_a_catalogue() -> None:
    assert [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE] == list(LANGUAGES)


@every_language
def test_every_string_is_translated_without_mistakes(language: str) -> None:
    catalogue = catalogue_of(language)
    assert catalogue.num_plurals == LANGUAGES[language]
    assert not catalogue.obsolete
    found = {str(message.id): problems(message, LANGUAGES[language]) for message in catalogue if message.id}
    assert {text: wrong for text, wrong in found.items() if wrong} == {}


@every_language
def test_catalogue_is_compiled(language: str) -> None:
    with path_of(language, "mo").open("rb") as file:
        assert translations(read_mo(file)) == translations(catalogue_of(language)), HINT


@pytest.fixture
def extracted_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Extract the strings into a copy of the catalogues, and return its folder."""
    if not shutil.which("xgettext"):
        pytest.skip("gettext is not installed")
    for folder in (*SOURCES, "locale"):
        shutil.copytree(BASE_DIR / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "LOCALE_PATHS", [tmp_path / "locale"])
    call_command("makemessages", verbosity=0)
    return tmp_path


def test_strings_of_every_module_are_extracted(extracted_to: Path) -> None:
    modules = [path for folder in SOURCES for path in BASE_DIR.joinpath(folder).rglob("*.py")]
    expected = {str(path.relative_to(BASE_DIR)) for path in modules if MARKED.search(path.read_text("utf-8"))}
    assert expected - {file for message in catalogue_of("de", extracted_to) for file, _ in message.locations} == set()


def test_catalogues_contain_every_string_in_the_code(extracted_to: Path) -> None:
    """Compare the strings. Line breaks differ between versions of gettext."""
    for language in LANGUAGES:
        extracted, stored = (_ids(catalogue_of(language, root)) for root in (extracted_to, BASE_DIR))
        assert extracted - stored == set(), f"These strings are not in the catalogue. {HINT}"
        assert stored - extracted == set(), f"These strings are no longer in the code. {HINT}"


def _ids(catalogue: Catalog) -> set[Any]:
    return {(message.context, message.id) for message in catalogue if message.id}


@pytest.mark.parametrize(
    ("text", "translation"),
    (
        ("Hello %(name)s", "Hallo"),
        ("Hello %(name)s", "Hallo %(Name)s"),
        ("%d of them", "Davon"),
        ("100%% of %(all)s", "100 % von %(all)s"),
        ("Moved to {place}.", "Verschoben nach {ort}."),
        ("A <b>bold</b> word", "Ein <b>fettes Wort"),
        ("A <b>bold</b> word", "Ein </b>fettes<b> Wort"),
        ('<a href="%(url)s">Open</a>', '<a href="https://evil.example/">%(url)s</a>'),
        ("Reason: ", "Grund:"),
        ("Save", ""),
        (("%d event", "%d events"), ("%d Ereignis", "")),
        (("%d event", "%d events"), ("%d Ereignis", "Ereignisse")),
        (("%d event", "%d events"), ("Ein Ereignis", "%d Ereignisse")),
        (("%(n)d day", "%(n)d days"), ("%(n)d Tag", "Tage")),
        (("%d event", "%d events"), ("%d Ereignisse",)),
    ),
)
def test_broken_translation_is_found(text: Any, translation: Any) -> None:
    assert problems(Message(text, translation), forms=2)


@pytest.mark.parametrize(
    ("text", "translation"),
    (
        ("%(a)s and %(b)s", "%(b)s und %(a)s"),
        ("A <b>bold</b> word", "Ein <b>fettes</b> Wort"),
        (("One event", "%d events"), ("Ein Ereignis", "%d Ereignisse")),
        (("%(n)d day", "%(n)d days"), ("ein Tag", "%(n)d Tage")),
    ),
)
def test_correct_translation_is_accepted(text: Any, translation: Any) -> None:
    assert problems(Message(text, translation), forms=2) == []
