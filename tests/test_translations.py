"""The catalogues in locale/ are compiled."""

from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings

from config.environment import BASE_DIR

#: The languages with a catalogue.
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
HINT = "Run make messages."


def source(language: str) -> Catalog:
    with (BASE_DIR / "locale" / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def compiled(language: str) -> Catalog:
    with (BASE_DIR / "locale" / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        return read_mo(file)


def translations(catalogue: Catalog) -> dict[Any, Any]:
    return {
        (message.context, forms(message.id)): forms(message.string)
        for message in catalogue
        if message.id and message.string and any(message.string)
    }


def forms(text: Any) -> Any:
    """Return plural forms as a tuple, because Babel reads them from a compiled catalogue as a list."""
    return tuple(text) if isinstance(text, list) else text


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_is_compiled(language: str) -> None:
    assert translations(compiled(language)) == translations(source(language)), HINT
